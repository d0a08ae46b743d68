//! Waiting: for the money, and for the end.

use std::time::Duration;

use proto::trade::v1::{Order, OrderStatus};
use tokio::time::Instant;

use super::prepare::order;
use super::{Stuck, Visit, is_paid};
use crate::books::Told;
use crate::fetch;
use crate::persist::Backoff;
use crate::plan::end::End;

impl Visit<'_> {
    /// The order once it is paid; none when it ends without.
    pub(super) async fn paid(&self) -> Result<Option<Order>, Stuck> {
        let mut backoff = Backoff::default();
        loop {
            let order = order(self.peers, self.number())
                .await
                .map_err(Stuck::at(self.number(), "waiting to be paid"))?;
            if is_paid(order.status()) {
                return Ok(Some(order));
            }
            if order.status() == OrderStatus::Revoked {
                return Ok(None);
            }
            if !backoff.pause().await {
                let status = order.status().as_str_name();
                return Err(self.out_of_time("waiting to be paid", status));
            }
        }
    }

    /// Whether the payment under way has failed; false when that does not matter any more.
    pub(super) async fn failed(&self) -> Result<bool, Stuck> {
        let mut backoff = Backoff::default();
        loop {
            let order = order(self.peers, self.number())
                .await
                .map_err(Stuck::at(self.number(), "waiting for a failure"))?;
            match order.status() {
                OrderStatus::PayFailed => return Ok(true),
                OrderStatus::Paying => {}
                _ => return Ok(false),
            }
            if !backoff.pause().await {
                let status = order.status().as_str_name();
                return Err(self.out_of_time("waiting for a failure", status));
            }
        }
    }

    /// Waits for the end that the order's kind demands, settled; not longer than `patience` for
    /// another that does not change: that is for the books to judge.
    pub(super) async fn end(&self, killed: bool, patience: Duration) -> Result<(), Stuck> {
        let (mut backoff, mut elsewhere) = (Backoff::default(), None);
        loop {
            let told = fetch::told(self.peers, self.number().to_owned())
                .await
                .map_err(Stuck::at(self.number(), "waiting for its end"))?;
            let told = told.unwrap_or_default();
            let end = End::of(&told).filter(|_| told.is_settled());
            if end.is_some_and(|end| self.plan.kind.row().allows(end, killed)) {
                return Ok(());
            }
            let since = *elsewhere.get_or_insert_with(Instant::now);
            match end {
                None => elsewhere = None,
                Some(_) if since.elapsed() > patience => return Ok(()),
                Some(_) => {}
            }
            if !backoff.pause().await {
                return Err(self.unfinished(&told));
            }
        }
    }

    fn unfinished(&self, told: &Told) -> Stuck {
        let order = &told.order;
        let (status, refunds) = (order.status(), order.refund_status());
        let why = format!(
            "{}, {}, {} settlements",
            status.as_str_name(),
            refunds.as_str_name(),
            told.settlements.len()
        );
        self.out_of_time("waiting for its end", &why)
    }

    pub(super) fn out_of_time(&self, doing: &'static str, state: &str) -> Stuck {
        Stuck {
            number: self.number().to_owned(),
            doing,
            why: format!("out of time, {state}"),
        }
    }
}
