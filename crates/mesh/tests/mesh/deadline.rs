//! A call ends at its deadline, and the next hop has less time than this one.

use std::time::Duration;

use mesh::{Context, reason_of};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::probe::{CALL, Probe, World, ask, ask_with, ask_within, open};

fn assert_expired(status: &Status) {
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_eq!(reason_of(status).as_deref(), Some("DEADLINE_EXCEEDED"));
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_the_callers_deadline() {
    let world = World::memory();
    let (address, ..) = world
        .serve(Probe::new(async |_| std::future::pending().await))
        .await;
    let client = world.client(&address);
    let begun = Instant::now();
    assert_expired(
        &ask_within(&client, "x", Duration::from_secs(3))
            .await
            .unwrap_err(),
    );
    assert!(
        begun.elapsed() < Duration::from_millis(3100),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_deadline_ends_after_one_second() {
    let world = World::memory();
    let (address, ..) = world
        .serve(Probe::new(async |_| std::future::pending().await))
        .await;
    let begun = Instant::now();
    let request = tonic::Request::new(String::new());
    assert_expired(
        &ask_with(&world.client(&address), CALL, request)
            .await
            .unwrap_err(),
    );
    // The server was told a millisecond less.
    assert!((999..1100).contains(&begun.elapsed().as_millis()));
}

#[tokio::test(start_paused = true)]
async fn a_server_drops_the_handler_at_the_deadline() {
    struct Dropped(tokio::sync::mpsc::UnboundedSender<Instant>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.send(Instant::now());
        }
    }
    let (sender, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let world = World::memory();
    let probe = Probe::new(move |_| {
        let dropped = Dropped(sender.clone());
        async move {
            std::future::pending::<()>().await;
            drop(dropped);
            Ok(String::new())
        }
    });
    let (address, ..) = world.serve(probe).await;
    let begun = Instant::now();
    ask_within(&world.client(&address), "x", Duration::from_secs(2))
        .await
        .unwrap_err();
    let ended = ends.recv().await.unwrap().duration_since(begun);
    assert!(ended < Duration::from_millis(2100), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn the_time_left_shrinks_from_hop_to_hop() {
    let world = World::memory();
    let told = async |_| {
        Ok(Context::current()
            .remaining()
            .unwrap()
            .as_millis()
            .to_string())
    };
    let (far, ..) = world.serve(Probe::new(told)).await;
    let far = world.client(&far);
    let near = Probe::new(move |_| {
        let far = far.clone();
        async move {
            let before = Context::current().remaining().unwrap().as_millis();
            tokio::time::sleep(Duration::from_secs(1)).await;
            // The request asks for more than is left: it does not get it.
            let behind = ask_within(&far, "x", Duration::from_mins(1)).await?;
            Ok(format!("{before} {behind}"))
        }
    });
    let (near, ..) = world.serve(near).await;
    let answer = ask(&world.client(&near), "x").await.unwrap();
    let left: Vec<u64> = answer
        .split(' ')
        .map(|millis| millis.parse().unwrap())
        .collect();
    assert!((4900..=5000).contains(&left[0]), "{answer}");
    assert!((3900..=4000).contains(&left[1]), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_streams_ends_at_the_deadline() {
    for world in World::both() {
        let (address, ..) = world.serve(Probe::echo()).await;
        let mut stream = open(&world.client(&address), Duration::from_secs(2))
            .await
            .unwrap();
        assert_eq!(stream.message().await.unwrap().as_deref(), Some("one"));
        assert_expired(&stream.message().await.unwrap_err());
    }
}

/// What a client that is not ours, and waits for ever, is told.
async fn told_to_a_stranger(world: &World, address: &str, timeout: &str) -> Status {
    use bytes::Bytes;
    use http_body_util::Full;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let stream = TokioIo::new(world.net.dial(address).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
    let (mut sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://{address}{CALL}"))
        .header("content-type", "application/grpc")
        .header("grpc-timeout", timeout)
        .body(tonic::body::Body::new(Full::new(Bytes::from_static(
            &[0; 5],
        ))));
    let answer = sender.send_request(request.unwrap()).await.unwrap();
    Status::from_header_map(answer.headers()).unwrap()
}

#[tokio::test]
async fn work_whose_time_is_over_is_refused() {
    for world in World::both() {
        let (address, ..) = world
            .serve(Probe::new(async |_| panic!("was served")))
            .await;
        assert_expired(&told_to_a_stranger(&world, &address, "0m").await);
    }
}

#[tokio::test]
async fn the_server_ends_the_call_of_a_caller_who_does_not() {
    for world in World::both() {
        let (address, ..) = world
            .serve(Probe::new(async |_| std::future::pending().await))
            .await;
        assert_expired(&told_to_a_stranger(&world, &address, "50m").await);
    }
}
