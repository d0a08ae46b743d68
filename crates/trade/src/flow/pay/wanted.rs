//! A request to pay, checked. It may hold a payer's code, so it has no `Debug`.

use domain::{Attempt, Direction, OrderNo, PayType};
use jiff::Timestamp;
use proto::trade::v1 as wire;
use store::{Value, row};
use work::Violations;

use crate::content::{is_auth_code, is_ipv4, is_visible, order_no};
use crate::convert;
use crate::error::TradeError;

const REQUEST: usize = 64;

/// What a caller wants.
pub(super) struct Wanted {
    pub(super) no: OrderNo,
    pub(super) request_id: String,
    pub(super) pay_type: PayType,
    /// Empty: the order's.
    pub(super) client_ip: String,
    /// The payer's code, when the merchant scans; handed on, and kept nowhere.
    pub(super) auth_code: String,
}

impl Wanted {
    /// Checks every field and names each that is wrong.
    pub(super) fn of(request: wire::PayOrderRequest) -> Result<Self, TradeError> {
        let mut wrong = Violations::default();
        let no = order_no(&request.order_no);
        wrong.unless(
            is_visible(&request.request_id, REQUEST),
            "request_id",
            "must be 1 to 64 visible ASCII characters, new for each try to pay",
        );
        wrong.unless(
            request.client_ip.is_empty() || is_ipv4(&request.client_ip),
            "client_ip",
            "must be an IPv4 address, like 203.0.113.7, or unset",
        );
        let pay_type = convert::known_pay_type(request.pay_type);
        wrong.unless(
            pay_type.is_some(),
            "pay_type",
            "must be PAY_TYPE_SWIFTPASS_WECHAT, PAY_TYPE_SWIFTPASS_ALIPAY or PAY_TYPE_SWIFTPASS_SCAN",
        );
        // What is wrong with a code is said without the code.
        match pay_type.map(PayType::direction) {
            Some(Direction::MerchantScans) => wrong.unless(
                is_auth_code(&request.auth_code),
                "auth_code",
                "must be the 16 to 24 digits the payer shows",
            ),
            Some(Direction::CustomerScans) => wrong.unless(
                request.auth_code.is_empty(),
                "auth_code",
                "must be unset unless pay_type is PAY_TYPE_SWIFTPASS_SCAN",
            ),
            None => {}
        }
        wrong.into_result()?;
        Ok(Self {
            no: no?,
            request_id: request.request_id,
            pay_type: pay_type.unwrap_or(PayType::SwiftpassWeChat),
            client_ip: request.client_ip,
            auth_code: request.auth_code,
        })
    }

    /// The row by which a repeat finds its attempt.
    pub(super) fn request_row(&self, attempt: Attempt, at: Timestamp) -> Vec<Value> {
        row![
            self.no.get(),
            self.request_id.clone(),
            attempt.get(),
            self.pay_type.code(),
            at
        ]
    }
}

#[cfg(test)]
mod tests {
    use proto::shop::v1::PayType as Asked;

    use super::*;

    const CODE: &str = "134567890123456789";

    fn request(pay_type: Asked, auth_code: &str) -> wire::PayOrderRequest {
        wire::PayOrderRequest {
            order_no: "W261120325230040102".to_owned(),
            request_id: "r1".to_owned(),
            pay_type: pay_type.into(),
            auth_code: auth_code.to_owned(),
            ..wire::PayOrderRequest::default()
        }
    }

    fn refusal(request: wire::PayOrderRequest) -> String {
        let refused = Wanted::of(request).err().expect("it is refused");
        let status = tonic::Status::from(refused);
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        format!("{status:?}")
    }

    #[test]
    fn a_code_goes_with_the_merchants_scan_and_with_nothing_else() {
        for pay_type in [Asked::SwiftpassWechat, Asked::SwiftpassAlipay] {
            assert!(Wanted::of(request(pay_type, "")).is_ok());
            assert!(refusal(request(pay_type, CODE)).contains("auth_code"));
        }
        let scan = Wanted::of(request(Asked::SwiftpassScan, CODE)).ok();
        assert!(scan.is_some_and(|wanted| wanted.auth_code == CODE));
        assert!(refusal(request(Asked::SwiftpassScan, "")).contains("auth_code"));
    }

    #[test]
    fn a_wrong_code_is_refused_and_never_repeated() {
        let long = "1345678901234567890123456";
        for code in [
            "134567890123456",
            long,
            "13456789012345678x",
            "１３４５６７８９０１２３４５６７",
        ] {
            let refused = refusal(request(Asked::SwiftpassScan, code));
            assert!(refused.contains("auth_code"), "{refused}");
            assert!(!refused.contains(code), "{refused}");
        }
    }
}
