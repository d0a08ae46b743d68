//! Callbacks that do not match: kept, flagged, looked at again, never believed.

use std::time::Duration;

use domain::{Environment, Fen, ObligationKind, OutTradeNo, PaymentState};
use work::Tally;

use super::bed::{Bed, FEN, Setup, next, number, on_both, on_both_with};
use super::channel::{Letter, QUERY, Says, key, not_found, paid, state};
use super::shops::{MCH_ID, OTHER_MCH_ID, account};
use super::stands::{DEAD_BY_REPLY, PAID_BY_CALLBACK, PAID_BY_QUERY};

impl Bed {
    /// Why each callback was flagged, the oldest first.
    async fn flags(&self) -> Vec<String> {
        let rows = "SELECT reason FROM inbox_flags ORDER BY flagged_at, inbox_id";
        self.test_db.rows(rows).await.concat()
    }

    /// A callback that is acknowledged, and flagged when it is taken in.
    async fn is_flagged(&self, letter: &Letter, reason: &str) {
        let before = self.flags().await.len();
        self.is_called_back(letter).await;
        assert_eq!(self.drain(ObligationKind::Inbox).await.done, 1);
        let flags = self.flags().await;
        assert_eq!(flags.len(), before + 1);
        assert_eq!(flags.last().unwrap(), reason);
        assert_eq!(self.count_owed(ObligationKind::Inbox).await, 0);
        // So that the next one is the last.
        self.clock.advance(Duration::from_millis(1));
    }
}

fn one_of(tally: fn(&mut Tally) -> &mut u64) -> Tally {
    let mut all = Tally::default();
    *tally(&mut all) = 1;
    all
}

fn other_letter(number: OutTradeNo) -> OutTradeNo {
    let environment = Environment::letter('S').unwrap();
    OutTradeNo {
        environment,
        ..number
    }
}

