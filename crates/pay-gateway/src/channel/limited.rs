//! A channel of which only so many calls are under way at once; each is counted and timed.
//! A call for which there is no room is refused before anything is sent.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::DeclineReason;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::{
    Abilities, Channel, Pay, PayAnswer, Prepay, PrepayAnswer, Query, QueryAnswer, Refund,
    RefundAnswer, RefundQuery, RefundQueryAnswer, Undo, UndoAnswer,
};

/// What a call hears for which there is no room.
pub const BUSY: &str = DeclineReason::ChannelBusy.name();

// Less than a job may take, and than a caller of QueryPayment notices.
const A_MOMENT: Duration = Duration::from_millis(500);
// A call that nobody waits for was in vain when it took this long and brought nothing.
const SLOW: Duration = Duration::from_secs(2);
// So many in vain in a row, and one at a time is enough to see whether it is better: jobs of all
// accounts run side by side, and would soon all wait for this one.
const TOO_OFTEN: u32 = 5;

/// One account's channel, behind its limit.
pub struct Limited<C> {
    channel: C,
    name: &'static str,
    room: Semaphore,
    // What nobody waits for takes half of the room at most: however slow the channel is, there
    // is a place for who wants to pay.
    behind: Semaphore,
    // How many of these were in vain, one after the other; then they go one by one.
    in_vain: AtomicU32,
    alone: Semaphore,
}

impl<C: Channel> Limited<C> {
    /// At most `limit` calls at once, at least one; `name` is the channel's in metrics.
    pub fn new(name: &'static str, channel: C, limit: usize) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            channel,
            name,
            room: Semaphore::new(limit),
            behind: Semaphore::new(limit.div_ceil(2)),
            in_vain: AtomicU32::new(0),
            alone: Semaphore::new(1),
        }
    }
}

impl<C> Limited<C> {
    /// Makes the call if there is room for it, and says that there is none otherwise.
    async fn call<A: Answer>(&self, kind: &'static str, call: impl Future<Output = A>) -> A {
        let Ok(_place) = self.room.try_acquire() else {
            count(self.name, kind, BUSY);
            return A::not_made(BUSY.to_owned());
        };
        let mut under_way = Call::begin(self.name, kind);
        let answer = call.await;
        under_way.outcome = answer.outcome();
        answer
    }

    /// The same for a call that jobs make; it waits a moment for its turn among them.
    async fn call_behind<A: Answer>(&self, kind: &'static str, call: impl Future<Output = A>) -> A {
        let (places, patience) = match self.in_vain.load(Ordering::Relaxed) {
            TOO_OFTEN.. => (&self.alone, Duration::ZERO),
            _ => (&self.behind, A_MOMENT),
        };
        let Ok(Ok(_place)) = timeout(patience, places.acquire()).await else {
            count(self.name, kind, BUSY);
            return A::not_made(BUSY.to_owned());
        };
        let timed = async {
            let begun = Instant::now();
            let answer = call.await;
            self.note(begun.elapsed() >= SLOW && answer.says_nothing());
            answer
        };
        self.call(kind, timed).await
    }

    fn note(&self, in_vain: bool) {
        if in_vain {
            self.in_vain.fetch_add(1, Ordering::Relaxed);
        } else {
            self.in_vain.store(0, Ordering::Relaxed);
        }
    }
}

// A call that is not awaited is not begun: nothing of it is sent.
#[async_trait]
impl<C: Channel> Channel for Limited<C> {
    fn abilities(&self) -> Abilities {
        self.channel.abilities()
    }

    async fn prepay(&self, prepay: &Prepay) -> PrepayAnswer {
        self.call("prepay", self.channel.prepay(prepay)).await
    }

    async fn pay(&self, pay: &Pay) -> PayAnswer {
        self.call("pay", self.channel.pay(pay)).await
    }

    async fn query(&self, query: &Query) -> QueryAnswer {
        self.call_behind("query", self.channel.query(query)).await
    }

    async fn close(&self, undo: &Undo) -> UndoAnswer {
        self.call_behind("close", self.channel.close(undo)).await
    }

    async fn reverse(&self, undo: &Undo) -> UndoAnswer {
        self.call_behind("reverse", self.channel.reverse(undo))
            .await
    }

    async fn refund(&self, refund: &Refund) -> RefundAnswer {
        self.call("refund", self.channel.refund(refund)).await
    }

    async fn query_refund(&self, query: &RefundQuery) -> RefundQueryAnswer {
        let call = self.channel.query_refund(query);
        self.call_behind("query_refund", call).await
    }
}

/// What is counted of an answer, and what is answered when the call is not made.
trait Answer {
    fn outcome(&self) -> &'static str;
    fn says_nothing(&self) -> bool;
    fn not_made(why: String) -> Self;
}

macro_rules! answer {
    ($($answer:ident => $not_made:ident, $nothing:ident);* $(;)?) => {$(
        impl Answer for $answer {
            fn outcome(&self) -> &'static str {
                self.outcome()
            }

            fn says_nothing(&self) -> bool {
                matches!(self, Self::$nothing { .. })
            }

            fn not_made(why: String) -> Self {
                Self::$not_made { why }
            }
        }
    )*};
}

answer! {
    PrepayAnswer => NotSent, Unknown;
    PayAnswer => NotSent, Unknown;
    QueryAnswer => NoEvidence, NoEvidence;
    UndoAnswer => NotSent, Unknown;
    RefundAnswer => NotSent, Unknown;
    RefundQueryAnswer => NoEvidence, NoEvidence;
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
