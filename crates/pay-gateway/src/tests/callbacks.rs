//! Callbacks: stored before they are acknowledged, taken in once however often they come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::{ObligationKind, PaymentState};
use proto::gateway::v1::PaymentState as Wire;
use seam::net::Net;
use store::cache::{Cache, CacheError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::bed::{Bed, FEN, Setup, number, on_both, on_both_with};
use super::channel::{Gate, Letter, PREPAY, QUERY, key, paid, ready, refused};
use super::shops::{MCH_ID, OTHER_MCH_ID, account};
use super::stands::{DEAD_BY_REPLY, PAID_BY_CALLBACK, PAID_BY_QUERY};

impl Bed {
    pub(super) async fn stored_callbacks(&self) -> i64 {
        self.test_db.count("SELECT COUNT(*) FROM inbox").await
    }
}

/// Sends all at once; each must be acknowledged.
async fn at_once(bed: &Bed, letters: impl IntoIterator<Item = Letter>) {
    for answer in bed.call_back_at_once(letters).await {
        assert_eq!(answer, "success");
    }
}

#[tokio::test]
async fn a_callback_is_durable_when_it_is_acknowledged() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        let letter = Letter::paid(number(1), FEN, bed.now());
        bed.is_called_back(&letter).await;
        let body = bed.test_db.rows("SELECT body FROM inbox").await;
        assert_eq!(body, [[hex::encode(letter.xml())]]);
        assert_eq!(bed.count_owed(ObligationKind::Inbox).await, 1);
        // Until it is taken in, the payment is as it was.
        bed.stands(number(1), PaymentState::Pending, (true, &[]))
            .await;
    })
    .await;
}

/// A cache that keeps nothing, and counts how often it is turned to.
#[derive(Default)]
struct Counted(AtomicUsize);

impl Counted {
    fn turned_to(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Cache for Counted {
    async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.turned_to();
        Ok(None)
    }

    async fn put(&self, _: &str, _: Vec<u8>, _: Duration) -> Result<(), CacheError> {
        self.turned_to();
        Ok(())
    }

    async fn forget(&self, _: &str) -> Result<(), CacheError> {
        self.turned_to();
        Ok(())
    }
}

#[tokio::test]
async fn between_a_callback_and_its_commit_nobody_turns_to_what_processes_share() {
    let shared = Arc::new(Counted::default());
    let setup = Setup {
        cache: Some(shared.clone()),
        ..Setup::default()
    };
    on_both_with(setup, async |bed| {
        bed.prepay(number(1)).await;
        let before = shared.0.load(Ordering::Relaxed);
        assert!(before > 0, "it is asked for the shop and its accounts");
        let letter = Letter::paid(number(1), FEN, bed.now());
        bed.is_called_back(&letter).await;
        assert_eq!(bed.stored_callbacks().await, 1);
        assert_eq!(shared.0.load(Ordering::Relaxed), before);
    })
    .await;
}

#[tokio::test]
async fn the_same_callback_ten_times_is_stored_once() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        let letter = Letter::paid(number(1), FEN, bed.now());
        at_once(bed, vec![letter.clone(); 10]).await;
        assert_eq!(bed.stored_callbacks().await, 1);
        bed.drain(ObligationKind::Inbox).await;
        bed.is_called_back(&letter).await;
        assert_eq!(bed.stored_callbacks().await, 1);
        assert_eq!(bed.count_owed(ObligationKind::Inbox).await, 0);
        bed.stands(
            number(1),
            PaymentState::Succeeded,
            (true, &[PAID_BY_CALLBACK]),
        )
        .await;
        assert_eq!(
            bed.events(number(1)).await,
            ["PREPAY", "PREPARED", "CALLBACK_PAID"]
        );
    })
    .await;
}

#[tokio::test]
async fn ten_callbacks_of_one_payment_at_once_are_one_success() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        let letter = Letter::paid(number(1), FEN, bed.now());
        at_once(
            bed,
            (0..10).map(|n| letter.clone().with("nonce_str", &n.to_string())),
        )
        .await;
        assert_eq!(bed.stored_callbacks().await, 10);
        // Who loses too often against the others is tried again.
        for _ in 0..5 {
            bed.drain(ObligationKind::Inbox).await;
            bed.wait(600);
        }
        assert_eq!(bed.count_owed(ObligationKind::Inbox).await, 0);
        assert_eq!(bed.count_owed(ObligationKind::Match).await, 0);
        bed.stands(
            number(1),
            PaymentState::Succeeded,
            (true, &[PAID_BY_CALLBACK]),
        )
        .await;
        assert_eq!(bed.events(number(1)).await.len(), 12);
    })
    .await;
}