#[tokio::test]
async fn a_callback_that_does_not_match_in_every_field_is_flagged_and_changes_nothing() {
    on_both(async |bed| {
        let mut other = account(2, OTHER_MCH_ID);
        (other.key_name, other.shop_id) = ("two".to_owned(), 12);
        bed.shops.knows(vec![account(1, MCH_ID), other]);
        bed.prepay(number(1)).await;
        let paid = |number| Letter::paid(number, FEN, bed.now());
        let genuine = paid(number(1));
        let production = OutTradeNo {
            environment: Environment::PRODUCTION,
            ..number(1)
        };
        let cases = [
            (
                genuine
                    .clone()
                    .with("mch_id", OTHER_MCH_ID)
                    .signed_with(key("two")),
                "MERCHANT_DIFFERS",
            ),
            (genuine.clone().with("total_fee", "8879"), "AMOUNT_DIFFERS"),
            (genuine.clone().with("total_fee", "1"), "AMOUNT_DIFFERS"),
            (genuine.clone().with("fee_type", "USD"), "CURRENCY_DIFFERS"),
            (
                genuine.clone().with("fee_type", "人民币的名字很长很长"),
                "CURRENCY_DIFFERS",
            ),
            (paid(number(2)), "NUMBER_UNKNOWN"),
            (paid(next(number(1))), "NUMBER_UNKNOWN"),
            (paid(other_letter(number(1))), "NUMBER_UNKNOWN"),
            (paid(production), "NUMBER_UNKNOWN"),
            (
                genuine
                    .clone()
                    .with("out_trade_no", "58f977e88facf57b7d76edcf"),
                "NUMBER_UNKNOWN",
            ),
            (
                genuine.clone().with("out_trade_no", &"很".repeat(300)),
                "NUMBER_UNKNOWN",
            ),
            (genuine.clone().with("transaction_id", ""), "UNCLEAR"),
            (genuine.clone().with("total_fee", ""), "UNCLEAR"),
            (genuine.clone().with("total_fee", "88.80"), "UNCLEAR"),
            (genuine.clone().with("pay_result", ""), "UNCLEAR"),
        ];
        let count = i64::try_from(cases.len()).unwrap();
        for (letter, reason) in cases {
            bed.is_flagged(&letter, reason).await;
            bed.stands(number(1), PaymentState::Pending, (true, &[]))
                .await;
        }
        assert_eq!(bed.stored_callbacks().await, count);
        assert_eq!(bed.count_owed(ObligationKind::Match).await, count);
        // None of it stands in the way of the truth.
        bed.is_paid_by_callback(number(1)).await;
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
async fn a_callback_that_lied_is_explained_by_the_channels_own_answer() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        let lie = Letter::paid(number(1), 1, bed.now());
        bed.is_flagged(&lie, "AMOUNT_DIFFERS").await;
        let paid_at = bed.now();
        bed.channel.says(QUERY, paid(FEN, paid_at));
        assert_eq!(
            bed.drain(ObligationKind::Match).await,
            one_of(|all| &mut all.done)
        );
        bed.stands(number(1), PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
        assert_eq!(bed.count_owed(ObligationKind::Match).await, 0);
        // What was flagged stays on record.
        assert_eq!(bed.flags().await, ["AMOUNT_DIFFERS"]);
        assert_eq!(bed.stored_callbacks().await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_lie_about_what_is_known_to_be_paid_needs_no_query() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.is_flagged(&Letter::paid(number(1), 1, bed.now()), "AMOUNT_DIFFERS")
            .await;
        bed.is_paid_by_callback(number(1)).await;
        assert_eq!(
            bed.drain(ObligationKind::Match).await,
            one_of(|all| &mut all.done)
        );
        assert_eq!(bed.count_owed(ObligationKind::Match).await, 0);
        assert!(bed.channel.asked(QUERY).is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_callback_of_another_amount_is_true_once_a_query_confirms_it() {
    on_both(async |bed| {
        let one = number(1);
        bed.prepay(one).await;
        let letter = Letter::paid(one, 1, bed.now());
        bed.is_flagged(&letter, "AMOUNT_DIFFERS").await;
        bed.stands(one, PaymentState::Pending, (true, &[])).await;
        bed.channel.says(QUERY, paid(1, bed.now()));
        assert_eq!(
            bed.drain(ObligationKind::Match).await,
            one_of(|all| &mut all.done)
        );
        bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
        assert_eq!(bed.stored(one).await.paid_amount, Some(Fen::new(1)));
        assert_eq!(bed.count_owed(ObligationKind::Match).await, 0);
        // From now on it is the other one that lies.
        let again = letter.clone().with("nonce_str", "again");
        bed.is_called_back(&again).await;
        assert_eq!(bed.drain(ObligationKind::Inbox).await.done, 1);
        assert_eq!(bed.events(one).await.last().unwrap(), "CALLBACK_PAID");
        assert_eq!(bed.flags().await.len(), 1);
        bed.is_flagged(&Letter::paid(one, FEN, bed.now()), "AMOUNT_DIFFERS")
            .await;
        bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
        assert_eq!(bed.stored(one).await.paid_amount, Some(Fen::new(1)));
    })
    .await;
}

#[tokio::test]
async fn what_nobody_explains_stays_owed_though_the_payment_is_over() {
    let hasty = Setup {
        timeout: Duration::from_millis(500),
        ..Setup::default()
    };
    on_both_with(hasty, async |bed| {
        bed.reach(number(1), PaymentState::Declined).await;
        bed.is_flagged(&Letter::paid(number(1), 1, bed.now()), "AMOUNT_DIFFERS")
            .await;
        for says in [
            Says::Silence,
            Says::Garbage("<"),
            not_found(),
            state("NOTPAY"),
        ] {
            bed.channel.says(QUERY, says);
            let failed = one_of(|all| &mut all.failed);
            assert_eq!(bed.drain(ObligationKind::Match).await, failed);
            assert_eq!(bed.count_owed(ObligationKind::Match).await, 1);
            bed.wait(600);
        }
        bed.stands(number(1), PaymentState::Declined, (false, &[DEAD_BY_REPLY]))
            .await;
        bed.channel.says(QUERY, paid(FEN, bed.now()));
        assert_eq!(bed.drain(ObligationKind::Match).await.done, 1);
        let told = [DEAD_BY_REPLY, PAID_BY_QUERY];
        bed.stands(number(1), PaymentState::Succeeded, (false, &told))
            .await;
        assert_eq!(bed.count_owed(ObligationKind::Match).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_lie_about_an_open_payment_is_owed_until_that_is_over() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.is_flagged(&Letter::paid(number(1), 1, bed.now()), "AMOUNT_DIFFERS")
            .await;
        bed.channel.says(QUERY, state("NOTPAY"));
        for _ in 0..3 {
            let failed = one_of(|all| &mut all.failed);
            assert_eq!(bed.drain(ObligationKind::Match).await, failed);
            bed.wait(600);
        }
        bed.channel.says(QUERY, state("CLOSED"));
        assert_eq!(bed.drain(ObligationKind::Match).await.done, 1);
        assert_eq!(bed.stored(number(1)).await.state, PaymentState::Closed);
        assert_eq!(bed.count_owed(ObligationKind::Match).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_callback_without_a_payment_of_ours_alarms_daily_and_the_channel_is_not_asked() {
    on_both(async |bed| {
        let mut other = account(2, OTHER_MCH_ID);
        (other.key_name, other.shop_id) = ("two".to_owned(), 12);
        bed.shops.knows(vec![account(1, MCH_ID), other]);
        bed.prepay(number(1)).await;
        let genuine = Letter::paid(number(1), FEN, bed.now());
        let letters = [
            (Letter::paid(number(2), FEN, bed.now()), "NUMBER_UNKNOWN"),
            (
                Letter::paid(other_letter(number(1)), FEN, bed.now()),
                "NUMBER_UNKNOWN",
            ),
            (
                genuine.with("mch_id", OTHER_MCH_ID).signed_with(key("two")),
                "MERCHANT_DIFFERS",
            ),
        ];
        for (letter, reason) in letters {
            bed.is_flagged(&letter, reason).await;
        }
        for _ in 0..2 {
            assert_eq!(bed.drain(ObligationKind::Match).await.failed, 3);
            assert_eq!(bed.drain(ObligationKind::Match).await, Tally::default());
            bed.clock.advance(Duration::from_hours(24));
        }
        assert!(bed.channel.asked(QUERY).is_empty());
        bed.stands(number(1), PaymentState::Pending, (true, &[]))
            .await;
        // Once its payment is there, the channel's answer explains it.
        bed.prepay(number(2)).await;
        bed.channel.says(QUERY, paid(FEN, bed.now()));
        assert_eq!(
            bed.drain(ObligationKind::Match).await,
            Tally {
                done: 1,
                failed: 2,
                postponed: 0
            }
        );
        bed.stands(number(2), PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
    })
    .await;
}
