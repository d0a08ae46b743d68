//! Notices as somebody else would write them: the tests' own wire and signature, so that no
//! mistake of the product's is made twice.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use md5::{Digest, Md5};

use crate::{HttpAnswer, INGRESS, TestMesh, post};

/// A notice of a payment, to be signed.
#[derive(Debug, Clone)]
pub struct Notice(BTreeMap<String, String>);

impl Notice {
    /// That `amount_fen` was paid under `out_trade_no`, in the name of `mch_id`.
    pub fn paid(mch_id: &str, out_trade_no: &str, amount_fen: i64) -> Self {
        let amount = amount_fen.to_string();
        let transaction = format!("tx{out_trade_no}");
        let fields = [
            ("version", "2.0"),
            ("charset", "UTF-8"),
            ("sign_type", "MD5"),
            ("status", "0"),
            ("result_code", "0"),
            ("pay_result", "0"),
            ("mch_id", mch_id),
            ("nonce_str", "5f7f0b5a4fd04f54"),
            ("trade_type", "pay.weixin.jspay"),
            ("transaction_id", &transaction),
            ("out_trade_no", out_trade_no),
            ("total_fee", &amount),
            ("fee_type", "CNY"),
            ("time_end", "20300102030405"),
        ];
        Self(
            fields
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        )
    }

    /// With a field set.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The message, signed with `key`.
    pub fn signed(&self, key: &str) -> String {
        let sign = self.signature(key);
        let mut xml = String::from("<xml>");
        for (name, value) in self.0.iter().chain([(&"sign".to_owned(), &sign)]) {
            let _ = write!(xml, "<{name}><![CDATA[{value}]]></{name}>");
        }
        xml + "</xml>"
    }

    fn signature(&self, key: &str) -> String {
        let mut text = String::new();
        for (name, value) in self.0.iter().filter(|(_, value)| !value.is_empty()) {
            let _ = write!(text, "{name}={value}&");
        }
        hex::encode_upper(Md5::digest(format!("{text}key={key}")))
    }

    // A flat message whose values are CDATA, without its signature; and that.
    fn read(xml: &str) -> (Self, String) {
        let values = xml.split("]]></").filter_map(|part| {
            let (before, value) = part.split_once("><![CDATA[")?;
            let (_, name) = before.rsplit_once('<')?;
            Some((name.to_owned(), value.to_owned()))
        });
        let mut fields: BTreeMap<String, String> = values.collect();
        let sign = fields.remove("sign").unwrap_or_default();
        (Self(fields), sign)
    }
}

/// The message signed with `to` in place of `from`, as long as before; one that was not signed
/// with `from` gets a signature that is nobody's.
pub fn resigned(xml: &str, (from, to): (&str, &str)) -> String {
    let (message, sign) = Notice::read(xml);
    if message.signature(from) == sign {
        xml.replace(&sign, &message.signature(to))
    } else {
        xml.replace(&sign, &"0".repeat(sign.len()))
    }
}

impl TestMesh {
    /// Posts a body to the callback ingress, as the channel would.
    pub async fn notify(&self, body: impl AsRef<[u8]>) -> HttpAnswer {
        post(self.net(), (INGRESS, "/callback/swiftpass"), body.as_ref()).await
    }
}
