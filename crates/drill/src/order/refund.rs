//! Asking for money back, and what becomes of it.

use proto::trade::v1::get_refund_request::Number;
use proto::trade::v1::{
    ApproveRefundRequest, CancelType, ConfirmRefundRequest, GetRefundRequest, Refund, RefundState,
    RejectRefundRequest, RequestRefundRequest,
};

use super::{Stuck, Visit};
use crate::persist::{Backoff, ask};

/// What shows that money went back by hand; the books know it by this.
pub(crate) const BY_HAND: &str = "bank slip 7001";

impl Visit<'_> {
    /// So many parts of the money, all of it when it is one, one after the other.
    pub(super) async fn refund(&self, parts: i64) -> Result<(), Stuck> {
        // Of two parts, one stays: three thirds, of which two go.
        let part = match parts {
            1 => self.plan.amount_fen,
            parts => self.plan.amount_fen / (parts + 1),
        };
        for nth in 1..=parts {
            let Some(refund) = self.approved((nth, part)).await? else {
                break;
            };
            self.until_over(&refund).await?;
        }
        Ok(())
    }

    /// Asked for and refused.
    pub(super) async fn refuse_refund(&self) -> Result<(), Stuck> {
        let whole = (1, self.plan.amount_fen);
        let Some(refund) = self.requested(whole).await? else {
            return Ok(());
        };
        let request = RejectRefundRequest {
            refund_no: refund.refund_no,
            reason: "the soup was eaten".to_owned(),
        };
        let refused = ask!(self.peers.desk, reject_refund, request).await;
        self.heed("refusing a refund", refused).map(drop)
    }

    /// It fails at the channel, and is paid by hand.
    pub(super) async fn refund_by_hand(&self) -> Result<(), Stuck> {
        let whole = (1, self.plan.amount_fen);
        let Some(refund) = self.approved(whole).await? else {
            return Ok(());
        };
        let refund = self.until_over(&refund).await?;
        if refund.state() == RefundState::Failed {
            self.confirm(&refund).await?;
        }
        Ok(())
    }

    /// A platform gives its money back, and says so.
    pub(super) async fn refund_elsewhere(&self) -> Result<(), Stuck> {
        let whole = (1, self.plan.amount_fen);
        match self.approved(whole).await? {
            Some(refund) => self.confirm(&refund).await,
            None => Ok(()),
        }
    }

    async fn requested(&self, (nth, fen): (i64, i64)) -> Result<Option<Refund>, Stuck> {
        let request = RequestRefundRequest {
            order_no: self.number().to_owned(),
            merchant_refund_no: format!("back-{nth}"),
            amount_fen: fen,
            reason: "cold soup".to_owned(),
            by: CancelType::Customer.into(),
        };
        let requested = ask!(self.peers.trade, request_refund, request).await;
        let answer = self.heed("asking for money back", requested)?;
        Ok(answer.map(|answer| answer.refund.unwrap_or_default()))
    }

    async fn approved(&self, part: (i64, i64)) -> Result<Option<Refund>, Stuck> {
        let Some(refund) = self.requested(part).await? else {
            return Ok(None);
        };
        let request = ApproveRefundRequest {
            refund_no: refund.refund_no.clone(),
        };
        let approved = ask!(self.peers.desk, approve_refund, request).await;
        let approved = self.heed("approving a refund", approved)?;
        Ok(approved.map(|_| refund))
    }

    async fn confirm(&self, refund: &Refund) -> Result<(), Stuck> {
        let request = ConfirmRefundRequest {
            refund_no: refund.refund_no.clone(),
            evidence: BY_HAND.to_owned(),
        };
        let confirmed = ask!(self.peers.desk, confirm_refund, request).await;
        self.heed("confirming a refund", confirmed).map(drop)
    }

    async fn until_over(&self, refund: &Refund) -> Result<Refund, Stuck> {
        let number = refund.refund_no.clone();
        let request = GetRefundRequest {
            number: Some(Number::RefundNo(number)),
        };
        let mut backoff = Backoff::default();
        loop {
            let asked = ask!(self.peers.trade, get_refund, request).await;
            let asked = asked.map_err(Stuck::at(self.number(), "waiting for a refund"))?;
            let refund = asked.refund.unwrap_or_default();
            if !matches!(
                refund.state(),
                RefundState::Requested | RefundState::Processing
            ) {
                return Ok(refund);
            }
            if !backoff.pause().await {
                let (doing, state) = ("waiting for a refund", refund.state().as_str_name());
                return Err(self.out_of_time(doing, state));
            }
        }
    }
}
