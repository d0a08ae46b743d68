//! The client's transport under trouble: slow, dead, flapping and leaving servers, few streams,
//! changing addresses, old connections.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mesh::{ClientSettings, Lifecycle, Pick, ServerSettings, reason_of};
use seam::net::{Net, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::fleet::{
    Fleet, Names, SECOND, SETTINGS, Watched, broken, client, load, millis, named, quick, settings,
    slow, with_few_streams,
};
use crate::probe::{Probe, World, ask, ask_within, open};

#[tokio::test(start_paused = true)]
async fn one_slow_server_of_five_gets_few_calls() {
    let fleet = Fleet::start(World::memory(), vec![quick, quick, slow, quick, quick]).await;
    let client = fleet.client();
    let (made, failed) = load(&client, 8, 4 * SECOND).await;
    assert!(failed.is_empty(), "{failed:?}");
    let counts = fleet.counts();
    assert!(counts[2] * 50 <= made, "{counts:?}");
    // The others share the rest, none of them being left out.
    for quick in [0, 1, 3, 4] {
        assert!(counts[quick] * 8 >= made, "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_fast_is_not_loved() {
    let fleet = Fleet::start(World::memory(), vec![quick, quick, broken, quick, quick]).await;
    let (made, failed) = load(&fleet.client(), 8, 4 * SECOND).await;
    let counts = fleet.counts();
    assert!(
        failed.len() * 200 < made,
        "{} of {made}: {counts:?}",
        failed.len()
    );
    assert!(counts[2] * 100 < made, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn one_dead_server_of_five_fails_no_call() {
    let mut fleet = Fleet::start(World::memory(), vec![quick, quick, quick, quick]).await;
    fleet.addresses.push("127.0.0.1:9".to_owned());
    let (made, failed) = load(&fleet.client(), 8, 2 * SECOND).await;
    assert!(failed.is_empty() && made > 1_000, "{made} {failed:?}");
}

#[tokio::test(start_paused = true)]
async fn servers_that_leave_under_load_lose_nothing() {
    let world = World::memory();
    let fleet = Fleet::start(world, vec![quick, quick, slow, quick]).await;
    let client = fleet.client();
    let leaving = async {
        for lifecycle in &fleet.lifecycles[..3] {
            sleep(millis(500)).await;
            lifecycle.stop();
        }
    };
    let ((made, failed), ()) = tokio::join!(load(&client, 16, 2 * SECOND), leaving);
    assert!(
        failed.is_empty(),
        "{} of {made}: {:?}",
        failed.len(),
        failed.first()
    );
    assert!(
        fleet.counts().iter().all(|calls| *calls > 0),
        "{:?}",
        fleet.counts()
    );
}

#[tokio::test(start_paused = true)]
async fn connections_come_as_streams_run_out_and_go_when_they_are_idle() {
    let world = World::memory();
    let (address, open) = with_few_streams(&*world.net, 10, slow()).await;
    let client = world.client(&address);
    ask(&client, "x").await.unwrap();
    assert_eq!(open.load(Ordering::Relaxed), 1);
    let begun = Instant::now();
    let calls: Vec<_> = (0..36)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, "x").await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    // All at once, and not one after the other.
    assert!(begun.elapsed() < millis(300), "{:?}", begun.elapsed());
    assert_eq!(open.load(Ordering::Relaxed), 4);
    sleep(Duration::from_mins(2)).await;
    assert_eq!(open.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_streams_wait_their_turn() {
    let world = World::memory();
    let (address, open) = with_few_streams(&*world.net, 5, slow()).await;
    let client = world.client(&address);
    let calls = (0..60).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            for _ in 0..4 {
                let begun = Instant::now();
                ask(&client, "x").await.unwrap();
                longest = longest.max(begun.elapsed());
            }
            longest
        })
    });
    let mut longest = Duration::ZERO;
    for call in calls.collect::<Vec<_>>() {
        longest = longest.max(call.await.unwrap());
    }
    // Sixteen at a time once all are open (of five streams one is kept free): nobody waits for long,
    // however eager who has just been served is to be served again.
    assert!(longest <= millis(1_400), "{longest:?}");
    assert_eq!(open.load(Ordering::Relaxed), 4);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_hanging_up_is_dialled_less_and_less() {
    let net = Watched::new();
    let world = net.world();
    let mut fleet = Fleet::start(world.clone(), vec![quick, quick]).await;
    let mut listener = net.listen("127.0.0.1:0").await.unwrap();
    let flapping = listener.address().to_string();
    fleet.addresses.push(flapping.clone());
    tokio::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap();
            tokio::spawn(async move {
                stream.write_all(&SETTINGS).await.unwrap();
                sleep(millis(20)).await;
            });
        }
    });
    let (made, failed) = load(&fleet.client(), 2, 15 * SECOND).await;
    let dials = net.dials.lock().unwrap()[&flapping];
    assert!((5..=13).contains(&dials), "{dials}");
    // Whatever was on the connection when it ended is lost; nothing else is.
    assert!(
        failed.len() <= 2 * dials && failed.len() * 200 < made,
        "{} of {made}",
        failed.len()
    );
}

