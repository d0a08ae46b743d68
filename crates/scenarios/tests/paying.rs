//! The request id of a payment: the same id is the same attempt, whatever happened since.

use mesh::reason_of;
use proto::trade::v1::{BindPayerRequest, OrderStatus};
use scenarios::{Mode, TestMesh};
use testkit::ENGINES;
use tonic::{Code, Status};
use tonic_types::StatusExt;

fn refused(status: &Status, reason: &str) {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(reason_of(status).as_deref(), Some(reason), "{status:?}");
}

#[tokio::test]
async fn the_same_request_id_is_the_same_attempt_with_the_same_pay_info() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        let paying = mesh.paying(&shop).await;
        let requests = ["r1", "r1", "r2"].map(|id| mesh.pay(&paying.order_no, id));
        for answer in futures::future::join_all(requests).await {
            let answer = answer.unwrap();
            // A new id while the same way of paying is live takes that up.
            assert_eq!(answer.out_trade_no, paying.out_trade_no);
            assert_eq!(answer.pay_info, paying.pay_info);
        }
        assert_eq!(mesh.charges_of(&paying.order_no).await.len(), 1);
    }
}

#[tokio::test]
async fn fifty_devices_at_once_begin_one_payment() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let order = mesh.bound(&mesh.shop().await).await.order_no;
        let ids: Vec<_> = (0..50).map(|n| format!("r{}", n % 5)).collect();
        let answers = futures::future::join_all(ids.iter().map(|id| mesh.pay(&order, id))).await;
        for answer in &answers {
            let answer = answer.as_ref().unwrap();
            assert_eq!(answer.out_trade_no, format!("{order}0000"));
        }
        let infos = answers
            .iter()
            .map(|answer| &answer.as_ref().unwrap().pay_info);
        let mut infos: Vec<_> = infos.filter(|info| !info.is_empty()).collect();
        infos.dedup();
        assert_eq!(infos.len(), 1);
        assert_eq!(mesh.charges_of(&order).await.len(), 1);
    }
}

#[tokio::test]
async fn a_paid_order_answers_its_old_request_and_refuses_a_new_one() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let paying = mesh.paying(&mesh.shop().await).await;
        mesh.charge(&paying.out_trade_no).await;
        let paid = mesh.becomes(&paying.order_no, OrderStatus::Paid).await;
        let answer = mesh.pay(&paying.order_no, "r1").await.unwrap();
        assert_eq!(answer.order, Some(paid));
        assert_eq!(answer.out_trade_no, paying.out_trade_no);
        assert_eq!(answer.pay_info, "", "nobody may pay again");
        let status = mesh.pay(&paying.order_no, "r2").await.unwrap_err();
        refused(&status, "ILLEGAL_TRANSITION");
        let metadata = status.get_details_error_info().unwrap().metadata;
        assert_eq!(
            (metadata["from"].as_str(), metadata["event"].as_str()),
            ("PAID", "PAY")
        );
        assert_eq!(mesh.charges_of(&paying.order_no).await.len(), 1);
    }
}

#[tokio::test]
async fn nobody_pays_for_an_order_that_has_no_payer_or_another() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let order = mesh.created(&mesh.shop().await).await.order_no;
        refused(
            &mesh.pay(&order, "r1").await.unwrap_err(),
            "PAYER_NOT_BOUND",
        );
        let bind = |payer: &str| {
            let request = BindPayerRequest {
                order_no: order.clone(),
                payer_id: payer.to_owned(),
            };
            let mut trade = mesh.trade();
            async move { trade.bind_payer(request).await }
        };
        bind("one").await.unwrap();
        let again = bind("one").await.unwrap().into_inner().order.unwrap();
        assert_eq!(again.version, 2, "binding again changes nothing");
        refused(&bind("two").await.unwrap_err(), "PAYER_DIFFERS");
        // The id that was refused stands for no attempt yet.
        assert_eq!(
            mesh.pay(&order, "r1").await.unwrap().out_trade_no,
            format!("{order}0000")
        );
    }
}

#[tokio::test]
async fn a_payment_that_never_reached_the_channel_fails_at_once_and_the_next_one_pays() {
    for engine in ENGINES {
        let nowhere = "http://127.0.0.1:9/pay/gateway".to_owned();
        let mut mesh = TestMesh::with(engine, scenarios::Workers::On, |config| {
            config.pay_gateway.swiftpass.gateway_url = nowhere;
        })
        .await;
        let order = mesh.bound(&mesh.shop().await).await.order_no;
        refused(
            &mesh.pay(&order, "r1").await.unwrap_err(),
            "PAYMENT_REFUSED",
        );
        assert_eq!(mesh.order(&order).await.status(), OrderStatus::PayFailed);
        // The attempt is over: its id answers the order, and pays nothing.
        let answer = mesh.pay(&order, "r1").await.unwrap();
        assert_eq!(
            (answer.out_trade_no.as_str(), answer.pay_info.as_str()),
            (format!("{order}0000").as_str(), "")
        );
        assert!(mesh.charges().await.is_empty());
        mesh.reach_the_channel().await;
        let answer = mesh.pay(&order, "r2").await.unwrap();
        assert_eq!(answer.out_trade_no, format!("{order}0001"));
        mesh.charge(&answer.out_trade_no).await;
        assert_eq!(mesh.settled(&order).await.settlements.len(), 1);
    }
}

#[tokio::test]
async fn a_prepay_whose_answer_is_lost_is_abandoned_and_a_new_request_pays() {
    for engine in ENGINES {
        for mode in [Mode::LoseReplies, Mode::Swallow] {
            let mesh = TestMesh::with(engine, scenarios::Workers::On, |config| {
                config.pay_gateway.swiftpass.timeout = std::time::Duration::from_millis(300);
            })
            .await;
            let order = mesh.bound(&mesh.shop().await).await.order_no;
            mesh.channel.set(mode);
            // Unknown is an answer: nothing to pay with, and nothing refused either.
            let answer = mesh.pay(&order, "r1").await.unwrap();
            assert_eq!(answer.pay_info, "");
            assert_eq!(answer.order.unwrap().status(), OrderStatus::Paying);
            let status = scenarios::until("its time to be sent is over", async || {
                mesh.pay(&order, "r1").await.err()
            })
            .await;
            refused(&status, "PAYMENT_REFUSED");
            let metadata = status.get_details_error_info().unwrap().metadata;
            assert_eq!(metadata["payment_reason"], "PAY_INFO_LOST");
            let failed = mesh.order(&order).await;
            assert_eq!(failed.status(), OrderStatus::PayFailed);
            let story = mesh.timeline(&order).await;
            assert!(
                story
                    .entries
                    .iter()
                    .any(|entry| entry.detail == "PAY_INFO_LOST")
            );

            mesh.channel.set(Mode::Pass);
            let answer = mesh.pay(&order, "r2").await.unwrap();
            assert_eq!(answer.out_trade_no, format!("{order}0001"));
            mesh.charge(&answer.out_trade_no).await;
            let story = mesh.settled(&order).await;
            assert_eq!(story.settlements[0].out_trade_no, answer.out_trade_no);
            assert!(mesh.forgotten().await.is_empty());
        }
    }
}
