//! The books: what trade says of the orders against what the channel's ledger says of the
//! money. Pure: from what was fetched to what is wrong.

mod check;
mod kinds;
mod wrong;

use std::collections::{BTreeMap, BTreeSet};

use proto::sandbox::v1::{Charge, ChargeState, Misbehaviour};
use proto::trade::v1::{Order, OrderStatus, Remedy, Settlement};

use crate::plan::kind::{Ending, Kind};
use check::check;

pub use kinds::KindBooks;
pub use wrong::{Finding, Wrong};

/// All that was fetched.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Numbers of the orders whose creation was acknowledged.
    pub accepted: Vec<String>,
    /// What trade says.
    pub orders: Vec<Told>,
    /// The channel's ledger, unpaid charges included.
    pub charges: Vec<Charge>,
    /// What the channel did wrong, as it was told to.
    pub misdeeds: Vec<Misbehaviour>,
}

/// An order and what came of it.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The order.
    pub order: Order,
    /// Its settlements.
    pub settlements: Vec<Settlement>,
    /// How its money was found without a callback.
    pub remedies: Vec<Remedy>,
}

/// The reckoning; sums in fen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// Orders that were acknowledged or that trade knows.
    pub created: usize,
    /// Orders that are PAID.
    pub paid: usize,
    /// PAID orders that are settled, once.
    pub settled: usize,
    /// Orders that nobody was to pay, and that are PAYING.
    pub open: usize,
    /// Charges in the ledger that were paid.
    pub charges: usize,
    /// The sum of these charges.
    pub charged_fen: i64,
    /// The sum of what was settled, before fees.
    pub gross_fen: i64,
    /// The sum of the fees.
    pub fee_fen: i64,
    /// The sum of what the shops earn.
    pub net_fen: i64,
    /// The same by kind; kinds without orders are left out.
    pub kinds: Vec<KindBooks>,
    /// What is wrong, by number.
    pub findings: Vec<Finding>,
}

impl Told {
    /// What happened to it on its way; none for an order that is not of a drill.
    pub(crate) fn kind(&self) -> Option<Kind> {
        Kind::of(&self.order.description)
    }

    /// How it must end.
    fn ending(&self) -> Ending {
        self.kind().map_or(Ending::Paid, Kind::ending)
    }

    fn is_paid(&self) -> bool {
        self.order.status() == OrderStatus::Paid
    }

    fn is_settled(&self) -> bool {
        self.is_paid() && self.settlements.len() == 1
    }

    fn is_open(&self) -> bool {
        self.ending() == Ending::Open && self.order.status() == OrderStatus::Paying
    }
}

impl Books {
    /// How many orders or charges are lost.
    pub fn lost(&self) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.wrong.is_loss())
            .count()
    }

    /// Nothing is wrong, every order ended as it must, and the sums agree.
    pub fn balance(&self) -> bool {
        self.findings.is_empty()
            && self.settled.checked_add(self.open) == Some(self.created)
            && self.charged_fen == self.gross_fen
            && self.gross_fen.checked_sub(self.fee_fen) == Some(self.net_fen)
    }
}

/// The order a payment's number names: all but its attempt and the letter of an environment.
pub(crate) fn order_no_of(out_trade_no: &str) -> &str {
    let digits = out_trade_no.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let end = digits.len().saturating_sub(4);
    digits.get(..end).unwrap_or(digits)
}

/// Checks every order against the ledger, and the ledger against the orders.
pub fn reckon(facts: &Facts) -> Books {
    let mut findings = gone(facts);
    findings.extend(kinds::believed(facts));
    let mut charges: BTreeMap<&str, &Charge> = BTreeMap::new();
    for charge in paid_charges(facts) {
        let number = charge.out_trade_no.as_str();
        // Two under one number are not one: nobody can claim the other.
        if let Some(other) = charges.insert(number, charge) {
            findings.push(unclaimed(other));
        }
    }
    let mut claimed = BTreeSet::new();
    for told in &facts.orders {
        let charge = charges.get(told.order.out_trade_no.as_str()).copied();
        let mut wrongs = check(told, charge);
        if charge.is_some_and(|charge| !claimed.insert(charge.out_trade_no.as_str())) {
            wrongs.push(Wrong::ChargeClaimedTwice);
        }
        let number = &told.order.order_no;
        findings.extend(wrongs.into_iter().map(|wrong| Finding::of(number, wrong)));
    }
    let left = charges
        .values()
        .filter(|charge| !claimed.contains(charge.out_trade_no.as_str()));
    findings.extend(left.map(|charge| unclaimed(charge)));
    findings.sort_by(|one, other| one.number.cmp(&other.number));
    summed(facts, findings)
}

fn paid_charges(facts: &Facts) -> impl Iterator<Item = &Charge> {
    let charges = facts.charges.iter();
    charges.filter(|charge| charge.state() == ChargeState::Success)
}

fn unclaimed(charge: &Charge) -> Finding {
    Finding::of(
        &charge.out_trade_no,
        Wrong::ChargeWithoutOrder(charge.amount_fen),
    )
}

fn gone(facts: &Facts) -> Vec<Finding> {
    let known = known(facts);
    let accepted: BTreeSet<&str> = facts.accepted.iter().map(String::as_str).collect();
    let gone = accepted.difference(&known);
    gone.map(|number| Finding::of(number, Wrong::OrderGone))
        .collect()
}

fn known(facts: &Facts) -> BTreeSet<&str> {
    facts
        .orders
        .iter()
        .map(|told| told.order.order_no.as_str())
        .collect()
}

fn summed(facts: &Facts, findings: Vec<Finding>) -> Books {
    let number = |is: fn(&Told) -> bool| facts.orders.iter().filter(|told| is(told)).count();
    let settlements = || facts.orders.iter().flat_map(|told| &told.settlements);
    let accepted = facts.accepted.iter().map(String::as_str);
    let created: BTreeSet<&str> = known(facts).into_iter().chain(accepted).collect();
    Books {
        created: created.len(),
        paid: number(Told::is_paid),
        settled: number(Told::is_settled),
        open: number(Told::is_open),
        charges: paid_charges(facts).count(),
        charged_fen: total(paid_charges(facts).map(|charge| charge.amount_fen)),
        gross_fen: total(settlements().map(|settlement| settlement.gross_fen)),
        fee_fen: total(settlements().map(|settlement| settlement.fee_fen)),
        net_fen: total(settlements().map(|settlement| settlement.net_fen)),
        kinds: kinds::tally(facts),
        findings,
    }
}

fn total(fen: impl Iterator<Item = i64>) -> i64 {
    fen.fold(0, i64::saturating_add)
}

#[cfg(test)]
mod tests;
