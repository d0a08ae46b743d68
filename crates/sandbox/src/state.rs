//! How a charge stands.

/// What happened to a charge beside a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing.
    Plain,
    /// Closed before anybody paid.
    Closed,
    /// Undone: whatever was paid went back whole.
    Reversed,
    /// The payer is asked for a password.
    UserPaying,
    /// Declined.
    PayError,
}

impl Stage {
    /// Reads the ledger, which checks that there are no others.
    pub(crate) fn from_code(code: i32) -> Self {
        match code {
            1 => Self::Closed,
            2 => Self::Reversed,
            3 => Self::UserPaying,
            4 => Self::PayError,
            _ => Self::Plain,
        }
    }
}

/// A `trade_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TradeState {
    Success,
    Refund,
    NotPay,
    Closed,
    Reverse,
    UserPaying,
    PayError,
}

impl TradeState {
    /// As messages have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Refund => "REFUND",
            Self::NotPay => "NOTPAY",
            Self::Closed => "CLOSED",
            Self::Reverse => "REVERSE",
            Self::UserPaying => "USERPAYING",
            Self::PayError => "PAYERROR",
        }
    }

    /// `trade_state_desc`; the channel has none for the common ones.
    pub(crate) fn description(self) -> Option<&'static str> {
        match self {
            Self::Success | Self::NotPay => None,
            Self::Refund => Some("转入退款"),
            Self::Closed => Some("已关闭"),
            Self::Reverse => Some("已冲正"),
            Self::UserPaying => Some("用户支付中"),
            Self::PayError => Some("支付失败"),
        }
    }

    /// Whether it means that money came, and some of it may have gone.
    pub(crate) fn is_paid(self) -> bool {
        matches!(self, Self::Success | Self::Refund)
    }

    /// Whether the payer may still pay.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::NotPay | Self::UserPaying)
    }
}
