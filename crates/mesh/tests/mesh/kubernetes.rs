//! A client that finds its servers through a cluster's API.

use std::collections::BTreeSet;
use std::time::Duration;

use mesh::{Client, ClientSettings};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::cluster::{FakeApi, Mood, acceptor, lists};
use crate::fleet::{SECOND, millis, settings};
use crate::numbered::Numbered;
use crate::probe::{ask, ask_within};

const MINUTE: Duration = Duration::from_mins(1);

/// Three servers, and an API that knows the first two.
struct Town {
    servers: Numbered,
    api: FakeApi,
    client: Client,
}

impl Town {
    async fn start() -> Self {
        let servers = Numbered::start(3).await;
        let api = FakeApi::start(&*servers.net).await;
        api.put("trade-a", &[(1, ready()), (2, ready())]);
        let client = client(&servers, &api, "kubernetes:///trade.pay:grpc");
        Self {
            servers,
            api,
            client,
        }
    }

    async fn called(&self) -> BTreeSet<usize> {
        self.servers.called(&self.client).await
    }
}

fn client(servers: &Numbered, api: &FakeApi, target: &str) -> Client {
    servers.client(ClientSettings {
        cluster: api.cluster(),
        ..settings(target)
    })
}

fn ready() -> Value {
    json!({ "ready": true, "serving": true, "terminating": false })
}

fn starting() -> Value {
    json!({ "ready": false, "serving": false, "terminating": false })
}

fn leaving() -> Value {
    json!({ "ready": false, "serving": true, "terminating": true })
}

