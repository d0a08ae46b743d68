//! What a decision about a payment depends on besides its state: who says so, and since when.

use std::time::Duration;

use jiff::Timestamp;

use crate::channel::Direction;

/// Where a finding comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The reply to our own pay, close or reverse call.
    Reply,
    /// A callback with a valid signature.
    Callback,
    /// A statement line (账单).
    Statement,
    /// A query that was begun at this instant.
    Query { begun: Timestamp },
}

/// How far the closing or reversing of a payment has come at the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closure {
    /// No close or reverse was ever sent.
    NotSent,
    /// One was sent and has not ended.
    InFlight,
    /// The last one ended then, with an answer or without.
    Ended { at: Timestamp },
    /// The channel has no close: its own expiry plus a margin is over then.
    Expires { at: Timestamp },
}

/// A payment's facts at the moment of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentContext {
    /// The instant of the decision.
    pub now: Timestamp,
    /// When the payment entered its present state.
    pub since: Timestamp,
    /// After this the pay call is not sent, and one that was sent has ended.
    pub send_before: Timestamp,
    /// How long the channel may take to know what it was told.
    pub grace: Duration,
    /// How far closing has come.
    pub closure: Closure,
    /// Who scans whom.
    pub direction: Direction,
    /// Whether `pay_info` is on record, so that a payer may have seen it.
    pub pay_info_stored: bool,
}

impl PaymentContext {
    /// A prepay that nobody can have seen and that can no longer be sent.
    pub(super) fn is_abandoned(&self) -> bool {
        let is_prepay = self.direction == Direction::CustomerScans;
        is_prepay && !self.pay_info_stored && self.now >= self.send_before
    }

    /// Whether a call still under way can no longer contradict CLOSED.
    pub(super) fn may_be_closed(&self) -> bool {
        self.now >= self.after(self.send_before)
    }

    /// Whether a final "not paid" ends CLOSING: only a query begun after the close does.
    pub(super) fn ends_closing(&self, source: Source) -> bool {
        let Source::Query { begun } = source else {
            return false;
        };
        match self.closure {
            Closure::NotSent | Closure::Expires { .. } => begun >= self.since,
            Closure::InFlight => false,
            Closure::Ended { at } => begun >= at,
        }
    }

    /// Whether "no such order" is evidence.
    pub(super) fn proves_absence(&self, source: Source) -> bool {
        let Source::Query { begun } = source else {
            return false;
        };
        match self.closure {
            Closure::NotSent | Closure::InFlight => false,
            Closure::Ended { at } => begun >= self.after(at),
            Closure::Expires { at } => begun >= at,
        }
    }

    /// Whether "not paid yet" means never: the channel's own expiry is over.
    pub(super) fn has_expired(&self, source: Source) -> bool {
        match (source, self.closure) {
            (Source::Query { begun }, Closure::Expires { at }) => begun >= at,
            _ => false,
        }
    }

    /// Success against a reverse: once a close or reverse was sent, only a query begun after
    /// the last one ended decides.
    pub(super) fn believes_success(&self, source: Source) -> bool {
        match self.closure {
            Closure::NotSent | Closure::Expires { .. } => true,
            Closure::InFlight => false,
            Closure::Ended { at } => matches!(source, Source::Query { begun } if begun >= at),
        }
    }

    /// Whether it is a query that saw the present state; an older one may have seen what was before.
    pub(super) fn is_later_query(&self, source: Source) -> bool {
        matches!(source, Source::Query { begun } if begun >= self.since)
    }

    fn after(&self, instant: Timestamp) -> Timestamp {
        instant.checked_add(self.grace).unwrap_or(Timestamp::MAX)
    }
}
