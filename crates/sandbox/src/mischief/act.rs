//! The kinds of misbehaviour.

use std::ops::RangeInclusive;
use std::time::Duration;

use proto::sandbox::v1::MisbehaviourKind as Kind;
use serde::{Deserialize, Serialize};

use super::Step;

const DAY: Duration = Duration::from_hours(24);
const COPIES: RangeInclusive<u32> = 2..=20;
const ANSWERS: RangeInclusive<usize> = 1..=100;

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// The answer comes late; what was asked was done at once.
    Slow {
        /// How late.
        #[serde(with = "humantime_serde")]
        delay: Duration,
    },
    /// No answer, and nothing was done.
    TimeoutBefore {
        /// When the connection is broken off. Default: 30 s.
        #[serde(with = "humantime_serde", default = "hold")]
        hold: Duration,
    },
    /// No answer, but it was done.
    TimeoutAfter {
        /// When the connection is broken off. Default: 30 s.
        #[serde(with = "humantime_serde", default = "hold")]
        hold: Duration,
    },
    /// No notice of the payment is ever sent.
    Lost {},
    /// The first notice comes late.
    Late {
        /// How long after the payment.
        #[serde(with = "humantime_serde")]
        delay: Duration,
    },
    /// A notice comes several times.
    Repeated {
        /// How often, 2 to 20.
        copies: u32,
        /// Between one and the next. Default: none, all at once.
        #[serde(with = "humantime_serde", default)]
        pause: Duration,
    },
    /// The first notice is held back until that of a later payment of the merchant was sent.
    Reordered {
        /// How long after the payment it goes out even so. Default: 10 s.
        #[serde(with = "humantime_serde", default = "longest")]
        longest: Duration,
    },
    /// The payer pays at once, and the notice comes before the answer to the prepay.
    BeforeReply {},
    /// Forged notices come too: before each genuine one, and before the answer to the prepay,
    /// when nobody has paid.
    Forged {
        /// Which, in this order. Default: a bad signature, another key.
        #[serde(default = "forgeries")]
        forgeries: Vec<Forgery>,
    },
    /// The notice names another amount than was charged.
    WrongAmount {
        /// What is added to the truth, in fen.
        difference_fen: i64,
    },
    /// The answer is garbage; what was asked was done.
    Garbage {
        /// Which. Default: each in turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        garbage: Option<Garbage>,
    },
    /// Queries contradict each other.
    Contradicting {
        /// One after the other; then always the truth. Default: truth, not paid.
        #[serde(default = "answers")]
        answers: Vec<Told>,
        /// Whether queries before the payment count. Default: no.
        #[serde(default)]
        unpaid_too: bool,
    },
}

/// A way of forging a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgery {
    /// The amount was changed after signing.
    BadSignature,
    /// Signed with another merchant's key.
    OtherKey,
    /// Another merchant's own, rightly signed, about this order.
    OtherMerchant,
}

/// A kind of garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Garbage {
    /// A message that ends in the middle.
    HalfXml,
    /// Status 502 and a page, as of a proxy.
    Html502,
    /// A message whose signature is wrong.
    WrongSignature,
    /// `status` 400 without a signature, as if it had failed.
    Status400,
    /// Bytes that are no UTF-8.
    NotUtf8,
}

impl Garbage {
    pub(super) const ALL: [Self; 5] = [
        Self::HalfXml,
        Self::Html502,
        Self::WrongSignature,
        Self::Status400,
        Self::NotUtf8,
    ];
}

/// What a query is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// What is so.
    Truth,
    /// That nobody has paid yet.
    NotPaid,
    /// That the charge is closed.
    Closed,
    /// That the payment failed.
    PayError,
}

/// A `trade_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TradeState {
    Success,
    NotPay,
    Closed,
    PayError,
}

impl TradeState {
    /// As messages have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::NotPay => "NOTPAY",
            Self::Closed => "CLOSED",
            Self::PayError => "PAYERROR",
        }
    }
}

fn hold() -> Duration {
    Act::HOLD
}

fn longest() -> Duration {
    Act::LONGEST
}

fn forgeries() -> Vec<Forgery> {
    Act::FORGERIES.to_vec()
}

fn answers() -> Vec<Told> {
    Act::ANSWERS.to_vec()
}

// === impl Act ===

