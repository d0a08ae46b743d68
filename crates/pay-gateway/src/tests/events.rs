//! The story of an order's payments, by whichever number it is asked for.

use std::time::Duration;

use domain::{Environment, ObligationKind, OutTradeNo};
use proto::gateway::v1::list_payment_events_request::Number;
use proto::gateway::v1::payment_service_server::PaymentService;
use proto::gateway::v1::{ListPaymentEventsRequest, ListPaymentEventsResponse};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::bed::{Bed, FEN, next, number, on_both};
use super::channel::Letter;
use super::shops::MCH_ID;

impl Bed {
    async fn listed(&self, by: Option<Number>) -> Result<ListPaymentEventsResponse, Status> {
        let request = ListPaymentEventsRequest { number: by };
        let service = self.service();
        let listed = service.list_payment_events(Request::new(request)).await;
        Ok(listed?.into_inner())
    }

    async fn refused(&self, by: Number) -> (Code, String, String) {
        let status = self.listed(Some(by)).await.unwrap_err();
        let reason = mesh::reason_of(&status).unwrap();
        if status.code() == Code::FailedPrecondition {
            let failure = status.get_details_precondition_failure().unwrap();
            assert_eq!(failure.violations[0].r#type, reason);
        }
        (status.code(), reason, status.message().to_owned())
    }

    /// Paid under this number of the channel's.
    async fn is_paid_under(&self, number: OutTradeNo, theirs: &str) {
        let letter = Letter::paid(number, FEN, self.now()).with("transaction_id", theirs);
        self.takes_in(&letter).await;
    }

    async fn takes_in(&self, letter: &Letter) {
        self.is_called_back(letter).await;
        self.drain(ObligationKind::Inbox).await;
        self.clock.advance(Duration::from_millis(1));
    }
}

fn order(of: OutTradeNo) -> Number {
    Number::OrderNo(of.order.to_string())
}

fn payment(of: OutTradeNo) -> Number {
    Number::OutTradeNo(of.to_string())
}

fn theirs(number: &str) -> Number {
    Number::ChannelTradeNo(number.to_owned())
}

fn elsewhere(number: OutTradeNo) -> OutTradeNo {
    let environment = Environment::PRODUCTION;
    OutTradeNo {
        environment,
        ..number
    }
}

#[tokio::test]
async fn a_story_is_the_same_by_each_number_it_is_asked_for() {
    on_both(async |bed| {
        for (n, channel_number) in [(1, "4200001"), (2, "4200002")] {
            bed.prepay(number(n)).await;
            bed.is_paid_under(number(n), channel_number).await;
        }
        let told = bed.listed(Some(order(number(1)))).await.unwrap();
        assert_eq!(told.order_no, number(1).order.to_string());
        assert_eq!(told.payments.len(), 1);
        let last = told.entries.last().unwrap();
        assert_eq!(last.event, "CALLBACK_PAID");
        for by in [payment(number(1)), theirs("4200001")] {
            assert_eq!(bed.listed(Some(by)).await.unwrap(), told);
        }
    })
    .await;
}

#[tokio::test]
async fn a_payment_nobody_knows_is_not_found_and_an_order_without_payments_has_none() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        let of_none = bed.listed(Some(order(number(2)))).await.unwrap();
        let alone = ListPaymentEventsResponse {
            order_no: number(2).order.to_string(),
            ..ListPaymentEventsResponse::default()
        };
        assert_eq!(of_none, alone);
        for by in [
            payment(number(2)),
            payment(next(number(1))),
            theirs("4200009"),
        ] {
            let (code, reason, text) = bed.refused(by.clone()).await;
            assert_eq!(
                (code, reason.as_str()),
                (Code::NotFound, "PAYMENT_NOT_FOUND")
            );
            let (Number::OrderNo(asked)
            | Number::OutTradeNo(asked)
            | Number::ChannelTradeNo(asked)) = by;
            assert!(text.contains(&asked), "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_number_of_the_channel_that_two_orders_have_names_both() {
    on_both(async |bed| {
        for n in [2, 1] {
            bed.prepay(number(n)).await;
            bed.is_paid_under(number(n), "4200001").await;
        }
        let (code, reason, text) = bed.refused(theirs("4200001")).await;
        assert_eq!(
            (code, reason.as_str()),
            (Code::FailedPrecondition, "CHANNEL_NUMBER_SHARED")
        );
        for n in [1, 2] {
            assert!(text.contains(&number(n).order.to_string()), "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_number_that_is_none_is_named_with_what_would_be_right() {
    on_both(async |bed| {
        let ours = number(1).to_string();
        let cases = [
            (Some(Number::OrderNo("W1".into())), "order_no", "18 digits"),
            (
                Some(Number::OutTradeNo("W261120000000010742".into())),
                "out_trade_no",
                "four digits",
            ),
            (Some(payment(elsewhere(number(1)))), "out_trade_no", &*ours),
            (Some(theirs("")), "channel_trade_no", "1 to 64"),
            (Some(theirs(&"4".repeat(65))), "channel_trade_no", "1 to 64"),
            (None, "number", "out_trade_no"),
        ];
        for (by, field, fix) in cases {
            let status = bed.listed(by).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            let [violation] = &status.get_details_bad_request().unwrap().field_violations[..]
            else {
                panic!("{status:?}")
            };
            assert_eq!(violation.field, field);
            assert!(violation.description.contains(fix), "{violation:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_story_of_an_order_tells_every_flagged_callback_that_named_it() {
    on_both(async |bed| {
        for n in [1, 2] {
            bed.prepay(number(n)).await;
        }
        let says = |number, fen| Letter::paid(number, fen, bed.now());
        let unclear = says(number(1), FEN).with("total_fee", "88.80");
        let letters = [
            says(next(number(1)), FEN),
            says(number(1), 1),
            says(elsewhere(number(1)), FEN),
            unclear,
            says(number(2), 1),
            says(number(3), 1),
        ];
        for letter in &letters {
            bed.takes_in(letter).await;
        }
        let told = bed.listed(Some(order(number(1)))).await.unwrap();
        let flags = told.flagged_callbacks.iter();
        let flags: Vec<_> = flags
            .map(|flag| {
                assert_eq!(flag.mch_id, MCH_ID);
                assert_eq!(flag.channel_trade_no, "42000020261120");
                assert!(flag.time.is_some());
                (
                    flag.out_trade_no.clone(),
                    flag.reason.as_str(),
                    flag.amount_fen,
                )
            })
            .collect();
        let of = |number: OutTradeNo, reason, fen| (number.to_string(), reason, fen);
        let expected = [
            of(next(number(1)), "NUMBER_UNKNOWN", Some(FEN)),
            of(number(1), "AMOUNT_DIFFERS", Some(1)),
            of(elsewhere(number(1)), "NUMBER_UNKNOWN", Some(FEN)),
            of(number(1), "UNCLEAR", None),
        ];
        assert_eq!(flags, expected, "oldest first");
        // Nobody knows this payment, but somebody spoke of it.
        let by = bed.listed(Some(payment(next(number(1))))).await;
        assert_eq!(by.unwrap(), told);
        let of_three = bed.listed(Some(order(number(3)))).await.unwrap();
        assert_eq!(of_three.payments, []);
        assert_eq!(of_three.flagged_callbacks.len(), 1);
    })
    .await;
}
