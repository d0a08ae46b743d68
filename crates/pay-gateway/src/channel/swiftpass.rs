//! Swiftpass (威富通): the customer scans (c→b, pay types 43 and 47) or the merchant does (b→c, 46);
//! query, close, reverse and refund of any payment.

mod callback;
mod pay;
mod prepay;
mod query;
mod refund;
mod sign;
mod undo;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use seam::Ids;
use sign::SigningFailed;

use super::http::{ChannelHttp, HttpFailure, Post};
use super::{
    Abilities, Channel, Fields, MessageError, Pay, PayAnswer, Prepay, PrepayAnswer, Query,
    QueryAnswer, Refund, RefundAnswer, RefundQuery, RefundQueryAnswer, Undo, UndoAnswer,
};

pub use callback::{Sealed, claims};
pub use sign::{BadKey, Md5Key, RsaPrivateKey, RsaPublicKey, Signer};

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
    /// The merchant's own app at WeChat, when payers are known by it.
    pub sub_appid: Option<String>,
    /// The chain merchant's number, when messages are signed with its key.
    pub groupno: Option<String>,
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
        let chain = self.account.groupno.as_deref().unwrap_or_default();
        let nonce = self.ids.nonce();
        Fields::from_iter([
            ("service", service),
            ("version", "2.0"),
            ("charset", "UTF-8"),
            ("mch_id", &self.account.mch_id),
            ("sign_agentno", agent),
            ("groupno", chain),
            ("out_trade_no", out_trade_no),
            ("nonce_str", &nonce),
        ])
    }

    fn sub_appid(&self) -> &str {
        self.account.sub_appid.as_deref().unwrap_or_default()
    }

    /// Signs a request and sends it at most once.
    async fn send(&self, mut request: Fields, timeout: Duration) -> Result<Bytes, HttpFailure> {
        let unsigned = |error: SigningFailed| HttpFailure::NotSent(error.to_string());
        self.account.signer.sign(&mut request).map_err(unsigned)?;
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
            let (status, message) = (reply.text("status"), reply.text("message"));
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
            pay: true,
            query: true,
            close: true,
            reverse: true,
            refund: true,
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
                .unwrap_or_else(|why| PrepayAnswer::Unknown { why: clip(&why) }),
            Err(HttpFailure::NotSent(why)) => PrepayAnswer::NotSent { why },
            Err(HttpFailure::Unknown(why)) => PrepayAnswer::Unknown { why },
        }
    }

    async fn pay(&self, pay: &Pay) -> PayAnswer {
        match self.send(self.micropay(pay), pay.timeout).await {
            Ok(raw) => self.read_pay(&raw, pay).unwrap_or_else(|why| {
                let why = clip(&pay.auth_code.kept_out_of(&why));
                PayAnswer::Unknown { why }
            }),
            Err(HttpFailure::NotSent(why)) => PayAnswer::NotSent { why },
            Err(HttpFailure::Unknown(why)) => PayAnswer::Unknown { why },
        }
    }

    async fn query(&self, query: &Query) -> QueryAnswer {
        let request = self.request("unified.trade.query", &query.out_trade_no);
        let answer = match self.send(request, query.timeout).await {
            Ok(raw) => self.read_query(&raw, &query.out_trade_no),
            Err(failure) => Err(failure.to_string()),
        };
        answer.unwrap_or_else(|why| QueryAnswer::NoEvidence { why: clip(&why) })
    }

    async fn close(&self, undo: &Undo) -> UndoAnswer {
        self.undo("unified.trade.close", undo).await
    }

    async fn reverse(&self, undo: &Undo) -> UndoAnswer {
        self.undo("unified.micropay.reverse", undo).await
    }

    async fn refund(&self, refund: &Refund) -> RefundAnswer {
        match self.send(self.refund_request(refund), refund.timeout).await {
            Ok(raw) => self
                .read_refund(&raw, refund)
                .unwrap_or_else(|why| RefundAnswer::Unknown { why: clip(&why) }),
            Err(HttpFailure::NotSent(why)) => RefundAnswer::NotSent { why },
            Err(HttpFailure::Unknown(why)) => RefundAnswer::Unknown { why },
        }
    }

    async fn query_refund(&self, query: &RefundQuery) -> RefundQueryAnswer {
        let request = self.refund_query(query);
        let answer = match self.send(request, query.timeout).await {
            Ok(raw) => self.read_refund_query(&raw, query),
            Err(failure) => Err(failure.to_string()),
        };
        answer.unwrap_or_else(|why| RefundQueryAnswer::NoEvidence { why: clip(&why) })
    }
}

/// The longest number of a channel, in bytes; the platform's have at most 32.
const MAX_NUMBER: usize = 64;

/// A channel's number, if there is one that is not too long to keep.
fn number<'a>(reply: &'a Fields, name: &str) -> Option<&'a str> {
    reply.get(name).filter(|number| number.len() <= MAX_NUMBER)
}

/// What a signed refusal says, for people.
fn refusal(reply: &Fields) -> String {
    let (result, code) = (reply.text("result_code"), reply.text("err_code"));
    format!("channel answered result {result:?}, code {code:?}")
}

/// The codes of a platform or wallet that does not know, or that has the order already.
const OPEN: [&str; 9] = [
    "USERPAYING",
    // How a repeated order number is refused: the first one stands.
    "INVALID_REQUEST",
    "OUT_TRADE_NO_USED",
    "ORDERPAID",
    "ACQ.TRADE_HAS_SUCCESS",
    "SYSTEMERROR",
    "SYSTEM_ERROR",
    "ACQ.SYSTEM_ERROR",
    "BANKERROR",
];

/// Whether a refusal leaves open that the order exists at the channel, or is even paid.
fn leaves_open(message: &Fields) -> bool {
    OPEN.contains(&message.text("err_code")) || message.text("need_query") == "Y"
}

/// At most 100 characters of what a channel said.
fn clip(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests;
