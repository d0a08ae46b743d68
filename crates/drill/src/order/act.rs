//! What people do besides paying, one call each.

use proto::gateway::v1::{PaymentState, QueryPaymentRequest};
use proto::sandbox::v1::{PayChargeRequest, ReverseChargeRequest};
use proto::trade::v1::{
    AcceptOrderRequest, CancelOrderRequest, CancelType, DispatchOrderRequest, Order,
    PickUpOrderRequest, PrepareOrderRequest, QueueOrderRequest, RejectOrderRequest,
};
use tonic::Status;

use super::{Stuck, Visit};
use crate::peers::Peers;
use crate::persist::{Backoff, ask};

/// The payer pays what was prepared.
pub(super) async fn charge(peers: &Peers, out_trade_no: &str) -> Result<(), Status> {
    let request = PayChargeRequest {
        out_trade_no: out_trade_no.to_owned(),
    };
    ask!(peers.sandbox, pay_charge, request).await.map(drop)
}

impl Visit<'_> {
    /// Pays; false when the channel does not take it any more.
    pub(super) async fn charge(&self, out_trade_no: &str) -> Result<bool, Stuck> {
        let charged = charge(self.peers, out_trade_no).await;
        Ok(self.heed("charging", charged)?.is_some())
    }

    /// Cancels; false when that is refused.
    pub(super) async fn cancel(&self, by: CancelType) -> Result<bool, Stuck> {
        let request = CancelOrderRequest {
            order_no: self.number().to_owned(),
            by: by.into(),
            reason: "changed their mind".to_owned(),
        };
        let cancelled = ask!(self.peers.trade, cancel_order, request).await;
        Ok(self.heed("cancelling", cancelled)?.is_some())
    }

    /// The shop does not accept the order (拒单).
    pub(super) async fn reject(&self) -> Result<(), Stuck> {
        let request = RejectOrderRequest {
            order_no: self.number().to_owned(),
            reason: "sold out".to_owned(),
        };
        let rejected = ask!(self.peers.trade, reject_order, request).await;
        self.heed("rejecting", rejected).map(drop)
    }

    /// The goods go their way, until a rider has them.
    pub(super) async fn deliver(&self) -> Result<(), Stuck> {
        let order_no = || self.number().to_owned();
        let trade = &self.peers.trade;
        let request = AcceptOrderRequest {
            order_no: order_no(),
        };
        let done = ask!(trade, accept_order, request).await.map(drop);
        self.heed("accepting", done)?;
        let request = QueueOrderRequest {
            order_no: order_no(),
        };
        let done = ask!(trade, queue_order, request).await.map(drop);
        self.heed("queueing", done)?;
        let request = PrepareOrderRequest {
            order_no: order_no(),
        };
        let done = ask!(trade, prepare_order, request).await.map(drop);
        self.heed("preparing", done)?;
        let request = DispatchOrderRequest {
            order_no: order_no(),
        };
        let done = ask!(trade, dispatch_order, request).await.map(drop);
        self.heed("dispatching", done)?;
        let request = PickUpOrderRequest {
            order_no: order_no(),
        };
        let done = ask!(trade, pick_up_order, request).await.map(drop);
        self.heed("picking up", done).map(drop)
    }

    /// The channel takes the payment back, and pay-gateway is asked to look.
    pub(super) async fn recall(&self, paid: &Order) -> Result<(), Stuck> {
        let request = ReverseChargeRequest {
            out_trade_no: paid.out_trade_no.clone(),
        };
        let reversed = ask!(self.peers.sandbox, reverse_charge, request).await;
        if self.heed("reversing", reversed)?.is_none() {
            return Ok(());
        }
        let request = QueryPaymentRequest {
            order_no: self.number().to_owned(),
            attempt: attempt_of(&paid.out_trade_no),
            refresh: true,
        };
        let mut backoff = Backoff::default();
        loop {
            let queried = ask!(self.peers.payments, query_payment, request).await;
            let queried = queried.map_err(Stuck::at(self.number(), "asking again"))?;
            let state = queried.payment.unwrap_or_default().state();
            if state == PaymentState::Reversed || !backoff.pause().await {
                return Ok(());
            }
        }
    }
}

// The four digits behind the order's number.
fn attempt_of(out_trade_no: &str) -> i32 {
    let digits = out_trade_no.get(19..23).unwrap_or_default();
    digits.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payments_number_names_its_attempt() {
        assert_eq!(attempt_of("W2611201009031230100003"), 3);
        assert_eq!(attempt_of("W2611201009031230100012T"), 12);
    }
}
