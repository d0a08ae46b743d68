//! Whatever goes wrong, the caller gets a code and a stable reason, and the server lives on.

use std::time::Duration;

use mesh::{ErrorKind, Fault, reason_of, relayed, retry_after_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::probe::{Probe, World, ask, ask_with};

fn told(status: &Status) -> (Code, Option<String>) {
    (status.code(), reason_of(status))
}

#[tokio::test]
async fn a_panic_is_internal_and_the_server_lives_on() {
    for world in World::both() {
        let probe = Probe::new(async |text| match text.as_str() {
            "panic" => panic!("on purpose"),
            _ => Ok(text),
        });
        let (address, ..) = world.serve(probe).await;
        let client = world.client(&address);
        let failed = ask(&client, "panic").await.unwrap_err();
        assert_eq!(told(&failed), (Code::Internal, Some("PANIC".to_owned())));
        assert_eq!(ask(&client, "still there").await.unwrap(), "still there");
    }
}

#[tokio::test]
async fn a_fault_reaches_the_caller_whole() {
    for world in World::both() {
        let probe = Probe::new(async |_| {
            let fault = Fault::new(ErrorKind::Precondition, "PAYMENT_IN_PROGRESS", "being paid")
                .field("request_id", "use that of the live payment")
                .precondition("PAYMENT", "payments/7", "is live")
                .with("payment", 7)
                .retry_after(Duration::from_mins(5));
            Err(fault.into())
        });
        let (address, ..) = world.serve(probe).await;
        let status = ask(&world.client(&address), "x").await.unwrap_err();
        let reason = Some("PAYMENT_IN_PROGRESS".to_owned());
        assert_eq!(told(&status), (Code::FailedPrecondition, reason));
        assert_eq!(retry_after_of(&status), Some(Duration::from_mins(5)));
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().metadata["payment"], "7");
        assert_eq!(
            details.bad_request().unwrap().field_violations[0].field,
            "request_id"
        );
        let broken = &details.precondition_failure().unwrap().violations[0];
        assert_eq!(broken.subject, "payments/7");
    }
}

#[tokio::test]
async fn nobody_listening_is_an_unavailable_peer() {
    for world in World::both() {
        let address = {
            let listener = world.net.listen("127.0.0.1:0").await.unwrap();
            listener.address().to_string()
        };
        let status = ask(&world.client(&address), "x").await.unwrap_err();
        assert_eq!(
            told(&status),
            (Code::Unavailable, Some("PEER_UNAVAILABLE".to_owned()))
        );
        assert!(status.message().contains(&address), "{}", status.message());
        // A service that is called itself does not hand on where its peers are.
        let told_on = relayed(status);
        assert_eq!(
            told(&told_on),
            (Code::Unavailable, Some("PEER_UNAVAILABLE".to_owned()))
        );
        let whole = format!("{told_on:?} {}", String::from_utf8_lossy(told_on.details()));
        assert!(!whole.contains(&address), "{whole}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_hangs_is_an_unavailable_peer() {
    struct Hangs;
    #[tonic::async_trait]
    impl seam::net::Net for Hangs {
        async fn dial(&self, _: &str) -> std::io::Result<seam::net::Stream> {
            std::future::pending().await
        }
        async fn listen(&self, _: &str) -> std::io::Result<seam::net::Listener> {
            Err(std::io::ErrorKind::Unsupported.into())
        }
    }
    let status = ask(&World::new(Hangs).client("trade:1"), "x")
        .await
        .unwrap_err();
    assert_eq!(
        told(&status),
        (Code::Unavailable, Some("PEER_UNAVAILABLE".to_owned()))
    );
}

const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Reads a frame of HTTP/2; whether it began a request.
async fn headers_came(stream: &mut seam::net::Stream) -> bool {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut rest = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut rest).await.unwrap();
    head[3] == 1
}

#[tokio::test]
async fn a_peer_that_dies_during_the_call_is_a_lost_connection() {
    let world = World::memory();
    let mut listener = world.net.listen("127.0.0.1:0").await.unwrap();
    let client = world.client(&listener.address().to_string());
    let call = tokio::spawn(async move { ask(&client, "x").await });
    let mut stream = listener.accept().await.unwrap();
    let mut some = [0; 24];
    stream.read_exact(&mut some).await.unwrap();
    // A peer that has not said that it speaks HTTP/2 is sent no call.
    stream.write_all(&SETTINGS).await.unwrap();
    while !headers_came(&mut stream).await {}
    drop(stream);
    let status = call.await.unwrap().unwrap_err();
    assert_eq!(
        told(&status),
        (Code::Unavailable, Some("CONNECTION_LOST".to_owned()))
    );
}

#[tokio::test]
async fn an_unknown_method_or_service_has_a_reason_too() {
    let world = World::memory();
    let (address, ..) = world.serve(Probe::echo()).await;
    for path in ["/mesh.test.Probe/NoSuch", "/no.Such/Method"] {
        let request = tonic::Request::new(String::new());
        let status = ask_with(&world.client(&address), path, request)
            .await
            .unwrap_err();
        assert_eq!(
            told(&status),
            (Code::Unimplemented, Some("UNIMPLEMENTED".to_owned()))
        );
    }
}

#[tokio::test]
async fn a_message_over_one_mebibyte_is_refused() {
    for world in World::both() {
        let (address, ..) = world.serve(Probe::echo()).await;
        let client = world.client(&address);
        let fits = "x".repeat(1024 * 1024 - 64);
        assert_eq!(ask(&client, &fits).await.unwrap().len(), fits.len());
        let longer = "x".repeat(1024 * 1024 + 1);
        let status = ask(&client, &longer).await.unwrap_err();
        let reason = Some("MESSAGE_TOO_LONG".to_owned());
        assert_eq!(told(&status), (Code::InvalidArgument, reason));
        assert_eq!(ask(&client, "next").await.unwrap(), "next");
    }
}