#[tokio::test]
async fn a_callback_may_come_before_the_reply() {
    on_both(async |bed| {
        for (n, says) in [(1, ready()), (2, refused("AUTH"))] {
            let (one, gate) = (number(n), Gate::shut());
            bed.channel.says(PREPAY, gate.holds(says));
            let call = bed.prepay_meanwhile(one);
            bed.channel.was_asked(PREPAY, usize::from(n)).await;
            bed.is_paid_by_callback(one).await;
            gate.open();
            let answer = call.await.unwrap();
            assert_eq!(
                (answer.state(), answer.pay_info.as_str()),
                (Wire::Succeeded, "")
            );
            assert_eq!(bed.prepay(one).await, answer);
            bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_CALLBACK]))
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_callback_an_hour_after_the_query_found_the_money_is_a_line() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        let paid_at = bed.now();
        bed.channel.says(QUERY, paid(FEN, paid_at));
        bed.wait(10);
        bed.drain(ObligationKind::Poll).await;
        bed.wait(3600);
        bed.is_called_back(&Letter::paid(number(1), FEN, paid_at))
            .await;
        bed.drain(ObligationKind::Inbox).await;
        bed.stands(number(1), PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
        assert_eq!(bed.stored(number(1)).await.paid_at, Some(paid_at));
        let events = ["PREPAY", "PREPARED", "QUERY_PAID", "CALLBACK_PAID"];
        assert_eq!(bed.events(number(1)).await, events);
    })
    .await;
}

#[tokio::test]
async fn a_try_that_failed_is_evidence_and_no_end() {
    on_both(async |bed| {
        let cases = [
            (1, PaymentState::Sent, PaymentState::Pending),
            (2, PaymentState::Unknown, PaymentState::Pending),
            (3, PaymentState::Pending, PaymentState::Pending),
        ];
        for (n, from, to) in cases {
            bed.reach(number(n), from).await;
            let letter = Letter::paid(number(n), FEN, bed.now()).with("pay_result", "1");
            bed.is_called_back(&letter).await;
            bed.drain(ObligationKind::Inbox).await;
            bed.stands(number(n), to, (true, &[])).await;
            assert_eq!(bed.stored(number(n)).await.reason, "");
            assert_eq!(
                bed.events(number(n)).await.last().unwrap(),
                "CALLBACK_NOT_PAID"
            );
            // And the next try may succeed.
            bed.is_paid_by_callback(number(n)).await;
            bed.stands(
                number(n),
                PaymentState::Succeeded,
                (true, &[PAID_BY_CALLBACK]),
            )
            .await;
        }
        bed.reach(number(4), PaymentState::Declined).await;
        let letter = Letter::paid(number(4), FEN, bed.now()).with("pay_result", "1");
        bed.is_called_back(&letter).await;
        bed.drain(ObligationKind::Inbox).await;
        bed.stands(number(4), PaymentState::Declined, (false, &[DEAD_BY_REPLY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn not_paid_after_paid_changes_nothing() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.is_paid_by_callback(number(1)).await;
        let letter = Letter::paid(number(1), FEN, bed.now()).with("pay_result", "1");
        bed.is_called_back(&letter).await;
        bed.drain(ObligationKind::Inbox).await;
        bed.stands(
            number(1),
            PaymentState::Succeeded,
            (true, &[PAID_BY_CALLBACK]),
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn what_is_not_signed_by_its_merchant_is_refused_and_not_stored() {
    on_both(async |bed| {
        let mut other = account(2, OTHER_MCH_ID);
        other.key_name = "two".to_owned();
        other.shop_id = 12;
        bed.shops.knows(vec![account(1, MCH_ID), other]);
        bed.prepay(number(1)).await;
        let genuine = Letter::paid(number(1), FEN, bed.now());
        let forged = [
            genuine
                .clone()
                .signed_with("ffffffffffffffffffffffffffffffff"),
            // Another merchant's key under the first one's name, and the other way round.
            genuine.clone().signed_with(key("two")),
            genuine.clone().with("mch_id", OTHER_MCH_ID),
            genuine.clone().with("mch_id", "7551999999"),
            genuine.clone().with("mch_id", "' OR 1=1"),
            genuine.clone().with("mch_id", ""),
        ];
        for letter in &forged {
            assert_eq!(bed.callback(letter).await, "http status 400");
        }
        let replaced = genuine.xml().replace("[8880]", "[1]");
        assert!(bed.callback_raw(replaced).await != "success");
        for text in ["", "<xml></xml>", "<xml><a>", "\u{0}", "{}"] {
            assert!(bed.callback_raw(text.to_owned()).await != "success");
        }
        assert_eq!(bed.stored_callbacks().await, 0);
        bed.drain(ObligationKind::Inbox).await;
        bed.stands(number(1), PaymentState::Pending, (true, &[]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn who_says_too_little_for_ten_seconds_is_left() {
    on_both(async |bed| {
        let address = bed.ingress.split('/').nth(2).unwrap();
        // Nothing here waits for a database.
        tokio::time::pause();
        let head = "POST /callback/swiftpass HTTP/1.1\r\nhost: a\r\n";
        let body = format!("{head}content-length: 100\r\n\r\n<");
        for (said, answer) in [("", ""), (head, ""), (&body, "HTTP/1.1 413 ")] {
            let mut stream = bed.net.dial(address).await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            let (begun, mut answered) = (Instant::now(), String::new());
            let _ = stream.read_to_string(&mut answered).await;
            let lasted = begun.elapsed().as_secs();
            assert!((10..=12).contains(&lasted), "{said:?} {lasted}");
            assert!(answered.starts_with(answer), "{answered}");
        }
        tokio::time::resume();
    })
    .await;
}
