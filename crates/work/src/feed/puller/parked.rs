//! Tries parked events again: an order's in their order, each forgotten once it is applied.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use store::feed::Sequenced;
use store::obligation::Claimed;
use store::{Db, StoreError, parked};

use super::batch::apply_once;
use super::{Applied, Handler};
use crate::job::{Job, Verdict};

const AT_ONCE: u32 = 50;
// An event's share of the job's own timeout.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The job behind [`store::parked::KIND`].
pub struct ParkedJob {
    db: Db,
    handlers: BTreeMap<String, Arc<dyn Handler>>,
}

impl ParkedJob {
    /// For the events of these publishers, parked in `db`.
    pub fn new(db: Db, handlers: impl IntoIterator<Item = (String, Arc<dyn Handler>)>) -> Self {
        Self {
            db,
            handlers: handlers.into_iter().collect(),
        }
    }

    async fn apply_all(&self, key: i64) -> Result<Verdict, StoreError> {
        loop {
            let events = parked::of(&self.db, key, AT_ONCE).await?;
            if events.is_empty() {
                // An event parked since then has armed the obligation anew; it is not dropped.
                return Ok(Verdict::Moot);
            }
            for (publisher, event) in &events {
                match self.apply(publisher, event).await {
                    Applied::Done => parked::end(&self.db, publisher, event.seq).await?,
                    Applied::Retry(why) => return Ok(Verdict::Retry(why)),
                    Applied::Poison(why) => return Ok(Verdict::GiveUp(why)),
                }
            }
        }
    }

    async fn apply(&self, publisher: &str, event: &Sequenced) -> Applied {
        match self.handlers.get(publisher) {
            Some(handler) => apply_once(&**handler, event, TIMEOUT).await,
            None => Applied::Poison(format!("nothing here handles events of {publisher}")),
        }
    }
}

#[async_trait]
impl Job for ParkedJob {
    fn kind(&self) -> i16 {
        parked::KIND
    }

    fn name(&self) -> &'static str {
        "parked"
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        self.apply_all(owed.subject)
            .await
            .unwrap_or_else(Verdict::retry)
    }
}
