//! Creating stands in for asking: the same key gives the same answer.

use futures::future::join_all;
use mesh::reason_of;
use paymesh::cli::Service;
use proto::trade::v1::{CreateOrderRequest, LineItem};
use scenarios::{TestMesh, key_of};
use testkit::ENGINES;
use tonic::Code;

#[tokio::test]
async fn of_a_hundred_creates_at_once_one_creates_and_all_answer_the_same_order() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let wish = mesh.wish(&mesh.shop().await);
        let creates = (0..100).map(|_| async { mesh.trade().create_order(wish.clone()).await });
        let answers = join_all(creates).await;
        let answers: Vec<_> = answers
            .into_iter()
            .map(|a| a.unwrap().into_inner())
            .collect();
        assert_eq!(answers.iter().filter(|answer| answer.created).count(), 1);
        assert!(
            answers
                .iter()
                .all(|answer| answer.order == answers[0].order)
        );
        let key = key_of(&answers[0].order.as_ref().unwrap().order_no);
        let log = format!("SELECT COUNT(*) FROM order_log WHERE order_no = {key}");
        assert_eq!(mesh.db(Service::Trade).count(&log).await, 1);
        assert_eq!(
            mesh.db(Service::Trade)
                .count("SELECT COUNT(*) FROM orders")
                .await,
            1
        );
        assert_eq!(
            mesh.db(Service::Trade)
                .count("SELECT COUNT(*) FROM obligations")
                .await,
            2
        );
    }
}

#[tokio::test]
async fn another_content_under_the_same_number_is_refused_whatever_differs() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let (shop, neighbour) = (mesh.shop().await, mesh.shop().await);
        let wish = mesh.wish(&shop);
        let first = mesh
            .trade()
            .create_order(wish.clone())
            .await
            .unwrap()
            .into_inner();
        let item = LineItem {
            sku: "tea".to_owned(),
            quantity: 1,
            weight_grams: 0,
        };
        for other in [
            CreateOrderRequest {
                amount_fen: wish.amount_fen + 1,
                ..wish.clone()
            },
            CreateOrderRequest {
                description: "coffee".to_owned(),
                ..wish.clone()
            },
            CreateOrderRequest {
                client_ip: "203.0.113.8".to_owned(),
                ..wish.clone()
            },
            CreateOrderRequest {
                line_items: vec![item],
                ..wish.clone()
            },
        ] {
            let refused = mesh.trade().create_order(other).await.unwrap_err();
            assert_eq!(refused.code(), Code::AlreadyExists);
            assert_eq!(reason_of(&refused).unwrap(), "ORDER_DIFFERS");
        }
        // A default that is spelt out is the same content.
        let spelt = CreateOrderRequest {
            kind: 1,
            ..wish.clone()
        };
        let again = mesh.trade().create_order(spelt).await.unwrap().into_inner();
        assert_eq!((again.created, again.order), (false, first.order));
        // The number is the merchant's own: another merchant may use it.
        let theirs = CreateOrderRequest {
            shop_id: neighbour.shop_id,
            ..wish
        };
        assert!(
            mesh.trade()
                .create_order(theirs)
                .await
                .unwrap()
                .into_inner()
                .created
        );
    }
}

#[tokio::test]
async fn an_acknowledged_order_is_there_for_whoever_asks_next() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        let lives = (0..50).map(|_| async {
            let order = mesh.created(&shop).await;
            assert_eq!(mesh.order(&order.order_no).await, order);
        });
        join_all(lives).await;
    }
}