impl Act {
    /// When a connection is broken off, unless a script says otherwise.
    pub const HOLD: Duration = Duration::from_secs(30);
    /// How long a notice is held back at most, unless a script says otherwise.
    pub const LONGEST: Duration = Duration::from_secs(10);
    /// How notices are forged, unless a script says otherwise.
    pub const FORGERIES: [Forgery; 2] = [Forgery::BadSignature, Forgery::OtherKey];
    /// How queries contradict each other, unless a script says otherwise.
    pub const ANSWERS: [Told; 2] = [Told::Truth, Told::NotPaid];

    /// What reports call it.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Slow { .. } => Kind::Slow,
            Self::TimeoutBefore { .. } => Kind::TimeoutBefore,
            Self::TimeoutAfter { .. } => Kind::TimeoutAfter,
            Self::Lost {} => Kind::Lost,
            Self::Late { .. } => Kind::Late,
            Self::Repeated { .. } => Kind::Repeated,
            Self::Reordered { .. } => Kind::Reordered,
            Self::BeforeReply {} => Kind::BeforeReply,
            Self::Forged { .. } => Kind::Forged,
            Self::WrongAmount { .. } => Kind::WrongAmount,
            Self::Garbage { .. } => Kind::Garbage,
            Self::Contradicting { .. } => Kind::Contradicting,
        }
    }

    /// The kind, as the ledger has it.
    pub(crate) fn code(&self) -> i32 {
        self.kind().into()
    }

    /// Where it comes in.
    pub(crate) fn steps(&self) -> &'static [Step] {
        match self {
            Self::Slow { .. }
            | Self::TimeoutBefore { .. }
            | Self::TimeoutAfter { .. }
            | Self::Garbage { .. } => &[Step::Prepay, Step::Query],
            Self::BeforeReply {} => &[Step::Prepay],
            Self::Contradicting { .. } => &[Step::Query],
            Self::Forged { .. } => &[Step::Prepay, Step::Notify],
            Self::Lost {}
            | Self::Late { .. }
            | Self::Repeated { .. }
            | Self::Reordered { .. }
            | Self::WrongAmount { .. } => &[Step::Notify],
        }
    }

    /// Whether it happens to an order once, or not at all.
    pub(crate) fn is_once(&self) -> bool {
        matches!(
            self,
            Self::Lost {} | Self::Late { .. } | Self::Reordered { .. } | Self::BeforeReply {}
        )
    }

    /// Whether it has happened when its turn came. A notice that is held back was not reordered
    /// before another overtook it.
    pub(crate) fn counts(&self, turn: i64) -> bool {
        match self {
            Self::Reordered { .. } => false,
            Self::Contradicting { .. } => self.answer(turn) != Told::Truth,
            _ => true,
        }
    }

    /// What a query is told this time.
    pub(super) fn answer(&self, turn: i64) -> Told {
        let Self::Contradicting { answers, .. } = self else {
            return Told::Truth;
        };
        let place = usize::try_from(turn - 1).unwrap_or(usize::MAX);
        answers.get(place).copied().unwrap_or(Told::Truth)
    }

    /// The field that cannot work, and what would be right.
    pub(super) fn wrong(&self) -> Option<(&'static str, &'static str)> {
        let (right, field, problem) = match self {
            Self::Slow { delay } | Self::Late { delay } => {
                (within_a_day(*delay), "delay", "above 0, at most a day")
            }
            Self::TimeoutBefore { hold } | Self::TimeoutAfter { hold } => {
                (within_a_day(*hold), "hold", "above 0, at most a day")
            }
            Self::Reordered { longest } => {
                (within_a_day(*longest), "longest", "above 0, at most a day")
            }
            Self::Repeated { copies, pause } => {
                let right = COPIES.contains(copies) && *pause <= Duration::from_mins(1);
                (right, "copies", "2 to 20, with pauses of at most a minute")
            }
            Self::Forged { forgeries } => (
                ANSWERS.contains(&forgeries.len()),
                "forgeries",
                "name 1 to 100",
            ),
            Self::WrongAmount { difference_fen } => (
                *difference_fen != 0,
                "difference_fen",
                "above or below 0: otherwise it is no lie",
            ),
            Self::Contradicting { answers, .. } => {
                let lies = answers.iter().any(|answer| *answer != Told::Truth);
                let right = lies && ANSWERS.contains(&answers.len());
                (right, "answers", "1 to 100, and not only the truth")
            }
            Self::Lost {} | Self::BeforeReply {} | Self::Garbage { .. } => return None,
        };
        (!right).then_some((field, problem))
    }
}

fn within_a_day(length: Duration) -> bool {
    !length.is_zero() && length <= DAY
}
