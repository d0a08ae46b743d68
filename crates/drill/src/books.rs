//! The books: what trade says of the orders against what the channel's ledger says of the
//! money. Pure: from what was fetched to what is wrong.

mod check;
mod kinds;
mod ledger;
mod scripted;
mod settled;
mod shown;
mod wrong;

use std::collections::{BTreeMap, BTreeSet};

use proto::sandbox::v1::{Charge, Misbehaviour, Refund as ChannelRefund};
use proto::trade::v1::{Order, OrderStatus, Refund, Remedy, Settlement};

use crate::plan::end::End;
use crate::plan::kind::Kind;
use check::check;
use ledger::Account;

pub use kinds::KindBooks;
pub use ledger::Sums;
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
    /// The refunds of that ledger.
    pub refunds: Vec<ChannelRefund>,
    /// What the channel did wrong, as it was told to.
    pub misdeeds: Vec<Misbehaviour>,
    /// Whether the mesh was killed meanwhile: some orders may then end elsewhere, or by a remedy.
    pub killed: bool,
    /// Whether tasks took callbacks in: a poll is often faster then.
    pub tasks_only: bool,
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
    /// Its refunds.
    pub refunds: Vec<Refund>,
}

/// The reckoning; sums in fen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// Orders that were acknowledged or that trade knows.
    pub created: usize,
    /// Orders that are PAID.
    pub paid: usize,
    /// Orders that are REFUNDED.
    pub refunded: usize,
    /// Orders that are REVOKED.
    pub revoked: usize,
    /// What the channel's ledger says.
    pub ledger: Sums,
    /// What went back by hand: no channel knows of it.
    pub by_hand_fen: i64,
    /// The sum of what was settled for charges, before fees.
    pub gained_fen: i64,
    /// The sum of what was settled for refunds and reversals: below 0.
    pub returned_fen: i64,
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

    /// What of its money is here, as its status and its refunds say. A platform's never is.
    pub(crate) fn held(&self) -> i64 {
        let here = matches!(
            self.order.status(),
            OrderStatus::Paid | OrderStatus::Refunding | OrderStatus::RefundFailed
        );
        if here && self.order.external_payment.is_none() {
            self.order.amount_fen - self.order.refunded_fen
        } else {
            0
        }
    }

    /// Whether the settlements say the same.
    pub(crate) fn is_settled(&self) -> bool {
        total(self.settlements.iter().map(|each| each.gross_fen)) == self.held()
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

    /// What was settled, before fees: charges less refunds and reversals.
    pub fn gross_fen(&self) -> i64 {
        self.gained_fen.saturating_add(self.returned_fen)
    }

    /// What should have been settled: what the channel keeps, less what went back by hand.
    pub fn due_fen(&self) -> i64 {
        self.ledger.kept_fen.saturating_sub(self.by_hand_fen)
    }

    /// Nothing is wrong, every order ended as it must, and the sums agree.
    pub fn balance(&self) -> bool {
        let ended = self.paid.checked_add(self.refunded);
        let ended = ended.and_then(|ended| ended.checked_add(self.revoked));
        self.findings.is_empty()
            && ended == Some(self.created)
            && self.due_fen() == self.gross_fen()
            && self.gross_fen().checked_sub(self.fee_fen) == Some(self.net_fen)
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
    let accounts = ledger::accounts(facts);
    let mut findings = gone(facts);
    findings.extend(kinds::believed(facts));
    findings.extend(stray(facts, &accounts));
    for told in &facts.orders {
        let account = accounts.get(told.order.order_no.as_str());
        let wrongs = check(told, account.unwrap_or(&Account::default()), facts.killed);
        let number = &told.order.order_no;
        findings.extend(wrongs.into_iter().map(|wrong| Finding::of(number, wrong)));
    }
    findings.extend(scripted::check(facts));
    findings.sort_by(|one, other| one.number.cmp(&other.number));
    summed(facts, &accounts, findings)
}

// Money under numbers that no order has.
fn stray<'a>(
    facts: &'a Facts,
    accounts: &'a BTreeMap<&str, Account>,
) -> impl Iterator<Item = Finding> + 'a {
    let known = known(facts);
    let strays = accounts
        .iter()
        .filter(move |(number, _)| !known.contains(*number));
    strays.flat_map(|(_, account)| {
        let kept = account.charges.iter().filter(|charge| charge.kept != 0);
        kept.map(|charge| Finding::of(charge.number, Wrong::ChargeWithoutOrder(charge.kept)))
    })
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

fn summed(facts: &Facts, accounts: &BTreeMap<&str, Account>, findings: Vec<Finding>) -> Books {
    let number = |is: fn(End) -> bool| {
        let ends = facts.orders.iter().filter_map(End::of);
        ends.filter(|end| is(*end)).count()
    };
    let settlements = || facts.orders.iter().flat_map(|told| &told.settlements);
    let accepted = facts.accepted.iter().map(String::as_str);
    let created: BTreeSet<&str> = known(facts).into_iter().chain(accepted).collect();
    let none = Account::default();
    let by_hand = facts.orders.iter().map(|told| {
        let account = accounts.get(told.order.order_no.as_str());
        shown::by_hand(told, account.unwrap_or(&none))
    });
    let gross = || settlements().map(|settlement| settlement.gross_fen);
    Books {
        created: created.len(),
        paid: number(End::is_paid),
        refunded: number(|end| matches!(end, End::Refunded(_))),
        revoked: number(|end| matches!(end, End::Revoked(_))),
        ledger: ledger::summed(accounts),
        by_hand_fen: total(by_hand),
        gained_fen: total(gross().filter(|gross| *gross > 0)),
        returned_fen: total(gross().filter(|gross| *gross < 0)),
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
