//! The books by kind: how many orders of each, what became of them, what the channel did.

use std::collections::BTreeMap;

use proto::sandbox::v1::MisbehaviourKind;

use super::{Facts, Finding, Told, Wrong, order_no_of};
use crate::plan::end::End;
use crate::plan::kind::Kind;

/// The orders of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindBooks {
    /// Which.
    pub kind: Kind,
    /// How many.
    pub orders: usize,
    /// How many are PAID.
    pub paid: usize,
    /// How many are REFUNDED.
    pub refunded: usize,
    /// How many are REVOKED.
    pub revoked: usize,
    /// How many ended elsewhere than their kind demands.
    pub elsewhere: usize,
    /// How many were found paid without a callback.
    pub remedied: usize,
    /// How often the channel did what to them.
    pub misdeeds: BTreeMap<MisbehaviourKind, i64>,
    /// How many forged callbacks were answered `success`.
    pub believed: i64,
}

/// The books of each kind that has orders.
pub(super) fn tally(facts: &Facts) -> Vec<KindBooks> {
    let known = facts.orders.iter();
    let kinds: BTreeMap<&str, Kind> = known
        .filter_map(|told| Some((told.order.order_no.as_str(), told.kind()?)))
        .collect();
    let books = Kind::all().map(|kind| of(kind, facts, &kinds));
    books.filter(|books| books.orders > 0).collect()
}

fn of(kind: Kind, facts: &Facts, kinds: &BTreeMap<&str, Kind>) -> KindBooks {
    let orders = || {
        let orders = facts.orders.iter();
        orders.filter(|told| told.kind() == Some(kind))
    };
    let ended = |is: &dyn Fn(End) -> bool| {
        let ends = orders().filter_map(End::of);
        ends.filter(|end| is(*end)).count()
    };
    let remedied = |told: &&Told| !told.remedies.is_empty();
    let mut books = KindBooks {
        kind,
        orders: orders().count(),
        paid: ended(&End::is_paid),
        refunded: ended(&|end| matches!(end, End::Refunded(_))),
        revoked: ended(&|end| matches!(end, End::Revoked(_))),
        elsewhere: ended(&|end| end != kind.row().end),
        remedied: orders().filter(remedied).count(),
        misdeeds: BTreeMap::new(),
        believed: 0,
    };
    for misdeed in &facts.misdeeds {
        if kinds.get(order_no_of(&misdeed.out_trade_no)) == Some(&kind) {
            *books.misdeeds.entry(misdeed.kind()).or_default() += i64::from(misdeed.times);
            books.believed += i64::from(misdeed.acknowledged);
        }
    }
    books.misdeeds.retain(|_, times| *times > 0);
    books
}

/// The orders about which a forged callback was acknowledged.
pub(super) fn believed(facts: &Facts) -> Vec<Finding> {
    let mut believed: BTreeMap<&str, i64> = BTreeMap::new();
    for misdeed in &facts.misdeeds {
        let number = order_no_of(&misdeed.out_trade_no);
        *believed.entry(number).or_default() += i64::from(misdeed.acknowledged);
    }
    let believed = believed.into_iter().filter(|(_, times)| *times > 0);
    believed
        .map(|(number, times)| Finding::of(number, Wrong::ForgeryBelieved(times)))
        .collect()
}
