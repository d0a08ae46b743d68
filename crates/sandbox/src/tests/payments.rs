//! Paying: once, in time, and durably.

use axum::extract::{Form, Query};
use tonic::Code;
use tonic_types::StatusExt;

use super::*;
use crate::{SandboxError, page};

const NUMBER: &str = "W1709251528510010000";

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

#[tokio::test]
async fn paying_twice_charges_once() {
    let rig = Rig::new().await;
    rig.prepay(NUMBER, "127.0.0.1").await;
    let first = rig.pay(NUMBER).await.unwrap();
    rig.advance(60);
    assert_eq!(rig.pay(NUMBER).await.unwrap(), first);
    assert_eq!(first.amount_fen, 1250);
    assert!(
        first.transaction_id.starts_with("755100000120170925"),
        "{}",
        first.transaction_id
    );
    assert_eq!(first.transaction_id.len(), 28);
}

#[tokio::test]
async fn many_at_once_charge_once_and_every_payment_has_its_own_number() {
    let rig = Rig::new().await;
    let mut payers = tokio::task::JoinSet::new();
    for place in 0..40 {
        let number = format!("W170925152851{:03}0000", place % 10);
        if place < 10 {
            // A second charge would owe a second notice, which the ledger refuses.
            rig.prepay(&number, "http://127.0.0.1:9/nobody").await;
        }
    }
    for place in 0..40 {
        let number = format!("W170925152851{:03}0000", place % 10);
        let service = rig.service();
        let request = Request::new(PayChargeRequest {
            out_trade_no: number,
        });
        payers.spawn(async move { service.pay_charge(request).await.unwrap().into_inner() });
    }
    let charges = payers.join_all().await;
    let mut numbers: Vec<_> = charges
        .into_iter()
        .map(|reply| {
            let charge = reply.charge.unwrap();
            (charge.out_trade_no, charge.transaction_id)
        })
        .collect();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 10, "{numbers:?}");
}

#[tokio::test]
async fn nothing_is_charged_after_the_time_limit() {
    let rig = Rig::new().await;
    let limited = with(jspay(NUMBER, "127.0.0.1"), "time_start", "20170925152851");
    let limited = with(limited, "time_expire", "20170925153051");
    assert_eq!(rig.call(limited.clone()).await["result_code"], "0");
    let early = with(limited, "out_trade_no", "W1709251528510020000");
    assert_eq!(rig.call(early).await["result_code"], "0");
    rig.advance(119);
    rig.pay("W1709251528510020000").await.unwrap();
    rig.advance(1);
    let refused = rig.pay(NUMBER).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::FailedPrecondition, "CHARGE_EXPIRED".to_owned())
    );
    rig.pay("W1709251528510020000").await.unwrap();
    assert_eq!(rig.charge(NUMBER).await.transaction_id, "");
}

#[tokio::test]
async fn nothing_prepared_is_not_found() {
    let rig = Rig::new().await;
    let refused = rig.pay(NUMBER).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::NotFound, "CHARGE_NOT_FOUND".to_owned())
    );
    let refused = rig.pay("").await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::InvalidArgument, "INVALID_ARGUMENT".to_owned())
    );
}

#[tokio::test]
async fn a_person_pays_on_the_page() {
    let rig = Rig::new().await;
    let reply = rig.prepay(NUMBER, "127.0.0.1").await;
    let app = || State(rig.sandbox.0.clone());
    let token = || page::token(&reply["token_id"]);
    let (status, shown) = page::show(app(), Query(token())).await;
    assert_eq!(status.as_u16(), 200);
    assert!(
        shown.0.contains("¥12.50") && shown.0.contains("A&amp;B"),
        "{}",
        shown.0
    );
    let (_, paid) = page::pay(app(), Form(token())).await;
    let transaction_id = rig.charge(NUMBER).await.transaction_id;
    assert!(
        !transaction_id.is_empty() && paid.0.contains(&transaction_id),
        "{}",
        paid.0
    );
    let (status, _) = page::show(app(), Query(page::token("unknown"))).await;
    assert_eq!(status.as_u16(), 404);
}

#[tokio::test]
async fn the_ledger_is_read_in_pages() {
    let rig = Rig::new().await;
    for place in [3, 1, 5, 2, 4] {
        rig.prepay(&format!("W17092515285100{place}"), "127.0.0.1")
            .await;
    }
    let (mut numbers, mut token) = (Vec::new(), String::new());
    loop {
        let page = rig.list(2, &token).await.unwrap();
        assert!(page.charges.len() <= 2);
        numbers.extend(page.charges.into_iter().map(|charge| charge.out_trade_no));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let expected: Vec<_> = (1..=5)
        .map(|place| format!("W17092515285100{place}"))
        .collect();
    assert_eq!(numbers, expected);
    assert_eq!(rig.list(5, "").await.unwrap().next_page_token, "");
    for size in [-1, 1001] {
        assert_eq!(
            rig.list(size, "").await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }
}

#[tokio::test]
async fn the_ledger_outlives_the_process() {
    let rig = Rig::new().await;
    rig.prepay(NUMBER, "127.0.0.1").await;
    rig.prepay("W1709251528510020000", "127.0.0.1").await;
    let paid = rig.pay(NUMBER).await.unwrap();
    let rig = rig.restart().await;
    assert_eq!(rig.charge(NUMBER).await, paid);
    assert_eq!(rig.pay(NUMBER).await.unwrap(), paid);
    rig.pay("W1709251528510020000").await.unwrap();
    assert_eq!(
        rig.call(jspay(NUMBER, "127.0.0.1")).await["result_code"],
        "1"
    );
}

#[tokio::test]
async fn a_second_process_on_the_same_ledger_is_told_so() {
    let rig = Rig::new().await;
    let (settings, ids) = (settings(rig.folder.path()), Arc::new(SeededIds::new(3)));
    let second = Sandbox::open(settings, rig.clock.clone(), ids, rig.net.clone()).await;
    let refused = second.err().unwrap();
    assert!(matches!(refused, SandboxError::LedgerInUse { .. }));
    assert!(
        refused.to_string().contains("in use by another process"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_closed_sandbox_is_unavailable() {
    let rig = Rig::new().await;
    rig.sandbox.close().await;
    let refused = rig.pay(NUMBER).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::Unavailable, "SHUTTING_DOWN".to_owned())
    );
}
