//! The client's host: callers who want all kinds of things, and sometimes go away.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use mesh::{BulkheadLimits, Client, ClientSettings, Context, Directory, Explain, reason_of};
use seam::SeededIds;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::plan::Dice;
use crate::server::{GET, ONCE, WATCH, parts};
use crate::world::{Call, End, Kind, Names, World, now};

/// How many call at once.
const CALLERS: usize = 8;
/// How many calls each makes at once when all is well again.
const RUSH: usize = 6;
const RUSH_EVERY: Duration = Duration::from_secs(3);
/// As many places as a client has for calls of one method: all are needed in the end.
const PLACES: usize = CALLERS * RUSH;

// A dead connection is found out by pings: 10 s, and 3 s for the answer.
const GONE_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Calls until all is over, then leaves nothing behind.
pub(crate) async fn run(world: Arc<World>) -> turmoil::Result {
    let before = Handle::current().metrics().num_alive_tasks();
    let directory = Directory::default();
    let client = client(&world, &directory)?;
    let callers = (0..CALLERS).map(|number| {
        let caller = Caller::new(&world, &client, number);
        tokio::spawn(caller.call_and_call())
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await?;
    }
    let mut caller = Caller::new(&world, &client, CALLERS);
    for kind in [Kind::Get, Kind::Once, Kind::Watch] {
        caller.rush(kind, PLACES).await;
    }
    taken(&world, &directory);
    drop((caller, client));
    gone(&world, before).await;
    Ok(())
}

/// Waits for the end of what the client's tasks and connections were.
async fn gone(world: &World, before: usize) {
    let begun = Instant::now();
    loop {
        let tasks = Handle::current().metrics().num_alive_tasks() - before;
        let connections = turmoil::established_tcp_stream_count();
        let connections = connections - world.failed_dials.load(Ordering::Relaxed);
        if (tasks, connections) == (0, 0) {
            return;
        }
        if begun.elapsed() > GONE_WITHIN {
            let left = format!("{tasks} tasks and {connections} connections of the client");
            return world.state().left.push(left);
        }
        sleep(LOOK_EVERY).await;
    }
}

fn client(world: &Arc<World>, directory: &Directory) -> Result<Client, mesh::TargetError> {
    let settings = ClientSettings {
        resolver: Arc::new(Names(world.clone())),
        refresh: Duration::from_secs(2),
        bulkhead: BulkheadLimits {
            at_once: PLACES,
            waiting: 0,
        },
        ids: Arc::new(SeededIds::new(world.plan.seed)),
        // Whatever the machine is like.
        connections: 4,
        directory: directory.clone(),
        ..ClientSettings::new("caller", "dns:///servers.test:80")
    };
    Client::new(settings, world.net.clone(), world.policies.clone())
}

/// What the client still holds when nobody calls.
fn taken(world: &World, directory: &Directory) {
    let told = Explain::new(directory.clone(), world.policies.clone()).tell(&[]);
    let mut left = Vec::new();
    for peer in told.peers {
        for endpoint in peer.endpoints {
            let streams = endpoint.connections.iter().map(|line| line.streams);
            let held = (endpoint.pending, streams.sum::<u32>());
            if held != (0, 0) {
                left.push(format!(
                    "{held:?} calls and streams to {}",
                    endpoint.address
                ));
            }
        }
        if peer.waiting > 0 {
            left.push(format!("{} calls that wait", peer.waiting));
        }
    }
    world.state().left.extend(left);
}

struct Caller {
    world: Arc<World>,
    client: Client,
    dice: Dice,
    ids: SeededIds,
    next: u64,
}

/// What is to be called, and when its caller leaves.
struct Wish {
    id: u64,
    kind: Kind,
    time: Duration,
    leaves: Duration,
    context: Context,
}

impl Caller {
    fn new(world: &Arc<World>, client: &Client, number: usize) -> Self {
        let number = number as u64;
        let seed = world.plan.seed;
        Self {
            world: world.clone(),
            client: client.clone(),
            dice: Dice::new(seed, 100 + number),
            ids: SeededIds::new(seed ^ number),
            next: number * 1_000_000,
        }
    }

    async fn call_and_call(mut self) {
        // Before anything is connected.
        self.rush(Kind::Get, RUSH).await;
        loop {
            let (over, healed) = {
                let state = self.world.state();
                (state.over, state.healed)
            };
            if over {
                return;
            }
            if healed {
                self.rush(Kind::Get, RUSH).await;
                sleep(RUSH_EVERY).await;
                continue;
            }
            sleep(self.dice.millis(30, 170)).await;
            let kind = match self.dice.below(10) {
                0..6 => Kind::Get,
                6..8 => Kind::Once,
                _ => Kind::Watch,
            };
            let leaves = self.dice.one_in(10).then(|| self.dice.millis(1, 60));
            let wish = self.wish(kind, leaves.unwrap_or(Duration::MAX));
            self.call(wish).await;
        }
    }

    async fn rush(&mut self, kind: Kind, count: usize) {
        let wishes: Vec<_> = (0..count).map(|_| self.wish(kind, Duration::MAX)).collect();
        join_all(wishes.into_iter().map(|wish| self.call(wish))).await;
    }

    fn wish(&mut self, kind: Kind, leaves: Duration) -> Wish {
        self.next += 1;
        let least = if self.world.plan.gentle { 900 } else { 250 };
        let time = self.dice.millis(least, 3_000);
        Wish {
            id: self.next,
            kind,
            time,
            leaves,
            context: Context::background_with(time, &self.ids),
        }
    }

    async fn call(&self, wish: Wish) {
        let (id, kind, diary) = (wish.id, wish.kind, &self.world.diary);
        diary.note(format_args!("call {id} {kind:?} within {:?}", wish.time));
        let (began, start) = (now(), Instant::now());
        let mut request = Request::new(id.to_string());
        request.set_timeout(wish.time);
        let asked = wish.context.scope(ask(&self.client, kind, (id, request)));
        let end = match timeout(wish.leaves, asked).await {
            Ok(Ok(text)) => End::Answered(text),
            Ok(Err(status)) => End::Failed(status.code(), told(&status)),
            Err(_) => End::GivenUp,
        };
        let took = start.elapsed();
        diary.note(format_args!("call {id} ended after {took:?}: {end:?}"));
        self.world.state().calls.push(Call {
            id,
            kind,
            began,
            ended: now(),
            timeout: wish.time,
            end,
        });
    }
}

fn told(status: &Status) -> String {
    let reason = reason_of(status).unwrap_or_default();
    format!("{reason}: {}", status.message())
}

async fn ask(
    client: &Client,
    kind: Kind,
    (id, request): (u64, Request<String>),
) -> Result<String, Status> {
    let mut grpc = tonic::client::Grpc::new(client.clone());
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<String, String>::default();
    let path = PathAndQuery::from_static(match kind {
        Kind::Get => GET,
        Kind::Once => ONCE,
        Kind::Watch => WATCH,
    });
    if kind != Kind::Watch {
        let answer = grpc.unary(request, path, codec).await;
        return answer.map(tonic::Response::into_inner);
    }
    let answer = grpc.server_streaming(request, path, codec).await?;
    let mut messages = answer.into_inner();
    let mut expected = parts(id).map(|part| format!("{id}/{part}"));
    let mut heard = 0;
    while let Some(message) = messages.message().await? {
        assert_eq!(Some(message), expected.next());
        heard += 1;
    }
    assert_eq!(
        expected.next(),
        None,
        "{id} ended well after {heard} messages"
    );
    Ok(id.to_string())
}
