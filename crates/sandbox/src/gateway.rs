//! `POST /pay/gateway`: reads a signed request, hands it to its service, signs the answer.

mod prepay;
mod query;
mod request;

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use tracing::{debug, warn};

use crate::config::Key;
use crate::mischief::{self, Order, Step};
use crate::wallet::Wallet;
use crate::wire::{self, Fields};
use crate::{App, SandboxError, sign};

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

/// A service's answer to a request that is understood.
enum Answer {
    /// `result_code` 0.
    Accepted(Fields),
    /// `result_code` 1.
    Refused(Refused),
}

/// A business refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refused {
    err_code: &'static str,
    err_msg: String,
    /// Whether the merchant must ask what became of the number.
    need_query: bool,
}

impl Refused {
    /// A request that says too little or something impossible.
    fn invalid(err_msg: String) -> Self {
        Self {
            err_code: "INVALID_REQUEST",
            err_msg,
            need_query: false,
        }
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
    let key = app.settings.key_of(request.signer()).ok_or(NOT_OPENED)?;
    if !sign::verify(request.fields(), key) {
        return Err(BAD_SIGNATURE);
    }
    let service = Service::named(request.get("service")).ok_or(NOT_OPENED)?;
    let served = serve(app, &request, key, service).await;
    served.map_err(|error: SandboxError| {
        warn!(%error, "sandbox request failed");
        FAILED
    })
}

async fn serve(
    app: &Arc<App>,
    request: &Request,
    key: &Key,
    service: Service,
) -> Result<Reply, SandboxError> {
    let order = service.order(app, request).await?;
    if let Some(silence) = mischief::arriving(app, service.step(), &order).await? {
        return Ok(silence);
    }
    let answer = match service {
        Service::Prepay(wallet) => prepay::serve(app, request, key, wallet).await?,
        Service::Query => query::serve(app, request).await?,
    };
    let accepted = matches!(answer, Answer::Accepted(_));
    let xml = signed(app, request, key, answer);
    mischief::leaving(app, (service.step(), accepted), &order, xml).await
}

/// What a request is for.
#[derive(Clone, Copy)]
enum Service {
    Prepay(Wallet),
    Query,
}

impl Service {
    fn named(name: &str) -> Option<Self> {
        match name {
            query::SERVICE => Some(Self::Query),
            other => Wallet::of_service(other).map(Self::Prepay),
        }
    }

    fn step(self) -> Step {
        match self {
            Self::Prepay(_) => Step::Prepay,
            Self::Query => Step::Query,
        }
    }

    /// The order a request is about, as far as scripts are concerned.
    async fn order(self, app: &App, request: &Request) -> Result<Order, SandboxError> {
        // A query says little: the ledger knows the rest. Nobody asks it when there are no scripts.
        let find = match self {
            Self::Query if app.mischief.is_on() => query::named_in(request),
            _ => None,
        };
        let found = match find {
            Some(find) => app.ledger.call(find).await?,
            None => None,
        };
        Ok(found.map_or_else(|| request.order(), |charge| Order::of(&charge)))
    }
}

fn signed(app: &App, request: &Request, key: &Key, answer: Answer) -> String {
    let mut fields = envelope(app, request.get("mch_id"));
    let device = request.get("device_info");
    if !device.is_empty() {
        fields.insert("device_info".to_owned(), device.to_owned());
    }
    fields.extend(match answer {
        Answer::Accepted(fields) => fields,
        Answer::Refused(refused) => named(&[
            ("result_code", "1"),
            ("err_code", refused.err_code),
            ("err_msg", &refused.err_msg),
            ("need_query", if refused.need_query { "Y" } else { "N" }),
        ]),
    });
    wire::write(&sign::signed(fields, key))
}

/// The fields of every signed message, as of one that was accepted.
pub(crate) fn envelope(app: &App, mch_id: &str) -> Fields {
    named(&[
        ("charset", "UTF-8"),
        ("mch_id", mch_id),
        ("nonce_str", &app.ids.nonce()),
        ("result_code", "0"),
        ("sign_type", "MD5"),
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
