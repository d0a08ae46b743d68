//! The wallets a payer may pay with.

/// What a merchant asks the payer to pay with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wallet {
    /// 微信, 公众号.
    WeChat,
    /// 支付宝, 服务窗.
    Alipay,
}

impl Wallet {
    /// The wallet of a service of this name; the service is also what payments are called by.
    pub(crate) fn of_service(service: &str) -> Option<Self> {
        let wallets = [Self::WeChat, Self::Alipay];
        wallets
            .into_iter()
            .find(|wallet| wallet.service() == service)
    }

    /// The service that prepares, and the `trade_type` of what it prepared.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Self::WeChat => "pay.weixin.jspay",
            Self::Alipay => "pay.alipay.jspay",
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
