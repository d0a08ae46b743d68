//! Keeps what a request's body said while it is sent, so that it can be said again.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Frame;
use smallvec::smallvec;
use tonic::Status;
use tonic::body::Body;

use super::ahead::Ahead;
use super::{Polled, poll_body};

/// The most that is kept of one body, in bytes; a longer one is said once.
pub(crate) const LONGEST: usize = 64 * 1024;

/// A body that can be said more than once, one attempt after the other.
pub(crate) enum Replay {
    /// All of it was here when it was wanted, as one message is.
    Here(Bytes),
    Coming(Arc<Mutex<Shared>>),
}

pub(crate) struct Shared {
    /// What has not been said yet.
    rest: Body,
    kept: Vec<Bytes>,
    length: usize,
    /// Everything said so far is kept.
    whole: bool,
    ended: bool,
    /// Whose turn it is: only the last attempt may go on.
    attempt: u32,
}

impl Replay {
    pub(crate) fn new(body: Body) -> Self {
        match read_now(body) {
            Ok(kept) => Self::Here(kept),
            Err(rest) => Self::Coming(Arc::new(Mutex::new(Shared {
                rest,
                kept: Vec::new(),
                length: 0,
                whole: true,
                ended: false,
                attempt: 0,
            }))),
        }
    }

    /// The body from its beginning; one given out before is not to go on.
    pub(crate) fn body(&self) -> Body {
        match self {
            Self::Here(kept) => Body::new(Once(Some(kept.clone()).filter(|kept| !kept.is_empty()))),
            Self::Coming(shared) => {
                let mut turn = lock(shared);
                turn.attempt += 1;
                let said = Resaid {
                    attempt: turn.attempt,
                    at: 0,
                    shared: Arc::clone(shared),
                };
                drop(turn);
                Body::new(said)
            }
        }
    }

    /// Whether it can be said again from its beginning.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Self::Here(_) => true,
            Self::Coming(shared) => lock(shared).whole,
        }
    }
}

/// A body of one frame, which it ends with: one that has to be asked whether more is to come costs
/// another frame on the wire.
struct Once(Option<Bytes>);

impl http_body::Body for Once {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
        Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// What a body has to say, if it says all of it at once, in one piece, and it is not too long; else
/// the body.
fn read_now(mut body: Body) -> Result<Bytes, Body> {
    // Nobody is to be woken: whoever takes the rest asks for it again.
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(first) = poll_body(&mut body, &mut cx) else {
        return Err(body);
    };
    let Some(first) = first else {
        return Ok(Bytes::new());
    };
    let second = match poll_body(&mut body, &mut cx) {
        Poll::Pending => None,
        Poll::Ready(Some(second)) => Some(second),
        // Nearly always: one message.
        Poll::Ready(None) => match first {
            Ok(frame) if frame.data_ref().is_some_and(|data| data.len() <= LONGEST) => {
                return Ok(frame.into_data().unwrap_or_default());
            }
            first => return Err(Body::new(Ahead::<Body>::new(smallvec![first], None))),
        },
    };
    let said = [Some(first), second].into_iter().flatten();
    Err(Body::new(Ahead::new(said.collect(), Some(body))))
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn is_over(&self) -> bool {
        self.ended || http_body::Body::is_end_stream(&self.rest)
    }

    fn say(&mut self, cx: &mut Context<'_>) -> Polled {
        let frame = poll_body(&mut self.rest, cx);
        match &frame {
            Poll::Pending => {}
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Ok(frame))) => match frame.data_ref() {
                Some(data) => self.keep(data),
                None => self.forget(),
            },
            Poll::Ready(Some(Err(_))) => self.forget(),
        }
        frame
    }

    fn keep(&mut self, data: &Bytes) {
        self.length = self.length.saturating_add(data.len());
        if self.length > LONGEST {
            self.forget();
        }
        if self.whole {
            self.kept.push(data.clone());
        }
    }

    fn forget(&mut self) {
        self.whole = false;
        self.kept = Vec::new();
    }
}

/// What one attempt sends.
struct Resaid {
    shared: Arc<Mutex<Shared>>,
    attempt: u32,
    /// How many of the kept pieces have been said.
    at: usize,
}

impl http_body::Body for Resaid {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        let mut shared = lock(&this.shared);
        if shared.attempt != this.attempt {
            let late = Status::cancelled("a later attempt has taken over");
            return Poll::Ready(Some(Err(late)));
        }
        if let Some(data) = shared.kept.get(this.at) {
            this.at += 1;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        if shared.ended {
            return Poll::Ready(None);
        }
        let frame = shared.say(cx);
        this.at = shared.kept.len();
        frame
    }

