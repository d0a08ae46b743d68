//! The RPCs: decode, call the flow, encode.

use proto::rate::v1::rate_service_server::RateService;
use proto::rate::v1::{
    GetEffectiveRateRequest, GetEffectiveRateResponse, ListRateHistoryRequest,
    ListRateHistoryResponse, QuoteFeeRequest, QuoteFeeResponse, SetRateSchemeRequest,
    SetRateSchemeResponse,
};
use store::Db;
use tonic::{Request, Response, Status};
use work::By;

use crate::{convert, flow};

/// Serves `paymesh.rate.v1.RateService`.
pub struct Service {
    db: Db,
}

impl Service {
    pub(crate) fn new(db: Db) -> Self {
        Self { db }
    }
}

#[tonic::async_trait]
impl RateService for Service {
    async fn set_rate_scheme(
        &self,
        request: Request<SetRateSchemeRequest>,
    ) -> Result<Response<SetRateSchemeResponse>, Status> {
        let by = By::of(&request);
        let now = self.db.clock().now();
        let (owner, wanted) = convert::scheme(request.into_inner().scheme, now)?;
        let published = flow::set_rate_scheme(&self.db, owner, (wanted, &by)).await?;
        let scheme = Some(convert::message(owner, &published.scheme));
        Ok(Response::new(SetRateSchemeResponse {
            scheme,
            created: published.created,
        }))
    }

    async fn get_effective_rate(
        &self,
        request: Request<GetEffectiveRateRequest>,
    ) -> Result<Response<GetEffectiveRateResponse>, Status> {
        let (owner, at) = convert::asked(request.get_ref())?;
        let rate = flow::get_effective_rate(&self.db, owner, at).await?;
        let rate = Some(convert::effective(&rate));
        Ok(Response::new(GetEffectiveRateResponse { rate }))
    }

    async fn quote_fee(
        &self,
        request: Request<QuoteFeeRequest>,
    ) -> Result<Response<QuoteFeeResponse>, Status> {
        let now = self.db.clock().now();
        let (owner, asked) = convert::quoted(request.get_ref(), now)?;
        let (settled, rate) = flow::quote_fee(&self.db, owner, asked).await?;
        Ok(Response::new(QuoteFeeResponse {
            fee_fen: settled.fee.get(),
            net_fen: settled.net.get(),
            rate: Some(convert::effective(&rate)),
        }))
    }

    async fn list_rate_history(
        &self,
        request: Request<ListRateHistoryRequest>,
    ) -> Result<Response<ListRateHistoryResponse>, Status> {
        let (owner, page) = convert::history(request.get_ref())?;
        let listed = flow::list_rate_history(&self.db, owner, page).await?;
        Ok(Response::new(listed))
    }
}
