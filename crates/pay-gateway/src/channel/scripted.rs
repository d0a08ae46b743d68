//! A channel for tests: it answers as it was told, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use seam::net::{Listener, Memory, Net};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What becomes of a request once it has been read.
#[derive(Clone)]
pub(super) enum Script {
    /// These bytes, and the connection stays.
    Reply(Vec<u8>),
    /// These bytes, and the connection ends.
    BreakOff(Vec<u8>),
    /// Nothing, for ever.
    Silence,
}

/// The bodies asked, in order.
pub(super) type Asked = Arc<Mutex<Vec<String>>>;

/// A reply with status 200.
pub(super) fn ok(body: &str) -> Script {
    let length = body.len();
    Script::Reply(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes())
}

/// Starts a channel on `net`; its URL, and what it is asked.
pub(super) async fn channel(net: &Memory, script: Script) -> (String, Asked) {
    let mut listener: Listener = net.listen("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/pay/gateway", listener.address());
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok(stream) = listener.accept().await {
            tokio::spawn(follow(stream, script.clone(), Arc::clone(&seen)));
        }
    });
    (url, asked)
}

/// Follows the script on one connection.
pub(super) async fn follow<S>(mut stream: S, script: Script, asked: Asked)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(body) = request(&mut stream).await {
        asked.lock().unwrap().push(body);
        match &script {
            Script::Reply(bytes) => stream.write_all(bytes).await.unwrap(),
            Script::BreakOff(bytes) => {
                let _ = stream.write_all(bytes).await;
                return;
            }
            Script::Silence => std::future::pending().await,
        }
    }
}

/// One request's body, if one comes.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(String::from_utf8(body).unwrap())
}
