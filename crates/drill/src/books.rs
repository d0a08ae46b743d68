//! The books: what trade says of the orders against what the channel's ledger says of the
//! money. Pure: from what was fetched to what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proto::sandbox::v1::{Charge, ChargeState};
use proto::trade::v1::{Order, OrderStatus, Settlement};

/// All that was fetched.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Numbers of the orders whose creation was acknowledged.
    pub accepted: Vec<String>,
    /// What trade says.
    pub orders: Vec<Told>,
    /// The channel's ledger, unpaid charges included.
    pub charges: Vec<Charge>,
}

/// An order and what was settled for it.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The order.
    pub order: Order,
    /// Its settlements.
    pub settlements: Vec<Settlement>,
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
    /// What is wrong, by number.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The number of the order, or of the charge if no order is known.
    pub number: String,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It was acknowledged, and trade does not know it.
    OrderGone,
    /// The payer paid, fen, and no order says so.
    ChargeWithoutOrder(i64),
    /// The payer paid, fen, and the order is not PAID.
    ChargeNotPaid(i64, OrderStatus),
    /// The order is PAID, fen, and nobody paid.
    PaidWithoutCharge(i64),
    /// The order is PAID and nothing was settled, fen.
    NotSettled(i64),
    /// The ledger's amount and the order's differ.
    AmountDiffers {
        /// What was paid, fen.
        charged: i64,
        /// What the order says, fen.
        ordered: i64,
    },
    /// Settled this many times.
    SettledOften(usize),
    /// The settlement is for something else: another payment or another amount, fen.
    SettlementDiffers(i64),
    /// Gross is not net + fee.
    FeeDiffers {
        /// Gross, fen.
        gross: i64,
        /// Fee, fen.
        fee: i64,
        /// Net, fen.
        net: i64,
    },
    /// Another order claims the same charge.
    ChargeClaimedTwice,
    /// Nobody paid, and the order is not PAID: nothing is lost, but it did not end.
    Unfinished(OrderStatus),
}

impl Wrong {
    /// Whether an order or its money is lost.
    pub fn is_loss(self) -> bool {
        matches!(
            self,
            Self::OrderGone
                | Self::ChargeWithoutOrder(_)
                | Self::ChargeNotPaid(..)
                | Self::PaidWithoutCharge(_)
                | Self::NotSettled(_)
        )
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

    /// Nothing is wrong, every order is paid and settled, and the sums agree.
    pub fn balance(&self) -> bool {
        self.findings.is_empty()
            && self.settled == self.created
            && self.charged_fen == self.gross_fen
            && self.gross_fen.checked_sub(self.fee_fen) == Some(self.net_fen)
    }
}

/// Checks every order against the ledger, and the ledger against the orders.
pub fn reckon(facts: &Facts) -> Books {
    let mut findings = gone(facts);
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

fn check(told: &Told, charge: Option<&Charge>) -> Vec<Wrong> {
    let Told { order, settlements } = told;
    let status = order.status();
    let charge = match (status, charge) {
        (OrderStatus::Paid, Some(charge)) => charge,
        (OrderStatus::Paid, None) => return vec![Wrong::PaidWithoutCharge(order.amount_fen)],
        (_, Some(charge)) => return vec![Wrong::ChargeNotPaid(charge.amount_fen, status)],
        (_, None) => return vec![Wrong::Unfinished(status)],
    };
    let mut wrongs = Vec::new();
    if charge.amount_fen != order.amount_fen {
        let (charged, ordered) = (charge.amount_fen, order.amount_fen);
        wrongs.push(Wrong::AmountDiffers { charged, ordered });
    }
    match settlements.as_slice() {
        [] => wrongs.push(Wrong::NotSettled(charge.amount_fen)),
        [once] => wrongs.extend(check_settlement(once, charge)),
        often => wrongs.push(Wrong::SettledOften(often.len())),
    }
    wrongs
}

fn check_settlement(settlement: &Settlement, charge: &Charge) -> Option<Wrong> {
    let Settlement {
        gross_fen: gross,
        fee_fen: fee,
        net_fen: net,
        ..
    } = *settlement;
    if settlement.out_trade_no != charge.out_trade_no || gross != charge.amount_fen {
        return Some(Wrong::SettlementDiffers(gross));
    }
    (net.checked_add(fee) != Some(gross)).then_some(Wrong::FeeDiffers { gross, fee, net })
}

fn summed(facts: &Facts, findings: Vec<Finding>) -> Books {
    let paid = || {
        facts
            .orders
            .iter()
            .filter(|told| told.order.status() == OrderStatus::Paid)
    };
    let settlements = || facts.orders.iter().flat_map(|told| &told.settlements);
    let accepted = facts.accepted.iter().map(String::as_str);
    Books {
        created: known(facts)
            .into_iter()
            .chain(accepted)
            .collect::<BTreeSet<_>>()
            .len(),
        paid: paid().count(),
        settled: paid().filter(|told| told.settlements.len() == 1).count(),
        charges: paid_charges(facts).count(),
        charged_fen: total(paid_charges(facts).map(|charge| charge.amount_fen)),
        gross_fen: total(settlements().map(|settlement| settlement.gross_fen)),
        fee_fen: total(settlements().map(|settlement| settlement.fee_fen)),
        net_fen: total(settlements().map(|settlement| settlement.net_fen)),
        findings,
    }
}

fn total(fen: impl Iterator<Item = i64>) -> i64 {
    fen.fold(0, i64::saturating_add)
}

impl Finding {
    fn of(number: &str, wrong: Wrong) -> Self {
        Self {
            number: number.to_owned(),
            wrong,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OrderGone => f.write_str("acknowledged, but trade does not know it"),
            Self::ChargeWithoutOrder(fen) => write!(f, "{fen} fen paid, but no order says so"),
            Self::ChargeNotPaid(fen, status) => {
                write!(
                    f,
                    "{fen} fen paid, but the order is {}",
                    status.as_str_name()
                )
            }
            Self::PaidWithoutCharge(fen) => write!(f, "PAID, but nobody paid its {fen} fen"),
            Self::NotSettled(fen) => write!(f, "PAID, but its {fen} fen were not settled"),
            Self::AmountDiffers { charged, ordered } => {
                write!(f, "{charged} fen paid for an order of {ordered} fen")
            }
            Self::SettledOften(times) => write!(f, "settled {times} times"),
            Self::SettlementDiffers(gross) => {
                write!(f, "the settlement of {gross} fen is not for its charge")
            }
            Self::FeeDiffers { gross, fee, net } => {
                write!(f, "gross {gross} is not net {net} + fee {fee} fen")
            }
            Self::ChargeClaimedTwice => f.write_str("another order claims the same charge"),
            Self::Unfinished(status) => write!(f, "not paid: {}", status.as_str_name()),
        }
    }
}

#[cfg(test)]
mod tests;
