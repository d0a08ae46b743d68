//! What scripts did, read aloud.

use proto::sandbox::v1::{ListMisbehavioursRequest, ListMisbehavioursResponse, Misbehaviour};
use tonic::Status;

use super::fault::{failed, invalid};
use super::page_size;
use crate::App;
use crate::ledger::{ListMisdeeds, Misdeed};

/// One page.
pub(super) async fn list(
    app: &App,
    request: ListMisbehavioursRequest,
) -> Result<ListMisbehavioursResponse, Status> {
    let size = page_size(request.page_size)?;
    // One more than asked tells whether there is a next page.
    let list = ListMisdeeds {
        after: after(&request.page_token)?,
        out_trade_no: request.out_trade_no,
        limit: size + 1,
    };
    let mut misdeeds = app.ledger.call(list).await.map_err(failed)?;
    let more = misdeeds.len() > size as usize;
    misdeeds.truncate(size as usize);
    let end = misdeeds.last().filter(|_| more);
    let next_page_token = end.map(|last| last.number.to_string()).unwrap_or_default();
    Ok(ListMisbehavioursResponse {
        misbehaviours: misdeeds.into_iter().map(message).collect(),
        next_page_token,
    })
}

fn after(token: &str) -> Result<i64, Status> {
    match token {
        "" => Ok(0),
        token => token
            .parse()
            .map_err(|_| invalid("page_token", "give back next_page_token as it was")),
    }
}

fn message(misdeed: Misdeed) -> Misbehaviour {
    Misbehaviour {
        out_trade_no: misdeed.out_trade_no,
        script: misdeed.script,
        step: misdeed.step,
        kind: misdeed.kind,
        times: misdeed.done,
        acknowledged: misdeed.acknowledged,
    }
}
