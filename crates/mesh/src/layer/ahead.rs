//! A body of which something was read ahead, and what is left of it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use smallvec::{IntoIter, SmallVec};
use tonic::Status;

use super::Polled;

/// What a body says in one go, or the error it breaks off with.
pub(crate) type Said = Result<Frame<Bytes>, Status>;

/// What was read ahead: mostly a message and its trailers.
pub(crate) type Frames = SmallVec<[Said; 2]>;

/// Says what was read ahead, then the rest.
pub(crate) struct Ahead<B> {
    said: IntoIter<[Said; 2]>,
    rest: Option<B>,
}

impl<B> Ahead<B> {
    /// `rest`: none if that was all.
    pub(crate) fn new(said: Frames, rest: Option<B>) -> Self {
        let said = said.into_iter();
        Self { said, rest }
    }
}

impl<B> http_body::Body for Ahead<B>
where
    B: http_body::Body<Data = Bytes, Error = Status> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        match (this.said.next(), &mut this.rest) {
            (Some(said), _) => Poll::Ready(Some(said)),
            (None, Some(rest)) => Pin::new(rest).poll_frame(cx),
            (None, None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        let rest = self.rest.as_ref();
        self.said.len() == 0 && rest.is_none_or(http_body::Body::is_end_stream)
    }
}
