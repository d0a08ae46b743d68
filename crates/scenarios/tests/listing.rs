//! A shop's orders, page by page: none is missed and none comes twice, whatever happens between.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures::future::join_all;
use mesh::reason_of;
use proto::time::{from_proto, to_proto};
use proto::trade::v1::{ListOrdersRequest, ListOrdersResponse, Order, OrderStatus};
use scenarios::{Shop, TestMesh};
use testkit::ENGINES;
use tonic::{Code, Status};
use tonic_types::StatusExt;

fn of(shop: &Shop) -> ListOrdersRequest {
    ListOrdersRequest {
        shop_id: shop.shop_id,
        ..ListOrdersRequest::default()
    }
}

async fn page(mesh: &TestMesh, request: ListOrdersRequest) -> ListOrdersResponse {
    let page = mesh.trade().list_orders(request).await;
    page.expect("a page").into_inner()
}

async fn all(mesh: &TestMesh, mut request: ListOrdersRequest) -> Vec<Order> {
    let mut orders = Vec::new();
    loop {
        let page = page(mesh, request.clone()).await;
        orders.extend(page.orders);
        assert!(orders.len() < 1000, "it has no end");
        if page.next_page_token.is_empty() {
            return orders;
        }
        request.page_token = page.next_page_token;
    }
}

fn numbers<'a>(orders: impl IntoIterator<Item = &'a Order>) -> Vec<&'a str> {
    let numbers = orders.into_iter().map(|order| order.order_no.as_str());
    numbers.collect()
}

/// The newest first.
fn sorted(mut orders: Vec<Order>) -> Vec<Order> {
    orders.sort_by(|one, other| other.order_no.cmp(&one.order_no));
    orders
}

async fn refused(mesh: &TestMesh, request: ListOrdersRequest) -> Status {
    mesh.trade().list_orders(request).await.unwrap_err()
}

fn wrong_fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(reason_of(status).unwrap(), "INVALID_ARGUMENT");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|wrong| wrong.field).collect()
}

#[tokio::test]
async fn the_newest_come_first_and_new_ones_shift_no_page() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let (shop, neighbour) = (mesh.shop().await, mesh.shop().await);
        assert!(page(&mesh, of(&shop)).await.orders.is_empty());
        let mut orders = Vec::new();
        for _ in 0..12 {
            orders.push(mesh.created(&shop).await);
            mesh.created(&neighbour).await;
        }
        orders.reverse();
        let mut seen = Vec::new();
        let mut request = ListOrdersRequest {
            page_size: 5,
            ..of(&shop)
        };
        for size in [5, 5, 2] {
            let page = page(&mesh, request.clone()).await;
            assert_eq!(page.orders.len(), size);
            assert_eq!(page.next_page_token.is_empty(), size < 5);
            seen.extend(page.orders);
            request.page_token = page.next_page_token;
            // They are newer than whatever is still to come.
            join_all([&shop, &shop, &neighbour].map(|shop| mesh.created(shop))).await;
        }
        assert_eq!(seen, orders, "each once, as it is");
        assert_eq!(all(&mesh, of(&shop)).await.len(), 18);
        assert_eq!(all(&mesh, of(&neighbour)).await.len(), 15);
    }
}

#[tokio::test]
async fn a_page_that_is_just_full_is_the_last() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        join_all((0..4).map(|_| mesh.created(&shop))).await;
        let sized = |page_size| ListOrdersRequest {
            page_size,
            ..of(&shop)
        };
        let full = page(&mesh, sized(4)).await;
        assert_eq!((full.orders.len(), full.next_page_token.as_str()), (4, ""));
        assert!(!page(&mesh, sized(3)).await.next_page_token.is_empty());
    }
}

#[tokio::test]
async fn only_orders_in_the_status_asked_for_are_shown() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        let mut wanted = [const { Vec::new() }; 3];
        for _ in 0..3 {
            wanted[0].push(mesh.created(&shop).await.order_no);
            wanted[1].push(mesh.paying(&shop).await.order_no);
            let paying = mesh.paying(&shop).await;
            mesh.charge(&paying.out_trade_no).await;
            mesh.settled(&paying.order_no).await;
            wanted[2].push(paying.order_no);
        }
        let statuses = [OrderStatus::Unpaid, OrderStatus::Paying, OrderStatus::Paid];
        for (status, mut wanted) in statuses.into_iter().zip(wanted) {
            wanted.reverse();
            // Also where what is passed over lies between the pages.
            for page_size in [1, 2, 50] {
                let request = ListOrdersRequest {
                    status: status.into(),
                    page_size,
                    ..of(&shop)
                };
                let shown = all(&mesh, request).await;
                assert_eq!(numbers(&shown), wanted, "{status:?}");
                assert!(shown.iter().all(|order| order.status() == status));
            }
        }
        let none = ListOrdersRequest {
            status: OrderStatus::Refunded.into(),
            ..of(&shop)
        };
        assert!(all(&mesh, none).await.is_empty());
        assert_eq!(all(&mesh, of(&shop)).await.len(), 9);
    }
}

