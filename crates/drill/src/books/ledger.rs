//! The channel's side: what it took for each order, what it gave back, what it keeps.

use std::collections::BTreeMap;

use proto::sandbox::v1::{Charge, ChargeState, RefundState};

use super::{Facts, order_no_of, total};

/// The sums of the ledger, in fen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Charges that were paid.
    pub charges: usize,
    /// Their sum.
    pub charged_fen: i64,
    /// Refunds that went.
    pub refunds: usize,
    /// Their sum.
    pub refunded_fen: i64,
    /// Charges that were reversed after they had been paid.
    pub reversals: usize,
    /// What went back by that.
    pub reversed_fen: i64,
    /// What is left.
    pub kept_fen: i64,
}

/// All that the channel took and gave for one order.
#[derive(Debug, Default)]
pub(super) struct Account<'a> {
    pub(super) charges: Vec<Taken<'a>>,
    pub(super) refunds: Vec<Given<'a>>,
}

/// A charge that was paid.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    pub(super) number: &'a str,
    pub(super) amount: i64,
    /// What of it the channel still keeps.
    pub(super) kept: i64,
    reversed: bool,
}

/// A refund that went.
#[derive(Debug)]
pub(super) struct Given<'a> {
    pub(super) number: &'a str,
    pub(super) amount: i64,
}

impl Account<'_> {
    /// What the channel keeps under this number.
    pub(super) fn kept_of(&self, out_trade_no: &str) -> i64 {
        let own = self.charges.iter();
        let own = own.filter(|charge| charge.number == out_trade_no);
        total(own.map(|charge| charge.kept))
    }

    /// What it keeps under all.
    pub(super) fn kept(&self) -> i64 {
        total(self.charges.iter().map(|charge| charge.kept))
    }
}

/// The accounts by order number; charges that nobody paid are none.
pub(super) fn accounts(facts: &Facts) -> BTreeMap<&str, Account<'_>> {
    let mut accounts: BTreeMap<&str, Account> = BTreeMap::new();
    for refund in &facts.refunds {
        if refund.state() == RefundState::Success {
            let account = accounts.entry(order_no_of(&refund.out_trade_no));
            account.or_default().refunds.push(Given {
                number: &refund.out_refund_no,
                amount: refund.amount_fen,
            });
        }
    }
    let mut returned: BTreeMap<&str, i64> = BTreeMap::new();
    for refund in &facts.refunds {
        if refund.state() == RefundState::Success {
            *returned.entry(refund.out_trade_no.as_str()).or_default() += refund.amount_fen;
        }
    }
    for charge in facts.charges.iter().filter(|charge| charge.was_paid) {
        let number = charge.out_trade_no.as_str();
        // Two under one number are not one: what went back counts once.
        let back = returned.remove(number).unwrap_or_default();
        let account = accounts.entry(order_no_of(number)).or_default();
        account.charges.push(taken(charge, back));
    }
    accounts
}

fn taken(charge: &Charge, back: i64) -> Taken<'_> {
    let reversed = charge.state() == ChargeState::Reversed;
    Taken {
        number: &charge.out_trade_no,
        amount: charge.amount_fen,
        kept: if reversed {
            0
        } else {
            charge.amount_fen.saturating_sub(back)
        },
        reversed,
    }
}

/// The sums over all accounts.
pub(super) fn summed(accounts: &BTreeMap<&str, Account>) -> Sums {
    let charges = || accounts.values().flat_map(|account| &account.charges);
    let refunds = || accounts.values().flat_map(|account| &account.refunds);
    let charged_fen = total(charges().map(|charge| charge.amount));
    let refunded_fen = total(refunds().map(|refund| refund.amount));
    let kept_fen = total(charges().map(|charge| charge.kept));
    Sums {
        charges: charges().count(),
        charged_fen,
        refunds: refunds().count(),
        refunded_fen,
        reversals: charges().filter(|charge| charge.reversed).count(),
        reversed_fen: charged_fen
            .saturating_sub(refunded_fen)
            .saturating_sub(kept_fen),
        kept_fen,
    }
}
