//! Facts in a test's hands: what payments and refunds did, told to trade as pay-gateway's feed
//! would, in any order and as often as the test likes.

use domain::ObligationKind;
use paymesh::cli::Service;
use prost::Message;
use proto::gateway::v1 as gateway;
use proto::shop::v1::PayType;
use proto::time::to_proto;
use store::feed::Sequenced;
use work::Applied;

use crate::{TestMesh, key_of};

/// When payments that are told of were paid.
pub const TOLD_PAID_AT: &str = "2026-11-20T03:59:30Z";

impl TestMesh {
    /// Tells trade what a payment of an order did, by WeChat; `version` is the payment's.
    pub async fn tell(
        &self,
        order_no: &str,
        attempt: i32,
        (fact, version): (gateway::PaymentFact, i64),
    ) -> Applied {
        let payment = payment(order_no, attempt, version);
        self.tell_of(payment, fact).await
    }

    /// Tells trade that a payment of an order succeeded, and how much the channel says it took.
    pub async fn tell_paid(
        &self,
        order_no: &str,
        attempt: i32,
        (paid_fen, version): (i64, i64),
    ) -> Applied {
        let payment = gateway::Payment {
            amount_fen: self.order(order_no).await.amount_fen,
            paid_fen,
            ..payment(order_no, attempt, version)
        };
        self.tell_of(payment, gateway::PaymentFact::Succeeded).await
    }

    async fn tell_of(&self, payment: gateway::Payment, fact: gateway::PaymentFact) -> Applied {
        let event = gateway::PaymentEvent {
            payment: Some(payment),
            fact: fact.into(),
            finder: gateway::Finder::Callback.into(),
        };
        self.apply("paymesh.gateway.v1.PaymentEvent", &event).await
    }

    /// Tells trade how a refund ended.
    pub async fn tell_refund(
        &self,
        refund_no: &str,
        (state, failure): (gateway::RefundState, gateway::RefundFailure),
    ) -> Applied {
        let refund = gateway::Refund {
            refund_no: refund_no.to_owned(),
            state: state.into(),
            failure: failure.into(),
            channel_refund_no: format!("ch{refund_no}"),
            refunded_time: TOLD_PAID_AT.parse().ok().map(to_proto),
            ..gateway::Refund::default()
        };
        let event = gateway::RefundEvent {
            refund: Some(refund),
        };
        self.apply("paymesh.gateway.v1.RefundEvent", &event).await
    }

    /// A limit of an order has passed, whatever its row says, and is worked off.
    pub async fn limit_passes(&self, order_no: &str, kind: ObligationKind) {
        let key = key_of(order_no);
        let db = self.db(Service::Trade);
        db.run(&format!(
            "UPDATE orders SET bind_limit_at = 1, pay_limit_at = 1 WHERE order_no = {key}"
        ))
        .await;
        self.falls_due(Service::Trade, kind).await;
        self.work_off(Service::Trade, kind).await;
    }

    async fn apply(&self, kind: &str, message: &impl Message) -> Applied {
        let process = self.process(Service::Trade);
        let trade = process.host().trade().expect("trade runs");
        let event = Sequenced {
            seq: 0,
            id: String::new(),
            aggregate: String::new(),
            key: 0,
            kind: kind.to_owned(),
            payload: message.encode_to_vec(),
            traceparent: String::new(),
            at: process.ground().clock.now(),
        };
        trade.subscriber().apply(&event).await
    }
}

fn payment(order_no: &str, attempt: i32, version: i64) -> gateway::Payment {
    gateway::Payment {
        order_no: order_no.to_owned(),
        attempt,
        pay_type: PayType::SwiftpassWechat.into(),
        channel_trade_no: format!("tx{order_no}{attempt:04}"),
        paid_time: TOLD_PAID_AT.parse().ok().map(to_proto),
        version,
        ..gateway::Payment::default()
    }
}
