//! The RPCs: decode, call, encode.

use domain::Fulfilment;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use proto::trade::v1 as wire;
use proto::trade::v1::trade_service_server::TradeService;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};
use work::By;

use crate::content::order_no;
use crate::error::TradeError;
use crate::{Trade, convert, flow};

/// `paymesh.trade.v1.TradeService`.
pub struct Service(pub(crate) Trade);

type Answer<T> = Result<Response<T>, Status>;

impl Service {
    async fn advance(&self, no: &str, to: Fulfilment) -> Result<Option<wire::Order>, TradeError> {
        let trade = &self.0.0;
        let order = flow::fulfil::advance(trade, no, to).await?;
        Ok(Some(convert::order(&order, trade.environment)))
    }
}

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

    async fn cancel_order(
        &self,
        request: Request<wire::CancelOrderRequest>,
    ) -> Answer<wire::CancelOrderResponse> {
        let trade = &self.0.0;
        let order = flow::cancel::cancel(trade, request.into_inner()).await?;
        let order = Some(convert::order(&order, trade.environment));
        Ok(Response::new(wire::CancelOrderResponse { order }))
    }

    async fn request_refund(
        &self,
        request: Request<wire::RequestRefundRequest>,
    ) -> Answer<wire::RequestRefundResponse> {
        let trade = &self.0.0;
        let requested = flow::request_refund::request(trade, request.into_inner()).await?;
        let (order, refund) = (&requested.order, &requested.refund);
        Ok(Response::new(wire::RequestRefundResponse {
            refund: Some(convert::refund(refund, trade.environment)),
            order: Some(convert::order(order, trade.environment)),
            created: requested.created,
        }))
    }

    async fn approve_refund(
        &self,
        request: Request<wire::ApproveRefundRequest>,
    ) -> Answer<wire::ApproveRefundResponse> {
        let trade = &self.0.0;
        let by = By::of(&request);
        let request = request.into_inner();
        let (refund, order) = flow::review_refund::approve(trade, &request.refund_no, &by).await?;
        Ok(Response::new(wire::ApproveRefundResponse {
            refund: Some(convert::refund(&refund, trade.environment)),
            order: Some(convert::order(&order, trade.environment)),
        }))
    }

    async fn reject_refund(
        &self,
        request: Request<wire::RejectRefundRequest>,
    ) -> Answer<wire::RejectRefundResponse> {
        let trade = &self.0.0;
        let by = By::of(&request);
        let request = request.into_inner();
        let (refund, order) = flow::review_refund::reject(trade, &request, &by).await?;
        Ok(Response::new(wire::RejectRefundResponse {
            refund: Some(convert::refund(&refund, trade.environment)),
            order: Some(convert::order(&order, trade.environment)),
        }))
    }

    async fn retry_refund(
        &self,
        request: Request<wire::RetryRefundRequest>,
    ) -> Answer<wire::RetryRefundResponse> {
        let trade = &self.0.0;
        let by = By::of(&request);
        let request = request.into_inner();
        let (refund, order) = flow::review_refund::retry(trade, &request.refund_no, &by).await?;
        Ok(Response::new(wire::RetryRefundResponse {
            refund: Some(convert::refund(&refund, trade.environment)),
            order: Some(convert::order(&order, trade.environment)),
        }))
    }

    async fn confirm_refund(
        &self,
        request: Request<wire::ConfirmRefundRequest>,
    ) -> Answer<wire::ConfirmRefundResponse> {
        let trade = &self.0.0;
        let by = By::of(&request);
        let request = request.into_inner();
        let (refund, order) = flow::review_refund::confirm(trade, &request, &by).await?;
        Ok(Response::new(wire::ConfirmRefundResponse {
            refund: Some(convert::refund(&refund, trade.environment)),
            order: Some(convert::order(&order, trade.environment)),
        }))
    }

    async fn get_refund(
        &self,
        request: Request<wire::GetRefundRequest>,
    ) -> Answer<wire::GetRefundResponse> {
        let trade = &self.0.0;
        let refund = flow::get_refund::get(trade, &request.into_inner()).await?;
        let refund = Some(convert::refund(&refund, trade.environment));
        Ok(Response::new(wire::GetRefundResponse { refund }))
    }

    async fn accept_order(
        &self,
        request: Request<wire::AcceptOrderRequest>,
    ) -> Answer<wire::AcceptOrderResponse> {
        let no = request.into_inner().order_no;
        let order = self.advance(&no, Fulfilment::Accepted).await?;
        Ok(Response::new(wire::AcceptOrderResponse { order }))
    }

    async fn queue_order(
        &self,
        request: Request<wire::QueueOrderRequest>,
    ) -> Answer<wire::QueueOrderResponse> {
        let no = request.into_inner().order_no;
        let order = self.advance(&no, Fulfilment::NotPrepared).await?;
        Ok(Response::new(wire::QueueOrderResponse { order }))
    }

    async fn prepare_order(
        &self,
        request: Request<wire::PrepareOrderRequest>,
    ) -> Answer<wire::PrepareOrderResponse> {
        let no = request.into_inner().order_no;
        let order = self.advance(&no, Fulfilment::Prepared).await?;
        Ok(Response::new(wire::PrepareOrderResponse { order }))
    }

    async fn dispatch_order(
        &self,
        request: Request<wire::DispatchOrderRequest>,
    ) -> Answer<wire::DispatchOrderResponse> {
        let no = request.into_inner().order_no;
        let order = self.advance(&no, Fulfilment::AwaitingPickup).await?;
        Ok(Response::new(wire::DispatchOrderResponse { order }))
    }

    async fn pick_up_order(
        &self,
        request: Request<wire::PickUpOrderRequest>,
    ) -> Answer<wire::PickUpOrderResponse> {
        let no = request.into_inner().order_no;
        let order = self.advance(&no, Fulfilment::PickedUp).await?;
        Ok(Response::new(wire::PickUpOrderResponse { order }))
    }

    async fn deliver_order(
        &self,
        request: Request<wire::DeliverOrderRequest>,
    ) -> Answer<wire::DeliverOrderResponse> {
        let no = request.into_inner().order_no;
        let order = self.advance(&no, Fulfilment::Delivered).await?;
        Ok(Response::new(wire::DeliverOrderResponse { order }))
    }

    async fn reject_order(
        &self,
        request: Request<wire::RejectOrderRequest>,
    ) -> Answer<wire::RejectOrderResponse> {
        let trade = &self.0.0;
        let order = flow::reject::reject(trade, &request.into_inner()).await?;
        let order = Some(convert::order(&order, trade.environment));
        Ok(Response::new(wire::RejectOrderResponse { order }))
    }
}
