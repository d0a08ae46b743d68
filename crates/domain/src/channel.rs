//! Channels and their pay types, under the numbers the original system gave them.

use crate::coded::coded;

coded! {
    /// A payment channel (支付通道).
    pub enum Channel {
        /// 威富通.
        Swiftpass = 1 "SWIFTPASS",
        /// 现在支付.
        NowPay = 2 "NOWPAY",
        /// Alipay's open platform, through an ISV authorisation.
        Alipay = 3 "ALIPAY",
        /// 浙江网商银行; the original system has no pay type for it.
        MyBank = 4 "MYBANK",
    }
}

/// Who scans whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// c→b (主扫): the customer scans; a password is always needed.
    CustomerScans,
    /// b→c (被扫): the merchant scans; polled, because a password may be needed.
    MerchantScans,
}

/// Whose money the payer pays with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wallet {
    /// 微信.
    WeChat,
    /// 支付宝.
    Alipay,
}

coded! {
    /// How the payer pays, through which channel (payType).
    pub enum PayType {
        /// `NowPay`, Alipay, c→b.
        NowPayAlipay = 16 "NOWPAY_ALIPAY",
        /// `NowPay`, Alipay, b→c.
        NowPayAlipayScan = 18 "NOWPAY_ALIPAY_SCAN",
        /// Swiftpass, WeChat, c→b (公众号).
        SwiftpassWeChat = 43 "SWIFTPASS_WECHAT",
        /// Swiftpass, either wallet, b→c (刷卡).
        SwiftpassScan = 46 "SWIFTPASS_SCAN",
        /// Swiftpass, Alipay, c→b (服务窗).
        SwiftpassAlipay = 47 "SWIFTPASS_ALIPAY",
        /// `NowPay`, WeChat, c→b.
        NowPayWeChat = 61 "NOWPAY_WECHAT",
        /// `NowPay`, WeChat, b→c.
        NowPayWeChatScan = 81 "NOWPAY_WECHAT_SCAN",
        /// Alipay ISV direct; taken as c→b, the source names no direction.
        AlipayIsv = 96 "ALIPAY_ISV",
        /// Alipay ISV direct; taken as b→c, the source names no direction.
        AlipayIsvScan = 97 "ALIPAY_ISV_SCAN",
    }
}

impl PayType {
    /// The channel it goes through.
    pub const fn channel(self) -> Channel {
        match self {
            Self::SwiftpassWeChat | Self::SwiftpassScan | Self::SwiftpassAlipay => {
                Channel::Swiftpass
            }
            Self::NowPayAlipay
            | Self::NowPayAlipayScan
            | Self::NowPayWeChat
            | Self::NowPayWeChatScan => Channel::NowPay,
            Self::AlipayIsv | Self::AlipayIsvScan => Channel::Alipay,
        }
    }

    /// Who scans whom.
    pub const fn direction(self) -> Direction {
        match self {
            Self::SwiftpassWeChat
            | Self::SwiftpassAlipay
            | Self::NowPayAlipay
            | Self::NowPayWeChat
            | Self::AlipayIsv => Direction::CustomerScans,
            Self::SwiftpassScan
            | Self::NowPayAlipayScan
            | Self::NowPayWeChatScan
            | Self::AlipayIsvScan => Direction::MerchantScans,
        }
    }

    /// The wallet; 46 takes both and learns it from the payer's code.
    pub const fn wallet(self) -> Option<Wallet> {
        match self {
            Self::SwiftpassScan => None,
            Self::SwiftpassWeChat | Self::NowPayWeChat | Self::NowPayWeChatScan => {
                Some(Wallet::WeChat)
            }
            Self::SwiftpassAlipay
            | Self::NowPayAlipay
            | Self::NowPayAlipayScan
            | Self::AlipayIsv
            | Self::AlipayIsvScan => Some(Wallet::Alipay),
        }
    }

    /// The number mdpaygate, one entry of the original system, knows it by.
    pub const fn mdpaygate(self) -> Option<i16> {
        match self {
            Self::NowPayWeChat => Some(61),
            Self::NowPayAlipay => Some(49),
            Self::NowPayWeChatScan => Some(81),
            Self::NowPayAlipayScan => Some(51),
            _ => None,
        }
    }

