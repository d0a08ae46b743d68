//! The merchant scans the payer's code (b→c): charged, declined, or waited for.

use mesh::reason_of;
use proto::shop::v1::PayType;
use proto::trade::v1::{OrderStatus, PayOrderRequest};
use tonic::{Code, Status};

use super::prepare::order;
use super::{Stuck, Visit, is_paid};
use crate::persist::{Backoff, passes};

// What one code came to.
enum Scanned {
    Paid,
    // Not paid, finally: another code may be shown.
    Dead,
    // The order takes no payment any more.
    Over,
}

impl Visit<'_> {
    /// Shows codes until one has paid; only the first unless `again`.
    pub(super) async fn scan(&self, again: bool) -> Result<(), Stuck> {
        for attempt in 1.. {
            let scanned = self.show(attempt).await;
            match scanned.map_err(Stuck::at(self.number(), "scanning"))? {
                Scanned::Dead if again => {}
                Scanned::Dead | Scanned::Paid | Scanned::Over => break,
            }
        }
        Ok(())
    }

    // The same code under the same request, until it is answered; then the order is watched.
    async fn show(&self, attempt: u32) -> Result<Scanned, Status> {
        let mut backoff = Backoff::default();
        loop {
            let request = PayOrderRequest {
                order_no: self.number().to_owned(),
                request_id: format!("scan-{attempt}"),
                pay_type: PayType::SwiftpassScan.into(),
                auth_code: self.plan.auth_code(self.number(), attempt),
                ..PayOrderRequest::default()
            };
            match self.peers.trade.clone().pay_order(request).await {
                Ok(answer) => return self.watch(&answer.into_inner().out_trade_no).await,
                Err(status) if is_refused(&status) => return Ok(Scanned::Dead),
                Err(status) if is_over(&status) => {
                    let order = order(self.peers, self.number()).await?;
                    let paid = is_paid(order.status());
                    return Ok(if paid { Scanned::Paid } else { Scanned::Over });
                }
                Err(status) if may_pass(&status) && backoff.pause().await => {}
                Err(status) => return Err(status),
            }
        }
    }

    async fn watch(&self, out_trade_no: &str) -> Result<Scanned, Status> {
        let mut backoff = Backoff::default();
        loop {
            let order = order(self.peers, self.number()).await?;
            match order.status() {
                status if is_paid(status) => return Ok(Scanned::Paid),
                OrderStatus::Paying if order.out_trade_no == out_trade_no => {}
                // From an earlier run: a later code is the live one.
                OrderStatus::Paying | OrderStatus::PayFailed => return Ok(Scanned::Dead),
                _ => return Ok(Scanned::Over),
            }
            if !backoff.pause().await {
                return Err(Status::deadline_exceeded("the payment stays open"));
            }
        }
    }
}

fn is_refused(status: &Status) -> bool {
    reason_of(status).as_deref() == Some("PAYMENT_REFUSED")
}

fn is_in_progress(status: &Status) -> bool {
    reason_of(status).as_deref() == Some("PAYMENT_IN_PROGRESS")
}

fn is_over(status: &Status) -> bool {
    status.code() == Code::FailedPrecondition && !is_in_progress(status)
}

fn may_pass(status: &Status) -> bool {
    passes(status) || is_in_progress(status)
}
