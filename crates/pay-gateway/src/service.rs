//! The RPCs: decode, call, encode.

use proto::gateway::v1 as wire;
use proto::gateway::v1::payment_service_server::PaymentService;
use tonic::{Request, Response, Status};

use crate::error::GatewayError;
use crate::{PayGateway, convert, flow};

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

    async fn list_payment_events(
        &self,
        request: Request<wire::ListPaymentEventsRequest>,
    ) -> Answer<wire::ListPaymentEventsResponse> {
        let order = request.into_inner().order_no.parse();
        let wrong =
            |e: domain::NumberError| GatewayError::Invalid(vec![("order_no", e.to_string())]);
        let order = order.map_err(wrong)?;
        Ok(Response::new(flow::events::list(&self.0.0, order).await?))
    }
}
