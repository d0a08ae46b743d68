//! HTTP by a router, on ports of its own: version 1, and version 2 without TLS. Who takes too long
//! over a request's head, or answers no ping, is left.

use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use seam::net::Listener;
use tokio_util::sync::CancellationToken;

use crate::incoming::Incoming;

// For a request's head, and for the next one to begin on a connection that is kept.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(5);

/// Serves until told to stop; what is being answered is answered. How long a body or an answer may
/// take is the router's affair.
pub async fn serve(listener: Listener, router: Router, stop: CancellationToken) {
    let (mut incoming, builder) = (Incoming::new(listener), builder());
    let open = GracefulShutdown::new();
    while let Some(connection) = stop.run_until_cancelled(incoming.accept()).await {
        let service = TowerToHyperService::new(router.clone());
        let served = builder.serve_connection(TokioIo::new(connection), service);
        let served = open.watch(served.into_owned());
        // How it ends is the peer's affair.
        tokio::spawn(async move { drop(served.await) });
    }
    drop(incoming);
    open.shutdown().await;
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use seam::net::{Memory, Net, Stream};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{Instant, sleep};

    const SECOND: Duration = Duration::from_secs(1);
    const SLOW: Duration = Duration::from_secs(30);

    struct Served {
        net: Memory,
        address: String,
        stop: CancellationToken,
        ended: tokio::task::JoinHandle<()>,
    }

    impl Served {
        async fn start() -> Self {
            let net = Memory::default();
            let listener = net.listen("127.0.0.1:0").await.unwrap();
            let (address, stop) = (listener.address().to_string(), CancellationToken::new());
            let slow = get(async || {
                sleep(SLOW).await;
                "slow"
            });
            let router = Router::new()
                .route("/", get(async || "there"))
                .route("/slow", slow);
            let ended = tokio::spawn(serve(listener, router, stop.clone()));
            Self {
                net,
                address,
                stop,
                ended,
            }
        }

        async fn say(&self, text: &str) -> Stream {
            let mut stream = self.net.dial(&self.address).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            stream
        }
    }

    /// What is still said, and how long it lasts.
    async fn rest(mut stream: Stream) -> (String, Duration) {
        let (mut said, begun) = (String::new(), Instant::now());
        stream.read_to_string(&mut said).await.unwrap();
        (said, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_get_to_the_point_is_left_after_ten_seconds() {
        let served = Served::start().await;
        for said in [
            "",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r",
            "G",
            "GET / HTTP/1.1\r\nhost: a\r\nx: ",
        ] {
            let (_, lasted) = rest(served.say(said).await).await;
            // A last word may be waited for.
            let most = HEAD_WITHIN + 2 * SECOND;
            assert!(
                (HEAD_WITHIN..=most).contains(&lasted),
                "{said:?} {lasted:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_in_is_not_waited_for() {
        let served = Served::start().await;
        let mut stream = served.say("GET / HTTP/1.1\r\nx: ").await;
        let begun = Instant::now();
        while stream.write_all(b"x").await.is_ok() {
            sleep(SECOND).await;
        }
        assert!(
            begun.elapsed() < HEAD_WITHIN + 3 * SECOND,
            "{:?}",
            begun.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_connection_is_left_when_nothing_more_is_asked() {
        let served = Served::start().await;
        let (said, lasted) = rest(served.say("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await).await;
        assert!(said.ends_with("there") && lasted >= HEAD_WITHIN, "{said}");
        assert!(lasted <= HEAD_WITHIN + 2 * SECOND, "{lasted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_request_is_answered_however_long_that_takes_and_a_stop_waits_for_it() {
        let served = Served::start().await;
        // Shorter than what HTTP/2 begins with.
        let asked = tokio::spawn(rest(served.say("GET /slow HTTP/1.0\r\n\r\n").await));
        sleep(SECOND).await;
        served.stop.cancel();
        let (said, lasted) = asked.await.unwrap();
        assert!(
            said.ends_with("slow") && lasted >= SLOW,
            "{said} {lasted:?}"
        );
        served.ended.await.unwrap();
        assert!(served.net.dial(&served.address).await.is_err());
    }
}
