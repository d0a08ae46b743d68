//! What cannot be done is refused with a stable reason, and says what would be right.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use mesh::{Client, reason_of, retry_after_of};
use paymesh::config::Config;
use proto::shop::v1::ShopStatus;
use proto::trade::v1::trade_service_client::TradeServiceClient;
use proto::trade::v1::{
    BindPayerRequest, CreateOrderRequest, GetTimelineRequest, LineItem, OrderStatus,
    PayOrderRequest,
};
use scenarios::{TestMesh, Workers, wish_to_pay, wish_to_see};
use store::Engine;
use testkit::ENGINES;
use tokio::time::sleep;
use tonic::{Code, Status};
use tonic_types::StatusExt;

fn told(status: &Status) -> (Code, String) {
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.domain, "paymesh");
    if status.code() == Code::FailedPrecondition {
        let failure = status.get_details_precondition_failure().unwrap();
        let [first] = &failure.violations[..] else {
            panic!("{failure:?}")
        };
        assert_eq!(first.r#type, info.reason);
        assert!(first.subject.contains('/') && !first.description.is_empty());
    }
    (status.code(), info.reason)
}

fn wrong_fields(status: &Status) -> Vec<String> {
    assert_eq!(
        told(status),
        (Code::InvalidArgument, "INVALID_ARGUMENT".to_owned())
    );
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert!(
        violations
            .iter()
            .all(|violation| !violation.description.is_empty())
    );
    let mut fields: Vec<_> = violations
        .into_iter()
        .map(|violation| violation.field)
        .collect();
    fields.sort();
    fields
}

#[tokio::test]
async fn a_shop_without_an_account_cannot_be_paid_until_it_has_one() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.bare_shop(ShopStatus::Open).await;
        mesh.rate(&shop, 1, 6000).await;
        let order = mesh.bound(&shop).await.order_no;
        let status = mesh.pay(&order, "r1").await.unwrap_err();
        assert_eq!(
            told(&status),
            (Code::FailedPrecondition, "PAYMENT_REFUSED".to_owned())
        );
        let metadata = status.get_details_error_info().unwrap().metadata;
        assert_eq!(metadata["payment_reason"], "NO_MERCHANT_ACCOUNT");
        assert_eq!(mesh.order(&order).await.status(), OrderStatus::PayFailed);
        assert!(mesh.forgotten().await.is_empty());
        mesh.account(&shop, "sandbox").await;
        let mut tries = 1;
        let paying = loop {
            tries += 1;
            match mesh.pay(&order, &format!("r{tries}")).await {
                Ok(paying) => break paying,
                // What was asked for in vain is remembered for a moment.
                Err(status) => assert_eq!(reason_of(&status).unwrap(), "PAYMENT_REFUSED"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            assert!(tries < 100);
        };
        mesh.charge(&paying.out_trade_no).await;
        let story = mesh.settled(&order).await;
        assert_eq!(story.settlements[0].out_trade_no, paying.out_trade_no);
    }
}

#[tokio::test]
async fn an_account_whose_key_nobody_has_takes_no_payment() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.bare_shop(ShopStatus::Open).await;
        mesh.account(&shop, "of-another-house").await;
        let order = mesh.bound(&shop).await.order_no;
        let status = mesh.pay(&order, "r1").await.unwrap_err();
        let metadata = status.get_details_error_info().unwrap().metadata;
        assert_eq!(metadata["payment_reason"], "NO_MERCHANT_ACCOUNT");
        assert!(mesh.charges().await.is_empty());
    }
}

