//! The kinds of orders: what their people do, what the channel does, and how each must end.

mod calls;
mod limits;
mod refunds;
mod scans;

use proto::trade::v1::CancelType;

use super::end::End;

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
    /// The merchant scans the payer's code.
    Scanned,
    /// The scanned payer types a password.
    Password,
    /// The scanned payer refuses to type it; another code pays.
    Refused,
    /// The code is declined; another one pays.
    Declined,
    /// The scanned payer walks away from the password.
    Abandoned,
    /// The same, and another code pays.
    Replaced,
    /// The code is charged, nobody is told, and the charge is reversed.
    Reversed,
    /// The payer never pays.
    Unpaid,
    /// The payer never pays, and forged callbacks say that it was paid.
    Claimed,
    /// Nobody ever comes to pay.
    Unbound,
    /// The payer pays in the last moment, and no callback comes.
    Tardy,
    /// The customer cancels before paying.
    Cancelled,
    /// The store cancels while the payer could pay.
    Withdrawn,
    /// The customer cancels, and pays all the same.
    Crossed,
    /// The payer pays while the channel closes.
    Raced,
    /// All the money goes back.
    Refunded,
    /// Two parts of the money go back.
    Parted,
    /// A refund is asked for and refused.
    Rejected,
    /// The channel is not sure of a refund until it is sent again.
    Unsure,
    /// The payer's account takes no refund; it is paid by hand.
    Handed,
    /// The payer pays two payments of one order.
    Surplus,
    /// The channel takes a payment back.
    Recalled,
    /// The shop does not accept the order.
    Spurned,
    /// A platform took the money, and gives it back.
    External,
}

/// How an order comes to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// At the counter.
    Counter,
    /// Our own takeout.
    Takeout,
    /// A platform's, paid there.
    Platform,
}

/// What the payer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payer {
    /// Is never there.
    Absent,
    /// Is known, and does not even begin.
    Bound,
    /// Is shown what to pay, and does not pay.
    Shown,
    /// Is shown what to pay, and pays (c→b).
    Pays,
    /// The same, shortly before it is too late.
    Hesitates,
    /// The same twice: both the dead payment and the next.
    PaysTwice,
    /// Shows a code (b→c), and no other.
    Scanned,
    /// Shows a code, and another when it did not pay.
    ScannedAgain,
}

/// What happens once the payer has done that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing.
    Nothing,
    /// Somebody cancels.
    Cancels(CancelType),
    /// Somebody cancels; then the payer pays.
    CancelsAndPays(CancelType),
    /// So many parts of the money are asked back, one after the other, and go.
    Refunds(i64),
    /// All of it is asked back and does not go.
    RefundRejected,
    /// All of it is asked back, fails, and is paid by hand.
    RefundByHand,
    /// The goods go their way; then the platform gives the money back.
    Platform,
    /// The shop rejects the order.
    Rejects,
    /// The channel takes the payment back.
    Recalls,
}

/// All about a kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    /// How many of a round of orders.
    pub(crate) share: usize,
    pub(crate) origin: Origin,
    pub(crate) payer: Payer,
    pub(crate) after: After,
    /// Whether the channel may take money for it at all.
    pub(crate) charged: bool,
    pub(crate) end: End,
    /// How else it may end when the mesh is killed meanwhile; never otherwise.
    pub(crate) killed: &'static [End],
    /// Whether it ends so only by a remedy (补单).
    pub(crate) remedy: bool,
    /// What happens and why it ends well, in a sentence.
    pub(crate) lesson: &'static str,
}

// Whoever wanted to pay came after the limit, because the mesh was away.
const TOO_LATE: &[End] = &[End::Revoked(CancelType::System)];

/// Most rows begin here: paid by the customer's scan, at once.
const PAID: Row = Row {
    kind: Kind::Prompt,
    name: "",
    share: 2,
    origin: Origin::Counter,
    payer: Payer::Pays,
    after: After::Nothing,
    charged: true,
    end: End::Paid,
    killed: TOO_LATE,
    remedy: false,
    lesson: "",
};

/// The rows, in the order of the report.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    let parts: [&'static [Row]; 4] = [&calls::ROWS, &scans::ROWS, &limits::ROWS, &refunds::ROWS];
    parts.into_iter().flatten()
}

impl Kind {
    /// All of them, in the order of the report.
    pub fn all() -> impl Iterator<Item = Self> {
        rows().map(|row| row.kind)
    }

    /// All about it.
    pub(crate) fn row(self) -> &'static Row {
        rows().find(|row| row.kind == self).unwrap_or(&PAID)
    }

    /// One word.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What happens and why it ends well, in a sentence.
    pub fn lesson(self) -> &'static str {
        self.row().lesson
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
        Self::all().find(marked)
    }
}

impl Row {
    /// Whether such an order may end so.
    pub(crate) fn allows(&self, end: End, killed: bool) -> bool {
        end == self.end || killed && self.killed.contains(&end)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_one_row_with_a_name_and_a_lesson() {
        let kinds: BTreeSet<Kind> = Kind::all().collect();
        let names: BTreeSet<&str> = rows().map(|row| row.name).collect();
        assert_eq!((kinds.len(), names.len()), (rows().count(), rows().count()));
        assert_eq!(kinds.last(), Some(&Kind::External));
        for row in rows() {
            assert_eq!(row.kind.row().name, row.name);
            assert!(!row.name.is_empty() && !row.lesson.is_empty(), "{row:?}");
            assert!(row.share > 0, "{row:?}");
        }
    }

    #[test]
    fn a_description_names_one_kind() {
        for kind in Kind::all() {
            let description = kind.description();
            assert_eq!(Kind::of(&description), Some(kind));
            let named = Kind::all().filter(|kind| description.contains(&kind.mark()));
            assert_eq!(named.count(), 1, "{description}");
        }
        assert_eq!(Kind::of("Demo order"), None);
    }

    #[test]
    fn half_of_the_orders_are_ordinary() {
        let whole: usize = rows().map(|row| row.share).sum();
        let ordinary = Kind::Prompt.row().share + Kind::Scanned.row().share;
        assert!(ordinary * 100 >= whole * 45, "{ordinary} of {whole}");
        assert!(ordinary * 100 <= whole * 55, "{ordinary} of {whole}");
    }

    #[test]
    fn no_kind_may_end_elsewhere_unless_the_mesh_is_killed() {
        for row in rows() {
            assert!(row.allows(row.end, false));
            assert!(!row.killed.contains(&row.end), "{row:?}");
            for end in row.killed {
                assert!(!row.allows(*end, false) && row.allows(*end, true));
            }
        }
    }

    #[test]
    fn who_is_never_charged_never_ends_paid() {
        for row in rows().filter(|row| !row.charged && row.origin != Origin::Platform) {
            let unpaid = |end: &End| matches!(end, End::Revoked(_));
            assert!(unpaid(&row.end) && row.killed.iter().all(unpaid), "{row:?}");
        }
    }
}
