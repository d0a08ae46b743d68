//! `POST /pay/gateway`: reads a signed request, hands it to its service, signs the answer.

mod close;
mod described;
mod micropay;
mod own;
mod prepay;
mod query;
mod refund;
mod refund_query;
mod refused;
mod request;
mod reverse;

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use tracing::{debug, warn};

use crate::charge::Charge;
use crate::mischief::{self, Order, Step};
use crate::sign::Signer;
use crate::wallet::Wallet;
use crate::wire::{self, Fields};
use crate::{App, SandboxError, sign};

use refused::{Fault, Refused};
use request::Request;

/// The appid of WeChat's own account.
const APP_ID: &str = "wx5a6e64626f780000";

/// Why a request is not even answered with a signature: `message` beside `status` 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rejected(&'static str);

pub(crate) const NOT_POST: Rejected = Rejected("Require POST method");
const NOT_XML: Rejected = Rejected("Parse xml error,please use UTF-8 encoded");
const BAD_SIGNATURE: Rejected = Rejected("Signature error");
const NOT_OPENED: Rejected = Rejected("Auth valid fail");
pub(crate) const FAILED: Rejected = Rejected("System error");

impl Rejected {
    /// The unsigned answer.
    pub(crate) fn xml(self) -> String {
        wire::write(&named(&[
            ("version", "2.0"),
            ("charset", "UTF-8"),
            ("status", "400"),
            ("message", self.0),
        ]))
    }
}

/// What comes back over HTTP.
pub(crate) enum Reply {
    /// An answer.
    Answer(Response),
    /// None: the connection stays open for so long, and is then broken off.
    Silence(Duration),
}

/// A message, as it goes over HTTP.
pub(crate) fn message(xml: String) -> Response {
    ([(CONTENT_TYPE, "text/xml; charset=UTF-8")], xml).into_response()
}

/// Answers a request's body.
pub(crate) async fn answer(app: &Arc<App>, body: &[u8]) -> Reply {
    match accept(app, body).await {
        Ok(reply) => reply,
        Err(rejected) => {
            debug!(reason = rejected.0, "sandbox request rejected");
            Reply::Answer(message(rejected.xml()))
        }
    }
}

async fn accept(app: &Arc<App>, body: &[u8]) -> Result<Reply, Rejected> {
    let request = Request::new(wire::read(body).map_err(|_| NOT_XML)?);
    let signer = app.keys.of(request.signer()).ok_or(NOT_OPENED)?;
    if !sign::verify(request.fields(), signer) {
        return Err(BAD_SIGNATURE);
    }
    let service = Service::named(request.get("service")).ok_or(NOT_OPENED)?;
    let served = serve(app, &request, signer, service).await;
    served.map_err(|error: SandboxError| {
        warn!(%error, "sandbox request failed");
        FAILED
    })
}

async fn serve(
    app: &Arc<App>,
    request: &Request,
    signer: &Signer,
    service: Service,
) -> Result<Reply, SandboxError> {
    let order = service.order(app, request).await?;
    if let Some(silence) = mischief::arriving(app, service.step(), &order).await? {
        return Ok(silence);
    }
    let answer = match service.answer(app, request, (signer, &order)).await {
        Ok(fields) => Ok(fields),
        Err(Fault::Refused(refused)) => Err(refused),
        Err(Fault::Failed(error)) => return Err(error),
    };
    let accepted = answer.is_ok();
    let xml = sealed(app, request, signer, answer);
    mischief::leaving(app, (service.step(), accepted), &order, xml).await
}

/// What a request is for.
#[derive(Clone, Copy)]
enum Service {
    Prepay(Wallet),
    Micropay,
    Query,
    Close,
    Reverse,
    Refund,
    RefundQuery,
}

impl Service {
    fn named(name: &str) -> Option<Self> {
        match name {
            micropay::SERVICE => Some(Self::Micropay),
            query::SERVICE => Some(Self::Query),
            close::SERVICE => Some(Self::Close),
            reverse::SERVICE => Some(Self::Reverse),
            refund::SERVICE => Some(Self::Refund),
            refund_query::SERVICE => Some(Self::RefundQuery),
            other => Wallet::of_service(other).map(Self::Prepay),
        }
    }

    fn step(self) -> Step {
        match self {
            Self::Prepay(_) => Step::Prepay,
            Self::Micropay => Step::Micropay,
            Self::Query => Step::Query,
            Self::Close => Step::Close,
            Self::Reverse => Step::Reverse,
            Self::Refund => Step::Refund,
            Self::RefundQuery => Step::RefundQuery,
        }
    }

    async fn answer(
        self,
        app: &Arc<App>,
        request: &Request,
        (signer, order): (&Signer, &Order),
    ) -> Result<Fields, Fault> {
        match self {
            Self::Prepay(wallet) => prepay::serve(app, request, signer, wallet).await,
            Self::Micropay => micropay::serve(app, request, order).await,
            Self::Query => query::serve(app, request).await,
            Self::Close => close::serve(app, request).await,
            Self::Reverse => reverse::serve(app, request).await,
            Self::Refund => refund::serve(app, request).await,
            Self::RefundQuery => refund_query::serve(app, request).await,
        }
    }

    /// The order a request is about, as far as scripts are concerned.
    async fn order(self, app: &App, request: &Request) -> Result<Order, SandboxError> {
        let found = self.about(app, request).await?;
        Ok(found.map_or_else(|| request.order(), |charge| Order::of(&charge)))
    }

    /// The charge that a request says little about: the ledger knows the rest. Nobody asks it
    /// when there are no scripts.
    async fn about(self, app: &App, request: &Request) -> Result<Option<Charge>, SandboxError> {
        let find = match self {
            _ if !app.mischief.is_on() => None,
            Self::Prepay(_) | Self::Micropay => None,
            Self::RefundQuery => return refund_query::about(app, request).await,
            Self::Query | Self::Close | Self::Reverse | Self::Refund => own::named_in(request),
        };
        match find {
            Some(find) => app.ledger.call(find).await,
            None => Ok(None),
        }
    }
}

fn sealed(
    app: &App,
    request: &Request,
    signer: &Signer,
    answer: Result<Fields, Refused>,
) -> String {
    let mut fields = envelope(app, request.get("mch_id"));
    let device = request.get("device_info");
    if !device.is_empty() {
        fields.insert("device_info".to_owned(), device.to_owned());
    }
    fields.extend(answer.unwrap_or_else(|refused| {
        named(&[
            ("result_code", "1"),
            ("err_code", &refused.err_code),
            ("err_msg", &refused.err_msg),
            ("need_query", if refused.need_query { "Y" } else { "N" }),
        ])
    }));
    wire::write(&sign::sealed(fields, signer))
}

/// The fields of every signed message but its signature, as of one that was accepted.
pub(crate) fn envelope(app: &App, mch_id: &str) -> Fields {
    named(&[
        ("charset", "UTF-8"),
        ("mch_id", mch_id),
        ("nonce_str", &app.ids.nonce()),
        ("result_code", "0"),
        ("status", "0"),
        ("version", "2.0"),
    ])
}

/// Fields from pairs.
pub(crate) fn named(pairs: &[(&str, &str)]) -> Fields {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
