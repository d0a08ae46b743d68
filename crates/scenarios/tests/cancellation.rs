//! Callers that go away at every await of creating and paying: what was acknowledged is
//! there, nothing is half done, and the same request repeated succeeds once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use domain::ObligationKind as Kind;
use paymesh::cli::Service;
use proto::gateway::v1::payment_service_client::PaymentServiceClient;
use proto::gateway::v1::{PaymentState, PrepayRequest};
use proto::shop::v1::PayType;
use proto::trade::v1::trade_service_client::TradeServiceClient;
use proto::trade::v1::{CreateOrderResponse, PayOrderResponse};
use scenarios::{Shop, TestMesh, key_of, until, wish_to_pay, wish_to_see};
use testkit::ENGINES;

// How often a request must end by itself: its polls meet other states each time.
const ROUNDS: usize = 4;

/// Drops the future after `polls` polls, unless it has ended by then.
async fn cancelled_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled == polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn pool_is_clean(mesh: &TestMesh, order_no: &str) {
    for _ in 0..50 {
        mesh.trade().get_order(wish_to_see(order_no)).await.unwrap();
    }
}

#[tokio::test]
async fn creating_cancelled_at_any_poll_is_done_or_not_and_can_be_repeated() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let trade = mesh.process(Service::Trade).host().trade().unwrap().clone();
        let (mut ended, mut polls, mut cancelled) = (0, 0, 0);
        while ended < ROUNDS {
            let shop = mesh.shop().await;
            let wish = mesh.wish(&shop);
            let mut here = TradeServiceClient::new(trade.service());
            let answer = cancelled_after(polls, here.create_order(wish.clone())).await;
            // Written after it, so that by then its fate is decided.
            let later = mesh.created(&shop).await;
            let answer = answer.map(|answer| answer.unwrap().into_inner());
            let there = created(&mesh, &shop, &wish.merchant_order_no, answer.as_ref()).await;
            let again = mesh
                .trade()
                .create_order(wish.clone())
                .await
                .unwrap()
                .into_inner();
            assert_eq!(
                again.created, !there,
                "a repeat creates what is not there, and only that"
            );
            let after = created(&mesh, &shop, &wish.merchant_order_no, Some(&again)).await;
            assert!(after);
            if answer.is_some() {
                (ended, polls) = (ended + 1, 0);
                pool_is_clean(&mesh, &later.order_no).await;
            } else {
                (polls, cancelled) = (polls + 1, cancelled + 1);
            }
        }
        assert!(cancelled > ROUNDS * 3, "only {cancelled} polls were met");
    }
}

// Whether the order is there, and everything with it.
async fn created(
    mesh: &TestMesh,
    shop: &Shop,
    number: &str,
    answer: Option<&CreateOrderResponse>,
) -> bool {
    let sql = format!(
        "SELECT o.order_no, o.version, l.version FROM orders o LEFT JOIN order_log l \
         ON l.order_no = o.order_no WHERE o.shop_id = {} AND o.merchant_order_no = '{number}'",
        shop.shop_id
    );
    let rows = mesh.db(Service::Trade).rows(&sql).await;
    if let Some(answer) = answer {
        let key = key_of(&answer.order.as_ref().unwrap().order_no).to_string();
        assert_eq!(
            rows,
            [[&key, "1", "1"]],
            "acknowledged and not there, or not whole"
        );
    }
    let Some(row) = rows.first() else {
        return false;
    };
    assert_eq!(rows.len(), 1);
    assert_eq!(row[1..], ["1", "1"]);
    let owed = mesh.owed(Service::Trade, row[0].parse().unwrap()).await;
    assert_eq!(owed, [(Kind::BindLimit, 0), (Kind::PayLimit, 0)]);
    true
}

#[tokio::test]
async fn paying_cancelled_at_any_poll_leads_to_one_attempt_and_one_charge() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        let trade = mesh.process(Service::Trade).host().trade().unwrap().clone();
        let (mut ended, mut polls, mut cancelled) = (0, 0, 0);
        while ended < ROUNDS {
            let order = mesh.bound(&shop).await.order_no;
            let mut here = TradeServiceClient::new(trade.service());
            let answer = cancelled_after(polls, here.pay_order(wish_to_pay(&order, "r"))).await;
            paying_is_whole(&mesh, &order).await;
            let answer = answer.map(|answer| answer.unwrap().into_inner());
            let again = paid_info(&mesh, &order).await;
            if let Some(PayOrderResponse {
                pay_info,
                out_trade_no,
                ..
            }) = &answer
            {
                assert_eq!(
                    (pay_info, out_trade_no),
                    (&again.pay_info, &again.out_trade_no)
                );
            }
            one_charge(&mesh, &order).await;
            if answer.is_some() {
                (ended, polls) = (ended + 1, 0);
                pool_is_clean(&mesh, &order).await;
            } else {
                (polls, cancelled) = (polls + 1, cancelled + 1);
            }
        }
        assert!(cancelled > ROUNDS * 3, "only {cancelled} polls were met");
    }
}

