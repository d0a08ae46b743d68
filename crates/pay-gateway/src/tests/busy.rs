//! A channel that does not answer: it gets so many calls at once, and nobody else waits.

use std::time::Duration;

use domain::{ObligationKind, OrderNo, OutTradeNo, PaymentState};
use proto::gateway::v1::payment_service_server::PaymentService;
use proto::gateway::v1::{Payment, PaymentState as Wire};
use tokio::sync::mpsc;
use tonic::Status;

use super::asks::request;
use super::bed::{Bed, FEN, Setup, number, on_both_with};
use super::channel::{Gate, PREPAY, QUERY, paid, ready};
use super::shops::{MCH_ID, OTHER_MCH_ID, SHOP, account};
use super::stands::DEAD_BY_REPLY;
use crate::PayGateway;
use crate::service::Service;

const ROOM: usize = 8;
const CALLS: usize = 100;

fn slow() -> Setup {
    Setup {
        timeout: Duration::from_secs(30),
        concurrency: ROOM,
        ..Setup::default()
    }
}

type Answers = mpsc::UnboundedReceiver<Result<Payment, Status>>;

/// A hundred prepays at once, their answers as they come.
fn a_hundred(gateway: &PayGateway) -> Answers {
    let (sender, answers) = mpsc::unbounded_channel();
    for n in 0..u8::try_from(CALLS).unwrap() {
        let (service, sender) = (Service(gateway.clone()), sender.clone());
        tokio::spawn(async move {
            let request = tonic::Request::new(request(number(n)));
            let answer = service.prepay(request).await;
            sender.send(answer.map(|answer| answer.into_inner().payment.unwrap()))
        });
    }
    answers
}

async fn busy_ones(answers: &mut Answers) {
    for _ in ROOM..CALLS {
        let answer = tokio::time::timeout(Duration::from_secs(20), answers.recv()).await;
        let answer = answer.expect("at once").unwrap().unwrap();
        assert_eq!(
            (answer.state(), answer.reason.as_str()),
            (Wire::Declined, "CHANNEL_BUSY")
        );
    }
}

#[tokio::test]
async fn a_silent_channel_holds_so_many_calls_and_the_rest_hear_at_once_that_it_is_busy() {
    on_both_with(slow(), async |bed| {
        let mut other = account(2, OTHER_MCH_ID);
        other.shop_id = SHOP + 1;
        bed.shops.knows(vec![account(1, MCH_ID), other]);
        let gate = Gate::shut();
        bed.channel.says_to(MCH_ID, PREPAY, gate.holds(ready()));
        let mut answers = a_hundred(&bed.gateway);
        bed.channel.was_asked(PREPAY, ROOM).await;
        busy_ones(&mut answers).await;
        assert!(answers.try_recv().is_err());
        assert_eq!(
            (bed.channel.asked(PREPAY).len(), bed.channel.most()),
            (ROOM, ROOM)
        );

        // Another account's payments do not notice.
        let elsewhere = OrderNo::compose(bed.now(), 2, 0).unwrap();
        let mut elsewhere = request(OutTradeNo {
            order: elsewhere,
            ..number(1)
        });
        elsewhere.shop_id = SHOP + 1;
        assert_eq!(
            bed.try_prepay(elsewhere).await.unwrap().state(),
            Wire::Pending
        );
        gate.open();
        for _ in 0..ROOM {
            assert_eq!(
                answers.recv().await.unwrap().unwrap().state(),
                Wire::Pending
            );
        }
        all_stand(bed).await;
    })
    .await;
}

// Each is either pending, or declined as busy with trade told; and nothing is owed for those.
async fn all_stand(bed: &Bed) {
    let mut pending = 0;
    for n in [0, 25, 50, 75, 99] {
        match bed.stored(number(n)).await.state {
            PaymentState::Pending => {
                bed.stands(number(n), PaymentState::Pending, (true, &[]))
                    .await;
            }
            state => {
                bed.stands(number(n), state, (false, &[DEAD_BY_REPLY]))
                    .await;
            }
        }
    }
    for n in 0..=99 {
        pending += usize::from(bed.stored(number(n)).await.live);
    }
    assert_eq!(pending, ROOM);
    let polls = i64::try_from(ROOM + 1).unwrap();
    assert_eq!(bed.count_owed(ObligationKind::Poll).await, polls);
}

#[tokio::test]
async fn a_query_for_which_there_is_no_room_says_nothing_of_the_payment() {
    on_both_with(slow(), async |bed| {
        bed.prepay(number(1)).await;
        let gate = Gate::shut();
        bed.channel.says(PREPAY, gate.holds(ready()));
        let calls = (2..).take(ROOM).map(number);
        let calls: Vec<_> = calls.map(|number| bed.prepay_meanwhile(number)).collect();
        bed.channel.was_asked(PREPAY, 1 + ROOM).await;
        bed.wait(10);
        assert_eq!(
            bed.drain(ObligationKind::Poll).await.postponed,
            1 + ROOM as u64
        );
        assert!(bed.channel.asked(QUERY).is_empty());
        bed.stands(number(1), PaymentState::Pending, (true, &[]))
            .await;
        gate.open();
        // That they could not be asked about meanwhile has cost none of them its answer.
        for call in calls {
            assert_eq!(call.await.unwrap().state(), Wire::Pending);
        }
        bed.channel.says(QUERY, paid(FEN, bed.now()));
        bed.wait(20);
        // There is no room for all of them at once.
        for _ in 0..3 {
            bed.drain(ObligationKind::Poll).await;
            bed.wait(60);
        }
        for n in (1..).take(1 + ROOM) {
            assert_eq!(bed.stored(number(n)).await.state, PaymentState::Succeeded);
        }
    })
    .await;
}
