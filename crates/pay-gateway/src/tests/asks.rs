//! What trade asks pay-gateway, and what the channel sends it.

use std::time::Duration;

use domain::{ObligationKind, OutTradeNo};
use proto::gateway::v1::payment_service_server::PaymentService;
use proto::gateway::v1::{
    ClosePaymentRequest, PayRequest, Payment, PrepayRequest, QueryPaymentRequest,
};
use proto::shop::v1::PayType;
use proto::time::to_proto;
use seam::Clock;
use tokio::task::{JoinHandle, JoinSet};
use tonic::{Request, Status};

use super::bed::{Bed, FEN, LIMIT};
use super::channel::Letter;
use super::shops::SHOP;
use crate::channel::http::{ChannelHttp, HttpFailure, Post};
use crate::service::Service;

impl Bed {
    // === what trade asks ===

    pub(super) fn service(&self) -> Service {
        Service(self.gateway.clone())
    }

    pub(super) async fn try_prepay(&self, request: PrepayRequest) -> Result<Payment, Status> {
        let answer = self.service().prepay(Request::new(request)).await?;
        Ok(answer.into_inner().payment.unwrap())
    }

    pub(super) async fn prepay(&self, number: OutTradeNo) -> Payment {
        self.try_prepay(request(number)).await.unwrap()
    }

    /// A prepay whose caller waits elsewhere.
    pub(super) fn prepay_meanwhile(&self, number: OutTradeNo) -> JoinHandle<Payment> {
        let service = self.service();
        tokio::spawn(async move {
            let answer = service.prepay(Request::new(request(number))).await;
            answer.unwrap().into_inner().payment.unwrap()
        })
    }

    /// What prepays at the same time are answered, in the order of the answers.
    pub(super) async fn prepay_at_once(
        &self,
        requests: impl IntoIterator<Item = PrepayRequest>,
    ) -> Vec<Result<Payment, Status>> {
        let mut calls = JoinSet::new();
        for request in requests {
            let service = self.service();
            calls.spawn(async move {
                let answer = service.prepay(Request::new(request)).await?;
                Ok(answer.into_inner().payment.unwrap())
            });
        }
        calls.join_all().await
    }

    pub(super) async fn query(&self, number: OutTradeNo) -> Payment {
        query(self.service(), number, false).await
    }

    /// A query whose caller waits elsewhere.
    pub(super) fn query_meanwhile(&self, number: OutTradeNo) -> JoinHandle<Payment> {
        tokio::spawn(query(self.service(), number, false))
    }

    /// A query even of what is over.
    pub(super) async fn refresh(&self, number: OutTradeNo) -> Payment {
        query(self.service(), number, true).await
    }

    pub(super) async fn close(&self, number: OutTradeNo) -> Payment {
        self.close_as(number, PayType::SwiftpassWechat).await
    }

    pub(super) async fn close_by_code(&self, number: OutTradeNo) -> Payment {
        self.close_as(number, PayType::SwiftpassScan).await
    }

    async fn close_as(&self, number: OutTradeNo, pay_type: PayType) -> Payment {
        let request = ClosePaymentRequest {
            order_no: number.order.to_string(),
            attempt: number.attempt.get().into(),
            shop_id: SHOP,
            pay_type: pay_type.into(),
            amount_fen: FEN,
            reason: "TEST".to_owned(),
        };
        let answer = self.service().close_payment(Request::new(request)).await;
        answer.unwrap().into_inner().payment.unwrap()
    }

    pub(super) async fn try_pay(&self, request: PayRequest) -> Result<Payment, Status> {
        let answer = self.service().pay(Request::new(request)).await?;
        Ok(answer.into_inner().payment.unwrap())
    }

    pub(super) async fn pay(&self, number: OutTradeNo) -> Payment {
        self.try_pay(by_code(number)).await.unwrap()
    }

    /// A pay whose caller waits elsewhere.
    pub(super) fn pay_meanwhile(&self, number: OutTradeNo) -> JoinHandle<Payment> {
        let service = self.service();
        tokio::spawn(async move {
            let answer = service.pay(Request::new(by_code(number))).await;
            answer.unwrap().into_inner().payment.unwrap()
        })
    }

    // === what the channel sends ===

    /// What the ingress answers: the body of a 200, or what is wrong.
    pub(super) async fn callback(&self, letter: &Letter) -> String {
        self.callback_raw(letter.xml()).await
    }

    pub(super) async fn callback_raw(&self, body: String) -> String {
        call_back(self.http.clone(), self.ingress.clone(), body).await
    }

    /// What callbacks at the same time are answered.
    pub(super) async fn call_back_at_once(
        &self,
        letters: impl IntoIterator<Item = Letter>,
    ) -> Vec<String> {
        let mut calls = JoinSet::new();
        for letter in letters {
            calls.spawn(call_back(
                self.http.clone(),
                self.ingress.clone(),
                letter.xml(),
            ));
        }
        calls.join_all().await
    }

    /// A callback that is acknowledged.
    pub(super) async fn is_called_back(&self, letter: &Letter) {
        assert_eq!(self.callback(letter).await, "success");
    }

    /// A genuine callback of the whole amount, taken in.
    pub(super) async fn is_paid_by_callback(&self, number: OutTradeNo) {
        let letter = Letter::paid(number, FEN, self.now());
        self.is_called_back(&letter).await;
        self.drain(ObligationKind::Inbox).await;
    }
}

async fn call_back(http: ChannelHttp, url: String, body: String) -> String {
    let post = Post {
        url: &url,
        content_type: "text/xml",
        body,
        timeout: Duration::from_secs(30),
    };
    match http.post(post).await {
        Ok(answer) => String::from_utf8(answer.to_vec()).unwrap(),
        Err(HttpFailure::NotSent(why) | HttpFailure::Unknown(why)) => why,
    }
}

async fn query(service: Service, number: OutTradeNo, refresh: bool) -> Payment {
    let request = QueryPaymentRequest {
        order_no: number.order.to_string(),
        attempt: number.attempt.get().into(),
        refresh,
    };
    let answer = service.query_payment(Request::new(request)).await;
    answer.unwrap().into_inner().payment.unwrap()
}

pub(super) fn request(number: OutTradeNo) -> PrepayRequest {
    PrepayRequest {
        order_no: number.order.to_string(),
        attempt: number.attempt.get().into(),
        shop_id: SHOP,
        pay_type: PayType::SwiftpassWechat.into(),
        amount_fen: FEN,
        description: "晚餐".to_owned(),
        payer_id: "oHmbkt-payer".to_owned(),
        client_ip: "10.0.0.1".to_owned(),
        expire_time: Some(to_proto(testkit::clock().now() + LIMIT)),
    }
}

/// A payer's code.
pub(super) const CODE: &str = "134567890123456789";

pub(super) fn by_code(number: OutTradeNo) -> PayRequest {
    PayRequest {
        order_no: number.order.to_string(),
        attempt: number.attempt.get().into(),
        shop_id: SHOP,
        pay_type: PayType::SwiftpassScan.into(),
        amount_fen: FEN,
        description: "晚餐".to_owned(),
        client_ip: "10.0.0.1".to_owned(),
        auth_code: CODE.to_owned(),
        expire_time: Some(to_proto(testkit::clock().now() + LIMIT)),
    }
}