// PAYING, its attempt and what it owes are there together or not at all.
async fn paying_is_whole(mesh: &TestMesh, order: &str) {
    let key = key_of(order);
    let db = mesh.db(Service::Trade);
    let sql = format!(
        "SELECT o.status, (SELECT COUNT(*) FROM attempts a WHERE a.order_no = o.order_no), \
         (SELECT COUNT(*) FROM obligations b WHERE b.kind = 3 AND b.subject = o.order_no), \
         (SELECT COUNT(*) FROM order_log l WHERE l.order_no = o.order_no AND l.event = 'PAY') \
         FROM orders o WHERE o.order_no = {key}"
    );
    let row = db.rows(&sql).await.remove(0);
    let unpaid = ["1", "0", "0", "0"];
    let paying = ["2", "1", "1", "1"];
    assert!(row == unpaid || row == paying, "{row:?}");
    let sql = format!(
        "SELECT p.live, (SELECT MIN(l.version) FROM payment_log l WHERE l.order_no = p.order_no), \
         (SELECT COUNT(*) FROM obligations b WHERE b.kind = 4 AND b.subject = p.order_no) \
         FROM payments p WHERE p.order_no = {key}"
    );
    let rows = mesh.db(Service::PayGateway).rows(&sql).await;
    assert!(rows.is_empty() || rows == [["1", "1", "1"]], "{rows:?}");
}

// The same request, repeated until the payer can pay.
async fn paid_info(mesh: &TestMesh, order: &str) -> PayOrderResponse {
    until("pay_info is there", async || {
        let answer = mesh.pay(order, "r").await.unwrap();
        Some(answer).filter(|answer| !answer.pay_info.is_empty())
    })
    .await
}

async fn one_charge(mesh: &TestMesh, order: &str) {
    let key = key_of(order);
    let attempts = format!("SELECT COUNT(*) FROM attempts WHERE order_no = {key}");
    assert_eq!(mesh.db(Service::Trade).count(&attempts).await, 1);
    let payments = format!("SELECT COUNT(*) FROM payments WHERE order_no = {key}");
    assert_eq!(mesh.db(Service::PayGateway).count(&payments).await, 1);
    assert_eq!(mesh.charges_of(order).await.len(), 1);
}

#[tokio::test]
async fn preparing_cancelled_at_any_poll_asks_the_channel_once_or_not_at_all() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        let gateway = mesh
            .process(Service::PayGateway)
            .host()
            .gateway()
            .unwrap()
            .clone();
        let (mut ended, mut polls, mut cancelled) = (0, 0, 0);
        while ended < ROUNDS {
            let order = mesh.bound(&shop).await;
            let request = PrepayRequest {
                order_no: order.order_no.clone(),
                attempt: 0,
                shop_id: shop.shop_id,
                pay_type: PayType::SwiftpassWechat.into(),
                amount_fen: order.amount_fen,
                description: order.description.clone(),
                payer_id: "payer-1".to_owned(),
                client_ip: "203.0.113.7".to_owned(),
                expire_time: order.pay_limit_time,
            };
            let mut here = PaymentServiceClient::new(gateway.service());
            let answer = cancelled_after(polls, here.prepay(request.clone())).await;
            let again = until("the channel's answer is stored", async || {
                let answer = mesh.payments().prepay(request.clone()).await.unwrap();
                answer
                    .into_inner()
                    .payment
                    .filter(|payment| payment.state() != PaymentState::Sent)
            })
            .await;
            assert_eq!(again.state(), PaymentState::Pending);
            assert_eq!(mesh.charges_of(&order.order_no).await.len(), 1);
            if let Some(answer) = answer {
                assert_eq!(answer.unwrap().into_inner().payment, Some(again));
                (ended, polls) = (ended + 1, 0);
            } else {
                (polls, cancelled) = (polls + 1, cancelled + 1);
            }
        }
        assert!(cancelled > ROUNDS, "only {cancelled} polls were met");
    }
}
