//! The RPCs: decode, call, encode.

use proto::gateway::v1 as wire;
use proto::gateway::v1::payment_service_server::PaymentService;
use tonic::{Request, Response, Status};

use crate::payment::StoredPayment;
use crate::{PayGateway, convert, flow, request};

/// `paymesh.gateway.v1.PaymentService`.
pub struct Service(pub(crate) PayGateway);

type Answer<T> = Result<Response<T>, Status>;

impl Service {
    fn shown(&self, payment: &StoredPayment) -> wire::Payment {
        convert::open_payment(payment, self.0.0.config.swiftpass.close_after)
    }
}

#[tonic::async_trait]
impl PaymentService for Service {
    async fn prepay(&self, request: Request<wire::PrepayRequest>) -> Answer<wire::PrepayResponse> {
        let payment = flow::prepay::prepay(&self.0.0, request.into_inner()).await?;
        let payment = Some(self.shown(&payment));
        Ok(Response::new(wire::PrepayResponse { payment }))
    }

    async fn pay(&self, request: Request<wire::PayRequest>) -> Answer<wire::PayResponse> {
        let payment = flow::pay::pay(&self.0.0, request.into_inner()).await?;
        let payment = Some(self.shown(&payment));
        Ok(Response::new(wire::PayResponse { payment }))
    }

    async fn query_payment(
        &self,
        request: Request<wire::QueryPaymentRequest>,
    ) -> Answer<wire::QueryPaymentResponse> {
        let gateway = &self.0.0;
        let request = request.into_inner();
        let number = request::number(&request.order_no, request.attempt, gateway.environment)?;
        let payment = flow::query::query(gateway, number, request.refresh).await?;
        let payment = Some(self.shown(&payment));
        Ok(Response::new(wire::QueryPaymentResponse { payment }))
    }

    async fn close_payment(
        &self,
        request: Request<wire::ClosePaymentRequest>,
    ) -> Answer<wire::ClosePaymentResponse> {
        let gateway = &self.0.0;
        let (number, wanted) = request::close(request.into_inner(), gateway.environment)?;
        let payment = flow::close::close(gateway, number, wanted).await?;
        let payment = Some(self.shown(&payment));
        Ok(Response::new(wire::ClosePaymentResponse { payment }))
    }

    async fn list_payment_events(
        &self,
        request: Request<wire::ListPaymentEventsRequest>,
    ) -> Answer<wire::ListPaymentEventsResponse> {
        let gateway = &self.0.0;
        let whose = request::whose(request.into_inner(), gateway.environment)?;
        Ok(Response::new(flow::events::list(gateway, whose).await?))
    }

    async fn refund(&self, request: Request<wire::RefundRequest>) -> Answer<wire::RefundResponse> {
        let refund = flow::refund::refund(&self.0.0, request.get_ref()).await?;
        let refund = Some(convert::refund(&refund));
        Ok(Response::new(wire::RefundResponse { refund }))
    }

    async fn query_refund(
        &self,
        request: Request<wire::QueryRefundRequest>,
    ) -> Answer<wire::QueryRefundResponse> {
        let gateway = &self.0.0;
        let no = request::refund_no(&request.get_ref().refund_no, gateway.environment)?;
        let refund = flow::query_refund::query(gateway, no).await?;
        let refund = Some(convert::refund(&refund));
        Ok(Response::new(wire::QueryRefundResponse { refund }))
    }
}
