//! What an order shows of itself: its refunds against the channel's, and its columns against
//! each other.

use std::collections::BTreeSet;

use proto::trade::v1::{
    CancelType, Fulfilment, OrderStatus, Refund, RefundOrigin, RefundState, RefundStatus,
};

use super::ledger::Account;
use super::{Told, Wrong, total};
use crate::order::BY_HAND;

/// What is wrong with what an order shows.
pub(super) fn check(told: &Told, account: &Account) -> Vec<Wrong> {
    let mut wrongs = unpaid(told, account);
    wrongs.extend(untold(told, account));
    let gone = returned(told);
    if gone != told.order.refunded_fen {
        wrongs.push(Wrong::RefundedDiffers {
            shown: told.order.refunded_fen,
            gone,
        });
    }
    let status = status_of(told);
    if told.order.refund_status() != status {
        wrongs.push(Wrong::RefundStatusDiffers(told.order.refund_status()));
    }
    if !may_exist(told) {
        wrongs.push(Wrong::Inconsistent(told.order.status()));
    }
    wrongs
}

/// What went back past the channel, with evidence.
pub(super) fn by_hand(told: &Told, account: &Account) -> i64 {
    let by_hand = gone(told).filter(|refund| is_by_hand(refund, account));
    total(by_hand.map(|refund| refund.amount_fen))
}

fn gone(told: &Told) -> impl Iterator<Item = &Refund> {
    let refunds = told.refunds.iter();
    refunds.filter(|refund| refund.state() == RefundState::Succeeded)
}

fn is_by_hand(refund: &Refund, account: &Account) -> bool {
    let ours = !refund.out_trade_no.is_empty();
    ours && refund.evidence == BY_HAND && given(refund, account).is_none()
}

fn given(refund: &Refund, account: &Account) -> Option<i64> {
    let given = account.refunds.iter();
    let mut given = given.filter(|given| given.number == refund.refund_no);
    given.next().map(|given| given.amount)
}

// What went back of the order's own money; a reversal brings it back whole, without a refund.
fn returned(told: &Told) -> i64 {
    if told.order.status() == OrderStatus::Refunded {
        return told.order.amount_fen;
    }
    let own = gone(told).filter(|refund| refund.origin() != RefundOrigin::Surplus);
    total(own.map(|refund| refund.amount_fen))
}

// Refunds that went, says trade, and that the channel knows nothing of.
fn unpaid(told: &Told, account: &Account) -> Vec<Wrong> {
    let ours = gone(told).filter(|refund| !refund.out_trade_no.is_empty());
    let unpaid = ours.filter(|refund| {
        given(refund, account) != Some(refund.amount_fen) && !is_by_hand(refund, account)
    });
    unpaid
        .map(|refund| Wrong::RefundNotPaid(refund.amount_fen))
        .collect()
}

// Refunds that the channel paid, and that trade does not say went.
fn untold(told: &Told, account: &Account) -> Vec<Wrong> {
    let known: BTreeSet<&str> = gone(told).map(|refund| refund.refund_no.as_str()).collect();
    let given = account.refunds.iter();
    let untold = given.filter(|given| !known.contains(given.number));
    untold
        .map(|given| Wrong::RefundUnknown(given.amount))
        .collect()
}

// The strongest state of its refunds, surplus excluded; REFUNDED money is back in any case.
fn status_of(told: &Told) -> RefundStatus {
    if told.order.status() == OrderStatus::Refunded {
        return RefundStatus::Succeeded;
    }
    let counted = told.refunds.iter();
    let counted = counted.filter(|refund| refund.origin() != RefundOrigin::Surplus);
    let ranks = counted.map(|refund| match refund.state() {
        RefundState::Processing => (5, RefundStatus::Processing),
        RefundState::Requested => (4, RefundStatus::Requested),
        RefundState::Failed => (3, RefundStatus::Failed),
        RefundState::Succeeded => (2, RefundStatus::Succeeded),
        RefundState::Rejected | RefundState::Unspecified => (1, RefundStatus::Rejected),
    });
    let strongest = ranks.max_by_key(|(rank, _)| *rank);
    strongest.map_or(RefundStatus::None, |(_, status)| status)
}

// Which status, refund status, fulfilment and cancel type may stand together.
fn may_exist(told: &Told) -> bool {
    let order = &told.order;
    let refunds = order.refund_status();
    let untouched =
        order.fulfilment() == Fulfilment::PendingAccept && refunds == RefundStatus::None;
    let cancelled = order.cancel_type() != CancelType::Unspecified;
    match order.status() {
        OrderStatus::Unspecified => false,
        OrderStatus::Unpaid
        | OrderStatus::Paying
        | OrderStatus::PayFailed
        | OrderStatus::Revoking
        | OrderStatus::RevokeFailed => untouched && !cancelled,
        OrderStatus::Revoked => untouched && cancelled,
        OrderStatus::Paid => {
            let still = [
                RefundStatus::None,
                RefundStatus::Rejected,
                RefundStatus::Succeeded,
            ];
            still.contains(&refunds) && !cancelled
        }
        OrderStatus::Refunding => {
            [RefundStatus::Requested, RefundStatus::Processing].contains(&refunds)
        }
        OrderStatus::Refunded => refunds == RefundStatus::Succeeded && cancelled,
        OrderStatus::RefundFailed => refunds == RefundStatus::Failed,
    }
}
