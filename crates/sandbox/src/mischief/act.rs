//! The kinds of misbehaviour.

mod wrong;

use std::time::Duration;

use proto::sandbox::v1::MisbehaviourKind as Kind;
use serde::{Deserialize, Serialize};

use super::{Forgery, Garbage, PasswordOutcome, Step, Told};
use crate::RefundState;

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
    /// The payer is asked for a password.
    Password {
        /// How long the payer takes; it means nothing when the payer never does anything.
        #[serde(with = "humantime_serde", default)]
        delay: Duration,
        /// What comes of it. Default: paid.
        #[serde(default)]
        outcome: PasswordOutcome,
    },
    /// Declined, finally.
    Decline {
        /// `err_code`. Default: `AUTHCODEEXPIRE`.
        #[serde(default = "code")]
        code: String,
    },
    /// A refund is accepted, and ends so.
    RefundEnding {
        /// How. Default: success.
        #[serde(default = "success")]
        state: RefundState,
        /// How long after it was sent. Default: at once.
        #[serde(with = "humantime_serde", default)]
        delay: Duration,
    },
    /// The payer pays after a close or reverse was asked for, if the channel then still takes
    /// the money.
    PaidMeanwhile {
        /// How long after. Default: at once, before the close or reverse is looked at.
        #[serde(with = "humantime_serde", default)]
        delay: Duration,
    },
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

fn code() -> String {
    Act::CODE.to_owned()
}

fn success() -> RefundState {
    RefundState::Success
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

    /// Why a payment is declined, unless a script says otherwise.
    pub const CODE: &str = "AUTHCODEEXPIRE";

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
            Self::Password { .. } => Kind::Password,
            Self::Decline { .. } => Kind::Decline,
            Self::RefundEnding { .. } => Kind::RefundEnding,
            Self::PaidMeanwhile { .. } => Kind::PaidMeanwhile,
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
            | Self::Garbage { .. } => &Step::REQUESTS,
            Self::BeforeReply {} => &[Step::Prepay],
            Self::Contradicting { .. } => &[Step::Query],
            Self::Forged { .. } => &[Step::Prepay, Step::Notify],
            Self::Lost {}
            | Self::Late { .. }
            | Self::Repeated { .. }
            | Self::Reordered { .. }
            | Self::WrongAmount { .. } => &[Step::Notify],
            Self::Password { .. } | Self::Decline { .. } => &[Step::Micropay],
            Self::RefundEnding { .. } => &[Step::Refund],
            // Which way the money was to come; the close or reverse itself is not its step.
            Self::PaidMeanwhile { .. } => &[Step::Prepay, Step::Micropay],
        }
    }

    /// Whether it happens to an order once, or not at all.
    pub(crate) fn is_once(&self) -> bool {
        matches!(
            self,
            Self::Lost {}
                | Self::Late { .. }
                | Self::Reordered { .. }
                | Self::BeforeReply {}
                | Self::Password { .. }
                | Self::Decline { .. }
                | Self::PaidMeanwhile { .. }
        )
    }

    /// Whether a script may say how often it happens to an order.
    pub(super) fn has_times(&self) -> bool {
        let for_itself = matches!(self, Self::Contradicting { .. } | Self::RefundEnding { .. });
        !self.is_once() && !for_itself
    }

    /// Whether it has happened when its turn came. A notice that is held back was not reordered
    /// before another overtook it, and a payer pays later than it is planned.
    pub(crate) fn counts(&self, turn: i64) -> bool {
        match self {
            Self::Reordered { .. } | Self::PaidMeanwhile { .. } => false,
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
}
