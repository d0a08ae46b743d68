//! One HTTP POST over the network seam, a connection each.

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use seam::net::Net;

/// A failure to get an answer.
pub(crate) type PostError = Box<dyn std::error::Error + Send + Sync>;

/// The largest answer read; `success` has seven bytes, the tests' answers a few thousand.
const REPLY_LIMIT: usize = 64 * 1024;
const HTTP_PORT: u16 = 80;

/// What the other side answered.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Reply {
    /// Whether it is the one answer that ends a notice.
    pub(crate) fn acknowledges(&self) -> bool {
        self.status.is_success() && self.body.as_ref() == b"success"
    }
}

/// Posts XML to an `http://` address; dropping the future drops the connection.
pub(crate) async fn post(net: &dyn Net, url: &str, xml: String) -> Result<Reply, PostError> {
    let uri: Uri = url.parse()?;
    let host = uri.host().ok_or("no host")?;
    let address = format!("{host}:{}", uri.port_u16().unwrap_or(HTTP_PORT));
    let request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(
            header::HOST,
            uri.authority().map_or(host, |authority| authority.as_str()),
        )
        .header(header::CONTENT_TYPE, "text/xml; charset=UTF-8")
        .body(Full::new(Bytes::from(xml)))?;
    let stream = net.dial(&address).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = exchange(sender, request);
    let (mut exchange, mut connection) = (Box::pin(exchange), Box::pin(connection));
    tokio::select! {
        reply = &mut exchange => reply,
        // The connection may end first, with the answer already read.
        _ = &mut connection => exchange.await,
    }
}

async fn exchange(
    mut sender: SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Reply, PostError> {
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), REPLY_LIMIT)
        .collect()
        .await?
        .to_bytes();
    Ok(Reply { status, body })
}
