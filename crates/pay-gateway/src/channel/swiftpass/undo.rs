//! Closes a payment (`unified.trade.close`) or reverses one (`unified.micropay.reverse`). Both take
//! the number alone and say little; what became of the payment is for a query to tell.

use super::{Swiftpass, clip, refusal};
use crate::channel::http::HttpFailure;
use crate::channel::{Undo, UndoAnswer};

impl Swiftpass {
    pub(super) async fn undo(&self, service: &str, undo: &Undo) -> UndoAnswer {
        let request = self.request(service, &undo.out_trade_no);
        match self.send(request, undo.timeout).await {
            Ok(raw) => self
                .read_undo(&raw, &undo.out_trade_no)
                .unwrap_or_else(|why| UndoAnswer::Unknown { why: clip(&why) }),
            Err(HttpFailure::NotSent(why)) => UndoAnswer::NotSent { why },
            Err(HttpFailure::Unknown(why)) => UndoAnswer::Unknown { why },
        }
    }

    /// What a reply says, or why it says nothing.
    pub(super) fn read_undo(&self, raw: &[u8], out_trade_no: &str) -> Result<UndoAnswer, String> {
        let reply = self.open_reply(raw, out_trade_no)?;
        match reply.text("result_code") {
            "0" => Ok(UndoAnswer::Accepted),
            "" => Err(refusal(&reply)),
            _ => Ok(UndoAnswer::Refused {
                code: clip(reply.text("err_code")),
                message: clip(reply.text("err_msg")),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
