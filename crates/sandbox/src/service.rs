//! The gRPC side: a payer that pays, the ledger read aloud, and whoever writes scripts.

mod codes;
mod fault;
mod misdeeds;
mod script;
mod scripts;

use std::sync::Arc;

use proto::sandbox::v1::sandbox_service_server::SandboxService;
use proto::sandbox::v1::{
    Charge as ChargeMessage, ChargeState, ClearScriptsRequest, ClearScriptsResponse,
    ListChargesRequest, ListChargesResponse, ListMisbehavioursRequest, ListMisbehavioursResponse,
    ListScriptsRequest, ListScriptsResponse, PayChargeRequest, PayChargeResponse, SetScriptRequest,
    SetScriptResponse,
};
use proto::time::to_proto;
use tonic::{Request, Response, Status};

use crate::App;
use crate::charge::{self, Charge, Paid};
use crate::ledger::List;
use fault::{expired, failed, invalid, not_found};

const PAGE: u32 = 1000;

/// Serves `paymesh.sandbox.v1.SandboxService`.
pub struct Service(Arc<App>);

impl Service {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self(app)
    }
}

#[tonic::async_trait]
impl SandboxService for Service {
    async fn pay_charge(
        &self,
        request: Request<PayChargeRequest>,
    ) -> Result<Response<PayChargeResponse>, Status> {
        let out_trade_no = request.into_inner().out_trade_no;
        if out_trade_no.is_empty() {
            return Err(invalid("out_trade_no", "name the charge to pay"));
        }
        match charge::pay(&self.0, out_trade_no).await.map_err(failed)? {
            Paid::Charged(charge) => Ok(Response::new(PayChargeResponse {
                charge: Some(message(*charge)),
            })),
            Paid::Expired => Err(expired()),
            Paid::NotFound => Err(not_found()),
        }
    }

    async fn list_charges(
        &self,
        request: Request<ListChargesRequest>,
    ) -> Result<Response<ListChargesResponse>, Status> {
        let request = request.into_inner();
        let size = page_size(request.page_size)?;
        // One more than asked tells whether there is a next page.
        let list = List {
            after: request.page_token,
            limit: size + 1,
        };
        let mut charges = self.0.ledger.call(list).await.map_err(failed)?;
        let more = charges.len() > size as usize;
        charges.truncate(size as usize);
        let end = charges.last().filter(|_| more);
        let next_page_token = end
            .map(|charge| charge.prepared.out_trade_no.clone())
            .unwrap_or_default();
        let charges = charges.into_iter().map(message).collect();
        Ok(Response::new(ListChargesResponse {
            charges,
            next_page_token,
        }))
    }

    async fn set_script(
        &self,
        request: Request<SetScriptRequest>,
    ) -> Result<Response<SetScriptResponse>, Status> {
        scripts::set(&self.0, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn list_scripts(
        &self,
        _: Request<ListScriptsRequest>,
    ) -> Result<Response<ListScriptsResponse>, Status> {
        Ok(Response::new(scripts::list(&self.0)))
    }

    async fn clear_scripts(
        &self,
        request: Request<ClearScriptsRequest>,
    ) -> Result<Response<ClearScriptsResponse>, Status> {
        scripts::clear(&self.0, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn list_misbehaviours(
        &self,
        request: Request<ListMisbehavioursRequest>,
    ) -> Result<Response<ListMisbehavioursResponse>, Status> {
        misdeeds::list(&self.0, request.into_inner())
            .await
            .map(Response::new)
    }
}

fn page_size(asked: i32) -> Result<u32, Status> {
    match u32::try_from(asked) {
        Ok(0) => Ok(PAGE),
        Ok(size) if size <= PAGE => Ok(size),
        _ => Err(invalid("page_size", "ask for 1 to 1000, or 0 for 1000")),
    }
}

fn message(charge: Charge) -> ChargeMessage {
    let state = if charge.payment.is_some() {
        ChargeState::Success
    } else {
        ChargeState::Notpay
    };
    let paid_time = charge
        .payment
        .as_ref()
        .map(|payment| to_proto(payment.paid_at));
    ChargeMessage {
        out_trade_no: charge.prepared.out_trade_no,
        mch_id: charge.prepared.mch_id,
        transaction_id: charge
            .payment
            .map(|payment| payment.transaction_id)
            .unwrap_or_default(),
        amount_fen: charge.prepared.amount,
        state: state.into(),
        paid_time,
        notify_attempts: charge.notice_attempts,
        notify_acknowledged: charge.notice_acknowledged,
        trade_type: charge.prepared.wallet.service().to_owned(),
        body: charge.prepared.body,
    }
}