#[tokio::test(start_paused = true)]
async fn endpoints_come_and_go_with_the_addresses_of_the_name() {
    let fleet = Fleet::start(World::memory(), vec![quick, quick, quick]).await;
    let (ports, names) = (fleet.ports(), Arc::new(Names::default()));
    names.say(Some(&ports[..1]));
    let client = named(&fleet.world, &names);
    load(&client, 4, SECOND).await;
    assert!(fleet.counts()[0] > 0 && fleet.counts()[1] == 0);
    names.say(Some(&ports[1..]));
    // A call under way when its endpoint goes ends as if nothing had happened.
    sleep(28 * SECOND).await;
    let (_, failed) = load(&client, 4, 3 * SECOND).await;
    assert!(failed.is_empty(), "{failed:?}");
    let before = fleet.counts();
    load(&client, 4, 5 * SECOND).await;
    let after = fleet.counts();
    assert!(
        after[0] == before[0] && after[1] > before[1] && after[2] > before[2],
        "{after:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_leaves_is_a_reason_to_ask_for_addresses() {
    let fleet = Fleet::start(World::memory(), vec![quick, quick]).await;
    let (ports, names) = (fleet.ports(), Arc::new(Names::default()));
    names.say(Some(&ports[..1]));
    let client = named(&fleet.world, &names);
    ask(&client, "x").await.unwrap();
    sleep(SECOND).await;
    names.say(Some(&ports[1..]));
    fleet.lifecycles[0].stop();
    sleep(SECOND).await;
    ask(&client, "x").await.unwrap();
    assert_eq!(fleet.counts(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_fails_takes_no_endpoint_away() {
    let fleet = Fleet::start(World::memory(), vec![quick]).await;
    let (ports, names) = (fleet.ports(), Arc::new(Names::default()));
    let client = named(&fleet.world, &names);
    let status = ask(&client, "x").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let expected = "dns:///probes.test:80 cannot be reached: probes.test:80 cannot be resolved";
    assert!(
        status.message().starts_with(expected),
        "{}",
        status.message()
    );
    names.say(Some(&ports));
    ask(&client, "x").await.unwrap();
    names.say(None);
    sleep(Duration::from_mins(5)).await;
    let (made, failed) = load(&client, 4, SECOND).await;
    assert!(made > 0 && failed.is_empty(), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_is_replaced_and_its_calls_end() {
    let net = Watched::new();
    let fleet = Fleet::start(net.world(), vec![quick]).await;
    let client = fleet.client();
    let mut stream = open(&client, Duration::from_hours(2)).await.unwrap();
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("one"));
    let mut failed = Vec::new();
    for _ in 0..70 {
        sleep(Duration::from_mins(1)).await;
        failed.extend(ask(&client, "x").await.err());
    }
    assert!(failed.is_empty(), "{failed:?}");
    let dials = net.dials();
    assert!((3..=4).contains(&dials), "{dials}");
    // Its stream of an hour ago is still there.
    let waiting = tokio::time::timeout(SECOND, stream.message()).await;
    assert!(waiting.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_is_noticed_without_traffic() {
    let world = World::memory();
    let mut listener = world.net.listen("127.0.0.1:0").await.unwrap();
    let client = world.client(&listener.address().to_string());
    let mut first = listener.accept().await.unwrap();
    first.write_all(&SETTINGS).await.unwrap();
    // Says no more, and a second connection follows.
    let begun = Instant::now();
    let _second = listener.accept().await.unwrap();
    let noticed = begun.elapsed();
    assert!((13 * SECOND..15 * SECOND).contains(&noticed), "{noticed:?}");
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn connections_end_with_the_last_client() {
    let world = World::memory();
    let (address, open) = with_few_streams(&*world.net, 10, quick()).await;
    let client = world.client(&address);
    let other = client.clone();
    ask(&client, "x").await.unwrap();
    drop(client);
    ask(&other, "x").await.unwrap();
    drop(other);
    sleep(millis(10)).await;
    assert_eq!(open.load(Ordering::Relaxed), 0);
}

async fn answered_in_clear(mut stream: Stream) {
    let mut some = [0; 24];
    stream.read_exact(&mut some).await.unwrap();
    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    sleep(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_no_http2_server_is_named() {
    let world = World::memory();
    let mut listener = world.net.listen("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    tokio::spawn(async move {
        loop {
            tokio::spawn(answered_in_clear(listener.accept().await.unwrap()));
        }
    });
    let status = ask(&world.client(&address), "x").await.unwrap_err();
    assert_eq!(reason_of(&status).as_deref(), Some("PEER_UNAVAILABLE"));
    let expected = format!("{address} cannot be reached: {address} does not speak HTTP/2");
    assert!(
        status.message().starts_with(&expected),
        "{}",
        status.message()
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_refuses_is_named() {
    let world = World::memory();
    let target = "static:///127.0.0.1:8,127.0.0.1:9";
    let status = ask(&world.client(target), "x").await.unwrap_err();
    assert_eq!(reason_of(&status).as_deref(), Some("PEER_UNAVAILABLE"));
    let message = status.message();
    assert!(
        message.starts_with(target) && message.ends_with(":9: connection refused"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_has_no_time_left_is_told_why_it_waited() {
    let net = Watched::new();
    net.silent.store(true, Ordering::Relaxed);
    let client = net.world().client("127.0.0.1:1");
    let begun = Instant::now();
    let status = ask_within(&client, "x", millis(300)).await.unwrap_err();
    assert!(begun.elapsed() <= millis(300));
    assert_eq!(
        (status.code(), reason_of(&status).as_deref()),
        (Code::Unavailable, Some("PEER_UNAVAILABLE"))
    );
}

#[tokio::test(start_paused = true)]
async fn the_queue_has_an_end() {
    let net = Watched::new();
    net.silent.store(true, Ordering::Relaxed);
    let settings = ClientSettings {
        bulkhead: mesh::BulkheadLimits {
            at_once: 2000,
            waiting: 0,
        },
        ..settings("127.0.0.1:1")
    };
    let client = client(&net.world(), settings);
    let begun = Instant::now();
    let calls: Vec<_> = (0..1200)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let status = ask_within(&client, "x", millis(900)).await.unwrap_err();
                (reason_of(&status).unwrap(), begun.elapsed())
            })
        })
        .collect();
    let mut full = 0;
    for call in calls {
        let (reason, took) = call.await.unwrap();
        if reason == "QUEUE_FULL" {
            full += 1;
            assert!(took < millis(500), "{took:?}");
        }
    }
    assert_eq!(full, 1200 - 1024);
}

#[tokio::test(start_paused = true)]
async fn a_dead_peer_is_dialled_with_growing_pauses_and_hurriedly_when_it_is_wanted() {
    let net = Watched::new();
    let client = net.world().client("127.0.0.1:9");
    sleep(Duration::from_mins(10)).await;
    let unwanted = net.dials();
    assert!((25..=45).contains(&unwanted), "{unwanted}");
    let begun = Instant::now();
    ask_within(&client, "x", 5 * SECOND).await.unwrap_err();
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    assert!(net.dials() > unwanted);
}

#[tokio::test(start_paused = true)]
async fn the_first_is_picked_as_long_as_it_lives() {
    let fleet = Fleet::start(World::memory(), vec![slow, quick]).await;
    let settings = ClientSettings {
        pick: Pick::First,
        ..settings(&fleet.target())
    };
    let client = client(&fleet.world, settings);
    sleep(SECOND).await;
    load(&client, 2, 2 * SECOND).await;
    assert!(fleet.counts()[0] > 0 && fleet.counts()[1] == 0);
    fleet.lifecycles[0].stop();
    let (_, failed) = load(&client, 2, 2 * SECOND).await;
    assert!(failed.is_empty() && fleet.counts()[1] > 0, "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_dies_after_it_spoke_is_a_lost_connection() {
    let world = World::memory();
    let mut listener = world.net.listen("127.0.0.1:0").await.unwrap();
    let client = world.client(&listener.address().to_string());
    let mut stream = listener.accept().await.unwrap();
    stream.write_all(&SETTINGS).await.unwrap();
    sleep(millis(1)).await;
    let call = tokio::spawn(async move { ask(&client, "x").await });
    sleep(millis(1)).await;
    drop(stream);
    let status = call.await.unwrap().unwrap_err();
    assert_eq!(reason_of(&status).as_deref(), Some("CONNECTION_LOST"));
    assert!(
        status.message().contains("went away during the call"),
        "{}",
        status.message()
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_starts_late_is_found_by_who_waits() {
    let world = World::memory();
    let client = world.client("127.0.0.1:77");
    sleep(Duration::from_mins(5)).await;
    let lifecycle = Lifecycle::new();
    lifecycle.ready();
    let listener = world.net.listen("127.0.0.1:77").await.unwrap();
    let server = world
        .server(ServerSettings::new("probe"), &lifecycle)
        .add(Probe::echo());
    tokio::spawn(server.serve(listener));
    let begun = Instant::now();
    assert_eq!(ask(&client, "late").await.unwrap(), "late");
    assert!(begun.elapsed() < millis(300), "{:?}", begun.elapsed());
}
