//! At its limit a server refuses the least important first, and goes on with the rest.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use mesh::{
    CallerRates, Client, ClientSettings, Context, Criticality, Lifecycle, Limits, Rate,
    ServerSettings, reason_of, retry_after_of,
};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::probe::{CALL, Probe, World, ask, ask_with, open};

// A network within the process needs no time; its tasks need a few turns.
const A_MOMENT: Duration = Duration::from_millis(1);

/// A server with a few places, whose handlers say that they have begun and then wait.
struct Busy {
    client: Client,
    begun: UnboundedReceiver<()>,
    go: Arc<Semaphore>,
}

async fn busy(world: &World, limits: Limits) -> Busy {
    let (told, begun) = unbounded_channel();
    let go = Arc::new(Semaphore::new(0));
    let wait = go.clone();
    let probe = Probe::new(move |text| {
        let (told, wait) = (told.clone(), wait.clone());
        async move {
            told.send(()).unwrap();
            wait.acquire().await.unwrap().forget();
            Ok(text)
        }
    });
    let settings = ServerSettings {
        limits,
        ..ServerSettings::new("probe")
    };
    let server = world.server(settings, &Lifecycle::new()).add(probe);
    let (address, _ended) = world.listen(server).await;
    Busy {
        client: world.client(&address),
        begun,
        go,
    }
}

type Asked = JoinHandle<Result<String, Status>>;

impl Busy {
    fn ask(&self, criticality: Criticality) -> Asked {
        let client = self.client.clone();
        let context = Context::background(Duration::from_secs(5)).with_criticality(criticality);
        tokio::spawn(context.scope(async move { ask(&client, "done").await }))
    }

    /// Calls that are being worked on.
    async fn hold(&mut self, count: usize, criticality: Criticality) -> Vec<Asked> {
        let mut held = Vec::new();
        for _ in 0..count {
            held.push(self.ask(criticality));
            self.begun.recv().await.unwrap();
        }
        held
    }

    async fn refused(&self, criticality: Criticality) {
        let status = self.ask(criticality).await.unwrap().unwrap_err();
        assert_overloaded(&status);
    }
}

fn limits(in_flight: usize) -> Limits {
    Limits {
        in_flight,
        queue: 1,
        ..Limits::default()
    }
}

fn assert_overloaded(status: &Status) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(reason_of(status).as_deref(), Some("OVERLOADED"));
    assert!(retry_after_of(status).unwrap() > Duration::ZERO);
    assert!(status.metadata().contains_key("grpc-retry-pushback-ms"));
}

#[tokio::test(start_paused = true)]
async fn the_least_important_goes_first_and_critical_calls_keep_flowing() {
    let mut busy = busy(&World::memory(), limits(10)).await;
    let mut held = busy.hold(7, Criticality::Sheddable).await;
    busy.refused(Criticality::Sheddable).await;
    held.extend(busy.hold(2, Criticality::Default).await);
    busy.refused(Criticality::Default).await;
    held.extend(busy.hold(1, Criticality::Critical).await);

    // All is taken: one more waits its turn, and no other does.
    let late = busy.ask(Criticality::Critical);
    tokio::time::sleep(A_MOMENT).await;
    busy.refused(Criticality::Critical).await;
    busy.go.add_permits(11);
    held.push(late);
    for answer in join_all(held).await {
        assert_eq!(answer.unwrap().unwrap(), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_held_until_the_answer_has_ended() {
    let busy = busy(&World::memory(), limits(1)).await;
    busy.go.add_permits(1);
    let mut stream = open(&busy.client, Duration::from_secs(9)).await.unwrap();
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("one"));
    busy.refused(Criticality::Default).await;
    drop(stream);
    tokio::time::sleep(A_MOMENT).await;
    let answer = busy.ask(Criticality::Default).await.unwrap();
    assert_eq!(answer.unwrap(), "done");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_gives_its_place_back() {
    let mut busy = busy(&World::memory(), limits(1)).await;
    let held = busy.hold(1, Criticality::Default).await;
    busy.refused(Criticality::Default).await;
    for call in held {
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
    tokio::time::sleep(A_MOMENT).await;
    busy.go.add_permits(1);
    let answer = busy.ask(Criticality::Default).await.unwrap();
    assert_eq!(answer.unwrap(), "done");
}

#[tokio::test(start_paused = true)]
async fn health_is_answered_and_takes_no_place() {
    let mut busy = busy(&World::memory(), limits(1)).await;
    let mut health = HealthClient::new(busy.client.clone());
    let _watch = health.watch(HealthCheckRequest::default()).await.unwrap();
    let _held = busy.hold(1, Criticality::Default).await;
    busy.refused(Criticality::Default).await;
    health.check(HealthCheckRequest::default()).await.unwrap();
}

#[tokio::test]
async fn in_normal_life_nothing_is_refused() {
    for world in World::both() {
        let (address, ..) = world.serve(Probe::echo()).await;
        let client = world.client(&address);
        for _ in 0..3 {
            let answers = join_all((0..300).map(|_| ask(&client, "x"))).await;
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        }
    }
}

#[tokio::test]
async fn the_next_hop_is_told_how_important_a_call_is() {
    let world = World::memory();
    let told = async |_| Ok(Context::current().criticality().name().to_owned());
    let (far, ..) = world.serve(Probe::new(told)).await;
    let far = world.client(&far);
    let near = Probe::new(move |_| {
        let far = far.clone();
        async move { ask(&far, "x").await }
    });
    let (near, ..) = world.serve(near).await;
    let near = world.client(&near);
    assert_eq!(ask(&near, "x").await.unwrap(), "default");
    let mut request = Request::new(String::new());
    let said = "critical".parse().unwrap();
    request.metadata_mut().insert("x-criticality", said);
    assert_eq!(ask_with(&near, CALL, request).await.unwrap(), "critical");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_asks_too_often_is_told_when_to_come_back() {
    let world = World::memory();
    let rate = Rate {
        per_second: 10.try_into().unwrap(),
        burst: 2.try_into().unwrap(),
    };
    let settings = ServerSettings {
        rates: CallerRates {
            callers: [("test".to_owned(), rate)].into(),
            others: None,
        },
        ..ServerSettings::new("probe")
    };
    let server = world.server(settings, &Lifecycle::new()).add(Probe::echo());
    let (address, _ended) = world.listen(server).await;
    let client = world.client(&address);
    for _ in 0..2 {
        ask(&client, "x").await.unwrap();
    }
    let status = ask(&client, "x").await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason_of(&status).as_deref(), Some("RATE_LIMITED"));
    let other = ClientSettings::new("other", address);
    let other = Client::new(other, world.net.clone(), world.policies.clone()).unwrap();
    ask(&other, "x").await.unwrap();
    tokio::time::advance(retry_after_of(&status).unwrap()).await;
    ask(&client, "x").await.unwrap();
}
