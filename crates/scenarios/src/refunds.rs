//! Refunds: asked for and decided upon as merchants and operators do, and driven step by step.

use domain::ObligationKind;
use paymesh::cli::Service;
use proto::sandbox::v1::{ListRefundsRequest, Refund as ChannelRefund};
use proto::trade::v1::get_refund_request::Number;
use proto::trade::v1::{
    ApproveRefundRequest, ApproveRefundResponse, BindPayerRequest, CancelType,
    ConfirmRefundRequest, ConfirmRefundResponse, CreateOrderRequest, GetRefundRequest,
    GetTimelineResponse, Refund, RefundState, RejectRefundRequest, RejectRefundResponse,
    RequestRefundRequest, RequestRefundResponse, RetryRefundRequest, RetryRefundResponse,
};
use tonic::{Response, Status};

use crate::{Paying, TestMesh, until};

impl TestMesh {
    /// An order that was created so, whose payer has paid, and that is settled.
    pub async fn paid(&self, wish: CreateOrderRequest) -> Paying {
        let paying = self.payable(wish).await;
        self.charge(&paying.out_trade_no).await;
        until("it is paid and settled", async || {
            self.drain_all().await;
            let story = self.timeline(&paying.order_no).await;
            (!story.settlements.is_empty()).then_some(())
        })
        .await;
        paying
    }

    /// An order that was created so, whose payer has what it takes to pay.
    pub async fn payable(&self, wish: CreateOrderRequest) -> Paying {
        let created = self.trade().create_order(wish).await.expect("an order");
        let order = created.into_inner().order.expect("an order");
        let bind = BindPayerRequest {
            order_no: order.order_no.clone(),
            payer_id: "payer-1".to_owned(),
        };
        self.trade().bind_payer(bind).await.expect("it is bound");
        let answer = self
            .pay(&order.order_no, "r1")
            .await
            .expect("it can be paid");
        Paying {
            order_no: order.order_no,
            out_trade_no: answer.out_trade_no,
            amount_fen: order.amount_fen,
            pay_info: answer.pay_info,
        }
    }

    /// Asks for a refund.
    pub async fn ask_refund(
        &self,
        wish: RequestRefundRequest,
    ) -> Result<RequestRefundResponse, Status> {
        let answer = self.trade().request_refund(wish).await;
        answer.map(Response::into_inner)
    }

    /// Asks for a refund under this number of this amount, which must be granted.
    pub async fn requested(&self, order_no: &str, (number, amount_fen): (&str, i64)) -> Refund {
        let wish = wish_for_refund(order_no, (number, amount_fen));
        let answer = self.ask_refund(wish).await.expect("it can be refunded");
        assert!(answer.created, "{number} is new");
        answer.refund.expect("a refund")
    }

    /// Lets a refund go.
    pub async fn approve(&self, refund_no: &str) -> Result<ApproveRefundResponse, Status> {
        let refund_no = refund_no.to_owned();
        let request = ApproveRefundRequest { refund_no };
        let answer = self.trade().approve_refund(request).await;
        answer.map(Response::into_inner)
    }

    /// Refuses a refund.
    pub async fn refuse(&self, refund_no: &str) -> Result<RejectRefundResponse, Status> {
        let request = RejectRefundRequest {
            refund_no: refund_no.to_owned(),
            reason: "eaten already".to_owned(),
        };
        let answer = self.trade().reject_refund(request).await;
        answer.map(Response::into_inner)
    }

    /// Sends a failed refund again.
    pub async fn retry(&self, refund_no: &str) -> Result<RetryRefundResponse, Status> {
        let refund_no = refund_no.to_owned();
        let request = RetryRefundRequest { refund_no };
        let answer = self.trade().retry_refund(request).await;
        answer.map(Response::into_inner)
    }

    /// Says that a refund went back outside of the channel.
    pub async fn confirm(
        &self,
        refund_no: &str,
        evidence: &str,
    ) -> Result<ConfirmRefundResponse, Status> {
        let request = ConfirmRefundRequest {
            refund_no: refund_no.to_owned(),
            evidence: evidence.to_owned(),
        };
        let answer = self.trade().confirm_refund(request).await;
        answer.map(Response::into_inner)
    }

    /// A refund.
    pub async fn refund(&self, refund_no: &str) -> Refund {
        let number = Some(Number::RefundNo(refund_no.to_owned()));
        let answer = self.trade().get_refund(GetRefundRequest { number }).await;
        answer
            .expect("the refund")
            .into_inner()
            .refund
            .expect("the refund")
    }

    /// trade sends what is PROCESSING to pay-gateway, which sends what it does not know yet to
    /// the channel.
    pub async fn drives_refunds(&self) {
        self.now(Service::Trade, ObligationKind::RefundDrive).await;
    }

    /// pay-gateway asks the channel about refunds; trade hears of those that have ended.
    pub async fn asks_about_refunds(&self) {
        self.now(Service::PayGateway, ObligationKind::RefundQuery)
            .await;
        self.drain_all().await;
    }

    /// Whatever a service owes of this kind is done now.
    pub async fn now(&self, service: Service, kind: ObligationKind) {
        self.falls_due(service, kind).await;
        self.work_off(service, kind).await;
    }

    /// Asked for, approved, and driven until it has ended.
    pub async fn refunded(&self, order_no: &str, what: (&str, i64)) -> Refund {
        let refund = self.requested(order_no, what).await;
        self.approve(&refund.refund_no).await.expect("approved");
        self.ended(&refund.refund_no).await
    }

    /// Drives a refund until it has ended.
    pub async fn ended(&self, refund_no: &str) -> Refund {
        until(&format!("{refund_no} ends"), async || {
            self.drives_refunds().await;
            self.asks_about_refunds().await;
            let refund = self.refund(refund_no).await;
            (refund.state() != RefundState::Processing).then_some(refund)
        })
        .await
    }

    /// The refunds of the channel's ledger.
    pub async fn channel_refunds(&self) -> Vec<ChannelRefund> {
        let request = ListRefundsRequest::default();
        let page = self.payers().list_refunds(request).await;
        page.expect("the ledger").into_inner().refunds
    }
}

/// A request for a refund on behalf of the customer.
pub fn wish_for_refund(order_no: &str, (number, amount_fen): (&str, i64)) -> RequestRefundRequest {
    RequestRefundRequest {
        order_no: order_no.to_owned(),
        merchant_refund_no: number.to_owned(),
        amount_fen,
        reason: "cold tea".to_owned(),
        by: CancelType::Customer.into(),
    }
}

/// What is left of an order's money after all its settlements: gross, fee and net.
pub fn left_of(story: &GetTimelineResponse) -> (i64, i64, i64) {
    let rows = story.settlements.iter();
    rows.fold((0, 0, 0), |(gross, fee, net), row| {
        (gross + row.gross_fen, fee + row.fee_fen, net + row.net_fen)
    })
}

/// The key of a refund in the databases: the 18 digits of its number.
///
/// # Panics
/// When it is no refund number.
pub fn refund_key_of(refund_no: &str) -> i64 {
    let digits = refund_no
        .strip_prefix('R')
        .and_then(|digits| digits.get(..18));
    digits
        .and_then(|digits| digits.parse().ok())
        .expect("a refund number")
}
