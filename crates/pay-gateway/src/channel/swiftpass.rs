//! Swiftpass (威富通), WeChat, the customer scans (c→b): pay type 43, `pay.weixin.jspay`.

mod callback;
mod sign;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use seam::Ids;

use super::http::{ChannelHttp, HttpFailure, Post};
use super::value::china_time;
use super::{Abilities, Channel, Fields, MessageError, Prepay, PrepayAnswer};

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

    fn jspay(&self, prepay: &Prepay) -> Fields {
        let account = &self.account;
        let mut fields = Fields::from_iter([
            ("service", "pay.weixin.jspay"),
            ("version", "2.0"),
            ("charset", "UTF-8"),
            ("is_raw", "1"),
            ("mch_id", &account.mch_id),
            (
                "sign_agentno",
                account.sign_agentno.as_deref().unwrap_or_default(),
            ),
            ("notify_url", &account.notify_url),
            ("out_trade_no", &prepay.out_trade_no),
            ("sub_openid", &prepay.payer_id),
            ("mch_create_ip", &prepay.client_ip),
        ]);
        // Control characters do not survive XML, and the signature would not match.
        fields.set("body", prepay.description.replace(char::is_control, " "));
        fields.set("total_fee", prepay.amount.to_string());
        // Either alone has no effect.
        fields.set("time_start", china_time(prepay.starts));
        fields.set("time_expire", china_time(prepay.expires));
        fields.set("nonce_str", self.ids.nonce());
        account.signer.sign(&mut fields);
        fields
    }

    /// What a reply says, or why it says nothing.
    fn read_prepay(&self, raw: &[u8]) -> Result<PrepayAnswer, String> {
        let reply = self.open_reply(raw)?;
        if let Some(refusal) = refusal(&reply) {
            return refusal;
        }
        let pay_info = reply.get("pay_info").ok_or("reply has no pay_info")?;
        let channel_prepay_id = reply.get("token_id").map(str::to_owned);
        Ok(PrepayAnswer::Ready {
            pay_info: pay_info.to_owned(),
            channel_prepay_id,
        })
    }

    /// The fields of a reply that is signed, and about our account.
    fn open_reply(&self, raw: &[u8]) -> Result<Fields, String> {
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
        Ok(reply)
    }
}

#[async_trait]
impl Channel for Swiftpass {
    fn abilities(&self) -> Abilities {
        Abilities { prepay: true }
    }

    async fn prepay(&self, prepay: &Prepay) -> PrepayAnswer {
        let post = Post {
            url: &self.account.gateway_url,
            content_type: "text/xml; charset=UTF-8",
            body: wire::write(&self.jspay(prepay)),
            timeout: prepay.timeout,
        };
        match self.http.post(post).await {
            Ok(raw) => self
                .read_prepay(&raw)
                .unwrap_or_else(|why| PrepayAnswer::Unknown { why }),
            Err(HttpFailure::NotSent(why)) => PrepayAnswer::NotSent { why },
            Err(HttpFailure::Unknown(why)) => PrepayAnswer::Unknown { why },
        }
    }
}

/// A signed refusal, if the reply is one: final, or an unknown that looks like one.
fn refusal(reply: &Fields) -> Option<Result<PrepayAnswer, String>> {
    let (result, code) = (reply.text("result_code"), reply.text("err_code"));
    if result == "0" {
        return None;
    }
    if result.is_empty() || code.is_empty() || leaves_open(reply) {
        return Some(Err(format!(
            "channel answered result {result:?}, code {code:?}"
        )));
    }
    let message = clip(reply.text("err_msg"));
    Some(Ok(PrepayAnswer::Declined {
        code: clip(code),
        message,
    }))
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
