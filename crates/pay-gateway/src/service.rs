//! The RPCs: decode, call, encode.

use proto::gateway::v1 as wire;
use proto::gateway::v1::payment_service_server::PaymentService;
use tonic::{Request, Response, Status};

use crate::{PayGateway, convert, flow, request};

/// `paymesh.gateway.v1.PaymentService`.
pub struct Service(pub(crate) PayGateway);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl PaymentService for Service {
    async fn prepay(&self, request: Request<wire::PrepayRequest>) -> Answer<wire::PrepayResponse> {
        let payment = flow::prepay::prepay(&self.0.0, request.into_inner()).await?;
        let payment = Some(convert::payment(&payment));
        Ok(Response::new(wire::PrepayResponse { payment }))
    }

    async fn query_payment(
        &self,
        request: Request<wire::QueryPaymentRequest>,
    ) -> Answer<wire::QueryPaymentResponse> {
        let gateway = &self.0.0;
        let wire::QueryPaymentRequest { order_no, attempt } = request.into_inner();
        let number = request::number(&order_no, attempt, gateway.environment)?;
        let payment = Some(convert::payment(
            &flow::query::query(gateway, number).await?,
        ));
        Ok(Response::new(wire::QueryPaymentResponse { payment }))
    }

    async fn close_payment(
        &self,
        request: Request<wire::ClosePaymentRequest>,
    ) -> Answer<wire::ClosePaymentResponse> {
        let gateway = &self.0.0;
        let (number, unknown) = request::close(request.get_ref(), gateway.environment)?;
        let payment = flow::fence::fence(gateway, number, unknown).await?;
        let payment = Some(convert::payment(&payment));
        Ok(Response::new(wire::ClosePaymentResponse { payment }))
    }

    async fn list_payment_events(
        &self,
        request: Request<wire::ListPaymentEventsRequest>,
    ) -> Answer<wire::ListPaymentEventsResponse> {
        let order = request::order_no(&request.into_inner().order_no)?;
        Ok(Response::new(flow::events::list(&self.0.0, order).await?))
    }
}
