//! What each row is tried on: a mesh whose work waits for the test, and orders in any status.

use domain::ObligationKind as Kind;
use mesh::reason_of;
use paymesh::cli::Service;
use proto::gateway::v1::{PaymentFact, RefundFailure, RefundState};
use proto::trade::v1::{
    ApproveRefundRequest, CancelOrderRequest, CancelType, Order, OrderStatus, Refund,
    RequestRefundRequest,
};
use scenarios::{Mode, Relay, Shop, TestMesh, Workers, address_of, key_of};
use testkit::ENGINES;
use tonic::{Code, Status};
use work::Applied;

const PEER: &str = "127.0.0.1:1010";

/// How many failed tries to revoke are bearable here.
pub(crate) const TRIES: u32 = 3;

pub(crate) struct Bed {
    pub(crate) mesh: TestMesh,
    /// Between trade and pay-gateway.
    pub(crate) peer: Relay,
    pub(crate) shop: Shop,
}

/// What holds on one engine must hold on the other.
pub(crate) async fn on_both<F: Future<Output = ()>>(holds: impl Fn(Bed) -> F) {
    for engine in ENGINES {
        let mesh = TestMesh::with(engine, Workers::Off, |config| {
            PEER.clone_into(&mut config.peers.pay_gateway);
            config.trade.revoke_tries = TRIES;
        })
        .await;
        let peer = Relay::start(mesh.net(), PEER, address_of(Service::PayGateway)).await;
        let shop = mesh.shop().await;
        holds(Bed { mesh, peer, shop }).await;
    }
}

/// It is refused in the state things are in, for this reason.
pub(crate) fn refused(status: &Status, reason: &str) {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(reason_of(status).as_deref(), Some(reason), "{status:?}");
}

impl Bed {
    pub(crate) async fn order(&self, order_no: &str) -> Order {
        self.mesh.order(order_no).await
    }

    pub(crate) async fn status(&self, order_no: &str) -> OrderStatus {
        self.order(order_no).await.status()
    }

    pub(crate) async fn owed(&self, order_no: &str) -> Vec<(Kind, i32)> {
        self.mesh.owed(Service::Trade, key_of(order_no)).await
    }

    /// Owes this, due long since, past everything.
    pub(crate) async fn owes(&self, order_no: &str, (kind, part): (Kind, i32)) {
        let (code, key) = (kind.code(), key_of(order_no));
        let sql = format!(
            "INSERT INTO obligations (kind, subject, part, due_at, attempts, token) \
             VALUES ({code}, {key}, {part}, 1, 0, 0)"
        );
        self.mesh.db(Service::Trade).run(&sql).await;
    }

    /// How many lines its story has.
    pub(crate) async fn lines(&self, order_no: &str) -> usize {
        self.mesh.timeline(order_no).await.entries.len()
    }

    /// Trade is told, and takes it in; what is dead is so at pay-gateway, too.
    pub(crate) async fn told(
        &self,
        order_no: &str,
        (attempt, fact): (i32, PaymentFact),
        version: i64,
    ) {
        if fact == PaymentFact::Dead {
            let key = key_of(order_no);
            let sql = format!(
                "UPDATE payments SET live = NULL, state = 7 \
                 WHERE order_no = {key} AND attempt = {attempt}"
            );
            self.mesh.db(Service::PayGateway).run(&sql).await;
        }
        let told = self.mesh.tell(order_no, attempt, (fact, version)).await;
        assert_eq!(told, Applied::Done);
    }

    pub(crate) async fn cancel(&self, order_no: &str, by: CancelType) -> Result<Order, Status> {
        let request = CancelOrderRequest {
            order_no: order_no.to_owned(),
            by: by.into(),
            reason: "changed my mind".to_owned(),
        };
        let answer = self.mesh.trade().cancel_order(request).await?;
        Ok(answer.into_inner().order.unwrap())
    }

    /// What is owed to revoke it is due, and done.
    pub(crate) async fn try_to_revoke(&self) {
        self.mesh.falls_due(Service::Trade, Kind::Revoke).await;
        self.mesh.work_off(Service::Trade, Kind::Revoke).await;
    }

    /// Bound to a payer.
    pub(crate) async fn unpaid(&self) -> String {
        self.mesh.bound(&self.shop).await.order_no
    }