    /// What an ISV shop's payment turns into.
    pub const fn through_isv(self) -> Self {
        match self.direction() {
            Direction::CustomerScans => Self::AlipayIsv,
            Direction::MerchantScans => Self::AlipayIsvScan,
        }
    }
}

coded! {
    /// The original payid: a Swiftpass pay type and its wallet.
    pub enum PayId {
        /// WeChat, c→b.
        WeChat = 9 "WECHAT",
        /// WeChat, b→c.
        WeChatScan = 12 "WECHAT_SCAN",
        /// Alipay, b→c.
        AlipayScan = 13 "ALIPAY_SCAN",
        /// Alipay, c→b.
        Alipay = 14 "ALIPAY",
    }
}

impl PayId {
    /// The pay id of a pay type paid from a wallet; only Swiftpass has them.
    pub const fn of(pay_type: PayType, wallet: Wallet) -> Option<Self> {
        match (pay_type, wallet) {
            (PayType::SwiftpassWeChat, Wallet::WeChat) => Some(Self::WeChat),
            (PayType::SwiftpassAlipay, Wallet::Alipay) => Some(Self::Alipay),
            (PayType::SwiftpassScan, Wallet::WeChat) => Some(Self::WeChatScan),
            (PayType::SwiftpassScan, Wallet::Alipay) => Some(Self::AlipayScan),
            _ => None,
        }
    }

    /// The pay type it belongs to.
    pub const fn pay_type(self) -> PayType {
        match self {
            Self::WeChat => PayType::SwiftpassWeChat,
            Self::Alipay => PayType::SwiftpassAlipay,
            Self::WeChatScan | Self::AlipayScan => PayType::SwiftpassScan,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pay_types_keep_their_original_numbers() {
        use Direction::{CustomerScans, MerchantScans};
        let rows = [
            (
                43,
                Channel::Swiftpass,
                CustomerScans,
                Some(Wallet::WeChat),
                None,
            ),
            (
                47,
                Channel::Swiftpass,
                CustomerScans,
                Some(Wallet::Alipay),
                None,
            ),
            (46, Channel::Swiftpass, MerchantScans, None, None),
            (
                61,
                Channel::NowPay,
                CustomerScans,
                Some(Wallet::WeChat),
                Some(61),
            ),
            (
                16,
                Channel::NowPay,
                CustomerScans,
                Some(Wallet::Alipay),
                Some(49),
            ),
            (
                81,
                Channel::NowPay,
                MerchantScans,
                Some(Wallet::WeChat),
                Some(81),
            ),
            (
                18,
                Channel::NowPay,
                MerchantScans,
                Some(Wallet::Alipay),
                Some(51),
            ),
            (
                96,
                Channel::Alipay,
                CustomerScans,
                Some(Wallet::Alipay),
                None,
            ),
            (
                97,
                Channel::Alipay,
                MerchantScans,
                Some(Wallet::Alipay),
                None,
            ),
        ];
        assert_eq!(rows.len(), PayType::ALL.len());
        for (code, channel, direction, wallet, mdpaygate) in rows {
            let pay_type = PayType::from_code(code).unwrap();
            assert_eq!(pay_type.channel(), channel);
            assert_eq!(pay_type.direction(), direction);
            assert_eq!(pay_type.wallet(), wallet);
            assert_eq!(pay_type.mdpaygate(), mdpaygate);
            assert_eq!(pay_type.through_isv().channel(), Channel::Alipay);
            assert_eq!(pay_type.through_isv().direction(), direction);
        }
    }

    #[test]
    fn pay_ids_keep_their_original_numbers() {
        let rows = [
            (43, Wallet::WeChat, 9),
            (47, Wallet::Alipay, 14),
            (46, Wallet::WeChat, 12),
            (46, Wallet::Alipay, 13),
        ];
        for (pay_type, wallet, code) in rows {
            let pay_type = PayType::from_code(pay_type).unwrap();
            let pay_id = PayId::of(pay_type, wallet).unwrap();
            assert_eq!(pay_id.code(), code);
            assert_eq!(pay_id.pay_type(), pay_type);
        }
        assert_eq!(PayId::of(PayType::NowPayWeChat, Wallet::WeChat), None);
        assert_eq!(PayId::of(PayType::SwiftpassWeChat, Wallet::Alipay), None);
    }
}
