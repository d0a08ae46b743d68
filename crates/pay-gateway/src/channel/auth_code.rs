//! A payer's code (付款码), as a merchant scans it: whoever has it can take the payer's money.

use std::fmt;

use domain::Wallet;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// A payer's code: 16 to 24 digits, never told by Debug.
#[derive(Clone)]
pub struct AuthCode(SecretString);

/// The text is no payer's code; it is not repeated here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("auth_code must be 16 to 24 digits")]
pub struct BadAuthCode;

impl AuthCode {
    /// Takes what was scanned, without blanks around it.
    pub fn parse(text: &str) -> Result<Self, BadAuthCode> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if digits && (16..=24).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(BadAuthCode)
        }
    }

    /// Whose code it is: WeChat's have 18 digits from 10 to 15, Alipay's begin with 25 to 30;
    /// `None` for another wallet's.
    pub fn wallet(&self) -> Option<Wallet> {
        let text = self.0.expose_secret();
        match text.get(..2)?.parse::<u8>() {
            Ok(10..=15) if text.len() == 18 => Some(Wallet::WeChat),
            Ok(25..=30) => Some(Wallet::Alipay),
            _ => None,
        }
    }

    /// The digits, for the channel alone.
    pub(super) fn digits(&self) -> &str {
        self.0.expose_secret()
    }

    /// `text` without this code, should it repeat it.
    pub(super) fn kept_out_of(&self, text: &str) -> String {
        text.replace(self.digits(), "***")
    }
}

impl fmt::Debug for AuthCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthCode(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_digits_tell_the_wallet() {
        let wallet = |text: &str| AuthCode::parse(text).unwrap().wallet();
        for first in 10..=15 {
            let code = format!("{first}4567890123456789");
            assert_eq!(wallet(&code), Some(Wallet::WeChat), "{first}");
        }
        for first in 25..=30 {
            for rest in [14, 16, 22] {
                let code = format!("{first}{}", "7".repeat(rest));
                assert_eq!(wallet(&code), Some(Wallet::Alipay), "{first}");
            }
        }
        let others = [
            "094567890123456789",
            "164567890123456789",
            "244567890123456789",
            "314567890123456789",
            "6223456789012345678",
            "914567890123456789",
            "13456789012345678",
            "1345678901234567890",
        ];
        for other in others {
            assert_eq!(wallet(other), None, "{other}");
        }
    }

    #[test]
    fn only_digits_are_a_code_and_the_refusal_does_not_repeat_them() {
        let others = [
            "",
            "134567890123456",
            "1345678901234567890123456",
            "13456789012345678 ",
            " 13456789012345678",
            "13456789012345678x",
            "-13456789012345678",
            "１３４５６７８９０１２３４５６７８９",
            "134567890123456789\n",
        ];
        for other in others {
            let refused = AuthCode::parse(other).unwrap_err();
            assert_eq!(refused.to_string(), "auth_code must be 16 to 24 digits");
        }
    }

    #[test]
    fn a_code_reaches_no_log() {
        let code = AuthCode::parse("134567890123456789").unwrap();
        assert_eq!(format!("{code:?}"), "AuthCode(***)");
        let told = code.kept_out_of("code 134567890123456789 expired");
        assert_eq!(told, "code *** expired");
    }
}
