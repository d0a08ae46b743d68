//! One order from creation to settlement, and that many do not disturb each other.

use domain::ObligationKind;
use futures::future::join_all;
use paymesh::cli::Service;
use proto::sandbox::v1::ChargeState;
use proto::trade::v1::{Binding, Fulfilment, OrderStatus};
use scenarios::{TestMesh, key_of, until};
use testkit::ENGINES;

#[tokio::test]
async fn a_paid_order_is_settled_and_owes_nothing_more() {
    for engine in ENGINES {
        let mut mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        let paying = mesh.paying(&shop).await;
        assert_eq!(paying.out_trade_no, format!("{}0000", paying.order_no));
        let owed = mesh.owed(Service::Trade, key_of(&paying.order_no)).await;
        assert_eq!(
            owed,
            [
                (ObligationKind::PayLimit, 0),
                (ObligationKind::PayConfirm, 0)
            ]
        );

        let charge = mesh.charge(&paying.out_trade_no).await;
        assert_eq!(charge.state(), ChargeState::Success);
        let story = mesh.settled(&paying.order_no).await;
        let order = story.order.unwrap();
        assert_eq!(order.status(), OrderStatus::Paid);
        assert_eq!(order.binding(), Binding::Bound);
        // Sold at the counter: handed over as soon as it is paid.
        assert_eq!(order.fulfilment(), Fulfilment::Delivered);

        let [settlement] = story.settlements.as_slice() else {
            panic!("{:?}", story.settlements)
        };
        assert_eq!(settlement.gross_fen, paying.amount_fen);
        assert_eq!(
            settlement.gross_fen,
            settlement.net_fen + settlement.fee_fen
        );
        // Half up: 0.6 % of the amount.
        assert_eq!(
            settlement.fee_fen,
            (paying.amount_fen * 6000 + 500_000) / 1_000_000
        );
        assert_eq!((settlement.rate_ppm, settlement.scheme_version), (6000, 1));
        assert_eq!(settlement.paid_time, order.paid_time);
        assert_eq!(settlement.out_trade_no, paying.out_trade_no);

        let versions: Vec<_> = story.entries.iter().map(|entry| entry.version).collect();
        assert_eq!(versions, (1..=order.version).collect::<Vec<_>>());
        assert!(
            story
                .entries
                .windows(2)
                .all(|two| two[0].to_status == two[1].from_status)
        );
        let last = story.entries.last().unwrap();
        // By the feed, and not by whoever asks when the feed says nothing.
        assert_eq!(
            (last.to_status(), last.actor.as_str()),
            (OrderStatus::Paid, "feed")
        );
        assert!(
            story
                .entries
                .iter()
                .all(|entry| !entry.actor.is_empty() && !entry.trace_id.is_empty())
        );

        assert_eq!(
            mesh.owed(Service::Trade, key_of(&paying.order_no)).await,
            []
        );
        assert_eq!(
            mesh.owed(Service::PayGateway, key_of(&paying.order_no))
                .await,
            []
        );
        assert!(mesh.forgotten().await.is_empty());
        let acknowledged = async || mesh.feed_is_drained().await.then_some(());
        until("the feed's cursors are at its end", acknowledged).await;
        let told = async || {
            let charges = mesh.charges_of(&paying.order_no).await;
            charges
                .iter()
                .all(|charge| charge.notify_acknowledged)
                .then_some(charges)
        };
        assert_eq!(until("the channel was answered", told).await.len(), 1);
        mesh.end().await;
    }
}

#[tokio::test]
async fn of_many_orders_at_once_each_is_settled_once_to_the_fen() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        let lives = join_all((0..40).map(|_| async {
            let paying = mesh.paying(&shop).await;
            mesh.charge(&paying.out_trade_no).await;
            mesh.settled(&paying.order_no).await
        }));
        let stories = lives.await;
        let gross: i64 = stories
            .iter()
            .flat_map(|story| &story.settlements)
            .map(|s| s.gross_fen)
            .sum();
        let charged: i64 = mesh
            .charges()
            .await
            .iter()
            .map(|charge| charge.amount_fen)
            .sum();
        assert_eq!(gross, charged);
        assert!(stories.iter().all(|story| story.settlements.len() == 1));
        assert!(mesh.forgotten().await.is_empty());
    }
}
