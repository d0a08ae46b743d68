//! What is refused, what is a repeat, and what is told.

use domain::{PaymentState, RefundState};
use proto::gateway::v1::list_payment_events_request::Number;
use proto::gateway::v1::payment_service_server::PaymentService;
use proto::gateway::v1::{ListPaymentEventsRequest, RefundRequest, RefundState as Wire};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::scripted::{done, failed};
use super::{on_both_paid, query_refund, refund_no, retried, wanted};
use crate::tests::bed::{FEN, next, number, on_both};
use crate::tests::channel::{QUERY, paid};

/// Why a call was refused.
pub(super) fn reason(status: &Status) -> (Code, String) {
    (status.code(), mesh::reason_of(status).unwrap_or_default())
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    on_both(async |bed| {
        let request = RefundRequest {
            refund_no: "W261120000000000001".to_owned(),
            order_no: "1".to_owned(),
            attempt: 10_000,
            amount_fen: 0,
            retry: -1,
        };
        let status = bed.try_refund(request).await.unwrap_err();
        let named = status.get_details_bad_request().unwrap().field_violations;
        let named: Vec<_> = named.iter().map(|field| field.field.as_str()).collect();
        let all = ["refund_no", "order_no", "attempt", "amount_fen", "retry"];
        assert_eq!(named, all);
        // A number of another environment is another refund to the channel.
        let foreign = refund_no(1).to_string().replace('T', "Q");
        let status = query_refund(bed.service(), foreign).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    })
    .await;
}

#[tokio::test]
async fn what_nobody_knows_is_not_found() {
    on_both(async |bed| {
        let status = bed.try_refund(wanted(1, 1)).await.unwrap_err();
        assert_eq!(
            reason(&status),
            (Code::NotFound, "PAYMENT_NOT_FOUND".to_owned())
        );
        let asked = query_refund(bed.service(), refund_no(1).to_string()).await;
        let status = asked.unwrap_err();
        assert_eq!(
            reason(&status),
            (Code::NotFound, "REFUND_NOT_FOUND".to_owned())
        );
    })
    .await;
}

#[tokio::test]
async fn money_that_never_came_does_not_go_back() {
    on_both(async |bed| {
        let unpaid = [
            PaymentState::Sent,
            PaymentState::Pending,
            PaymentState::Unknown,
            PaymentState::Declined,
            PaymentState::Closing,
            PaymentState::Closed,
        ];
        for (n, state) in (1..).zip(unpaid) {
            bed.reach(number(n), state).await;
            let request = RefundRequest {
                order_no: number(n).order.to_string(),
                ..wanted(n, 1)
            };
            let status = bed.try_refund(request).await.unwrap_err();
            let refused = (Code::FailedPrecondition, "PAYMENT_NOT_PAID".to_owned());
            assert_eq!(reason(&status), refused, "{state}");
        }
        assert_eq!(bed.test_db.count("SELECT COUNT(*) FROM refunds").await, 0);
    })
    .await;
}

#[tokio::test]
async fn the_same_number_with_the_same_content_is_the_same_refund() {
    on_both_paid(async |bed, channel| {
        let first = bed.refund(wanted(1, 3000)).await;
        assert_eq!(bed.refund(wanted(1, 3000)).await, first);
        assert_eq!(channel.counts(), (1, 0));
        // Whoever tries again what has not failed hears how it stands.
        assert_eq!(bed.refund(retried(1, 3000, 1)).await, first);
        channel.tells(done("50001", 3000, bed.now()));
        bed.ask_in(5).await;
        assert_eq!(bed.refund(wanted(1, 3000)).await.state(), Wire::Succeeded);
        assert_eq!(channel.counts(), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn the_same_number_with_another_content_is_refused() {
    on_both_paid(async |bed, channel| {
        bed.pays(number(2)).await;
        bed.refund(wanted(1, 3000)).await;
        let others = [
            wanted(1, 3001),
            RefundRequest {
                attempt: 1,
                ..wanted(1, 3000)
            },
            RefundRequest {
                order_no: number(2).order.to_string(),
                ..wanted(1, 3000)
            },
        ];
        for request in others {
            let status = bed.try_refund(request).await.unwrap_err();
            assert_eq!(
                reason(&status),
                (Code::AlreadyExists, "REFUND_DIFFERS".to_owned())
            );
        }
        assert_eq!(channel.counts().0, 1);
        assert_eq!(bed.stored_refund(1).await.version, 2);
    })
    .await;
}

#[tokio::test]
async fn no_more_goes_back_than_was_paid() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, FEN - 100)).await;
        let too_much = (Code::FailedPrecondition, "REFUND_TOO_MUCH".to_owned());
        for amount in [101, FEN, i64::MAX] {
            let status = bed.try_refund(wanted(2, amount)).await.unwrap_err();
            assert_eq!(reason(&status), too_much, "{amount}");
            let metadata = status.get_details_error_info().unwrap().metadata;
            assert_eq!(metadata["refundable_fen"], "100");
        }
        // What failed stays counted: the channel may have paid it all the same.
        channel.tells(failed());
        bed.ask_in(5).await;
        assert_eq!(bed.stored_refund(1).await.state, RefundState::Failed);
        let status = bed.try_refund(wanted(2, 101)).await.unwrap_err();
        assert_eq!(reason(&status), too_much);
        bed.refund(wanted(2, 100)).await;
        let status = bed.try_refund(wanted(3, 1)).await.unwrap_err();
        assert_eq!(reason(&status), too_much);
        assert_eq!(channel.counts().0, 2);
    })
    .await;
}

