//! Refunds, on both engines, before a channel whose refunds answer as they are told: every row
//! of the table that lives here, and all that goes wrong around them.

mod asked;
mod late;
mod lost;
mod reversed;
mod rivals;
mod scripted;
mod stands;
mod table;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use domain::{ObligationKind, OutTradeNo, RefundNo};
use proto::gateway::v1::payment_service_server::PaymentService;
use proto::gateway::v1::{QueryRefundRequest, Refund, RefundRequest};
use seam::Clock;
use store::obligation;
use tokio::task::{JoinHandle, JoinSet};
use tonic::{Request, Status};
use work::{Job, Tally, Verdict};

use self::scripted::Scripted;
use super::bed::{Bed, environment, number, on_both};
use crate::job::refund_query::AskRefund;
use crate::refund::StoredRefund;
use crate::service::Service;

/// Runs a test on both engines, with the first payment paid.
async fn on_both_paid(test: impl AsyncFn(&Bed, &Scripted)) {
    on_both(async |bed| {
        bed.pays(number(1)).await;
        let channel = bed.is_scripted(number(1)).await;
        test(bed, &channel).await;
    })
    .await;
}

/// The n-th refund number of noon.
fn refund_no(n: u8) -> RefundNo {
    let no = RefundNo::compose(testkit::clock().now(), 2, n).unwrap();
    no.in_environment(environment())
}

/// A refund of the first payment.
fn wanted(n: u8, amount_fen: i64) -> RefundRequest {
    RefundRequest {
        refund_no: refund_no(n).to_string(),
        order_no: number(1).order.to_string(),
        attempt: 0,
        amount_fen,
        retry: 0,
    }
}

/// The same, tried again.
fn retried(n: u8, amount_fen: i64, retry: i32) -> RefundRequest {
    RefundRequest {
        retry,
        ..wanted(n, amount_fen)
    }
}

impl Bed {
    /// Has a payment paid.
    async fn pays(&self, number: OutTradeNo) {
        self.prepay(number).await;
        self.is_paid_by_callback(number).await;
    }

    /// From now on the refunds of a payment's account are answered as they are told.
    async fn is_scripted(&self, number: OutTradeNo) -> Arc<Scripted> {
        let account = self.stored(number).await.account;
        let accounts = &self.gateway.0.accounts;
        let channel = Scripted::before(accounts.channel(&account).unwrap());
        accounts.stand_in(account, channel.clone());
        channel
    }

    async fn try_refund(&self, request: RefundRequest) -> Result<Refund, Status> {
        refund(self.service(), request).await
    }

    async fn refund(&self, request: RefundRequest) -> Refund {
        self.try_refund(request).await.unwrap()
    }

    /// A refund whose caller waits elsewhere.
    fn refund_meanwhile(&self, request: RefundRequest) -> JoinHandle<Refund> {
        let service = self.service();
        tokio::spawn(async move { refund(service, request).await.unwrap() })
    }

    /// What refunds at the same time are answered.
    async fn refund_at_once(
        &self,
        requests: impl IntoIterator<Item = RefundRequest>,
    ) -> Vec<Result<Refund, Status>> {
        let mut calls = JoinSet::new();
        for request in requests {
            calls.spawn(refund(self.service(), request));
        }
        calls.join_all().await
    }

    async fn query_refund(&self, n: u8) -> Refund {
        query_refund(self.service(), refund_no(n).to_string())
            .await
            .unwrap()
    }

    /// A query whose caller waits elsewhere.
    fn query_refund_meanwhile(&self, n: u8) -> JoinHandle<Refund> {
        let asked = query_refund(self.service(), refund_no(n).to_string());
        tokio::spawn(async move { asked.await.unwrap() })
    }

    async fn stored_refund(&self, n: u8) -> StoredRefund {
        let stored = StoredRefund::get(self.gateway.db(), refund_no(n)).await;
        stored.unwrap().unwrap()
    }

    /// What becomes of the refunds that are due to be asked about.
    async fn ask(&self) -> Tally {
        self.drain(ObligationKind::RefundQuery).await
    }

    /// The same, once they are due.
    async fn ask_in(&self, seconds: u64) -> Tally {
        self.wait(seconds);
        self.ask().await
    }

    /// What is said of the one refund that is due, though nobody acts on it.
    async fn verdict_on_refund(&self) -> Verdict {
        let (db, kind) = (self.gateway.db(), ObligationKind::RefundQuery.code());
        let claimed = obligation::claim(db, kind, 1, Duration::from_mins(1)).await;
        let job = AskRefund(self.gateway.clone());
        job.run(&claimed.unwrap()[0]).await
    }
}

async fn refund(service: Service, request: RefundRequest) -> Result<Refund, Status> {
    let answer = service.refund(Request::new(request)).await?;
    Ok(answer.into_inner().refund.unwrap())
}

async fn query_refund(service: Service, refund_no: String) -> Result<Refund, Status> {
    let request = QueryRefundRequest { refund_no };
    let answer = service.query_refund(Request::new(request)).await?;
    Ok(answer.into_inner().refund.unwrap())
}
