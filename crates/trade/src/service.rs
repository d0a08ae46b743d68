//! The RPCs: decode, call, encode.

use proto::trade::v1 as wire;
use proto::trade::v1::trade_service_server::TradeService;
use tonic::{Request, Response, Status};

use crate::content::order_no;
use crate::{Trade, convert, flow};

/// `paymesh.trade.v1.TradeService`.
pub struct Service(pub(crate) Trade);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl TradeService for Service {
    async fn create_order(
        &self,
        request: Request<wire::CreateOrderRequest>,
    ) -> Answer<wire::CreateOrderResponse> {
        let trade = &self.0.0;
        let (order, created) = flow::create::create(trade, request.into_inner()).await?;
        let order = Some(convert::order(&order, trade.environment));
        Ok(Response::new(wire::CreateOrderResponse { order, created }))
    }

    async fn bind_payer(
        &self,
        request: Request<wire::BindPayerRequest>,
    ) -> Answer<wire::BindPayerResponse> {
        let trade = &self.0.0;
        let wire::BindPayerRequest { order_no, payer_id } = request.into_inner();
        let order = flow::bind::bind(trade, &order_no, payer_id).await?;
        let order = Some(convert::order(&order, trade.environment));
        Ok(Response::new(wire::BindPayerResponse { order }))
    }

    async fn pay_order(
        &self,
        request: Request<wire::PayOrderRequest>,
    ) -> Answer<wire::PayOrderResponse> {
        let trade = &self.0.0;
        let paying = flow::pay::pay(trade, request.into_inner()).await?;
        let number = paying.order.out_trade_no(paying.attempt, trade.environment);
        Ok(Response::new(wire::PayOrderResponse {
            order: Some(convert::order(&paying.order, trade.environment)),
            out_trade_no: number.to_string(),
            pay_info: paying.pay_info,
        }))
    }

    async fn get_order(
        &self,
        request: Request<wire::GetOrderRequest>,
    ) -> Answer<wire::GetOrderResponse> {
        let trade = &self.0.0;
        let no = order_no(&request.into_inner().order_no)?;
        let order = flow::load(&trade.db, no).await?;
        let order = Some(convert::order(&order, trade.environment));
        Ok(Response::new(wire::GetOrderResponse { order }))
    }

    async fn get_timeline(
        &self,
        request: Request<wire::GetTimelineRequest>,
    ) -> Answer<wire::GetTimelineResponse> {
        let trade = &self.0.0;
        let no = order_no(&request.into_inner().order_no)?;
        let (order, entries, settlements) = flow::timeline::timeline(trade, no).await?;
        let order = Some(convert::order(&order, trade.environment));
        Ok(Response::new(wire::GetTimelineResponse {
            order,
            entries,
            settlements,
        }))
    }
}