#[tokio::test]
async fn of_money_of_another_amount_as_much_goes_back_as_came() {
    on_both(async |bed| {
        for (n, came) in [(1, FEN - 1000), (2, FEN + 1000)] {
            let one = number(n);
            bed.prepay(one).await;
            bed.wait(10);
            bed.channel.says(QUERY, paid(came, bed.now()));
            assert_eq!(bed.query(one).await.paid_fen, came);
            let channel = bed.is_scripted(one).await;
            let of = |amount| RefundRequest {
                order_no: one.order.to_string(),
                ..wanted(n, amount)
            };
            let status = bed.try_refund(of(came + 1)).await.unwrap_err();
            assert_eq!(reason(&status).1, "REFUND_TOO_MUCH");
            bed.refund(of(came)).await;
            let sent = channel.refunds.borrow()[0].clone();
            assert_eq!((sent.total, sent.amount), (came, came));
        }
    })
    .await;
}

#[tokio::test]
async fn each_payment_of_an_order_has_its_own_money() {
    on_both(async |bed| {
        // Two of one order succeed: the one that was declined is paid all the same.
        let (first, second) = (number(1), next(number(1)));
        bed.reach(first, PaymentState::Declined).await;
        bed.pays(second).await;
        bed.is_paid_by_callback(first).await;
        let channel = bed.is_scripted(first).await;
        for (n, payment) in (1..).zip([first, second]) {
            let request = RefundRequest {
                attempt: payment.attempt.get().into(),
                ..wanted(n, FEN)
            };
            let refund = bed.refund(request).await;
            assert_eq!(refund.out_trade_no, payment.to_string());
        }
        assert_eq!(channel.counts().0, 2);
    })
    .await;
}

#[tokio::test]
async fn the_story_of_an_order_tells_its_refunds() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, 3000)).await;
        channel.tells(done("50001", 3000, bed.now()));
        bed.ask_in(5).await;
        let request = ListPaymentEventsRequest {
            number: Some(Number::OrderNo(number(1).order.to_string())),
        };
        let service = bed.service();
        let listed = service.list_payment_events(Request::new(request)).await;
        let listed = listed.unwrap().into_inner();
        assert_eq!(listed.refunds, [bed.query_refund(1).await]);
        let lines = listed.refund_entries.iter();
        let lines: Vec<_> = lines
            .map(|line| {
                (
                    line.version,
                    line.from_state(),
                    line.to_state(),
                    line.event.as_str(),
                    line.actor.as_str(),
                )
            })
            .collect();
        let told = [
            (1, Wire::Unspecified, Wire::Processing, "REFUND_SENT", "rpc"),
            (2, Wire::Processing, Wire::Processing, "ACCEPTED", "reply"),
            (
                3,
                Wire::Processing,
                Wire::Succeeded,
                "QUERY_SUCCEEDED",
                "query",
            ),
        ];
        assert_eq!(lines, told);
        assert!(
            listed
                .refund_entries
                .iter()
                .all(|line| line.refund_no == refund_no(1).to_string())
        );
        let refund = listed
            .entries
            .iter()
            .find(|line| line.event == "REFUND")
            .unwrap();
        assert_eq!(refund.detail, format!("{} 3000 fen", refund_no(1)));
    })
    .await;
}