#[tokio::test]
async fn a_range_of_time_has_its_beginning_and_not_its_end() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        let mut orders = Vec::new();
        // Some at the same moment, some not.
        for _ in 0..4 {
            orders.extend(join_all((0..15).map(|_| mesh.created(&shop))).await);
        }
        let orders = sorted(orders);
        let time = |order: &Order| from_proto(order.create_time.as_ref().unwrap()).unwrap();
        let moment = std::time::Duration::from_micros(1);
        let edges = orders.iter().map(time);
        let edges = edges.flat_map(|edge| [edge - moment, edge, edge + moment]);
        for edge in edges {
            let since = ListOrdersRequest {
                from_time: Some(to_proto(edge)),
                page_size: 500,
                ..of(&shop)
            };
            let before = ListOrdersRequest {
                to_time: since.from_time,
                from_time: None,
                ..since.clone()
            };
            let (after, earlier) = orders.iter().partition(|order| time(order) >= edge);
            let (after, earlier): (Vec<_>, Vec<_>) = (after, earlier);
            assert_eq!(numbers(&all(&mesh, since).await), numbers(after), "{edge}");
            assert_eq!(
                numbers(&all(&mesh, before).await),
                numbers(earlier),
                "{edge}"
            );
        }
        let (newest, oldest) = (time(&orders[0]), time(&orders[59]));
        let range = |from, to| ListOrdersRequest {
            from_time: Some(to_proto(from)),
            to_time: Some(to_proto(to)),
            page_size: 7,
            ..of(&shop)
        };
        let whole = all(&mesh, range(oldest, newest + moment)).await;
        assert_eq!(numbers(&whole), numbers(&orders));
        assert!(all(&mesh, range(newest, newest)).await.is_empty());
        assert!(all(&mesh, range(newest, oldest)).await.is_empty());
    }
}

#[tokio::test]
async fn a_token_leads_on_in_the_list_it_came_from_only() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let (shop, neighbour) = (mesh.shop().await, mesh.shop().await);
        let orders = sorted(join_all((0..4).map(|_| mesh.created(&shop))).await);
        let first = ListOrdersRequest {
            page_size: 1,
            ..of(&shop)
        };
        let token = page(&mesh, first).await.next_page_token;
        let next = ListOrdersRequest {
            page_token: token.clone(),
            ..of(&shop)
        };
        // How many is the caller's to say, page by page.
        assert_eq!(page(&mesh, next.clone()).await.orders, orders[1..]);
        let now = orders[0].create_time;
        for other in [
            ListOrdersRequest {
                shop_id: neighbour.shop_id,
                ..next.clone()
            },
            ListOrdersRequest {
                status: OrderStatus::Unpaid.into(),
                ..next.clone()
            },
            ListOrdersRequest {
                from_time: now,
                ..next.clone()
            },
            ListOrdersRequest {
                to_time: now,
                ..next.clone()
            },
            ListOrdersRequest {
                page_token: format!("{token}00"),
                ..next.clone()
            },
            ListOrdersRequest {
                page_token: "next".to_owned(),
                ..next.clone()
            },
        ] {
            let status = refused(&mesh, other).await;
            assert_eq!(wrong_fields(&status), ["page_token"]);
        }
    }
}

#[tokio::test]
async fn a_page_has_fifty_unless_the_caller_says_and_five_hundred_at_most() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        for _ in 0..6 {
            join_all((0..84).map(|_| mesh.created(&shop))).await;
        }
        let sizes = [(0, 50), (1, 1), (500, 500), (501, 500), (i32::MAX, 500)];
        for (asked, wanted) in sizes {
            let request = ListOrdersRequest {
                page_size: asked,
                ..of(&shop)
            };
            assert_eq!(page(&mesh, request).await.orders.len(), wanted, "{asked}");
        }
        assert_eq!(all(&mesh, of(&shop)).await.len(), 504);
    }
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let year = |year: i64| prost_types::Timestamp {
            seconds: (year - 1970) * 31_556_952,
            nanos: 0,
        };
        let wrong = ListOrdersRequest {
            shop_id: 0,
            status: 99,
            from_time: Some(year(1990)),
            to_time: Some(year(2200)),
            page_size: -1,
            page_token: "x".to_owned(),
        };
        let all = [
            "shop_id",
            "status",
            "from_time",
            "to_time",
            "page_size",
            "page_token",
        ];
        assert_eq!(wrong_fields(&refused(&mesh, wrong).await), all);
        // The last second there is, the first, and one that is none.
        for (seconds, nanos) in [(253_402_207_200, 999_999_999), (i64::MIN, 0), (0, -1)] {
            let odd = ListOrdersRequest {
                shop_id: 1,
                to_time: Some(prost_types::Timestamp { seconds, nanos }),
                ..ListOrdersRequest::default()
            };
            assert_eq!(wrong_fields(&refused(&mesh, odd).await), ["to_time"]);
        }
        // A shop nobody knows has no orders; that is no error.
        let unknown = ListOrdersRequest {
            shop_id: 424_242,
            ..ListOrdersRequest::default()
        };
        assert!(page(&mesh, unknown).await.orders.is_empty());
    }
}