    fn is_end_stream(&self) -> bool {
        let shared = lock(&self.shared);
        shared.attempt == self.attempt && self.at >= shared.kept.len() && shared.is_over()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use http_body_util::{BodyExt, StreamBody};
    use proptest::prelude::*;

    fn pieces(lengths: &[usize]) -> Body {
        let pieces: Vec<_> = (b'a'..)
            .zip(lengths)
            .map(|(letter, length)| Ok::<_, Status>(Frame::data(vec![letter; *length].into())))
            .collect();
        Body::new(StreamBody::new(futures::stream::iter(pieces)))
    }

    /// The same, which are not here yet when they are wanted first.
    fn late(lengths: &[usize]) -> Body {
        let mut here = false;
        let mut body = pieces(lengths);
        Body::new(StreamBody::new(futures::stream::poll_fn(move |cx| {
            if std::mem::replace(&mut here, true) {
                return poll_body(&mut body, cx);
            }
            Poll::Pending
        })))
    }

    async fn all(body: Body) -> Result<Bytes, Status> {
        body.collect()
            .await
            .map(http_body_util::Collected::to_bytes)
    }

    #[tokio::test]
    async fn a_short_body_is_said_again_and_again() {
        for body in [pieces, late] {
            let replay = Replay::new(body(&[3, 0, LONGEST - 3]));
            let first = all(replay.body()).await.unwrap();
            assert_eq!(first.len(), LONGEST);
            assert!(replay.is_whole());
            for _ in 0..2 {
                assert_eq!(all(replay.body()).await.unwrap(), first);
            }
        }
    }

    #[tokio::test]
    async fn one_message_ends_with_its_only_frame() {
        for _ in 0..2 {
            let mut said = Replay::new(pieces(&[3])).body();
            assert!(!http_body::Body::is_end_stream(&said));
            assert_eq!(
                said.frame().await.unwrap().unwrap().into_data().unwrap(),
                "aaa"
            );
            assert!(http_body::Body::is_end_stream(&said));
        }
    }

    #[test]
    fn a_body_that_never_stops_is_not_read_for_ever() {
        let empty = || Ok::<_, Status>(Frame::data(Bytes::new()));
        let endless = futures::stream::repeat_with(empty);
        let replay = Replay::new(Body::new(StreamBody::new(endless)));
        let first = replay.body().frame().now_or_never().unwrap().unwrap();
        assert!(first.unwrap().into_data().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_longer_body_is_said_once_and_in_full() {
        let replay = Replay::new(pieces(&[3, LONGEST, 5]));
        assert_eq!(all(replay.body()).await.unwrap().len(), LONGEST + 8);
        assert!(!replay.is_whole());
    }

    #[tokio::test]
    async fn what_the_first_attempt_did_not_say_the_second_does() {
        for said in 0..3 {
            let replay = Replay::new(late(&[1, 2, 3]));
            let mut first = replay.body();
            for _ in 0..said {
                first.frame().await.unwrap().unwrap();
            }
            let second = replay.body();
            // The first may still be in a connection's hands: it takes nothing from the second.
            assert!(first.frame().await.unwrap().is_err());
            assert_eq!(&all(second).await.unwrap()[..], b"abbccc", "{said}");
        }
    }

    #[tokio::test]
    async fn a_body_that_has_not_come_yet_is_waited_for() {
        let never = futures::stream::pending::<Result<Frame<Bytes>, Status>>();
        let replay = Replay::new(Body::new(StreamBody::new(never)));
        for _ in 0..2 {
            assert!(replay.body().frame().now_or_never().is_none());
        }
        assert!(replay.is_whole());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_said_again() {
        let frames = [
            Ok(Frame::data(Bytes::from_static(b"x"))),
            Err(Status::internal("broken")),
        ];
        let replay = Replay::new(Body::new(StreamBody::new(futures::stream::iter(frames))));
        assert!(all(replay.body()).await.is_err());
        assert!(!replay.is_whole());
    }

    #[test]
    fn an_empty_body_has_ended_before_it_begins() {
        let replay = Replay::new(Body::empty());
        assert!(http_body::Body::is_end_stream(&replay.body()));
    }

    proptest! {
        /// However a body is cut and wherever attempts break off: each says the beginning of it,
        /// and the last says all, unless more was said than is kept.
        #[test]
        fn every_attempt_says_the_same(
            lengths in prop::collection::vec(0usize..30_000, 0..6),
            breaks in prop::collection::vec(0usize..7, 0..4),
            here in any::<bool>(),
        ) {
            let piece = |(letter, length): (u8, &usize)| vec![letter; *length];
            let whole: Vec<u8> = (b'a'..).zip(&lengths).flat_map(piece).collect();
            let replay = Replay::new(if here { pieces(&lengths) } else { late(&lengths) });
            let mut most = 0;
            for said_until in breaks {
                let (mut attempt, mut said) = (replay.body(), Vec::new());
                for _ in 0..said_until {
                    let Some(frame) = attempt.frame().now_or_never().unwrap() else {
                        break;
                    };
                    said.extend(frame.unwrap().into_data().unwrap());
                }
                most = most.max(said.len());
                prop_assert!(whole.starts_with(&said));
                prop_assert_eq!(replay.is_whole(), most <= LONGEST);
                if most > LONGEST {
                    return Ok(());
                }
            }
            let last = all(replay.body()).now_or_never().unwrap().unwrap();
            prop_assert!(last == whole);
        }
    }
}
