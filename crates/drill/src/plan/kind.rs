//! The kinds of orders: what the channel does to each, and how it must end all the same.

/// What happens to an order on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The callback comes at once.
    Prompt,
    /// The callback comes late.
    Late,
    /// The callback comes several times.
    Repeated,
    /// Forged callbacks come before the payment and before each genuine callback.
    Forged,
    /// The callback names another amount than was charged.
    Lying,
    /// No callback ever comes.
    Lost,
    /// No callback ever comes, and the channel's first answers are garbage.
    Garbage,
    /// The prepay gets no answer; another one, in another wallet, does.
    Timeout,
    /// The payer never pays.
    Unpaid,
    /// The payer never pays, and forged callbacks say that it was paid.
    Claimed,
}

/// How an order must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// PAID and settled.
    Paid,
    /// PAYING, and nobody was charged: the payer may still come.
    Open,
}

/// A round of orders; then the next begins.
pub(crate) const ROUND: [Kind; 25] = [
    Kind::Prompt,
    Kind::Lost,
    Kind::Prompt,
    Kind::Lying,
    Kind::Prompt,
    Kind::Prompt,
    Kind::Timeout,
    Kind::Prompt,
    Kind::Unpaid,
    Kind::Prompt,
    Kind::Prompt,
    Kind::Forged,
    Kind::Prompt,
    Kind::Late,
    Kind::Prompt,
    Kind::Prompt,
    Kind::Garbage,
    Kind::Prompt,
    Kind::Repeated,
    Kind::Prompt,
    Kind::Prompt,
    Kind::Claimed,
    Kind::Prompt,
    Kind::Prompt,
    Kind::Prompt,
];

impl Kind {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 10] = [
        Self::Prompt,
        Self::Late,
        Self::Repeated,
        Self::Forged,
        Self::Lying,
        Self::Lost,
        Self::Garbage,
        Self::Timeout,
        Self::Unpaid,
        Self::Claimed,
    ];

    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Late => "late",
            Self::Repeated => "repeated",
            Self::Forged => "forged",
            Self::Lying => "lying",
            Self::Lost => "lost",
            Self::Garbage => "garbage",
            Self::Timeout => "timeout",
            Self::Unpaid => "unpaid",
            Self::Claimed => "claimed",
        }
    }

    /// How many of each 25 orders.
    pub fn share(self) -> usize {
        ROUND.iter().filter(|kind| **kind == self).count()
    }

    /// What happens and why it ends well, in a sentence.
    pub fn lesson(self) -> &'static str {
        match self {
            Self::Prompt => "the callback came at once: stored, acknowledged, believed",
            Self::Late => {
                "the callback came late: whoever told of the money first counted, the other \
                 changed nothing"
            }
            Self::Repeated => "the callback came three times: kept each time, counted once",
            Self::Forged => {
                "forged callbacks came in between: none was believed, the genuine one was"
            }
            Self::Lying => {
                "the callback lied about the amount: flagged, the channel asked, the truth settled"
            }
            Self::Lost => "no callback ever came: a poll found the money (a remedy)",
            Self::Garbage => {
                "no callback came and the channel answered garbage: no evidence, asked again"
            }
            Self::Timeout => {
                "the prepay got no answer and charged nobody: given up, a new request paid"
            }
            Self::Unpaid => "nobody paid: PAYING, asked about until the pay limit",
            Self::Claimed => "nobody paid, forged callbacks said so: not believed, PAYING",
        }
    }

    /// How such an order must end.
    pub(crate) fn ending(self) -> Ending {
        match self {
            Self::Unpaid | Self::Claimed => Ending::Open,
            _ => Ending::Paid,
        }
    }

    /// What the payer reads; the channel knows the kind by it.
    pub(crate) fn description(self) -> String {
        format!("Demo order {}", self.mark())
    }

    /// What descriptions of this kind contain, and no other's.
    pub(crate) fn mark(self) -> String {
        format!("({})", self.name())
    }

    /// The kind of an order, by what its payer reads.
    pub(crate) fn of(description: &str) -> Option<Self> {
        let marked = |kind: &Self| description.contains(&kind.mark());
        Self::ALL.into_iter().find(marked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_names_one_kind() {
        for kind in Kind::ALL {
            let description = kind.description();
            assert_eq!(Kind::of(&description), Some(kind));
            let named = Kind::ALL
                .iter()
                .filter(|kind| description.contains(&kind.mark()));
            assert_eq!(named.count(), 1, "{description}");
        }
        assert_eq!(Kind::of("Demo order"), None);
    }

    #[test]
    fn most_orders_are_prompt_and_no_kind_is_left_out() {
        let shares = Kind::ALL.map(Kind::share);
        assert_eq!(shares.iter().sum::<usize>(), ROUND.len());
        assert!(Kind::Prompt.share() * 2 > ROUND.len());
        assert!(shares.iter().all(|share| *share > 0));
    }
}
