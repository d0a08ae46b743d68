//! PAID never waits for a rate, and settlement never guesses one.

use domain::ObligationKind as Kind;
use paymesh::cli::Service;
use proto::shop::v1::ShopStatus;
use proto::trade::v1::OrderStatus;
use scenarios::{Shop, TestMesh, Workers, key_of, until};
use testkit::ENGINES;

async fn paid(mesh: &TestMesh, shop: &Shop) -> String {
    let paying = mesh.paying(shop).await;
    mesh.charge(&paying.out_trade_no).await;
    mesh.becomes(&paying.order_no, OrderStatus::Paid).await;
    paying.order_no
}

// Settling was tried more than once, and is still owed.
async fn waits(mesh: &TestMesh, order_no: &str) {
    let key = key_of(order_no);
    let sql = format!(
        "SELECT attempts FROM obligations WHERE subject = {key} AND kind = {}",
        Kind::Settle.code()
    );
    let tried = async || {
        let rows = mesh.db(Service::Trade).rows(&sql).await;
        assert_eq!(rows.len(), 1, "it is owed until it is done");
        rows[0][0]
            .parse::<u32>()
            .is_ok_and(|tries| tries > 2)
            .then_some(())
    };
    until("it is tried again", tried).await;
    assert!(mesh.timeline(order_no).await.settlements.is_empty());
    assert!(mesh.forgotten().await.is_empty());
}

#[tokio::test]
async fn a_payment_settles_by_the_first_scheme_even_if_that_is_published_later() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.bare_shop(ShopStatus::Open).await;
        mesh.account(&shop, "sandbox").await;
        let order = paid(&mesh, &shop).await;
        waits(&mesh, &order).await;
        mesh.rate(&shop, 1, 3800).await;
        let story = mesh.settled(&order).await;
        let settlement = &story.settlements[0];
        assert_eq!((settlement.rate_ppm, settlement.scheme_version), (3800, 1));
        assert_eq!(
            settlement.gross_fen,
            settlement.net_fen + settlement.fee_fen
        );
        assert_eq!(mesh.owed(Service::Trade, key_of(&order)).await, []);
    }
}

#[tokio::test]
async fn a_rate_service_that_is_away_delays_settlement_and_nothing_else() {
    for engine in ENGINES {
        let mut mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        mesh.stop(Service::Rate).await;
        let order = paid(&mesh, &shop).await;
        waits(&mesh, &order).await;
        mesh.start_again(Service::Rate, Workers::On).await;
        assert_eq!(mesh.settled(&order).await.settlements.len(), 1);
    }
}

#[tokio::test]
async fn a_payment_settles_by_the_rate_of_its_own_time_and_not_of_the_present() {
    for engine in ENGINES {
        let mut mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        mesh.stop(Service::Rate).await;
        let before = paid(&mesh, &shop).await;
        let paid_at = mesh.order(&before).await.paid_time.unwrap();
        // Nobody settles while another scheme is published.
        mesh.stop(Service::Trade).await;
        mesh.start_again(Service::Rate, Workers::On).await;
        mesh.rate(&shop, 2, 10_000).await;
        mesh.start_again(Service::Trade, Workers::On).await;
        // The channel tells whole seconds: only a payment of a later second is surely later.
        let after = until("a payment of a later second", async || {
            let order = paid(&mesh, &shop).await;
            let at = mesh.order(&order).await.paid_time.unwrap();
            (at.seconds > paid_at.seconds + 1).then_some(order)
        })
        .await;
        let rate = async |order: &str| {
            let story = mesh.settled(order).await;
            (
                story.settlements[0].rate_ppm,
                story.settlements[0].scheme_version,
            )
        };
        assert_eq!(rate(&before).await, (6000, 1));
        assert_eq!(rate(&after).await, (10_000, 2));
    }
}
