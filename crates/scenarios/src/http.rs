//! An HTTP request, byte by byte as the test wants it.

use std::time::Duration;

use seam::net::{Memory, Net};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

// A request that hangs is a failure to be seen, not a test that never ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an HTTP server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Posts `body` to `http://{address}{path}` on a connection of its own.
///
/// # Panics
/// When there is no answer in time.
pub async fn post(net: &Memory, (address, path): (&str, &str), body: &[u8]) -> HttpAnswer {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: text/xml\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    exchange(net, address, &[head.as_bytes(), body].concat()).await
}

/// Gets `http://{address}{path}` on a connection of its own.
///
/// # Panics
/// When there is no answer in time.
pub async fn get(net: &Memory, (address, path): (&str, &str)) -> HttpAnswer {
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    exchange(net, address, head.as_bytes()).await
}

async fn exchange(net: &Memory, address: &str, request: &[u8]) -> HttpAnswer {
    let exchange = async {
        let mut stream = net.dial(address).await.expect("somebody listens");
        // A server may refuse before it has read everything.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("an answer in time");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    HttpAnswer {
        status: status.expect("an HTTP status"),
        body: body.to_owned(),
    }
}
