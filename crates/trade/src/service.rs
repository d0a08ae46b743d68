//! The RPCs: decode, call, encode.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use proto::trade::v1 as wire;
use proto::trade::v1::trade_service_server::TradeService;
use tokio::sync::mpsc;
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
        let order = flow::get::get(trade, request.into_inner()).await?;
        let order = Some(convert::order(&order, trade.environment));
        Ok(Response::new(wire::GetOrderResponse { order }))
    }

    type WatchOrderStream = BoxStream<'static, Result<wire::WatchOrderResponse, Status>>;

    async fn watch_order(
        &self,
        request: Request<wire::WatchOrderRequest>,
    ) -> Answer<Self::WatchOrderStream> {
        let wire::WatchOrderRequest {
            order_no: number,
            min_version,
        } = request.into_inner();
        let no = order_no(&number)?;
        flow::load(&self.0.0.db, no).await?;
        let (sender, orders) = mpsc::channel(1);
        // Ends when its listener goes away.
        tokio::spawn(flow::get::watch(self.0.clone(), no, min_version, sender));
        let environment = self.0.0.environment;
        let answers = stream::unfold(orders, move |mut orders| async move {
            let told = orders.recv().await?;
            let answer = told
                .map_err(Status::from)
                .map(|order| wire::WatchOrderResponse {
                    order: Some(convert::order(&order, environment)),
                });
            Some((answer, orders))
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn list_orders(
        &self,
        request: Request<wire::ListOrdersRequest>,
    ) -> Answer<wire::ListOrdersResponse> {
        let trade = &self.0.0;
        let (orders, next_page_token) = flow::list::list(trade, request.into_inner()).await?;
        let orders = orders
            .iter()
            .map(|order| convert::order(order, trade.environment))
            .collect();
        Ok(Response::new(wire::ListOrdersResponse {
            orders,
            next_page_token,
        }))
    }

    async fn get_timeline(
        &self,
        request: Request<wire::GetTimelineRequest>,
    ) -> Answer<wire::GetTimelineResponse> {
        let no = order_no(&request.into_inner().order_no)?;
        Ok(Response::new(
            flow::timeline::timeline(&self.0.0, no).await?,
        ))
    }
}