    pub(crate) async fn paying(&self) -> String {
        self.mesh.paying(&self.shop).await.order_no
    }

    /// Its payment 0 is dead, as version 100 of it says.
    pub(crate) async fn pay_failed(&self) -> String {
        let order = self.paying().await;
        self.told(&order, (0, PaymentFact::Dead), 100).await;
        self.is(order, OrderStatus::PayFailed).await
    }

    pub(crate) async fn revoking(&self, by: CancelType) -> String {
        let order = self.paying().await;
        match by {
            CancelType::System => self.mesh.limit_passes(&order, Kind::PayLimit).await,
            by => drop(self.cancel(&order, by).await.unwrap()),
        }
        self.is(order, OrderStatus::Revoking).await
    }

    pub(crate) async fn revoke_failed(&self, by: CancelType) -> String {
        let order = self.revoking(by).await;
        self.peer.set(Mode::Refuse);
        for _ in 0..TRIES {
            self.try_to_revoke().await;
        }
        self.peer.set(Mode::Pass);
        self.is(order, OrderStatus::RevokeFailed).await
    }

    pub(crate) async fn revoked(&self, by: CancelType) -> String {
        let order = self.revoking(by).await;
        self.told(&order, (0, PaymentFact::Dead), 100).await;
        self.is(order, OrderStatus::Revoked).await
    }

    /// Paid by payment 0, as version 100 of it says.
    pub(crate) async fn paid(&self) -> String {
        let order = self.paying().await;
        self.told(&order, (0, PaymentFact::Succeeded), 100).await;
        self.is(order, OrderStatus::Paid).await
    }

    /// A refund that was asked for and let go.
    pub(crate) async fn refunding(&self, amount_fen: impl Fn(i64) -> i64) -> (String, Refund) {
        let order = self.paid().await;
        let amount = self.order(&order).await.amount_fen;
        let refund = self
            .refund(&order, ("F1", amount_fen(amount)))
            .await
            .unwrap();
        let refund = self.approve(&refund).await;
        (self.is(order, OrderStatus::Refunding).await, refund)
    }

    /// All of it went back.
    pub(crate) async fn refunded(&self) -> String {
        let (order, refund) = self.refunding(|all| all).await;
        self.refund_ended(&refund, RefundState::Succeeded).await;
        self.is(order, OrderStatus::Refunded).await
    }

    pub(crate) async fn refund_failed(&self) -> (String, Refund) {
        let (order, refund) = self.refunding(|all| all).await;
        self.refund_ended(&refund, RefundState::Failed).await;
        (self.is(order, OrderStatus::RefundFailed).await, refund)
    }

    pub(crate) async fn refund(
        &self,
        order_no: &str,
        (number, amount_fen): (&str, i64),
    ) -> Result<Refund, Status> {
        let request = RequestRefundRequest {
            order_no: order_no.to_owned(),
            merchant_refund_no: number.to_owned(),
            amount_fen,
            reason: "cold".to_owned(),
            by: CancelType::Customer.into(),
        };
        let answer = self.mesh.trade().request_refund(request).await?;
        Ok(answer.into_inner().refund.unwrap())
    }

    pub(crate) async fn approve(&self, refund: &Refund) -> Refund {
        let request = ApproveRefundRequest {
            refund_no: refund.refund_no.clone(),
        };
        let answer = self.mesh.trade().approve_refund(request).await.unwrap();
        answer.into_inner().refund.unwrap()
    }

    /// Trade is told how a refund ended.
    pub(crate) async fn refund_ended(&self, refund: &Refund, state: RefundState) {
        let failure = match state {
            RefundState::Failed => RefundFailure::Channel,
            _ => RefundFailure::Unspecified,
        };
        let told = self.mesh.tell_refund(&refund.refund_no, (state, failure));
        assert_eq!(told.await, Applied::Done);
    }

    /// An order's refunds, the oldest first.
    pub(crate) async fn refunds(&self, order_no: &str) -> Vec<Refund> {
        self.mesh.timeline(order_no).await.refunds
    }

    async fn is(&self, order: String, status: OrderStatus) -> String {
        assert_eq!(self.status(&order).await, status);
        order
    }
}
