//! Whether a process is ready, as its platform asks it.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const ANSWER: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);
const QUESTION: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const YES: &[u8] = b"HTTP/1.1 200";

/// Waits until who listens at this port says that it is ready.
pub(crate) async fn ready(admin: u16) {
    while !timeout(ANSWER, ask(admin)).await.is_ok_and(is_yes) {
        sleep(PAUSE).await;
    }
}

fn is_yes(answer: io::Result<[u8; YES.len()]>) -> bool {
    answer.is_ok_and(|answer| answer == YES)
}

async fn ask(admin: u16) -> io::Result<[u8; YES.len()]> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, admin)).await?;
    stream.write_all(QUESTION).await?;
    let mut answer = [0; YES.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn who_is_not_ready_is_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = listener.local_addr().unwrap().port();
        let answers = [
            "HTTP/1.1 503 Service Unavailable\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
        ];
        let server = async {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut question = vec![0; QUESTION.len()];
                stream.read_exact(&mut question).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        tokio::join!(ready(admin), server);
    }
}
