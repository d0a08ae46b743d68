//! Debug texts of messages that hold a payer's code, without it.

use std::fmt;

use crate::gateway::v1::PayRequest;
use crate::trade::v1::PayOrderRequest;

impl fmt::Debug for PayRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayRequest")
            .field("order_no", &self.order_no)
            .field("attempt", &self.attempt)
            .field("amount_fen", &self.amount_fen)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PayOrderRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayOrderRequest")
            .field("order_no", &self.order_no)
            .field("request_id", &self.request_id)
            .field("pay_type", &self.pay_type)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payers_code_is_not_shown() {
        let code = "134567890123456789";
        let pay = PayRequest {
            auth_code: code.to_owned(),
            ..PayRequest::default()
        };
        let order = PayOrderRequest {
            auth_code: code.to_owned(),
            ..PayOrderRequest::default()
        };
        let shown = format!("{pay:?} {order:?}");
        assert!(
            shown.contains("PayRequest") && !shown.contains(code),
            "{shown}"
        );
    }
}
