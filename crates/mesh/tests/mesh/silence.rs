//! Whoever connects and says nothing: nobody else waits for it, and it does not last.

use mesh::Lifecycle;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::admin::admin;
use crate::fleet::{SECOND, client, settings};
use crate::probe::{Probe, World, ask};
use crate::tls::{HOUR, Members, raw};

// A server may have said something first.
async fn gone(mut stream: impl AsyncRead + Unpin) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test(start_paused = true)]
async fn every_listener_leaves_whoever_says_too_little_for_ten_seconds() {
    let world = World::memory();
    let (served, ..) = world.serve(Probe::echo()).await;
    let told = admin(&world, &Lifecycle::new()).await;
    for (address, said) in [
        (&served, ""),
        (&served, "PRI * HTTP/2.0\r\n"),
        (&told, ""),
        (&told, "GET /livez HTTP/1.1\r\n"),
    ] {
        let mut stream = world.net.dial(address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let begun = Instant::now();
        gone(stream).await;
        let lasted = begun.elapsed();
        assert!(
            (10 * SECOND..13 * SECOND).contains(&lasted),
            "{said:?} {lasted:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn of_too_many_silent_ones_the_oldest_go_and_who_speaks_stays() {
    let world = World::memory();
    let (address, ..) = world.serve(Probe::echo()).await;
    let early = client(&world, settings(&address));
    ask(&early, "x").await.unwrap();
    let begun = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..400 {
        silent.push(world.net.dial(&address).await.unwrap());
    }
    ask(&client(&world, settings(&address)), "x").await.unwrap();
    gone(&mut silent[0]).await;
    ask(&early, "x").await.unwrap();
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_has_proved_who_it_is_has_to_say_something_too() {
    let members = Members::of(World::memory());
    let address = members.serve(&members.tls("rate")).await;
    let issued = members.pki.certify("trade", HOUR).unwrap();
    let begun = Instant::now();
    let net = &*members.world.net;
    let stream = raw::connect(net, &address, Some(&issued)).await;
    gone(stream).await;
    let lasted = begun.elapsed();
    assert!((10 * SECOND..13 * SECOND).contains(&lasted), "{lasted:?}");
}
