//! Fetches what the books are made of: the whole ledger, what the channel did besides, and
//! every order anybody knows of.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use proto::sandbox::v1::{Charge, ListChargesRequest, ListMisbehavioursRequest, Misbehaviour};
use proto::trade::v1::GetTimelineRequest;
use tonic::{Code, Status};

use crate::books::{Facts, Told, order_no_of};
use crate::error::DrillError;
use crate::peers::Peers;
use crate::persist::persist;

const AT_A_TIME: usize = 16;

/// The facts about the orders that were acknowledged, and those the ledger has charges of.
pub(crate) async fn facts(peers: &Peers, accepted: Vec<String>) -> Result<Facts, DrillError> {
    let charges = ledger(peers)
        .await
        .map_err(DrillError::call("the ledger cannot be read"))?;
    let misdeeds = misdeeds(peers)
        .await
        .map_err(DrillError::call("what the channel did cannot be read"))?;
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
        .map_err(DrillError::call("an order cannot be read"))?;
    let orders = orders.into_iter().flatten().collect();
    Ok(Facts {
        accepted,
        orders,
        charges,
        misdeeds,
    })
}

async fn ledger(peers: &Peers) -> Result<Vec<Charge>, Status> {
    let mut charges = Vec::new();
    let mut request = ListChargesRequest::default();
    loop {
        let page = persist(|| {
            let (mut sandbox, request) = (peers.sandbox.clone(), request.clone());
            async move { sandbox.list_charges(request).await }
        });
        let page = page.await?;
        charges.extend(page.charges);
        if page.next_page_token.is_empty() {
            return Ok(charges);
        }
        request.page_token = page.next_page_token;
    }
}

async fn misdeeds(peers: &Peers) -> Result<Vec<Misbehaviour>, Status> {
    let mut misdeeds = Vec::new();
    let mut request = ListMisbehavioursRequest::default();
    loop {
        let page = persist(|| {
            let (mut sandbox, request) = (peers.sandbox.clone(), request.clone());
            async move { sandbox.list_misbehaviours(request).await }
        });
        let page = page.await?;
        misdeeds.extend(page.misbehaviours);
        if page.next_page_token.is_empty() {
            return Ok(misdeeds);
        }
        request.page_token = page.next_page_token;
    }
}

// None: trade does not know the order, which is for the books to judge.
async fn told(peers: &Peers, order_no: String) -> Result<Option<Told>, Status> {
    let request = GetTimelineRequest { order_no };
    let asked = persist(|| {
        let (mut trade, request) = (peers.trade.clone(), request.clone());
        async move { trade.get_timeline(request).await }
    });
    match asked.await {
        Ok(answer) => Ok(Some(Told {
            order: answer.order.unwrap_or_default(),
            settlements: answer.settlements,
            remedies: answer.remedies,
        })),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}
