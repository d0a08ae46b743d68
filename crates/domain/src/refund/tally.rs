//! What an order knows of its refunds as a whole; surplus refunds are never counted.

use super::RefundState;
use crate::coded::coded;
use crate::money::Fen;
use crate::order::OrderStatus;

coded! {
    /// The refund status of an order.
    pub enum RefundStatus {
        /// There is no refund.
        None = 0 "NONE",
        /// One waits for approval.
        Requested = 1 "REQUESTED",
        /// One is on its way.
        Processing = 2 "PROCESSING",
        /// None is open and one has failed.
        Failed = 3 "FAILED",
        /// All or part of the money went back.
        Succeeded = 4 "SUCCEEDED",
        /// All were refused.
        Rejected = 5 "REJECTED",
    }
}

/// Which state of a refund outranks which, strongest first.
const RANKS: [(RefundState, RefundStatus); 5] = [
    (RefundState::Processing, RefundStatus::Processing),
    (RefundState::Requested, RefundStatus::Requested),
    (RefundState::Failed, RefundStatus::Failed),
    (RefundState::Succeeded, RefundStatus::Succeeded),
    (RefundState::Rejected, RefundStatus::Rejected),
];

impl RefundStatus {
    /// The status of an order whose refunds, surplus excluded, stand so.
    /// A REFUNDED order's money is back, even if a reversal brought it back.
    pub fn of(order: OrderStatus, refunds: &[RefundState]) -> Self {
        if order == OrderStatus::Refunded {
            return Self::Succeeded;
        }
        let strongest = RANKS.iter().find(|(state, _)| refunds.contains(state));
        strongest.map_or(Self::None, |(_, status)| *status)
    }
}

/// The refunds of an order, counted; surplus excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefundTally {
    /// What the order was paid.
    pub paid: Fen,
    /// What went back.
    pub refunded: Fen,
    /// What may not be refunded again: all but the rejected.
    pub reserved: Fen,
    /// How many are REQUESTED or PROCESSING.
    pub open: u32,
    /// How many are FAILED.
    pub failed: u32,
}

impl RefundTally {
    /// Counts the refunds of an order that was paid `paid`; `None` when a sum overflows.
    pub fn of(paid: Fen, refunds: impl IntoIterator<Item = (RefundState, Fen)>) -> Option<Self> {
        let start = Self {
            paid,
            ..Self::default()
        };
        refunds
            .into_iter()
            .try_fold(start, |tally, (state, amount)| tally.with(state, amount))
    }

    /// What may still be refunded.
    pub fn refundable(self) -> Fen {
        self.paid
            .minus(self.reserved)
            .unwrap_or(Fen::ZERO)
            .max(Fen::ZERO)
    }

    /// None is open, and one has failed.
    pub const fn has_ended_with_failure(self) -> bool {
        self.open == 0 && self.failed > 0
    }

    /// None is open or failed, and all the money went back.
    pub fn has_returned_all(self) -> bool {
        self.open == 0 && self.failed == 0 && self.refunded >= self.paid
    }

    /// None is open or failed, and some of the money is still here.
    pub fn has_ended_in_part(self) -> bool {
        self.open == 0 && self.failed == 0 && self.refunded < self.paid
    }

    fn with(mut self, state: RefundState, amount: Fen) -> Option<Self> {
        if state.is_reserved() {
            self.reserved = self.reserved.plus(amount)?;
        }
        match state {
            RefundState::Requested | RefundState::Processing => {
                self.open = self.open.checked_add(1)?;
            }
            RefundState::Failed => self.failed = self.failed.checked_add(1)?,
            RefundState::Succeeded => self.refunded = self.refunded.plus(amount)?,
            RefundState::Rejected => {}
        }
        Some(self)
    }
}
