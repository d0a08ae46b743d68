//! One order against its account at the channel, and against what its kind demands.

use super::ledger::Account;
use super::{Told, Wrong, settled, shown};
use crate::plan::end::End;

/// What is wrong with an order for which the channel took and gave so much.
pub(super) fn check(told: &Told, account: &Account, killed: bool) -> Vec<Wrong> {
    let mut wrongs = money(told, account);
    wrongs.extend(settled::check(told, account));
    wrongs.extend(shown::check(told, account));
    wrongs.extend(end(told, account, killed));
    wrongs
}

// What the channel keeps is what the order says is here, under the number that paid it.
fn money(told: &Told, account: &Account) -> Vec<Wrong> {
    let order = &told.order;
    let status = order.status();
    let mut wrongs = Vec::new();
    let own = account.kept_of(&order.out_trade_no) - shown::by_hand(told, account);
    let others = account.kept() - account.kept_of(&order.out_trade_no);
    let beyond = own - told.held();
    if beyond > 0 {
        wrongs.push(Wrong::MoneyNotHeld(beyond, status));
    }
    if beyond < 0 {
        wrongs.push(Wrong::MoneyMissing(-beyond, status));
    }
    if others != 0 {
        wrongs.push(Wrong::MoneyNotHeld(others, status));
    }
    let amounts = account.charges.iter().map(|charge| charge.amount);
    let differing = amounts.filter(|amount| *amount != order.amount_fen);
    wrongs.extend(differing.map(|charged| Wrong::AmountDiffers {
        charged,
        ordered: order.amount_fen,
    }));
    wrongs
}

fn end(told: &Told, account: &Account, killed: bool) -> Vec<Wrong> {
    let Some(end) = End::of(told) else {
        return vec![Wrong::Unfinished(told.order.status())];
    };
    let Some(kind) = told.kind() else {
        return Vec::new();
    };
    let (row, mut wrongs) = (kind.row(), Vec::new());
    if !row.allows(end, killed) {
        wrongs.push(Wrong::EndsElsewhere(end));
    }
    if !row.charged && !account.charges.is_empty() {
        let taken = account.charges.iter().map(|charge| charge.amount).sum();
        wrongs.push(Wrong::ChargedUnasked(taken));
    }
    // Where a kill brings the callback's neighbour first, or none, there may be no remedy.
    if row.remedy && !killed && told.remedies.is_empty() {
        wrongs.push(Wrong::NoRemedy);
    }
    wrongs
}
