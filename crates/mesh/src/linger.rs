//! The end of a connection that this side closes: what the peer still says is read until it has
//! hung up too. A socket closed with something unread is reset, and a peer that was just writing
//! would lose our last words (GOAWAY, the last answers) with it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a peer may take to hang up.
const WITHIN: Duration = Duration::from_secs(1);
/// How much it may say meanwhile, in bytes.
const MOST: usize = 1 << 20;

/// How far a connection's end has come.
#[derive(Default)]
pub(crate) struct Linger {
    left: Option<Pin<Box<Sleep>>>,
    discarded: usize,
}

impl Linger {
    /// Says that nothing more will come, then waits for the peer to say so too.
    pub(crate) fn poll_shutdown<S>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.left.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        }
        let left = self.left.get_or_insert_with(|| Box::pin(sleep(WITHIN)));
        // Before anything is read: a peer that never stops would leave the timer no turn.
        if left.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        while self.discarded < MOST {
            // An error is an end as well.
            match ready!(poll_discard(stream, cx)) {
                Ok(read) if read > 0 => self.discarded += read,
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn poll_discard(
    stream: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut unread = [0; 4096];
    let mut unread = ReadBuf::new(&mut unread);
    ready!(Pin::new(stream).poll_read(cx, &mut unread))?;
    Poll::Ready(Ok(unread.filled().len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;

    async fn closed(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut linger = Linger::default();
        poll_fn(|cx| linger.poll_shutdown(&mut stream, cx))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_is_writing_hears_the_last_words() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        far.write_all(b"goodbye").await.unwrap();
        let closing = tokio::spawn(closed(far));
        // The first would be answered by a reset, the second fail because of it.
        for _ in 0..20 {
            near.write_all(&[b'x'; 1000]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut heard = String::new();
        near.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "goodbye");
        drop(near);
        closing.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_hang_up_is_left_after_a_second() {
        let (_near, far) = duplex(64);
        let begun = Instant::now();
        closed(far).await;
        assert_eq!(begun.elapsed(), WITHIN);
        let (near, far) = duplex(64);
        drop(near);
        closed(far).await;
        assert_eq!(begun.elapsed(), WITHIN);
    }

    /// A peer that has something to say whenever it is asked, once it has begun.
    #[derive(Default)]
    struct Talks {
        begun: bool,
        said: usize,
    }

    impl AsyncRead for Talks {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if !self.begun {
                return Poll::Pending;
            }
            let saying = buf.initialize_unfilled().len();
            buf.advance(saying);
            self.said += saying;
            // So that what is wrong fails, and does not hang.
            Poll::Ready(if self.said > 4 * MOST {
                Err(io::ErrorKind::Other.into())
            } else {
                Ok(())
            })
        }
    }

    impl AsyncWrite for Talks {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_stops_is_heard_for_a_mebibyte_and_no_longer_than_a_second() {
        let mut talks = Talks {
            begun: true,
            said: 0,
        };
        closed(&mut talks).await;
        assert_eq!(talks.said, MOST);

        let (mut talks, mut linger) = (Talks::default(), Linger::default());
        let mut closing = std::pin::pin!(poll_fn(|cx| {
            let polled = linger.poll_shutdown(&mut talks, cx);
            talks.begun = true;
            polled.map(|_| talks.said)
        }));
        assert!(futures::poll!(&mut closing).is_pending());
        tokio::time::advance(WITHIN).await;
        // The time is over before another byte is read.
        assert_eq!(closing.await, 0);
    }
}