#[tokio::test(start_paused = true)]
async fn the_ready_pods_are_called_and_every_change_is_seen_at_once() {
    let town = Town::start().await;
    assert_eq!(town.called().await, BTreeSet::from([1, 2]));
    town.api.put("trade-b", &[(3, starting())]);
    sleep(millis(100)).await;
    assert_eq!(town.called().await, BTreeSet::from([1, 2]));
    town.api.put("trade-b", &[(3, ready())]);
    sleep(millis(100)).await;
    assert_eq!(town.called().await, BTreeSet::from([1, 2, 3]));
    town.api.put("trade-a", &[(1, leaving()), (2, ready())]);
    sleep(millis(100)).await;
    assert_eq!(town.called().await, BTreeSet::from([2, 3]));
    town.api.delete("trade-a");
    sleep(millis(100)).await;
    assert_eq!(town.called().await, BTreeSet::from([3]));
    // One list, and one watch that told all of it.
    assert_eq!(town.api.asked(), ["list", "watch 101"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_without_a_namespace_is_in_the_pods_own() {
    let town = Town::start().await;
    let other = client(&town.servers, &town.api, "kubernetes:///trade:50051");
    assert_eq!(town.servers.called(&other).await, BTreeSet::from([1, 2]));
}

#[tokio::test(start_paused = true)]
async fn when_nobody_is_ready_who_still_serves_is_called_and_nobody_is_forgotten() {
    let town = Town::start().await;
    assert_eq!(town.called().await, BTreeSet::from([1, 2]));
    town.api.put("trade-a", &[(1, starting()), (2, leaving())]);
    sleep(millis(100)).await;
    assert_eq!(town.called().await, BTreeSet::from([2]));
    // Not one is left: it may be a moment's doing, and what was known is better than nothing.
    town.api.put("trade-a", &[(1, starting())]);
    sleep(millis(100)).await;
    assert_eq!(town.called().await, BTreeSet::from([2]));
    town.api.delete("trade-a");
    sleep(millis(100)).await;
    assert_eq!(town.called().await, BTreeSet::from([2]));
    town.api.put("trade-a", &[(1, ready())]);
    sleep(millis(100)).await;
    assert_eq!(town.called().await, BTreeSet::from([1]));
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_from_the_last_bookmark() {
    let town = Town::start().await;
    sleep(SECOND).await;
    let version = town.api.bookmark();
    sleep(2 * MINUTE).await;
    let asked = town.api.asked();
    assert_eq!(asked[..2], ["list", "watch 101"]);
    // Each was ended by the server, and the next took up where the bookmark was.
    let again = format!("watch {version}");
    assert!((1..=3).contains(&(asked.len() - 2)), "{asked:?}");
    assert!(asked[2..].iter().all(|asked| *asked == again), "{asked:?}");
    assert_eq!(town.called().await, BTreeSet::from([1, 2]));
}

#[tokio::test(start_paused = true)]
async fn a_watch_whose_history_is_gone_begins_with_a_list() {
    let town = Town::start().await;
    sleep(SECOND).await;
    // While it watches: an event says so.
    town.api.forget(|api| api.put("trade-b", &[(3, ready())]));
    sleep(SECOND).await;
    assert_eq!(town.called().await, BTreeSet::from([1, 2, 3]));
    let asked = town.api.asked();
    assert_eq!(lists(&asked), 2, "{asked:?}");
    // While it does not: the answer says so.
    town.api.feels(Mood::Refuses(500));
    town.api.cut();
    sleep(millis(10)).await;
    town.api.forget(|api| api.delete("trade-a"));
    town.api.feels(Mood::Well);
    sleep(MINUTE).await;
    assert_eq!(town.called().await, BTreeSet::from([3]));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_is_made_again_and_misses_nothing() {
    let town = Town::start().await;
    sleep(SECOND).await;
    for number in [3, 1, 2] {
        town.api.cut();
        town.api.put("trade-a", &[(number, ready())]);
        sleep(5 * SECOND).await;
        assert_eq!(town.called().await, BTreeSet::from([usize::from(number)]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_lasted_and_broke_is_begun_again_soon_however_often() {
    let town = Town::start().await;
    for _ in 0..20 {
        sleep(40 * SECOND).await;
        town.api.stumble();
    }
    town.api.put("trade-a", &[(3, ready())]);
    sleep(SECOND).await;
    assert_eq!(town.called().await, BTreeSet::from([3]));
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_away_takes_nothing_away_and_is_not_stormed() {
    let town = Town::start().await;
    assert_eq!(town.called().await, BTreeSet::from([1, 2]));
    for mood in [Mood::Refuses(503), Mood::Refuses(429), Mood::Slow(MINUTE)] {
        town.api.feels(mood);
        town.api.cut();
        town.api.put("trade-a", &[(1, ready()), (2, ready())]);
        town.api.asked();
        sleep(10 * MINUTE).await;
        assert_eq!(town.called().await, BTreeSet::from([1, 2]));
        let asked = town.api.asked().len();
        assert!((10..60).contains(&asked), "{mood:?}: {asked}");
    }
    town.api.put("trade-a", &[(3, ready())]);
    town.api.feels(Mood::Well);
    sleep(MINUTE).await;
    assert_eq!(town.called().await, BTreeSet::from([3]));
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_slow_is_waited_for() {
    let town = Town::start().await;
    town.api.feels(Mood::Slow(3 * SECOND));
    let late = client(&town.servers, &town.api, "kubernetes:///trade.pay:grpc");
    ask_within(&late, "x", 4 * SECOND).await.unwrap();
    assert_eq!(town.servers.called(&late).await, BTreeSet::from([1, 2]));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_falls_silent_is_noticed() {
    let town = Town::start().await;
    sleep(SECOND).await;
    town.api.feels(Mood::Mute);
    sleep(SECOND).await;
    town.api.put("trade-a", &[(3, ready())]);
    town.api.feels(Mood::Well);
    sleep(MINUTE).await;
    assert_eq!(town.called().await, BTreeSet::from([1, 2]));
    sleep(15 * SECOND).await;
    assert_eq!(town.called().await, BTreeSet::from([3]));
    assert_eq!(lists(&town.api.asked()), 1);
}

#[tokio::test(start_paused = true)]
async fn what_keeps_it_from_knowing_is_named() {
    let town = Town::start().await;
    let why = async |target: &str| {
        let client = client(&town.servers, &town.api, target);
        let status = ask(&client, "x").await.unwrap_err();
        status.message().to_owned()
    };
    let told = why("kubernetes:///trade.pay:http").await;
    assert!(
        told.contains("trade.pay:http: it has no port http; it has grpc (50051)"),
        "{told}"
    );
    town.api.put("trade-a", &[(1, starting())]);
    let told = why("kubernetes:///trade.pay:grpc").await;
    assert!(told.ends_with("none of its 1 endpoints is ready"), "{told}");
    town.api.delete("trade-a");
    let told = why("kubernetes:///trade.pay:grpc").await;
    assert!(
        told.ends_with("there is no EndpointSlice of it in the namespace pay"),
        "{told}"
    );
    town.api.feels(Mood::Refuses(403));
    let told = why("kubernetes:///trade.pay:grpc").await;
    assert!(
        told.contains("not today: its service account needs"),
        "{told}"
    );
    std::fs::write(town.api.credentials().join("token"), "stolen").unwrap();
    town.api.feels(Mood::Well);
    let told = why("kubernetes:///trade.pay:grpc").await;
    assert!(told.contains("who is it?"), "{told}");
    std::fs::remove_file(town.api.credentials().join("token")).unwrap();
    let told = why("kubernetes:///trade.pay:grpc").await;
    assert!(
        told.contains("token: ") && told.contains("service account"),
        "{told}"
    );
}

#[tokio::test]
async fn the_api_must_be_who_the_cluster_says_it_is() {
    let servers = Numbered::start(2).await;
    let api = FakeApi::start_tls(&*servers.net).await;
    api.put("trade-a", &[(2, ready())]);
    let target = "kubernetes:///trade.pay:grpc";
    let trusting = client(&servers, &api, target);
    assert_eq!(servers.called(&trusting).await, BTreeSet::from([2]));
    let (_, stranger) = acceptor();
    let file = api.credentials().join("ca.crt");
    std::fs::write(&file, stranger).unwrap();
    api.asked();
    let status = ask(&client(&servers, &api, target), "x").await.unwrap_err();
    assert!(status.message().contains("certificate"), "{status:?}");
    std::fs::write(&file, "nothing").unwrap();
    let status = ask(&client(&servers, &api, target), "x").await.unwrap_err();
    assert!(
        status
            .message()
            .contains("ca.crt: there is no certificate in it"),
        "{status:?}"
    );
    assert!(api.asked().is_empty());
}
