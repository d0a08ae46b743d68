//! Services that go away at the wrong moment: nothing that was paid is lost, and nothing
//! happens twice.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use futures::future::join_all;
use paymesh::cli::Service;
use proto::sandbox::v1::ChargeState;
use proto::task::v1::RunTaskRequest;
use proto::trade::v1::OrderStatus;
use scenarios::{Paying, Shop, TestMesh, Workers, until};
use store::Engine;
use testkit::ENGINES;

const INBOX: &str = "SELECT COUNT(*) FROM inbox";
const SUCCEEDED: &str = "SELECT COUNT(*) FROM payments WHERE state = 5";

async fn several(mesh: &TestMesh, shop: &Shop) -> Vec<Paying> {
    join_all((0..8).map(|_| mesh.paying(shop))).await
}

async fn charge_all(mesh: &TestMesh, payments: &[Paying]) {
    join_all(
        payments
            .iter()
            .map(|paying| mesh.charge(&paying.out_trade_no)),
    )
    .await;
}

async fn reaches(mesh: &TestMesh, sql: &str, wanted: usize) {
    let reached = async || {
        let count = mesh.db(Service::PayGateway).count(sql).await;
        (usize::try_from(count).unwrap() >= wanted).then_some(())
    };
    until(sql, reached).await;
}

/// All are settled once, to the fen, and nothing is owed or forgotten.
async fn all_is_well(mesh: &TestMesh, payments: &[Paying]) {
    for paying in payments {
        let story = mesh.settled(&paying.order_no).await;
        assert_eq!(story.settlements.len(), 1);
        assert_eq!(story.settlements[0].gross_fen, paying.amount_fen);
        assert_eq!(story.order.unwrap().status(), OrderStatus::Paid);
    }
    let charges = mesh.charges().await;
    assert!(
        charges
            .iter()
            .all(|charge| charge.state() == ChargeState::Success)
    );
    assert_eq!(charges.len(), payments.len());
    let count = mesh
        .db(Service::Trade)
        .count("SELECT COUNT(*) FROM settlements")
        .await;
    assert_eq!(usize::try_from(count).unwrap(), payments.len());
    assert!(mesh.forgotten().await.is_empty());
}

#[tokio::test]
async fn callbacks_that_come_while_trade_is_away_reach_it_later() {
    for engine in ENGINES {
        let mut mesh = TestMesh::start(engine).await;
        let payments = several(&mesh, &mesh.shop().await).await;
        mesh.stop(Service::Trade).await;
        charge_all(&mesh, &payments).await;
        reaches(&mesh, SUCCEEDED, payments.len()).await;
        mesh.start_again(Service::Trade, Workers::On).await;
        all_is_well(&mesh, &payments).await;
    }
}

#[tokio::test]
async fn a_subscriber_that_is_restarted_again_and_again_misses_nothing() {
    for engine in ENGINES {
        let mut mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        let mut payments = Vec::new();
        for _ in 0..4 {
            let more = several(&mesh, &shop).await;
            charge_all(&mesh, &more).await;
            // Wherever it is with them: pulled, applied, acknowledged or none of it.
            mesh.restart(Service::Trade, Workers::On).await;
            payments.extend(more);
        }
        all_is_well(&mesh, &payments).await;
    }
}

#[tokio::test]
async fn what_the_feed_tells_is_kept_until_trade_can_write_it_down() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let payments = several(&mesh, &mesh.shop().await).await;
        let refuse = match engine {
            Engine::Sqlite => "BEGIN SELECT RAISE(ABORT, 'refused'); END",
            Engine::MySql => "FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'",
        };
        let trade = mesh.db(Service::Trade);
        trade
            .run(&format!(
                "CREATE TRIGGER refuse BEFORE INSERT ON order_log {refuse}"
            ))
            .await;
        charge_all(&mesh, &payments).await;
        reaches(&mesh, "SELECT COUNT(*) FROM feed", payments.len()).await;
        // Long enough for each event to be tried, and to fail.
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(
            trade
                .count("SELECT COUNT(*) FROM orders WHERE status = 7")
                .await,
            0
        );
        assert!(!mesh.feed_is_drained().await, "nothing was acknowledged");
        assert!(mesh.forgotten().await.is_empty());
        trade.run("DROP TRIGGER refuse").await;
        all_is_well(&mesh, &payments).await;
    }
}

#[tokio::test]
async fn pay_gateway_restarted_between_callback_and_feed_tells_what_it_was_told() {
    for engine in ENGINES {
        let mut mesh = TestMesh::start(engine).await;
        mesh.restart(Service::PayGateway, Workers::Off).await;
        let payments = several(&mesh, &mesh.shop().await).await;
        charge_all(&mesh, &payments).await;
        // Durable and acknowledged, and nothing else yet.
        reaches(&mesh, INBOX, payments.len()).await;
        assert_eq!(mesh.db(Service::PayGateway).count(SUCCEEDED).await, 0);
        assert!(mesh.forgotten().await.is_empty());
        mesh.restart(Service::PayGateway, Workers::On).await;
        all_is_well(&mesh, &payments).await;
    }
}

#[tokio::test]
async fn a_channel_that_finds_nobody_tells_again_until_somebody_is_there() {
    for engine in ENGINES {
        let mut mesh = TestMesh::start(engine).await;
        let payments = several(&mesh, &mesh.shop().await).await;
        mesh.stop(Service::PayGateway).await;
        charge_all(&mesh, &payments).await;
        let tried = async || {
            let charges = mesh.charges().await;
            charges
                .iter()
                .all(|charge| charge.notify_attempts > 1)
                .then_some(())
        };
        until("the channel tries in vain", tried).await;
        mesh.start_again(Service::PayGateway, Workers::On).await;
        all_is_well(&mesh, &payments).await;
    }
}

#[tokio::test]
async fn without_any_worker_the_tasks_keep_the_promises() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let payments = several(&mesh, &mesh.shop().await).await;
        charge_all(&mesh, &payments).await;
        reaches(&mesh, INBOX, payments.len()).await;
        for (service, name) in [
            (Service::PayGateway, "drain-gateway"),
            (Service::Trade, "drain-trade"),
        ] {
            let request = RunTaskRequest {
                name: name.to_owned(),
            };
            let mut progress = mesh
                .tasks(service)
                .run_task(request)
                .await
                .unwrap()
                .into_inner();
            let mut last = None;
            while let Some(told) = progress.message().await.unwrap() {
                last = Some(told);
            }
            let last = last.unwrap();
            assert!(last.finished && last.failed == 0, "{name}: {last:?}");
        }
        all_is_well(&mesh, &payments).await;
    }
}

#[tokio::test]
async fn everything_restarted_at_once_goes_on_where_it_was() {
    for engine in ENGINES {
        let mut mesh = TestMesh::start(engine).await;
        let payments = several(&mesh, &mesh.shop().await).await;
        charge_all(&mesh, &payments).await;
        for service in scenarios::SERVICES.into_iter().rev() {
            mesh.stop(service).await;
        }
        for service in scenarios::SERVICES {
            mesh.start_again(service, Workers::On).await;
        }
        all_is_well(&mesh, &payments).await;
        mesh.end().await;
    }
}
