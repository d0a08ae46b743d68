//! `paymesh trace` tells an order's whole story, across trade and pay-gateway, in order; and as
//! much of it as is known while one of them is away.

use std::time::Duration;

use domain::ObligationKind as Kind;
use mesh::Context;
use paymesh::cli::Service;
use paymesh::failure::Failure;
use paymesh::story::{Story, story};
use proto::sandbox::v1::script::Misbehaviour;
use proto::sandbox::v1::{LostNotice, WrongAmount};
use scenarios::{Paying, TestMesh, Workers, until};
use store::Engine;
use testkit::ENGINES;

const TRADE: &str = "trade";
const GATEWAY: &str = "pay-gateway";

/// What became of an order that was paid, and whose callback was lost.
const FOUND: [(&str, &str); 9] = [
    (TRADE, "CREATE"),
    (TRADE, "BIND"),
    (TRADE, "PAY"),
    (GATEWAY, "PREPAY"),
    (GATEWAY, "PREPARED"),
    (GATEWAY, "QUERY_PAID"),
    (TRADE, "SUCCEEDED"),
    (TRADE, "REMEDY"),
    (TRADE, "SETTLED"),
];

async fn traced(mesh: &TestMesh, number: &str) -> Result<Story, Failure> {
    let (trade, gateway) = (mesh.client(TRADE), mesh.client(GATEWAY));
    let patience = Context::background(Duration::from_secs(5));
    patience.scope(story(&trade, &gateway, number)).await
}

/// An order that was paid in silence and found out about, and the channel's number of it.
async fn found(engine: Engine) -> (TestMesh, Paying, String) {
    let mesh = TestMesh::idle(engine).await;
    mesh.script("lost", Misbehaviour::Lost(LostNotice {})).await;
    let paying = mesh.paying(&mesh.shop().await).await;
    let charge = mesh.charge(&paying.out_trade_no).await;
    mesh.falls_due(Service::PayGateway, Kind::Poll).await;
    mesh.drain_all().await;
    (mesh, paying, charge.transaction_id)
}

fn events(story: &Story) -> Vec<(&str, &str)> {
    let lines = story.lines.iter();
    lines
        .map(|line| (line.service, line.event.as_str()))
        .collect()
}

fn of(service: &str) -> Vec<(&str, &str)> {
    let own = FOUND.into_iter().filter(|(who, _)| *who == service);
    own.collect()
}

fn silent(story: &Story) -> Vec<(&str, &str)> {
    let silent = story.silent.iter();
    silent
        .map(|silent| (silent.service, silent.reason.as_str()))
        .collect()
}

#[tokio::test]
async fn money_that_was_found_is_told_whole_by_each_number_of_the_order() {
    for engine in ENGINES {
        let (mesh, paying, channel_number) = found(engine).await;
        for number in [&paying.order_no, &paying.out_trade_no, &channel_number] {
            let story = traced(&mesh, number).await.unwrap();
            assert_eq!(events(&story), FOUND, "by {number}");
            assert_eq!(story.order_no, paying.order_no);
            assert_eq!(story.silent, []);
        }
    }
}

#[tokio::test]
async fn a_callback_that_lied_is_part_of_the_story() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let lies = WrongAmount { difference_fen: 1 };
        mesh.script("lies", Misbehaviour::WrongAmount(lies)).await;
        let paying = mesh.paying(&mesh.shop().await).await;
        let charge = mesh.charge(&paying.out_trade_no).await;
        let told = async || {
            let charges = mesh.charges_of(&paying.order_no).await;
            charges[0].notify_acknowledged.then_some(())
        };
        until("what is validly signed is acknowledged", told).await;
        mesh.work_off(Service::PayGateway, Kind::Inbox).await;
        mesh.work_off(Service::PayGateway, Kind::Match).await;
        mesh.drain_all().await;
        let story = traced(&mesh, &paying.order_no).await.unwrap();
        let mut expected = FOUND.to_vec();
        let flagged = (GATEWAY, "CALLBACK_FLAGGED");
        expected.insert(5, flagged);
        assert_eq!(events(&story), expected);
        let lie = &story.lines[5].detail;
        let amount = format!("{} fen", paying.amount_fen + 1);
        for part in [
            paying.out_trade_no.as_str(),
            "AMOUNT_DIFFERS",
            &amount,
            &charge.transaction_id,
        ] {
            assert!(lie.contains(part), "{lie}");
        }
    }
}

#[tokio::test]
async fn who_is_away_is_named_and_the_other_half_is_told() {
    for engine in ENGINES {
        let (mut mesh, paying, channel_number) = found(engine).await;
        let away = "PEER_UNAVAILABLE";
        mesh.stop(Service::PayGateway).await;
        for number in [&paying.order_no, &paying.out_trade_no] {
            let story = traced(&mesh, number).await.unwrap();
            assert_eq!(events(&story), of(TRADE));
            assert_eq!(silent(&story), [(GATEWAY, away)]);
        }
        // Only pay-gateway knows whose number this is.
        let failed = traced(&mesh, &channel_number).await.unwrap_err();
        let said = failed.to_string();
        let whole = format!("TRACE_FAILED: not told by {GATEWAY}: {away}: ");
        assert!(said.starts_with(&whole), "{said}");
        mesh.start_again(Service::PayGateway, Workers::Off).await;
        mesh.stop(Service::Trade).await;
        for number in [&paying.order_no, &channel_number] {
            let story = traced(&mesh, number).await.unwrap();
            assert_eq!(events(&story), of(GATEWAY));
            assert_eq!(silent(&story), [(TRADE, away)]);
        }
        mesh.stop(Service::PayGateway).await;
        let said = traced(&mesh, &paying.order_no).await.unwrap_err();
        let said = said.to_string();
        assert!(said.contains(TRADE) && said.contains(GATEWAY), "{said}");
    }
}

#[tokio::test]
async fn a_number_nobody_knows_has_no_story() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let cases = [
            ("W261120000000000000", "ORDER_NOT_ACCEPTED"),
            ("W2611200000000000000000", "ORDER_NOT_ACCEPTED"),
            ("4200009", "PAYMENT_NOT_FOUND"),
            ("W2611", "INVALID_ARGUMENT"),
        ];
        for (number, reason) in cases {
            let said = traced(&mesh, number).await.unwrap_err().to_string();
            assert!(said.starts_with("TRACE_FAILED: "), "{said}");
            assert!(said.contains(reason), "{said}");
        }
    }
}

#[tokio::test]
async fn an_order_nobody_tried_to_pay_has_a_whole_story() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let order = mesh.bound(&mesh.shop().await).await;
        let story = traced(&mesh, &order.order_no).await.unwrap();
        assert_eq!(events(&story), [(TRADE, "CREATE"), (TRADE, "BIND")]);
        assert_eq!(story.silent, []);
    }
}
