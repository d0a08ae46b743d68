//! Swiftpass (威富通), the customer scans (c→b): pay types 43 (WeChat) and 47 (Alipay); and the
//! query of any payment.

mod callback;
mod prepay;
mod query;
mod sign;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use seam::Ids;

use super::http::{ChannelHttp, HttpFailure, Post};
use super::{Abilities, Channel, Fields, MessageError, Prepay, PrepayAnswer, Query, QueryAnswer};

pub use callback::Sealed;
pub use sign::{Signer, WeakKey};

/// What the channel wants to hear within 5 s once a callback is durable.
pub const ACKNOWLEDGED: &str = "success";
/// What it hears otherwise; it calls again.
pub const REFUSED: &str = "fail";

/// A merchant account at Swiftpass.
#[derive(Debug, Clone)]
pub struct Account {
    /// Where requests go, e.g. `https://pay.swiftpass.cn/pay/gateway`.
    pub gateway_url: String,
    /// The merchant's number.
    pub mch_id: String,
    /// The service provider's number, when messages are signed with its key.
    pub sign_agentno: Option<String>,
    /// Where callbacks are to come.
    pub notify_url: String,
    /// Signs and verifies with the account's (or its service provider's) key.
    pub signer: Signer,
}

/// The adapter, for one account.
pub struct Swiftpass {
    account: Account,
    http: ChannelHttp,
    ids: Arc<dyn Ids>,
}

impl Swiftpass {
    /// Speaks for `account`; nonces come from `ids`.
    pub fn new(account: Account, http: ChannelHttp, ids: Arc<dyn Ids>) -> Self {
        Self { account, http, ids }
    }

    /// What every request for a payment begins with.
    fn request(&self, service: &str, out_trade_no: &str) -> Fields {
        let agent = self.account.sign_agentno.as_deref().unwrap_or_default();
        let nonce = self.ids.nonce();
        Fields::from_iter([
            ("service", service),
            ("version", "2.0"),
            ("charset", "UTF-8"),
            ("mch_id", &self.account.mch_id),
            ("sign_agentno", agent),
            ("out_trade_no", out_trade_no),
            ("nonce_str", &nonce),
        ])
    }

    /// Signs a request and sends it at most once.
    async fn send(&self, mut request: Fields, timeout: Duration) -> Result<Bytes, HttpFailure> {
        self.account.signer.sign(&mut request);
        let post = Post {
            url: &self.account.gateway_url,
            content_type: "text/xml; charset=UTF-8",
            body: wire::write(&request),
            timeout,
        };
        self.http.post(post).await
    }

    /// The fields of a reply that is signed, and about our account and, if it says so, our order.
    fn open_reply(&self, raw: &[u8], out_trade_no: &str) -> Result<Fields, String> {
        let refused = |error: MessageError| format!("reply not believed: {}", error.reason());
        let reply = wire::read(raw).map_err(refused)?;
        // The platform does not sign such replies: anybody could have written this one.
        if reply.text("status") != "0" {
            let (status, message) = (clip(reply.text("status")), clip(reply.text("message")));
            return Err(format!("channel answered status {status:?}: {message:?}"));
        }
        self.account.signer.verify(&reply).map_err(refused)?;
        if reply.text("mch_id") != self.account.mch_id {
            return Err("reply is for another merchant".to_owned());
        }
        if reply.get("out_trade_no").unwrap_or(out_trade_no) != out_trade_no {
            return Err("reply is for another order".to_owned());
        }
        Ok(reply)
    }
}

#[async_trait]
impl Channel for Swiftpass {
    fn abilities(&self) -> Abilities {
        Abilities {
            prepay: true,
            query: true,
        }
    }

    async fn prepay(&self, prepay: &Prepay) -> PrepayAnswer {
        let Some(request) = self.jspay(prepay) else {
            let why = format!("pay type {} is not prepared here", prepay.pay_type.name());
            return PrepayAnswer::NotSent { why };
        };
        match self.send(request, prepay.timeout).await {
            Ok(raw) => self
                .read_prepay(&raw, &prepay.out_trade_no)
                .unwrap_or_else(|why| PrepayAnswer::Unknown { why }),
            Err(HttpFailure::NotSent(why)) => PrepayAnswer::NotSent { why },
            Err(HttpFailure::Unknown(why)) => PrepayAnswer::Unknown { why },
        }
    }

    async fn query(&self, query: &Query) -> QueryAnswer {
        let request = self.request("unified.trade.query", &query.out_trade_no);
        let answer = match self.send(request, query.timeout).await {
            Ok(raw) => self.read_query(&raw, &query.out_trade_no),
            Err(failure) => Err(failure.to_string()),
        };
        answer.unwrap_or_else(|why| QueryAnswer::NoEvidence { why })
    }
}

/// What a signed refusal says, for people.
fn refusal(reply: &Fields) -> String {
    let (result, code) = (
        clip(reply.text("result_code")),
        clip(reply.text("err_code")),
    );
    format!("channel answered result {result:?}, code {code:?}")
}

/// Whether a refusal leaves open that the order exists at the channel, or is even paid.
fn leaves_open(message: &Fields) -> bool {
    // INVALID_REQUEST is how a repeated order number is refused: the first one stands.
    let open = [
        "USERPAYING",
        "INVALID_REQUEST",
        "SYSTEMERROR",
        "ORDERPAID",
        "OUT_TRADE_NO_USED",
    ];
    open.contains(&message.text("err_code")) || message.text("need_query") == "Y"
}

/// At most 100 characters of what a channel said.
fn clip(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests;
