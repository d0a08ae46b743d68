//! What was settled for one order against what the channel keeps for it.

use std::collections::{BTreeMap, BTreeSet};

use proto::trade::v1::Settlement;

use super::ledger::Account;
use super::{Told, Wrong, shown, total};

/// What is wrong with the settlements of an order.
pub(super) fn check(told: &Told, account: &Account) -> Vec<Wrong> {
    let mut wrongs: Vec<Wrong> = told.settlements.iter().filter_map(row).collect();
    wrongs.extend(sum(told, account));
    wrongs.extend(twice(told));
    wrongs.extend(fees(told));
    wrongs
}

fn row(settlement: &Settlement) -> Option<Wrong> {
    let Settlement {
        gross_fen: gross,
        fee_fen: fee,
        net_fen: net,
        ..
    } = *settlement;
    let adds_up = net.checked_add(fee) == Some(gross);
    (!adds_up).then_some(Wrong::FeeDiffers { gross, fee, net })
}

fn sum(told: &Told, account: &Account) -> Option<Wrong> {
    let gross = total(told.settlements.iter().map(|each| each.gross_fen));
    let due = account.kept() - shown::by_hand(told, account);
    match gross.saturating_sub(due) {
        0 => None,
        more if more > 0 => Some(Wrong::SettledTooMuch(more)),
        less => Some(Wrong::NotSettled(-less)),
    }
}

fn twice(told: &Told) -> Option<Wrong> {
    let sources: BTreeSet<&str> = told
        .settlements
        .iter()
        .map(|each| each.source.as_str())
        .collect();
    let often = told.settlements.len() - sources.len();
    (often > 0).then_some(Wrong::SettledOften(often))
}

// Of a payment whose money went back whole, no fee stays.
fn fees(told: &Told) -> Vec<Wrong> {
    let mut payments: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for each in &told.settlements {
        let (gross, fee) = payments.entry(each.out_trade_no.as_str()).or_default();
        *gross = gross.saturating_add(each.gross_fen);
        *fee = fee.saturating_add(each.fee_fen);
    }
    let kept = payments
        .into_values()
        .filter(|sums| sums.0 == 0 && sums.1 != 0);
    kept.map(|(_, fee)| Wrong::FeeKept(fee)).collect()
}
