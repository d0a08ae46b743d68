//! Fetches what the books are made of: the whole ledger, what the channel did besides, and
//! every order anybody knows of.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use proto::sandbox::v1::{
    Charge, ListChargesRequest, ListMisbehavioursRequest, ListRefundsRequest, Misbehaviour, Refund,
};
use proto::trade::v1::GetTimelineRequest;
use tonic::{Code, Status};

use crate::books::{Facts, Told, order_no_of};
use crate::error::DrillError;
use crate::order::life::How;
use crate::peers::Peers;
use crate::persist::ask;

const AT_A_TIME: usize = 16;

/// The facts about the orders that were acknowledged, and those the ledger has charges of.
pub(crate) async fn facts(
    peers: &Peers,
    accepted: Vec<String>,
    how: &How,
) -> Result<Facts, DrillError> {
    let unread = |what| DrillError::call(what);
    let charges = charges(peers)
        .await
        .map_err(unread("the ledger cannot be read"))?;
    let refunds = refunds(peers)
        .await
        .map_err(unread("the channel's refunds cannot be read"))?;
    let misdeeds = misdeeds(peers)
        .await
        .map_err(unread("what the channel did cannot be read"))?;
    let paid_for = charges
        .iter()
        .map(|charge| order_no_of(&charge.out_trade_no));
    let numbers: BTreeSet<String> = accepted
        .iter()
        .map(String::as_str)
        .chain(paid_for)
        .map(str::to_owned)
        .collect();
    let orders: Vec<Option<Told>> = stream::iter(numbers)
        .map(|number| told(peers, number))
        .buffer_unordered(AT_A_TIME)
        .try_collect()
        .await
        .map_err(unread("an order cannot be read"))?;
    Ok(Facts {
        accepted,
        orders: orders.into_iter().flatten().collect(),
        charges,
        refunds,
        misdeeds,
        killed: how.killed,
        tasks_only: how.tasks_only,
    })
}

async fn charges(peers: &Peers) -> Result<Vec<Charge>, Status> {
    let mut charges = Vec::new();
    let mut request = ListChargesRequest::default();
    loop {
        let page = ask!(peers.sandbox, list_charges, request).await?;
        charges.extend(page.charges);
        if page.next_page_token.is_empty() {
            return Ok(charges);
        }
        request.page_token = page.next_page_token;
    }
}

async fn refunds(peers: &Peers) -> Result<Vec<Refund>, Status> {
    let mut refunds = Vec::new();
    let mut request = ListRefundsRequest::default();
    loop {
        let page = ask!(peers.sandbox, list_refunds, request).await?;
        refunds.extend(page.refunds);
        if page.next_page_token.is_empty() {
            return Ok(refunds);
        }
        request.page_token = page.next_page_token;
    }
}

async fn misdeeds(peers: &Peers) -> Result<Vec<Misbehaviour>, Status> {
    let mut misdeeds = Vec::new();
    let mut request = ListMisbehavioursRequest::default();
    loop {
        let page = ask!(peers.sandbox, list_misbehaviours, request).await?;
        misdeeds.extend(page.misbehaviours);
        if page.next_page_token.is_empty() {
            return Ok(misdeeds);
        }
        request.page_token = page.next_page_token;
    }
}

/// What trade tells of an order. None: it does not know the order, which is for the books to
/// judge.
pub(crate) async fn told(peers: &Peers, order_no: String) -> Result<Option<Told>, Status> {
    let request = GetTimelineRequest { order_no };
    match ask!(peers.trade, get_timeline, request).await {
        Ok(answer) => Ok(Some(Told {
            order: answer.order.unwrap_or_default(),
            settlements: answer.settlements,
            remedies: answer.remedies,
            refunds: answer.refunds,
        })),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}
