//! Connections that say nothing: each is left after 10 s, and of too many the oldest goes.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

const WITHIN: Duration = Duration::from_secs(10);
const MOST: usize = 256;
// What HTTP/2 begins with: whoever says something else is heard by HTTP/1, or by nobody.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Those of a listener, as they came.
#[derive(Default)]
pub(crate) struct Silent(VecDeque<oneshot::Sender<()>>);

impl Silent {
    /// One more; when there are too many, the oldest has had the most time and goes.
    pub(crate) fn start(&mut self) -> Silence {
        if self.0.len() >= MOST {
            self.0.retain(|silent| !silent.is_closed());
        }
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.pop_front()
        {
            let _ = oldest.send(());
        }
        let (silent, crowded) = oneshot::channel();
        self.0.push_back(silent);
        Silence {
            left: Box::pin(sleep(WITHIN)),
            crowded: Some(crowded),
            rest: PREFACE,
        }
    }
}

/// How long a connection may go on without a word.
pub(crate) struct Silence {
    left: Pin<Box<Sleep>>,
    crowded: Option<oneshot::Receiver<()>>,
    rest: &'static [u8],
}

impl Silence {
    /// Whether these bytes end it: it is known then which protocol is spoken, and that keeps its
    /// own time.
    pub(crate) fn is_broken_by(&mut self, said: &[u8]) -> bool {
        match self.rest.strip_prefix(said) {
            Some(rest) => {
                self.rest = rest;
                rest.is_empty()
            }
            None => true,
        }
    }

    /// Waits until it has lasted too long.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if let Some(crowded) = &mut self.crowded
            && let Poll::Ready(told) = Pin::new(crowded).poll(cx)
        {
            self.crowded = None;
            // Otherwise it is the listener that has gone: no reason to hurry.
            if told.is_ok() {
                let why = "a silent connection made room for a newer one";
                return Poll::Ready(io::Error::new(ErrorKind::ConnectionAborted, why));
            }
        }
        let silent = || io::Error::new(ErrorKind::TimedOut, "nothing was said for too long");
        self.left.as_mut().poll(cx).map(|()| silent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_it_is_known_what_is_spoken() {
        let silence = || Silent::default().start();
        assert!(silence().is_broken_by(PREFACE));
        assert!(silence().is_broken_by(b"GET / HTTP/1.0\r\n\r\n"));
        assert!(silence().is_broken_by(b"PRI * HTTP/1.1"));
        assert!(silence().is_broken_by(&[PREFACE, b"more"].concat()));
        let mut slow = silence();
        for byte in &PREFACE[..23] {
            assert!(!slow.is_broken_by(&[*byte]) && !slow.is_broken_by(b""));
        }
        assert!(slow.is_broken_by(b"\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_the_oldest_goes_and_who_has_spoken_is_not_counted() {
        let mut silent = Silent::default();
        let mut all: Vec<_> = (0..MOST).map(|_| silent.start()).collect();
        drop(all.remove(0));
        all.push(silent.start());
        let over = async |one: &mut Silence| {
            let mut over = std::pin::pin!(std::future::poll_fn(|cx| one.poll_over(cx)));
            futures::poll!(&mut over).is_ready()
        };
        for one in &mut all {
            assert!(!over(one).await);
        }
        all.push(silent.start());
        assert!(over(&mut all[0]).await && !over(&mut all[1]).await);
        // They are not hurried because nobody else can come.
        drop(silent);
        assert!(!over(&mut all[1]).await);
        tokio::time::advance(WITHIN).await;
        assert!(over(&mut all[1]).await);
    }
}
