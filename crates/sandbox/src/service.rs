//! The gRPC side: a payer that pays, the ledger read aloud, and whoever writes scripts.

mod charges;
mod codes;
mod fault;
mod misdeeds;
mod refunds;
mod script;
mod scripts;

use std::sync::Arc;

use proto::sandbox::v1::sandbox_service_server::SandboxService;
use proto::sandbox::v1::{
    ClearScriptsRequest, ClearScriptsResponse, ListChargesRequest, ListChargesResponse,
    ListMisbehavioursRequest, ListMisbehavioursResponse, ListRefundsRequest, ListRefundsResponse,
    ListScriptsRequest, ListScriptsResponse, PayChargeRequest, PayChargeResponse,
    ReverseChargeRequest, ReverseChargeResponse, SetScriptRequest, SetScriptResponse,
};
use tonic::{Request, Response, Status};

use crate::App;
use crate::charge::{self, Paid};
use fault::{closed, expired, failed, invalid, not_found};

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
                charge: Some(charges::message(*charge)),
            })),
            Paid::Expired => Err(expired()),
            Paid::Closed => Err(closed()),
            Paid::NotFound => Err(not_found()),
        }
    }

    async fn reverse_charge(
        &self,
        request: Request<ReverseChargeRequest>,
    ) -> Result<Response<ReverseChargeResponse>, Status> {
        charges::reverse(&self.0, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn list_refunds(
        &self,
        request: Request<ListRefundsRequest>,
    ) -> Result<Response<ListRefundsResponse>, Status> {
        refunds::list(&self.0, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn list_charges(
        &self,
        request: Request<ListChargesRequest>,
    ) -> Result<Response<ListChargesResponse>, Status> {
        charges::list(&self.0, request.into_inner())
            .await
            .map(Response::new)
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
