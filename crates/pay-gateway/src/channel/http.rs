//! HTTP to a channel: one pool per account, no proxies, no redirects.
//! A failure tells what money needs to know: provably not sent, or unknown.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use seam::net::Net;
use thiserror::Error;
use tokio_rustls::rustls::RootCertStore;

use super::MAX_MESSAGE;

mod connector;

use connector::Connector;

/// How an account's connections behave.
#[derive(Debug, Clone, Copy)]
pub struct HttpSettings {
    /// For a connection to be made, TLS included.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept; shorter than the channel keeps it.
    pub idle_timeout: Duration,
    /// How many unused connections are kept.
    pub max_idle: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        let (connect_timeout, idle_timeout) = (Duration::from_secs(2), Duration::from_secs(15));
        Self {
            connect_timeout,
            idle_timeout,
            max_idle: 16,
        }
    }
}

/// A pool of connections to a channel; clones share it, dropping the last closes it.
#[derive(Clone)]
pub struct ChannelHttp {
    client: Client<Connector, Full<Bytes>>,
}

/// A request.
pub struct Post<'a> {
    /// `http` or `https`.
    pub url: &'a str,
    /// The body's type.
    pub content_type: &'static str,
    /// The body, whole.
    pub body: String,
    /// For everything, from the connection to the last byte of the reply.
    pub timeout: Duration,
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HttpFailure {
    /// Provably, no byte of the request was written.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The channel may have got the request.
    #[error("unknown: {0}")]
    Unknown(String),
}

impl ChannelHttp {
    /// A pool that dials through `net` and trusts the public certificate authorities.
    pub fn new(net: Arc<dyn Net>, settings: HttpSettings) -> Self {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Self::trusting(roots, net, settings)
    }

    fn trusting(roots: RootCertStore, net: Arc<dyn Net>, settings: HttpSettings) -> Self {
        let connector = Connector::new(net, roots, settings.connect_timeout);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.idle_timeout)
            .pool_max_idle_per_host(settings.max_idle)
            .build(connector);
        Self { client }
    }

    /// Sends `post` at most once; answers the body of a reply with status 200.
    pub async fn post(&self, post: Post<'_>) -> Result<Bytes, HttpFailure> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(post.url)
            .header(CONTENT_TYPE, post.content_type)
            .body(Full::from(post.body))
            .map_err(|error| HttpFailure::NotSent(error.to_string()))?;
        if request.uri().host().is_none() {
            return Err(HttpFailure::NotSent("no host in the url".to_owned()));
        }
        if post.timeout.is_zero() {
            return Err(HttpFailure::NotSent("no time left".to_owned()));
        }
        let late = format!("no reply within {:?}", post.timeout);
        tokio::time::timeout(post.timeout, self.exchange(request))
            .await
            .unwrap_or(Err(HttpFailure::Unknown(late)))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Bytes, HttpFailure> {
        let reply = self
            .client
            .request(request)
            .await
            .map_err(|error| failure(&error))?;
        let status = reply.status();
        if status != StatusCode::OK {
            return Err(HttpFailure::Unknown(format!(
                "http status {}",
                status.as_u16()
            )));
        }
        let body = Limited::new(reply.into_body(), MAX_MESSAGE).collect().await;
        let broken = |error| HttpFailure::Unknown(format!("reply's body: {error}"));
        body.map(Collected::to_bytes).map_err(broken)
    }
}

/// Only a connection that was never made proves that nothing was sent.
fn failure(error: &Error) -> HttpFailure {
    let why = causes(error);
    if error.is_connect() {
        HttpFailure::NotSent(why)
    } else {
        HttpFailure::Unknown(why)
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests;
