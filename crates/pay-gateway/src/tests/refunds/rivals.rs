//! Many at once: refunds that compete for one payment's money, and one that comes many times.

use std::collections::BTreeSet;

use domain::RefundState;
use proto::gateway::v1::{RefundRequest, RefundState as Wire};
use tonic::Code;

use super::asked::reason;
use super::scripted::done;
use super::{on_both_paid, refund_no, wanted};
use crate::flow::query_refund::find;
use crate::tests::bed::{FEN, number};

#[tokio::test]
async fn of_a_hundred_refunds_of_three_fifths_one_is_made() {
    on_both_paid(async |bed, channel| {
        let requests = (0..100).map(|n| wanted(n, FEN * 3 / 5));
        let answers = bed.refund_at_once(requests).await;
        let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((made.len(), refused.len()), (1, 99));
        for status in refused.into_iter().filter_map(Result::err) {
            let too_much = (Code::FailedPrecondition, "REFUND_TOO_MUCH".to_owned());
            assert_eq!(reason(&status), too_much);
        }
        assert_eq!(bed.test_db.count("SELECT COUNT(*) FROM refunds").await, 1);
        assert_eq!(channel.counts().0, 1);
    })
    .await;
}

#[tokio::test]
async fn of_many_small_refunds_as_many_are_made_as_there_is_money_for() {
    on_both_paid(async |bed, channel| {
        let requests = (0..60).map(|n| wanted(n, FEN / 20));
        let answers = bed.refund_at_once(requests).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 20);
        let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
        assert!(
            refused
                .into_iter()
                .all(|status| reason(status).1 == "REFUND_TOO_MUCH")
        );
        let sum = "SELECT CAST(SUM(amount) AS SIGNED) FROM refunds";
        assert_eq!(bed.test_db.count(sum).await, FEN);
        let sent: BTreeSet<_> = channel
            .refunds
            .borrow()
            .iter()
            .map(|sent| sent.out_refund_no.clone())
            .collect();
        assert_eq!((sent.len(), channel.counts().0), (20, 20));
    })
    .await;
}

#[tokio::test]
async fn one_that_comes_many_times_at_once_is_sent_once() {
    on_both_paid(async |bed, channel| {
        let answers = bed.refund_at_once((0..30).map(|_| wanted(1, FEN))).await;
        for answer in answers {
            assert_eq!(answer.unwrap().state(), Wire::Processing);
        }
        assert_eq!(channel.counts(), (1, 0));
        bed.refund_stands(1, (RefundState::Processing, None), &[])
            .await;
    })
    .await;
}

#[tokio::test]
async fn one_number_for_two_payments_at_once_is_one_refund() {
    on_both_paid(async |bed, channel| {
        bed.pays(number(2)).await;
        for n in 1..20 {
            let second = RefundRequest {
                order_no: number(2).order.to_string(),
                ..wanted(n, 100)
            };
            let answers = bed.refund_at_once([wanted(n, 100), second]).await;
            let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
            assert_eq!(refused.len(), 1);
            assert_eq!(
                reason(&refused[0]),
                (Code::AlreadyExists, "REFUND_DIFFERS".to_owned())
            );
        }
        assert_eq!(channel.counts().0, 19);
        assert_eq!(bed.test_db.count("SELECT COUNT(*) FROM refunds").await, 19);
    })
    .await;
}

#[tokio::test]
async fn an_end_that_many_find_is_recorded_once() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, FEN)).await;
        channel.tells(done("50001", FEN, bed.now()));
        let refund = bed.stored_refund(1).await;
        let finds = (0..8).map(|_| {
            let (gateway, refund) = (bed.gateway.clone(), refund.clone());
            tokio::spawn(async move { find(&gateway.0, refund).await.map(drop) })
        });
        for found in finds.collect::<Vec<_>>() {
            found.await.unwrap().unwrap();
        }
        bed.refund_stands(1, (RefundState::Succeeded, None), &[Wire::Succeeded])
            .await;
        assert_eq!(bed.stored_refund(1).await.version, 3);
        let owed = bed.refund_owed(1).await;
        assert!(owed.is_empty(), "{} {owed:?}", refund_no(1));
    })
    .await;
}
