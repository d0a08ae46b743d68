//! How a payment ends without money, and what is no end.

use std::time::Duration;

use domain::{ObligationKind, OutTradeNo, PaymentState};
use proto::gateway::v1::PaymentState as Wire;

use super::bed::{Bed, Setup, next, number, on_both, on_both_with};
use super::channel::{Gate, PAY_INFO, PREPAY, QUERY, Says, not_found, ready, state};
use super::stands::{DEAD_BY_QUERY, DEAD_BY_REPLY};

const OPEN: [PaymentState; 3] = [
    PaymentState::Sent,
    PaymentState::Pending,
    PaymentState::Unknown,
];

#[tokio::test]
async fn a_final_not_paid_declines_whatever_is_open() {
    on_both(async |bed| {
        for (n, from) in (1..).zip(OPEN) {
            bed.reach(number(n), from).await;
            bed.channel.says(QUERY, state("PAYERROR"));
            let answer = bed.query(number(n)).await;
            assert_eq!(
                (answer.state(), answer.reason.as_str()),
                (Wire::Declined, "NOT_PAID")
            );
            assert_eq!(answer.pay_info, "");
            bed.stands(number(n), PaymentState::Declined, (false, &[DEAD_BY_QUERY]))
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn closed_at_the_channel_counts_only_after_the_send_time_and_its_grace() {
    on_both(async |bed| {
        let one = number(1);
        bed.reach(one, PaymentState::Pending).await;
        bed.channel.says(QUERY, state("CLOSED"));
        assert_eq!(bed.query(one).await.state(), Wire::Pending);
        bed.clock.advance(Duration::from_micros(14_999_999));
        assert_eq!(bed.query(one).await.state(), Wire::Pending);
        assert_eq!(bed.events(one).await, ["PREPAY", "PREPARED"]);
        bed.clock.advance(Duration::from_micros(1));
        assert_eq!(bed.query(one).await.state(), Wire::Closed);
        bed.stands(one, PaymentState::Closed, (false, &[DEAD_BY_QUERY]))
            .await;
        assert_eq!(bed.due_in(one).await, Duration::from_mins(10));
        assert_eq!(bed.prepay(next(one)).await.state(), Wire::Pending);
    })
    .await;
}

#[tokio::test]
async fn closed_at_the_channel_ends_what_is_sent_or_unknown_too() {
    on_both(async |bed| {
        for (n, from) in [(1, PaymentState::Sent), (2, PaymentState::Unknown)] {
            let (one, gate) = (number(n), Gate::shut());
            bed.reach(one, from).await;
            // Such a prepay is given up before it is asked about, unless the query was first.
            bed.channel.says(QUERY, gate.holds(state("CLOSED")));
            let asked = bed.channel.asked(QUERY).len();
            let query = bed.query_meanwhile(one);
            bed.channel.was_asked(QUERY, asked + 1).await;
            bed.wait(15);
            gate.open();
            assert_eq!(query.await.unwrap().state(), Wire::Closed);
            bed.stands(one, PaymentState::Closed, (false, &[DEAD_BY_QUERY]))
                .await;
        }
    })
    .await;
}

/// Who finds that a prepay can no longer be sent.
#[derive(Clone, Copy)]
enum Finds {
    Repeat,
    Query,
    Poll,
}

async fn given_up(bed: &Bed, number: OutTradeNo, finds: Finds) {
    match finds {
        Finds::Repeat => assert_eq!(bed.prepay(number).await.state(), Wire::Closing),
        Finds::Query => assert_eq!(bed.query(number).await.state(), Wire::Closing),
        Finds::Poll => {
            bed.wait(5);
            assert_eq!(bed.drain(ObligationKind::Poll).await.done, 1);
        }
    }
}

#[tokio::test]
async fn a_prepay_nobody_can_have_seen_is_given_up_once_it_cannot_be_sent() {
    on_both(async |bed| {
        let cases = [PaymentState::Sent, PaymentState::Unknown]
            .into_iter()
            .flat_map(|from| [Finds::Repeat, Finds::Query, Finds::Poll].map(|finds| (from, finds)));
        for (n, (from, finds)) in (1..).zip(cases) {
            let one = number(n);
            bed.reach(one, from).await;
            bed.clock.advance(Duration::from_micros(4_999_999));
            assert_eq!(bed.prepay(one).await.state(), bed_state(from));
            bed.clock.advance(Duration::from_micros(1));
            given_up(bed, one, finds).await;
            let told = match finds {
                Finds::Repeat => DEAD_BY_REPLY,
                Finds::Query | Finds::Poll => DEAD_BY_QUERY,
            };
            bed.stands(one, PaymentState::Closing, (false, &[told]))
                .await;
            assert_eq!(bed.due_in(one).await, Duration::ZERO);
            assert_eq!(bed.stored(one).await.reason, "PAY_INFO_LOST");
            // Trade was told that it is dead: another attempt may begin.
            assert_eq!(bed.prepay(next(one)).await.state(), Wire::Pending);
            bed.query(next(one)).await;
        }
        let asked = bed.channel.asked(QUERY);
        assert!(
            asked
                .iter()
                .all(|asked| asked["out_trade_no"].ends_with("0001T"))
        );
    })
    .await;
}

fn bed_state(state: PaymentState) -> Wire {
    match state {
        PaymentState::Sent => Wire::Sent,
        _ => Wire::Unknown,
    }
}

#[tokio::test]
async fn what_was_given_up_is_not_shown_when_its_pay_info_comes_after_all() {
    on_both(async |bed| {
        let (one, gate) = (number(1), Gate::shut());
        bed.channel.says(PREPAY, gate.holds(ready()));
        let call = bed.prepay_meanwhile(one);
        bed.channel.was_asked(PREPAY, 1).await;
        bed.wait(5);
        assert_eq!(bed.query(one).await.state(), Wire::Closing);
        gate.open();
        let answer = call.await.unwrap();
        assert_eq!(
            (answer.state(), answer.pay_info.as_str()),
            (Wire::Closing, "")
        );
        assert_eq!(bed.prepay(one).await.pay_info, "");
        bed.stands(one, PaymentState::Closing, (false, &[DEAD_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn what_was_given_up_ends_closed_by_a_query_begun_after_it() {
    on_both(async |bed| {
        for (n, says) in [(1, state("CLOSED")), (2, state("PAYERROR"))] {
            let one = number(n);
            bed.reach(one, PaymentState::Closing).await;
            // "No such order" proves nothing while no close was sent.
            bed.channel.says(QUERY, not_found());
            assert_eq!(bed.query(one).await.state(), Wire::Closing);
            bed.channel.says(QUERY, state("NOTPAY"));
            assert_eq!(bed.query(one).await.state(), Wire::Closing);
            bed.channel.says(QUERY, says);
            bed.wait(9);
            assert_eq!(bed.query(one).await.state(), Wire::Closing);
            bed.wait(1);
            assert_eq!(bed.query(one).await.state(), Wire::Closed);
            let told = [DEAD_BY_REPLY, DEAD_BY_QUERY];
            bed.stands(one, PaymentState::Closed, (false, &told)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_given_up_ends_reversed_if_the_channel_says_so() {
    on_both(async |bed| {
        let one = number(1);
        bed.reach(one, PaymentState::Closing).await;
        bed.channel.says(QUERY, state("REVERSE"));
        assert_eq!(bed.query(one).await.state(), Wire::Reversed);
        let told = [DEAD_BY_REPLY, DEAD_BY_QUERY];
        bed.stands(one, PaymentState::Reversed, (false, &told))
            .await;
    })
    .await;
}

#[tokio::test]
async fn no_such_order_is_unknown_and_never_a_failure() {
    on_both(async |bed| {
        bed.reach(number(1), PaymentState::Sent).await;
        assert_eq!(bed.query(number(1)).await.state(), Wire::Unknown);
        bed.stands(number(1), PaymentState::Unknown, (true, &[]))
            .await;
        assert_eq!(bed.events(number(1)).await, ["PREPAY", "QUERY_NOT_FOUND"]);
        for (n, from) in [(2, PaymentState::Pending), (3, PaymentState::Unknown)] {
            bed.reach(number(n), from).await;
            let before = bed.stored(number(n)).await.version;
            bed.query(number(n)).await;
            bed.query(number(n)).await;
            bed.stands(number(n), from, (true, &[])).await;
            assert_eq!(bed.stored(number(n)).await.version, before);
        }
    })
    .await;
}

#[tokio::test]
async fn a_query_without_an_answer_proves_nothing() {
    let hasty = Setup {
        timeout: Duration::from_millis(500),
        ..Setup::default()
    };
    on_both_with(hasty, async |bed| {
        let pending = number(1);
        bed.reach(pending, PaymentState::Pending).await;
        for says in [
            Says::Silence,
            Says::Garbage("<"),
            Says::Forged(vec![("trade_state", "PAYERROR".to_owned())]),
            state("WHO_KNOWS"),
            state("SUCCESS"),
        ] {
            bed.channel.says(QUERY, says);
            assert_eq!(bed.query(pending).await.state(), Wire::Pending);
        }
        bed.stands(pending, PaymentState::Pending, (true, &[]))
            .await;
        assert_eq!(bed.events(pending).await, ["PREPAY", "PREPARED"]);

        let sent = number(2);
        bed.reach(sent, PaymentState::Sent).await;
        bed.channel.says(QUERY, Says::Garbage("<"));
        assert_eq!(bed.query(sent).await.state(), Wire::Unknown);
        bed.stands(sent, PaymentState::Unknown, (true, &[])).await;
    })
    .await;
}

#[tokio::test]
async fn unknown_becomes_pending_by_a_query() {
    on_both(async |bed| {
        for (n, says) in [(1, "NOTPAY"), (2, "USERPAYING")] {
            bed.reach(number(n), PaymentState::Unknown).await;
            bed.channel.says(QUERY, state(says));
            let answer = bed.query(number(n)).await;
            assert_eq!(
                (answer.state(), answer.reason.as_str()),
                (Wire::Pending, "")
            );
            bed.stands(number(n), PaymentState::Pending, (true, &[]))
                .await;
            let events = ["PREPAY", "NO_ANSWER", "QUERY_WAITING"];
            assert_eq!(bed.events(number(n)).await, events);
        }
    })
    .await;
}

#[tokio::test]
async fn a_query_that_is_quicker_than_the_reply_does_not_lose_the_pay_info() {
    on_both(async |bed| {
        let answers = [
            (1, not_found(), PaymentState::Unknown),
            (2, state("NOTPAY"), PaymentState::Pending),
        ];
        for (n, says, meanwhile) in answers {
            let (one, gate) = (number(n), Gate::shut());
            bed.channel.says(PREPAY, gate.holds(ready()));
            let call = bed.prepay_meanwhile(one);
            bed.channel.was_asked(PREPAY, usize::from(n)).await;
            bed.channel.says(QUERY, says);
            bed.query(one).await;
            bed.stands(one, meanwhile, (true, &[])).await;
            gate.open();
            assert_eq!(call.await.unwrap().pay_info, PAY_INFO);
            assert_eq!(bed.prepay(one).await.pay_info, PAY_INFO);
            bed.stands(one, PaymentState::Pending, (true, &[])).await;
        }
    })
    .await;
}
