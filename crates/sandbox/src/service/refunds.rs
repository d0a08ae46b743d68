//! The ledger's refunds, read aloud.

use proto::sandbox::v1::{ListRefundsRequest, ListRefundsResponse, Refund as RefundMessage};
use proto::time::to_proto;
use tonic::Status;

use super::fault::failed;
use super::page_size;
use crate::App;
use crate::ledger::ListRefunds;
use crate::refund::Refund;

/// One page.
pub(super) async fn list(
    app: &App,
    request: ListRefundsRequest,
) -> Result<ListRefundsResponse, Status> {
    let size = page_size(request.page_size)?;
    // One more than asked tells whether there is a next page.
    let list = ListRefunds {
        after: request.page_token,
        limit: size + 1,
    };
    let mut refunds = app.ledger.call(list).await.map_err(failed)?;
    let more = refunds.len() > size as usize;
    refunds.truncate(size as usize);
    let end = refunds.last().filter(|_| more);
    let next_page_token = end.map(|refund| refund.out_refund_no.clone());
    Ok(ListRefundsResponse {
        next_page_token: next_page_token.unwrap_or_default(),
        refunds: refunds.into_iter().map(message).collect(),
    })
}

fn message(refund: Refund) -> RefundMessage {
    RefundMessage {
        out_refund_no: refund.out_refund_no,
        out_trade_no: refund.out_trade_no,
        mch_id: refund.mch_id,
        refund_id: refund.channel_no,
        amount_fen: refund.amount,
        state: refund.state.code(),
        sent: refund.sent,
        refunded_time: refund.refunded_at.map(to_proto),
    }
}
