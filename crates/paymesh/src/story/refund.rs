//! How an order's refunds stand: a line each, below its story.

use std::fmt;

use proto::trade::v1::Refund;

/// A refund; displayed as one line.
#[derive(Debug, Clone, PartialEq)]
pub struct RefundLine(pub Refund);

impl fmt::Display for RefundLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refund = &self.0;
        let plain = |name: &str, prefix: &str| name.trim_start_matches(prefix).to_owned();
        let state = plain(refund.state().as_str_name(), "REFUND_STATE_");
        let origin = plain(refund.origin().as_str_name(), "REFUND_ORIGIN_");
        let by = plain(refund.by().as_str_name(), "CANCEL_TYPE_");
        let Refund {
            refund_no,
            merchant_refund_no,
            amount_fen,
            ..
        } = refund;
        write!(
            f,
            "{refund_no} {merchant_refund_no} {amount_fen} fen {state} ({origin}, {by})"
        )?;
        let notes = [
            ("of", &refund.out_trade_no),
            ("because", &refund.reason),
            ("failed:", &refund.failure),
            ("evidence", &refund.evidence),
        ];
        for (word, note) in notes.into_iter().filter(|(_, note)| !note.is_empty()) {
            write!(f, ", {word} {note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proto::trade::v1::{CancelType, RefundOrigin, RefundState};

    use super::*;

    #[test]
    fn a_refund_is_one_line() {
        let refund = Refund {
            refund_no: "R1".to_owned(),
            merchant_refund_no: "back-1".to_owned(),
            out_trade_no: "W10000".to_owned(),
            amount_fen: 300,
            state: RefundState::Failed.into(),
            origin: RefundOrigin::Asked.into(),
            by: CancelType::Customer.into(),
            failure: "CHANGE".to_owned(),
            ..Refund::default()
        };
        assert_eq!(
            RefundLine(refund).to_string(),
            "R1 back-1 300 fen FAILED (ASKED, CUSTOMER), of W10000, failed: CHANGE"
        );
    }
}