#[tokio::test]
async fn only_an_open_shop_sells() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        for status in [ShopStatus::Suspended, ShopStatus::Closed] {
            let shop = mesh.bare_shop(status).await;
            let refused = mesh
                .trade()
                .create_order(mesh.wish(&shop))
                .await
                .unwrap_err();
            assert_eq!(
                told(&refused),
                (Code::FailedPrecondition, "SHOP_NOT_OPEN".to_owned())
            );
        }
        let shop = mesh.shop().await;
        let nowhere = CreateOrderRequest {
            shop_id: 999_999,
            ..mesh.wish(&shop)
        };
        let refused = mesh.trade().create_order(nowhere).await.unwrap_err();
        assert_eq!(
            told(&refused),
            (Code::NotFound, "SHOP_NOT_FOUND".to_owned())
        );
        assert!(refused.message().contains("999999"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_storm_of_wrong_numbers_stops_no_shop_that_has_sold_before() {
    let cached = Duration::from_millis(50);
    let change = |config: &mut Config| {
        config.trade.shop_cache = cached;
        config.trade.shop_lookups = 1;
    };
    let mesh = TestMesh::with(Engine::Sqlite, Workers::Off, change).await;
    let (known, new) = (mesh.shop().await, mesh.shop().await);
    mesh.created(&known).await;
    // Older than it may be served, even if nobody could be asked.
    sleep(cached * 4).await;
    let of_nobody = |shop_id| CreateOrderRequest {
        shop_id,
        ..mesh.wish(&known)
    };
    let refused = async |wish| {
        let refused = mesh.trade().create_order(wish).await.unwrap_err();
        told(&refused).1
    };
    assert_eq!(refused(of_nobody(999_998)).await, "SHOP_NOT_FOUND");
    // The only turn is kept for a while.
    assert_eq!(refused(of_nobody(999_999)).await, "SHOP_LOOKUPS_BUSY");
    assert_eq!(refused(mesh.wish(&new)).await, "SHOP_LOOKUPS_BUSY");
    mesh.created(&known).await;
}

#[tokio::test]
async fn a_number_nobody_accepted_is_to_be_created_again() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let no = "W261120000000000000".to_owned();
        let mut trade = mesh.trade();
        let bind = BindPayerRequest {
            order_no: no.clone(),
            payer_id: "payer".to_owned(),
        };
        let refusals = [
            trade.get_order(wish_to_see(&no)).await.unwrap_err(),
            trade
                .get_timeline(GetTimelineRequest {
                    order_no: no.clone(),
                })
                .await
                .unwrap_err(),
            trade.bind_payer(bind).await.unwrap_err(),
            trade.pay_order(wish_to_pay(&no, "r1")).await.unwrap_err(),
        ];
        for status in refusals {
            assert_eq!(
                told(&status),
                (Code::NotFound, "ORDER_NOT_ACCEPTED".to_owned())
            );
            assert!(retry_after_of(&status).is_some());
        }
    }
}

/// Makes one field of a good request wrong.
type Spoil = fn(&mut CreateOrderRequest);

const ONE_WRONG: [(&str, Spoil); 10] = [
    ("shop_id", |wish| wish.shop_id = -1),
    ("amount_fen", |wish| wish.amount_fen = 0),
    ("amount_fen", |wish| wish.amount_fen = i64::MIN),
    ("merchant_order_no", |wish| wish.merchant_order_no.push(' ')),
    ("merchant_order_no", |wish| {
        wish.merchant_order_no = "x".repeat(65);
    }),
    ("merchant_order_no", |wish| {
        wish.merchant_order_no.push('号');
    }),
    ("description", |wish| wish.description = "茶".repeat(43)),
    ("client_ip", |wish| wish.client_ip.push(':')),
    ("kind", |wish| wish.kind = 77),
    ("line_items", |wish| {
        wish.line_items.push(LineItem::default());
    }),
];

#[tokio::test]
async fn every_field_that_is_wrong_is_named_at_once() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        let nothing = mesh
            .trade()
            .create_order(CreateOrderRequest::default())
            .await
            .unwrap_err();
        let all = [
            "amount_fen",
            "client_ip",
            "description",
            "merchant_order_no",
            "shop_id",
        ];
        assert_eq!(wrong_fields(&nothing), all);
        for (field, spoil) in ONE_WRONG {
            let mut request = mesh.wish(&shop);
            spoil(&mut request);
            let refused = mesh.trade().create_order(request).await.unwrap_err();
            assert_eq!(wrong_fields(&refused), [field]);
            assert!(refused.message().contains(field), "{refused:?}");
        }
        let pay = PayOrderRequest {
            client_ip: "x".to_owned(),
            ..PayOrderRequest::default()
        };
        let refused = mesh.trade().pay_order(pay).await.unwrap_err();
        let fields = wrong_fields(&refused);
        assert!(
            ["client_ip", "pay_type", "request_id"]
                .iter()
                .all(|f| fields.contains(&(*f).to_owned())),
            "{fields:?}"
        );
    }
}

#[tokio::test]
async fn a_malformed_number_is_named_and_never_looked_up() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let numbers = [
            "",
            "W",
            "W1",
            "261120000000000000",
            "w261120000000000000",
            "W26112000000000000X",
            "W2611200000000000000",
            "W991399000000000000",
            "W-61120000000000000",
            "W２６１１２０",
        ];
        for number in numbers {
            names_the_number(&mut mesh.trade(), number).await;
        }
    }
}

async fn names_the_number(trade: &mut TradeServiceClient<Client>, number: &str) {
    let order_no = || number.to_owned();
    let bind = BindPayerRequest {
        order_no: order_no(),
        payer_id: "payer".to_owned(),
    };
    let refusals = [
        trade.get_order(wish_to_see(number)).await.unwrap_err(),
        trade
            .get_timeline(GetTimelineRequest {
                order_no: order_no(),
            })
            .await
            .unwrap_err(),
        trade.bind_payer(bind).await.unwrap_err(),
        trade
            .pay_order(wish_to_pay(number, "r1"))
            .await
            .unwrap_err(),
    ];
    for status in refusals {
        assert_eq!(wrong_fields(&status), ["order_no"], "{number:?}");
    }
}
