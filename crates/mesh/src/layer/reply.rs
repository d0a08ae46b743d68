//! What comes back through a stack.

use std::net::SocketAddr;

use http::response::Parts;
use http::{HeaderMap, Response, StatusCode};
use tokio::time::Instant;
use tonic::Code;
use tonic::body::Body;

use crate::outcome::{Outcome, code_of};

/// A call's answer; failures too are answers, with a `grpc-status`. Boxed: it is handed on by a
/// dozen layers.
pub(crate) struct Reply(Box<Inside>);

struct Inside {
    response: Response<Body>,
    known: Known,
}

/// What is known of an answer that its headers do not say: they may be those of a peer's peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// It was read to its end, though its body is still to be taken.
    pub(crate) ended: Option<Ended>,
    /// The endpoint it came from.
    pub(crate) served: Option<SocketAddr>,
    /// What the transport says of the peer.
    pub(crate) outcome: Option<Outcome>,
    /// So many wait already that the call is not to come again.
    pub(crate) crowded: bool,
}

/// How and when an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: Code,
    pub(crate) at: Instant,
}

impl Reply {
    pub(crate) fn new(body: Body) -> Self {
        Response::new(body).into()
    }

    pub(crate) fn from_parts(head: Parts, body: Body) -> Self {
        Response::from_parts(head, body).into()
    }

    /// What follows the last layer knows no more than the response.
    pub(crate) fn into_response(self) -> Response<Body> {
        self.0.response
    }

    pub(crate) fn into_parts(self) -> (Parts, Body) {
        self.into_response().into_parts()
    }

    pub(crate) fn known(&self) -> &Known {
        &self.0.known
    }

    pub(crate) fn known_mut(&mut self) -> &mut Known {
        &mut self.0.known
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.0.response.headers()
    }

    pub(crate) fn headers_mut(&mut self) -> &mut HeaderMap {
        self.0.response.headers_mut()
    }

    pub(crate) fn body_mut(&mut self) -> &mut Body {
        self.0.response.body_mut()
    }

    /// The same with another body.
    pub(crate) fn map(mut self, other: impl FnOnce(Body) -> Body) -> Self {
        let body = self.body_mut();
        *body = other(std::mem::take(body));
        self
    }

    /// Whether it was read to its end, though its body is still to be taken.
    pub(crate) fn is_whole(&self) -> bool {
        self.known().ended.is_some()
    }

    /// Whether nothing more of it is to come: it was read to its end, or ended with its headers.
    pub(crate) fn is_over(&self) -> bool {
        self.is_whole() || http_body::Body::is_end_stream(self.0.response.body())
    }

    /// How it ended, if it has: one that ended with its headers did so now.
    pub(crate) fn ending(&self) -> Option<Ended> {
        let now = || {
            let code = code_of(self)?;
            let at = Instant::now();
            Some(Ended { code, at })
        };
        self.known().ended.or_else(now)
    }
}

impl From<Response<Body>> for Reply {
    fn from(response: Response<Body>) -> Self {
        let known = Known::default();
        Self(Box::new(Inside { response, known }))
    }
}
