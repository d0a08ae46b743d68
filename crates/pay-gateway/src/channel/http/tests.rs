use std::sync::Mutex;

use async_trait::async_trait;
use seam::net::{Listener, Memory, Stream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;
use crate::channel::scripted::{Asked, Script, channel, follow, ok};

async fn ask(http: &ChannelHttp, url: &str) -> Result<Bytes, HttpFailure> {
    let (body, timeout) = ("<xml/>".to_owned(), Duration::from_secs(3));
    http.post(Post {
        url,
        content_type: "text/xml",
        body,
        timeout,
    })
    .await
}

async fn answer_to(script: Script) -> Result<Bytes, HttpFailure> {
    let net = Memory::default();
    let (url, _) = channel(&net, script).await;
    ask(
        &ChannelHttp::new(Arc::new(net), HttpSettings::default()),
        &url,
    )
    .await
}

fn is_unknown(answer: &Result<Bytes, HttpFailure>) -> bool {
    matches!(answer, Err(HttpFailure::Unknown(_)))
}

fn is_not_sent(answer: &Result<Bytes, HttpFailure>) -> bool {
    matches!(answer, Err(HttpFailure::NotSent(_)))
}

#[tokio::test]
async fn a_reply_is_handed_over_whole() {
    assert_eq!(answer_to(ok("<xml></xml>")).await.unwrap(), "<xml></xml>");
}

#[tokio::test]
async fn a_channel_that_cannot_be_reached_was_not_asked() {
    let http = ChannelHttp::new(Arc::new(Memory::default()), HttpSettings::default());
    for url in [
        "http://127.0.0.1:9/",
        "https://127.0.0.1:9/",
        "ftp://127.0.0.1/",
        "/path",
        "no url",
    ] {
        let answer = ask(&http, url).await;
        assert!(is_not_sent(&answer), "{url}: {answer:?}");
    }
}

#[tokio::test]
async fn no_time_left_is_not_sent() {
    let net = Arc::new(Memory::default());
    let (url, asked) = channel(&net, ok("")).await;
    let http = ChannelHttp::new(net, HttpSettings::default());
    let post = Post {
        url: &url,
        content_type: "",
        body: String::new(),
        timeout: Duration::ZERO,
    };
    assert!(is_not_sent(&http.post(post).await));
    assert!(asked.lock().unwrap().is_empty());
}

/// A network on which every connection hangs.
struct Nowhere;

#[async_trait]
impl Net for Nowhere {
    async fn dial(&self, _: &str) -> std::io::Result<Stream> {
        std::future::pending().await
    }

    async fn listen(&self, _: &str) -> std::io::Result<Listener> {
        unreachable!("nobody listens here")
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_takes_too_long_was_not_asked() {
    let http = ChannelHttp::new(Arc::new(Nowhere), HttpSettings::default());
    let answer = ask(&http, "http://127.0.0.1:9/").await;
    assert!(is_not_sent(&answer), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn no_reply_in_time_is_unknown() {
    let answer = answer_to(Script::Silence).await;
    assert_eq!(
        answer,
        Err(HttpFailure::Unknown("no reply within 3s".to_owned()))
    );
}

#[tokio::test]
async fn whatever_goes_wrong_after_the_connection_is_unknown() {
    let huge = "x".repeat(MAX_MESSAGE + 1);
    let replies = [
        String::new(),
        "\u{16}\u{3}\u{1}garbage\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n<xml>".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n<xml>\r\n".to_owned(),
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{huge}",
            huge.len()
        ),
        format!("HTTP/1.1 200 OK\r\n\r\n{huge}"),
        "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
    ];
    for reply in replies {
        let answer = answer_to(Script::BreakOff(reply.clone().into_bytes())).await;
        let start: String = reply.chars().take(60).collect();
        assert!(is_unknown(&answer), "{start:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let net = Memory::default();
    let (target, asked) = channel(&net, ok("")).await;
    let redirect = format!("HTTP/1.1 307 There\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
    let (url, _) = channel(&net, Script::Reply(redirect.into_bytes())).await;
    let http = ChannelHttp::new(Arc::new(net), HttpSettings::default());
    assert!(is_unknown(&ask(&http, &url).await));
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_request_is_delivered_once_though_connections_end_between() {
    let net = Arc::new(Memory::default());
    let Script::Reply(bytes) = ok("fine") else {
        unreachable!()
    };
    let (url, asked) = channel(&net, Script::BreakOff(bytes)).await;
    let http = ChannelHttp::new(net, HttpSettings::default());
    for number in 0..50 {
        let body = format!("<xml>{number}</xml>");
        let timeout = Duration::from_secs(3);
        let _ = http
            .post(Post {
                url: &url,
                content_type: "text/xml",
                body,
                timeout,
            })
            .await;
    }
    let mut bodies = asked.lock().unwrap().clone();
    bodies.sort();
    let asked = bodies.len();
    bodies.dedup();
    assert_eq!(bodies.len(), asked);
}

/// An https channel at `localhost`; its URL, and the roots that trust it.
async fn secure_channel(net: &Memory) -> (String, RootCertStore) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let mut listener = net.listen("127.0.0.1:0").await.unwrap();
    let port = listener.address().port();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok(stream) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                follow(stream, ok("secret"), Asked::new(Mutex::default())).await;
            }
        }
    });
    (format!("https://localhost:{port}/pay/gateway"), roots)
}

#[tokio::test]
async fn a_trusted_certificate_is_taken() {
    let net = Memory::default();
    let (url, roots) = secure_channel(&net).await;
    let http = ChannelHttp::trusting(roots, Arc::new(net), HttpSettings::default());
    assert_eq!(ask(&http, &url).await.unwrap(), "secret");
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused() {
    let net = Memory::default();
    let (url, _) = secure_channel(&net).await;
    let answer = ask(
        &ChannelHttp::new(Arc::new(net), HttpSettings::default()),
        &url,
    )
    .await;
    assert!(is_not_sent(&answer), "{answer:?}");
}

#[tokio::test]
async fn another_hosts_certificate_is_refused() {
    let net = Memory::default();
    let (url, roots) = secure_channel(&net).await;
    let http = ChannelHttp::trusting(roots, Arc::new(net), HttpSettings::default());
    let answer = ask(&http, &url.replace("localhost", "pay.example.test")).await;
    assert!(is_not_sent(&answer), "{answer:?}");
}
