//! A channel of which only so many calls are under way at once; each is counted and timed.
//! A call for which there is no room is refused before anything is sent.

use async_trait::async_trait;
use domain::DeclineReason;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{Abilities, Channel, Prepay, PrepayAnswer, Query, QueryAnswer};

/// What a call hears for which there is no room.
pub const BUSY: &str = DeclineReason::ChannelBusy.name();

/// One account's channel, behind its limit.
pub struct Limited<C> {
    channel: C,
    name: &'static str,
    room: Semaphore,
}

impl<C: Channel> Limited<C> {
    /// At most `limit` calls at once, at least one; `name` is the channel's in metrics.
    pub fn new(name: &'static str, channel: C, limit: usize) -> Self {
        let room = Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS));
        Self {
            channel,
            name,
            room,
        }
    }
}

#[async_trait]
impl<C: Channel> Channel for Limited<C> {
    fn abilities(&self) -> Abilities {
        self.channel.abilities()
    }

    async fn prepay(&self, prepay: &Prepay) -> PrepayAnswer {
        let Ok(_place) = self.room.try_acquire() else {
            count(self.name, "prepay", BUSY);
            let why = BUSY.to_owned();
            return PrepayAnswer::NotSent { why };
        };
        let mut call = Call::begin(self.name, "prepay");
        let answer = self.channel.prepay(prepay).await;
        call.outcome = answer.outcome();
        answer
    }

    async fn query(&self, query: &Query) -> QueryAnswer {
        let Ok(_place) = self.room.try_acquire() else {
            count(self.name, "query", BUSY);
            let why = BUSY.to_owned();
            return QueryAnswer::NoEvidence { why };
        };
        let mut call = Call::begin(self.name, "query");
        let answer = self.channel.query(query).await;
        call.outcome = answer.outcome();
        answer
    }
}

/// A call under way, counted when it ends; dropped without an outcome, it was cancelled.
struct Call {
    channel: &'static str,
    kind: &'static str,
    begun: Instant,
    outcome: &'static str,
}

impl Call {
    fn begin(channel: &'static str, kind: &'static str) -> Self {
        metrics::gauge!("gateway_channel_in_flight", "channel" => channel).increment(1.0);
        Self {
            channel,
            kind,
            begun: Instant::now(),
            outcome: "CANCELLED",
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        metrics::gauge!("gateway_channel_in_flight", "channel" => self.channel).decrement(1.0);
        metrics::histogram!("gateway_channel_seconds", "channel" => self.channel, "call" => self.kind)
            .record(self.begun.elapsed());
        count(self.channel, self.kind, self.outcome);
    }
}

fn count(channel: &'static str, call: &'static str, outcome: &'static str) {
    metrics::counter!(
        "gateway_channel_calls_total",
        "channel" => channel, "call" => call, "outcome" => outcome
    )
    .increment(1);
}

#[cfg(test)]
mod tests;
