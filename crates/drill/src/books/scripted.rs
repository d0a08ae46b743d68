//! Whether the channel did to each order what the order stands for, and ordinary orders heard of
//! their money by its callbacks. A kill brings the neighbours of both.

use std::collections::{BTreeMap, BTreeSet};

use proto::sandbox::v1::MisbehaviourKind;

use super::{Facts, Finding, Wrong, order_no_of};
use crate::plan::kind::Kind;
use crate::plan::script::seen_by;

// One in so many ordinary orders may be found by a poll that was faster than the callback; of
// fewer than this nothing can be said.
const SELDOM: usize = 5;
const FEW: usize = 10;

/// The orders that ended well by luck.
pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    if facts.killed {
        return Vec::new();
    }
    let mut findings = spared(facts);
    if !facts.tasks_only {
        findings.extend(unheard(facts));
    }
    findings
}

fn spared(facts: &Facts) -> Vec<Finding> {
    let mut done: BTreeMap<&str, BTreeSet<MisbehaviourKind>> = BTreeMap::new();
    for misdeed in facts.misdeeds.iter().filter(|misdeed| misdeed.times > 0) {
        let order = done.entry(order_no_of(&misdeed.out_trade_no));
        order.or_default().insert(misdeed.kind());
    }
    let none = BTreeSet::new();
    let orders = facts.orders.iter();
    let kinds = orders.filter_map(|told| Some((told.order.order_no.as_str(), told.kind()?)));
    let spared = kinds.flat_map(|(number, kind)| {
        let done = done.get(number).unwrap_or(&none);
        let missed = seen_by(kind).into_iter();
        let missed = missed.filter(|any| any.is_disjoint(done));
        missed.filter_map(move |mut any| Some(Finding::of(number, Wrong::Spared(any.pop_first()?))))
    });
    spared.collect()
}

fn unheard(facts: &Facts) -> Option<Finding> {
    let prompt = || {
        let orders = facts.orders.iter();
        orders.filter(|told| told.kind() == Some(Kind::Prompt))
    };
    let remedied = || prompt().filter(|told| !told.remedies.is_empty());
    let (found, of) = (remedied().count(), prompt().count());
    let first = remedied()
        .next()
        .filter(|_| of >= FEW && found * SELDOM > of)?;
    let wrong = Wrong::Unheard { found, of };
    Some(Finding::of(&first.order.order_no, wrong))
}
