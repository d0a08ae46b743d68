//! The wallets a payer may pay with, and which side scans.

/// What a merchant asks the payer to pay with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wallet {
    /// 微信.
    WeChat,
    /// 支付宝.
    Alipay,
}

/// Which side scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The payer: c→b, 公众号 or 服务窗.
    Jspay,
    /// The merchant: b→c, 刷卡.
    Micropay,
}

impl Way {
    /// As the ledger has it.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Jspay => 1,
            Self::Micropay => 2,
        }
    }

    /// Reads the ledger, which checks that there are no others.
    pub(crate) fn from_code(code: i32) -> Self {
        if code == 2 {
            Self::Micropay
        } else {
            Self::Jspay
        }
    }
}

impl Wallet {
    /// The wallet of a service that prepares.
    pub(crate) fn of_service(service: &str) -> Option<Self> {
        let wallets = [Self::WeChat, Self::Alipay];
        wallets
            .into_iter()
            .find(|wallet| wallet.trade_type(Way::Jspay) == service)
    }

    /// The wallet that gives out payment codes like this one (`auth_code`).
    pub(crate) fn of_auth_code(code: &str) -> Option<Self> {
        let digits = code.bytes().all(|byte| byte.is_ascii_digit());
        let start: u8 = code.get(..2).filter(|_| digits)?.parse().ok()?;
        match (start, code.len()) {
            (10..=15, 18) => Some(Self::WeChat),
            (25..=30, 16..=24) => Some(Self::Alipay),
            _ => None,
        }
    }

    /// `trade_type`; where the payer scans, also the service that prepares.
    pub(crate) fn trade_type(self, way: Way) -> &'static str {
        match (self, way) {
            (Self::WeChat, Way::Jspay) => "pay.weixin.jspay",
            (Self::Alipay, Way::Jspay) => "pay.alipay.jspay",
            (Self::WeChat, Way::Micropay) => "pay.weixin.micropay",
            (Self::Alipay, Way::Micropay) => "pay.alipay.micropay",
        }
    }

    /// As the ledger has it.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::WeChat => 1,
            Self::Alipay => 2,
        }
    }

    /// Reads the ledger, which checks that there are no others.
    pub(crate) fn from_code(code: i32) -> Self {
        if code == 2 {
            Self::Alipay
        } else {
            Self::WeChat
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_code_names_its_wallet() {
        for (code, wallet) in [
            ("100000000000000000", Some(Wallet::WeChat)),
            ("159999999999999999", Some(Wallet::WeChat)),
            ("169999999999999999", None),
            ("1000000000000000000", None),
            ("10000000000000000", None),
            ("2500000000000000", Some(Wallet::Alipay)),
            ("300000000000000000000000", Some(Wallet::Alipay)),
            ("280000000000000", None),
            ("2800000000000000000000000", None),
            ("310000000000000000", None),
            ("10000000000000000x", None),
            ("+1", None),
            ("付款", None),
            ("", None),
        ] {
            assert_eq!(Wallet::of_auth_code(code), wallet, "{code}");
        }
    }
}
