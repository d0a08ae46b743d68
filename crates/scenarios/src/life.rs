//! An order's life, step by step, as a merchant's and a payer's devices would live it.

use proto::sandbox::v1::{Charge, ListChargesRequest, PayChargeRequest};
use proto::shop::v1::PayType;
use proto::trade::v1::get_order_request::Number;
use proto::trade::v1::{
    BindPayerRequest, CancelOrderRequest, CancelType, CreateOrderRequest, GetOrderRequest,
    GetTimelineRequest, GetTimelineResponse, Order, OrderStatus, PayOrderRequest, PayOrderResponse,
};

use crate::{Shop, TestMesh, until};

/// An order whose payer has what it takes to pay.
#[derive(Debug, Clone)]
pub struct Paying {
    /// The order.
    pub order_no: String,
    /// The payment's number at the channel.
    pub out_trade_no: String,
    /// What is to be paid.
    pub amount_fen: i64,
    /// What the payer's device needs.
    pub pay_info: String,
}

impl TestMesh {
    /// A request for an order that is like no other in this mesh.
    pub fn wish(&self, shop: &Shop) -> CreateOrderRequest {
        let number = self.number();
        CreateOrderRequest {
            shop_id: shop.shop_id,
            merchant_order_no: format!("M{number}"),
            amount_fen: 10_000 + number,
            description: "tea".to_owned(),
            client_ip: "203.0.113.7".to_owned(),
            ..CreateOrderRequest::default()
        }
    }

    /// Creates an order.
    pub async fn created(&self, shop: &Shop) -> Order {
        let answer = self
            .trade()
            .create_order(self.wish(shop))
            .await
            .expect("an order");
        answer.into_inner().order.expect("an order")
    }

    /// Creates an order and binds a payer.
    pub async fn bound(&self, shop: &Shop) -> Order {
        let order = self.created(shop).await;
        let request = BindPayerRequest {
            order_no: order.order_no,
            payer_id: "payer-1".to_owned(),
        };
        let answer = self.trade().bind_payer(request).await.expect("it is bound");
        answer.into_inner().order.expect("an order")
    }

    /// Asks to pay, under this request id.
    pub async fn pay(
        &self,
        order_no: &str,
        request_id: &str,
    ) -> Result<PayOrderResponse, tonic::Status> {
        let answer = self
            .trade()
            .pay_order(wish_to_pay(order_no, request_id))
            .await;
        answer.map(tonic::Response::into_inner)
    }

    /// Shows a code, under this request id.
    pub async fn scan(
        &self,
        order_no: &str,
        request_id: &str,
    ) -> Result<PayOrderResponse, tonic::Status> {
        let wish = wish_to_scan(order_no, request_id);
        let answer = self.trade().pay_order(wish).await;
        answer.map(tonic::Response::into_inner)
    }

    /// Cancels an order on behalf of its customer.
    pub async fn cancel(&self, order_no: &str) -> Result<(), tonic::Status> {
        let request = CancelOrderRequest {
            order_no: order_no.to_owned(),
            by: CancelType::Customer.into(),
            reason: "changed my mind".to_owned(),
        };
        self.trade().cancel_order(request).await.map(drop)
    }

    /// Creates an order, binds a payer and prepares its payment.
    pub async fn paying(&self, shop: &Shop) -> Paying {
        let order = self.bound(shop).await;
        let answer = self
            .pay(&order.order_no, "r1")
            .await
            .expect("it can be paid");
        assert!(!answer.pay_info.is_empty(), "the payer needs pay_info");
        Paying {
            order_no: order.order_no,
            out_trade_no: answer.out_trade_no,
            amount_fen: order.amount_fen,
            pay_info: answer.pay_info,
        }
    }

    /// The payer pays.
    pub async fn charge(&self, out_trade_no: &str) -> Charge {
        let request = PayChargeRequest {
            out_trade_no: out_trade_no.to_owned(),
        };
        let answer = self
            .payers()
            .pay_charge(request)
            .await
            .expect("it is charged");
        answer.into_inner().charge.expect("a charge")
    }

    /// An order.
    pub async fn order(&self, order_no: &str) -> Order {
        let request = wish_to_see(order_no);
        let answer = self.trade().get_order(request).await.expect("the order");
        answer.into_inner().order.expect("the order")
    }

    /// An order's story.
    pub async fn timeline(&self, order_no: &str) -> GetTimelineResponse {
        let request = GetTimelineRequest {
            order_no: order_no.to_owned(),
        };
        self.trade()
            .get_timeline(request)
            .await
            .expect("the timeline")
            .into_inner()
    }

    /// Waits until the order has this status.
    pub async fn becomes(&self, order_no: &str, status: OrderStatus) -> Order {
        until(&format!("{order_no} becomes {status:?}"), async || {
            Some(self.order(order_no).await).filter(|order| order.status() == status)
        })
        .await
    }

    /// Waits until the order is paid and settled; answers its story.
    pub async fn settled(&self, order_no: &str) -> GetTimelineResponse {
        until(&format!("{order_no} is settled"), async || {
            let story = self.timeline(order_no).await;
            Some(story).filter(|story| !story.settlements.is_empty())
        })
        .await
    }

    /// The whole ledger of the channel.
    pub async fn charges(&self) -> Vec<Charge> {
        let mut charges = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListChargesRequest {
                page_size: 0,
                page_token,
            };
            let page = self
                .payers()
                .list_charges(request)
                .await
                .expect("the ledger")
                .into_inner();
            charges.extend(page.charges);
            if page.next_page_token.is_empty() {
                return charges;
            }
            page_token = page.next_page_token;
        }
    }

    /// What the channel's ledger has of one order.
    pub async fn charges_of(&self, order_no: &str) -> Vec<Charge> {
        let mut charges = self.charges().await;
        charges.retain(|charge| charge.out_trade_no.starts_with(order_no));
        charges
    }
}

/// A request to pay by WeChat.
pub fn wish_to_pay(order_no: &str, request_id: &str) -> PayOrderRequest {
    PayOrderRequest {
        order_no: order_no.to_owned(),
        request_id: request_id.to_owned(),
        pay_type: PayType::SwiftpassWechat.into(),
        client_ip: String::new(),
        auth_code: String::new(),
    }
}

/// A request to pay with a code that is like no other in this mesh.
pub fn wish_to_scan(order_no: &str, request_id: &str) -> PayOrderRequest {
    let digits = key_of(order_no).to_string();
    PayOrderRequest {
        pay_type: PayType::SwiftpassScan.into(),
        // As WeChat shows them: 18 digits, beginning with 13.
        auth_code: format!("13{}", digits.get(2..).unwrap_or_default()),
        ..wish_to_pay(order_no, request_id)
    }
}

/// A request to read an order.
pub fn wish_to_see(order_no: &str) -> GetOrderRequest {
    GetOrderRequest {
        number: Some(Number::OrderNo(order_no.to_owned())),
        ..GetOrderRequest::default()
    }
}

/// The key of an order in the databases: the 18 digits of its number.
///
/// # Panics
/// When it is no order number.
pub fn key_of(order_no: &str) -> i64 {
    let digits = order_no
        .strip_prefix('W')
        .and_then(|digits| digits.get(..18));
    digits
        .and_then(|digits| digits.parse().ok())
        .expect("an order number")
}
