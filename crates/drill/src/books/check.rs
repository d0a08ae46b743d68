//! One order against its charge.

use proto::sandbox::v1::Charge;
use proto::trade::v1::{OrderStatus, Settlement};

use super::{Told, Wrong};
use crate::plan::kind::Ending;

/// What is wrong with an order whose payment the channel charged, or did not.
pub(super) fn check(told: &Told, charge: Option<&Charge>) -> Vec<Wrong> {
    let (order, ending) = (&told.order, told.ending());
    match (order.status(), charge, ending) {
        (OrderStatus::Paid, Some(charge), _) => paid(told, charge),
        (OrderStatus::Paid, None, _) => vec![Wrong::PaidWithoutCharge(order.amount_fen)],
        (status, Some(charge), _) => vec![Wrong::ChargeNotPaid(charge.amount_fen, status)],
        (OrderStatus::Paying, None, Ending::Open) => unsettled(told).collect(),
        (status, None, _) => {
            let unfinished = [Wrong::Unfinished(status)];
            unfinished.into_iter().chain(unsettled(told)).collect()
        }
    }
}

fn paid(told: &Told, charge: &Charge) -> Vec<Wrong> {
    let Told {
        order, settlements, ..
    } = told;
    let mut wrongs = Vec::new();
    if told.ending() == Ending::Open {
        wrongs.push(Wrong::PaidUnasked(charge.amount_fen));
    }
    if charge.amount_fen != order.amount_fen {
        let (charged, ordered) = (charge.amount_fen, order.amount_fen);
        wrongs.push(Wrong::AmountDiffers { charged, ordered });
    }
    match settlements.as_slice() {
        [] => wrongs.push(Wrong::NotSettled(charge.amount_fen)),
        [once] => wrongs.extend(settlement(once, charge)),
        often => wrongs.push(Wrong::SettledOften(often.len())),
    }
    wrongs
}

fn settlement(settlement: &Settlement, charge: &Charge) -> Option<Wrong> {
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

fn unsettled(told: &Told) -> impl Iterator<Item = Wrong> {
    let settlements = told.settlements.iter();
    settlements.map(|settlement| Wrong::SettledUnpaid(settlement.gross_fen))
}
