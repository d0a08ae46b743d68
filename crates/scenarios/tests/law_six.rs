//! Law 6 as a query: at no moment of any life is there something unfinished that nobody
//! owes anything for.

use paymesh::cli::Service;
use proto::shop::v1::ShopStatus;
use scenarios::{Mode, Notice, Shop, TestMesh, Workers};
use seam::{Ids, SeededIds};
use testkit::ENGINES;

const LIVES: usize = 40;

/// What may happen to an order next; most of it fails most of the time, and may.
async fn something_happens(mesh: &TestMesh, shop: &Shop, (order, chance): (&str, u64)) {
    let number = format!("{order}000{}", chance / 16 % 2);
    match chance % 16 {
        0..4 => drop(mesh.pay(order, &format!("r{}", chance / 16 % 3)).await),
        4 => {
            mesh.channel.set(Mode::LoseReplies);
            drop(mesh.pay(order, "lost").await);
            mesh.channel.set(Mode::Pass);
        }
        5 => {
            mesh.channel.set(Mode::Refuse);
            drop(mesh.pay(order, "refused").await);
            mesh.channel.set(Mode::Pass);
        }
        6 => drop(
            mesh.notify(Notice::paid(&shop.mch_id, &number, 1).signed(scenarios::KEY))
                .await,
        ),
        7 => drop(
            mesh.notify(Notice::paid(&shop.mch_id, &number, 1).signed("wrong"))
                .await,
        ),
        8 => {
            let notice = Notice::paid(&shop.mch_id, &number, 1).with("pay_result", "1");
            drop(mesh.notify(notice.signed(scenarios::KEY)).await);
        }
        9..14 => {
            let request = proto::sandbox::v1::PayChargeRequest {
                out_trade_no: number,
            };
            drop(mesh.payers().pay_charge(request).await);
        }
        _ => tokio::time::sleep(std::time::Duration::from_millis(chance / 16 % 20)).await,
    }
}

#[tokio::test]
async fn nothing_unfinished_is_ever_without_an_obligation() {
    for engine in ENGINES {
        let mesh = TestMesh::with(engine, Workers::On, |config| {
            config.pay_gateway.swiftpass.timeout = std::time::Duration::from_millis(150);
        })
        .await;
        let good = mesh.shop().await;
        let bare = mesh.bare_shop(ShopStatus::Open).await;
        let unrated = mesh.bare_shop(ShopStatus::Open).await;
        mesh.account(&unrated, "sandbox").await;
        let chances = SeededIds::new(20_261_120);
        for life in 0..LIVES {
            let shop = [&good, &good, &bare, &unrated][life % 4];
            let order = match chances.bits() % 5 {
                0 => mesh.created(shop).await.order_no,
                _ => mesh.bound(shop).await.order_no,
            };
            for _ in 0..chances.bits() % 6 {
                something_happens(&mesh, shop, (&order, chances.bits())).await;
                let forgotten = mesh.forgotten().await;
                assert!(forgotten.is_empty(), "life {life}: {forgotten:?}");
            }
        }
        // The prefixes met more than one kind of end.
        let statuses = "SELECT COUNT(DISTINCT status) FROM orders";
        assert!(mesh.db(Service::Trade).count(statuses).await >= 4);
    }
}

#[tokio::test]
async fn the_query_finds_what_is_forgotten() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        mesh.paying(&shop).await;
        mesh.notify(Notice::paid(&shop.mch_id, "W261120000000000000", 1).signed(scenarios::KEY))
            .await;
        assert!(mesh.forgotten().await.is_empty());
        mesh.db(Service::PayGateway)
            .run("DELETE FROM obligations WHERE kind = 4")
            .await;
        assert_eq!(
            mesh.forgotten().await.len(),
            1,
            "a payment nobody asks about"
        );
        mesh.db(Service::PayGateway)
            .run("DELETE FROM obligations")
            .await;
        assert_eq!(
            mesh.forgotten().await.len(),
            2,
            "and a callback nobody takes in"
        );
        mesh.db(Service::Trade)
            .run("DELETE FROM obligations WHERE kind = 3")
            .await;
        assert_eq!(
            mesh.forgotten().await.len(),
            3,
            "and an order nobody confirms"
        );
        mesh.db(Service::Trade).run("DELETE FROM obligations").await;
        assert_eq!(mesh.forgotten().await.len(), 4, "and ends");
        mesh.db(Service::Trade)
            .run("UPDATE attempts SET paid_at = 1")
            .await;
        assert_eq!(mesh.forgotten().await.len(), 5, "and money nobody settles");
    }
}
