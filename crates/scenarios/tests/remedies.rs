//! Money that no callback told of is found all the same, once, and on record as a remedy (补单);
//! and what was never paid stays somebody's business.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use domain::ObligationKind as Kind;
use futures::future::join_all;
use mesh::{Context, reason_of};
use paymesh::cli::Service;
use proto::gateway::v1::list_payment_events_request::Number;
use proto::gateway::v1::{
    ListPaymentEventsRequest, Payment, PaymentState, PrepayRequest, QueryPaymentRequest,
};
use proto::sandbox::v1::script::Misbehaviour;
use proto::sandbox::v1::{
    Charge, Contradiction, LostNotice, NoticeBeforeReply, QueryAnswer, WrongAmount,
};
use proto::shop::v1::PayType;
use proto::trade::v1::{GetTimelineResponse, OrderStatus};
use scenarios::{Mode, Paying, Relay, Shop, TestMesh, Workers, address_of, key_of, until};
use store::Engine;
use testkit::ENGINES;

const PEER: &str = "127.0.0.1:1010";
const INBOX: &str = "SELECT COUNT(*) FROM inbox";

/// A mesh whose work waits for the test, with a relay between trade and pay-gateway.
async fn with_a_relay(engine: Engine) -> (TestMesh, Relay) {
    let mesh = TestMesh::with(engine, Workers::Off, |config| {
        PEER.clone_into(&mut config.peers.pay_gateway);
    });
    let mesh = mesh.await;
    let peer = Relay::start(mesh.net(), PEER, address_of(Service::PayGateway)).await;
    (mesh, peer)
}

/// What was prepared is older than the second of the payment: channels tell whole seconds.
async fn a_second_begins() {
    let now = seam::Clock::now(&seam::SystemClock);
    let rest = 1_000_000_000 - now.subsec_nanosecond().unsigned_abs();
    tokio::time::sleep(Duration::from_nanos(rest.into())).await;
}

/// A payment made whose callback never comes.
async fn paid_in_silence(mesh: &TestMesh, shop: &Shop) -> (Paying, Charge) {
    let lost = Misbehaviour::Lost(LostNotice {});
    mesh.script("lost", lost).await;
    let paying = mesh.paying(shop).await;
    a_second_begins().await;
    let charge = mesh.charge(&paying.out_trade_no).await;
    (paying, charge)
}

async fn payment(mesh: &TestMesh, order_no: &str) -> Payment {
    let request = ListPaymentEventsRequest {
        number: Some(Number::OrderNo(order_no.to_owned())),
    };
    let events = mesh.payments().list_payment_events(request).await.unwrap();
    events.into_inner().payments.into_iter().next().unwrap()
}

async fn queried(mesh: &TestMesh, order_no: &str) -> Payment {
    let request = QueryPaymentRequest {
        order_no: order_no.to_owned(),
        attempt: 0,
        refresh: false,
    };
    let answer = mesh.payments().query_payment(request).await.unwrap();
    answer.into_inner().payment.unwrap()
}

async fn lines(mesh: &TestMesh, order_no: &str) -> i64 {
    let key = key_of(order_no);
    let sql = format!("SELECT COUNT(*) FROM payment_log WHERE order_no = {key}");
    mesh.db(Service::PayGateway).count(&sql).await
}

/// Paid when the channel says so, settled once to the fen, owing nothing; and how it was found.
async fn is_remedied(
    mesh: &TestMesh,
    (paying, charge): (&Paying, &Charge),
    finder: &str,
) -> GetTimelineResponse {
    let story = mesh.timeline(&paying.order_no).await;
    let order = story.order.as_ref().unwrap();
    assert_eq!(order.status(), OrderStatus::Paid);
    assert_eq!(order.out_trade_no, paying.out_trade_no);
    let (paid, told) = (order.paid_time.unwrap(), charge.paid_time.unwrap());
    assert_eq!(paid.seconds, told.seconds, "the channel's time");
    let [settlement] = story.settlements.as_slice() else {
        panic!("{:?}", story.settlements)
    };
    assert_eq!(settlement.gross_fen, paying.amount_fen);
    assert_eq!(settlement.paid_time, order.paid_time);
    let [remedy] = story.remedies.as_slice() else {
        panic!("{:?}", story.remedies)
    };
    assert_eq!(remedy.finder, finder);
    assert_eq!(remedy.out_trade_no, paying.out_trade_no);
    assert!(
        remedy.evidence.contains(&charge.transaction_id),
        "{remedy:?}"
    );
    assert_eq!(remedy.before_status(), OrderStatus::Paying);
    assert_eq!(remedy.after_status(), OrderStatus::Paid);
    let key = key_of(&paying.order_no);
    assert_eq!(mesh.owed(Service::Trade, key).await, []);
    assert_eq!(mesh.owed(Service::PayGateway, key).await, []);
    story
}

#[tokio::test]
async fn money_whose_callback_was_lost_is_found_by_a_poll_with_a_remedy() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let (paying, charge) = paid_in_silence(&mesh, &mesh.shop().await).await;
        mesh.drain_all().await;
        let order = mesh.order(&paying.order_no).await;
        assert_eq!(order.status(), OrderStatus::Paying, "nobody knows yet");
        mesh.falls_due(Service::PayGateway, Kind::Poll).await;
        mesh.drain_all().await;
        let story = is_remedied(&mesh, (&paying, &charge), "QUERY").await;
        let paid = story.order.unwrap().paid_time.unwrap();
        assert_eq!(paid.nanos, 0, "it is not the time it was found");
        assert!(mesh.forgotten().await.is_empty());
        assert_eq!(mesh.db(Service::PayGateway).count(INBOX).await, 0);
        assert_eq!(
            mesh.charges_of(&paying.order_no).await[0].notify_attempts,
            0
        );
    }
}

#[tokio::test]
async fn a_callback_that_comes_after_its_remedy_changes_nothing() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        let (paying, charge) = paid_in_silence(&mesh, &shop).await;
        mesh.falls_due(Service::PayGateway, Kind::Poll).await;
        mesh.drain_all().await;
        let story = is_remedied(&mesh, (&paying, &charge), "QUERY").await;
        let notice = scenarios::Notice::paid(&shop.mch_id, &paying.out_trade_no, paying.amount_fen);
        let answer = mesh.notify(notice.signed(scenarios::KEY)).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "success"));
        mesh.drain_all().await;
        let after = is_remedied(&mesh, (&paying, &charge), "QUERY").await;
        assert_eq!(
            (after.order, after.settlements),
            (story.order, story.settlements)
        );
    }
}

#[tokio::test]
async fn an_ordinary_payment_is_no_remedy() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let paying = mesh.paying(&mesh.shop().await).await;
        mesh.charge(&paying.out_trade_no).await;
        assert!(mesh.settled(&paying.order_no).await.remedies.is_empty());
    }
}

#[tokio::test]
async fn a_callback_that_lies_about_the_amount_is_flagged_and_the_query_tells_the_truth() {
    for engine in ENGINES {
        for difference_fen in [1, -1] {
            let mesh = TestMesh::idle(engine).await;
            let lies = Misbehaviour::WrongAmount(WrongAmount { difference_fen });
            mesh.script("lies", lies).await;
            let paying = mesh.paying(&mesh.shop().await).await;
            a_second_begins().await;
            let charge = mesh.charge(&paying.out_trade_no).await;
            let told = async || {
                let charges = mesh.charges_of(&paying.order_no).await;
                charges[0].notify_acknowledged.then_some(())
            };
            until("what is validly signed is acknowledged", told).await;
            assert!(mesh.misbehaved("lies", &paying.out_trade_no).await > 0);
            mesh.work_off(Service::PayGateway, Kind::Inbox).await;
            let reason = "SELECT DISTINCT reason FROM inbox_flags";
            let flags = mesh.db(Service::PayGateway).rows(reason).await;
            assert_eq!(flags, [["AMOUNT_DIFFERS"]]);
            assert_eq!(
                payment(&mesh, &paying.order_no).await.state(),
                PaymentState::Pending,
                "a liar is not believed"
            );
            assert!(mesh.forgotten().await.is_empty());
            mesh.work_off(Service::PayGateway, Kind::Match).await;
            mesh.drain_all().await;
            is_remedied(&mesh, (&paying, &charge), "QUERY").await;
            let owed = "SELECT COUNT(*) FROM obligations";
            let left = mesh.db(Service::PayGateway).count(owed).await;
            assert_eq!(left, 0, "it is explained");
        }
    }
}

#[tokio::test]
async fn what_trade_was_never_answered_and_never_told_it_asks_for() {
    for engine in ENGINES {
        let (mesh, peer) = with_a_relay(engine).await;
        let at_once = Misbehaviour::BeforeReply(NoticeBeforeReply {});
        mesh.script("at once", at_once).await;
        let order = mesh.bound(&mesh.shop().await).await;
        let no = &order.order_no;
        a_second_begins().await;
        peer.set(Mode::LoseReplies);
        let moment = Context::background(Duration::from_millis(1500));
        let unanswered = moment.scope(mesh.pay(no, "r1")).await.unwrap_err();
        assert!(
            [tonic::Code::DeadlineExceeded, tonic::Code::Unavailable].contains(&unanswered.code()),
            "{unanswered:?}"
        );
        let charged = async || {
            let charge = mesh.charges_of(no).await.pop();
            charge.filter(|charge| charge.notify_acknowledged)
        };
        let charge = until("the payer has paid, and the callback came", charged).await;
        mesh.work_off(Service::PayGateway, Kind::Inbox).await;
        // pay-gateway knows; trade has neither its reply nor its feed.
        let known = payment(&mesh, no).await;
        assert_eq!(known.state(), PaymentState::Succeeded);
        assert_eq!(mesh.order(no).await.status(), OrderStatus::Paying);
        let paying = Paying {
            order_no: no.clone(),
            out_trade_no: charge.out_trade_no.clone(),
            amount_fen: order.amount_fen,
            pay_info: String::new(),
        };
        // It is not due while the call may still be answered.
        assert_eq!(
            mesh.work_off(Service::Trade, Kind::PayConfirm).await.done,
            0
        );
        // While pay-gateway is away it stays owed.
        peer.set(Mode::Refuse);
        mesh.falls_due(Service::Trade, Kind::PayConfirm).await;
        let tally = mesh.work_off(Service::Trade, Kind::PayConfirm).await;
        assert_eq!((tally.done, tally.failed), (0, 1));
        assert_eq!(mesh.order(no).await.status(), OrderStatus::Paying);
        peer.set(Mode::Pass);
        let asked = async || {
            mesh.falls_due(Service::Trade, Kind::PayConfirm).await;
            let tally = mesh.work_off(Service::Trade, Kind::PayConfirm).await;
            (tally.done == 1).then_some(())
        };
        until("pay-gateway is asked", asked).await;
        assert_eq!(mesh.order(no).await.status(), OrderStatus::Paid);
        mesh.work_off(Service::Trade, Kind::Settle).await;
        let story = is_remedied(&mesh, (&paying, &charge), "PAY_CONFIRM").await;
        let last = story.entries.last().unwrap();
        assert_eq!(last.actor, "pay_confirm");
        // The feed tells the same later, and that is a line of the story.
        mesh.drain_all().await;
        let after = is_remedied(&mesh, (&paying, &charge), "PAY_CONFIRM").await;
        assert_eq!(after.settlements, story.settlements);
        assert_eq!(after.entries.last().unwrap().actor, "feed");
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn a_payment_that_never_reached_pay_gateway_is_fenced_off_and_fails() {
    for engine in ENGINES {
        for mode in [Mode::Swallow, Mode::Refuse] {
            let (mesh, peer) = with_a_relay(engine).await;
            let order = mesh.bound(&mesh.shop().await).await;
            let no = &order.order_no;
            peer.set(mode);
            let moment = Context::background(Duration::from_millis(800));
            moment.scope(mesh.pay(no, "r1")).await.unwrap_err();
            assert_eq!(mesh.order(no).await.status(), OrderStatus::Paying);
            assert!(mesh.forgotten().await.is_empty());
            // Whoever asks again with another id meanwhile takes up the same attempt.
            peer.set(Mode::Refuse);
            let moment = Context::background(Duration::from_millis(800));
            moment.scope(mesh.pay(no, "r0")).await.unwrap_err();
            peer.set(Mode::Pass);
            let fenced = async || {
                mesh.falls_due(Service::Trade, Kind::PayConfirm).await;
                let tally = mesh.work_off(Service::Trade, Kind::PayConfirm).await;
                (tally.done == 1).then_some(())
            };
            until("pay-gateway is asked", fenced).await;
            let failed = mesh.order(no).await;
            assert_eq!(failed.status(), OrderStatus::PayFailed);
            let late = late_prepay(&mesh, &failed.order_no, order.shop_id).await;
            assert_eq!(late.state(), PaymentState::Closed);
            assert_eq!(
                (late.reason.as_str(), late.pay_info.as_str()),
                ("FENCED", "")
            );
            assert!(
                mesh.charges().await.is_empty(),
                "the channel was never asked"
            );
            assert!(mesh.forgotten().await.is_empty());
            // The requests stand for the attempt that is over; a new one pays.
            for request in ["r1", "r0"] {
                let answer = mesh.pay(no, request).await.unwrap();
                assert_eq!(answer.pay_info, "");
            }
            let answer = mesh.pay(no, "r2").await.unwrap();
            assert_eq!(answer.out_trade_no, format!("{no}0001"));
            mesh.charge(&answer.out_trade_no).await;
            let told = async || {
                mesh.drain_all().await;
                let story = mesh.timeline(no).await;
                (!story.settlements.is_empty()).then_some(story)
            };
            let story = until("it is settled", told).await;
            assert_eq!(story.settlements[0].out_trade_no, answer.out_trade_no);
            assert!(story.remedies.is_empty());
        }
    }
}

/// What trade asked for in vain comes after all.
async fn late_prepay(mesh: &TestMesh, order_no: &str, shop_id: i64) -> Payment {
    let order = mesh.order(order_no).await;
    let request = PrepayRequest {
        order_no: order_no.to_owned(),
        attempt: 0,
        shop_id,
        pay_type: PayType::SwiftpassWechat.into(),
        amount_fen: order.amount_fen,
        description: order.description,
        payer_id: "payer-1".to_owned(),
        client_ip: "203.0.113.7".to_owned(),
        expire_time: order.pay_limit_time,
    };
    let answer = mesh.payments().prepay(request).await.unwrap();
    answer.into_inner().payment.unwrap()
}

#[tokio::test]
async fn what_is_never_paid_stays_paying_and_asked_about() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let paying = mesh.paying(&mesh.shop().await).await;
        let key = key_of(&paying.order_no);
        let lines_before = lines(&mesh, &paying.order_no).await;
        for _ in 0..3 {
            for (service, kind) in [
                (Service::PayGateway, Kind::Poll),
                (Service::Trade, Kind::PayConfirm),
            ] {
                mesh.falls_due(service, kind).await;
                let tally = mesh.work_off(service, kind).await;
                assert_eq!((tally.done, tally.postponed), (0, 1), "{kind:?}");
            }
            mesh.drain_all().await;
            let owed = mesh.dues(Service::Trade, key).await;
            let kinds: Vec<_> = owed.iter().map(|due| due.kind).collect();
            assert_eq!(kinds, [Kind::PayLimit, Kind::PayConfirm]);
            let asked = mesh.dues(Service::PayGateway, key).await;
            let kinds: Vec<_> = asked.iter().map(|due| due.kind).collect();
            assert_eq!(kinds, [Kind::Poll]);
            let ahead = owed.iter().chain(&asked).all(|due| due.in_micros > 0);
            assert!(ahead, "{owed:?} {asked:?}");
        }
        let story = mesh.timeline(&paying.order_no).await;
        let order = story.order.unwrap();
        assert_eq!(order.status(), OrderStatus::Paying);
        assert_eq!(order.paid_time, None);
        assert!(story.settlements.is_empty() && story.remedies.is_empty());
        let state = payment(&mesh, &paying.order_no).await.state();
        assert_eq!(state, PaymentState::Pending);
        let after = lines(&mesh, &paying.order_no).await;
        assert_eq!(after, lines_before, "polls in vain are no story");
        assert!(mesh.forgotten().await.is_empty());
        // And the payer may still come.
        mesh.charge(&paying.out_trade_no).await;
        mesh.falls_due(Service::PayGateway, Kind::Poll).await;
        mesh.drain_all().await;
        assert_eq!(
            mesh.order(&paying.order_no).await.status(),
            OrderStatus::Paid
        );
    }
}

fn contradicting(answers: &[QueryAnswer]) -> Misbehaviour {
    Misbehaviour::Contradicting(Contradiction {
        answers: answers.iter().map(|answer| (*answer).into()).collect(),
        unpaid_too: false,
    })
}

#[tokio::test]
async fn not_paid_from_outside_never_undoes_paid() {
    use QueryAnswer::{Closed, NotPaid, PayError, Truth};
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let says = contradicting(&[NotPaid, Truth, NotPaid, Closed, PayError, Closed]);
        mesh.script("says", says).await;
        let (paying, charge) = paid_in_silence(&mesh, &mesh.shop().await).await;
        let no = &paying.order_no;
        assert_eq!(queried(&mesh, no).await.state(), PaymentState::Pending);
        assert_eq!(queried(&mesh, no).await.state(), PaymentState::Succeeded);
        mesh.drain_all().await;
        let story = is_remedied(&mesh, (&paying, &charge), "QUERY").await;
        // A poll that was late, or ran twice, would hear something else.
        owe_a_poll(&mesh, no).await;
        let tally = mesh.work_off(Service::PayGateway, Kind::Poll).await;
        assert_eq!(tally.done, 1);
        for _ in 0..3 {
            assert_eq!(queried(&mesh, no).await.state(), PaymentState::Succeeded);
        }
        mesh.drain_all().await;
        let after = is_remedied(&mesh, (&paying, &charge), "QUERY").await;
        assert_eq!(after, story, "nothing was added");
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn answers_that_contradict_each_other_at_once_end_in_the_money() {
    use QueryAnswer::{Closed, NotPaid, PayError, Truth};
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let says = contradicting(&[Closed, NotPaid, Truth, PayError, Truth, Closed]);
        mesh.script("says", says).await;
        let shop = mesh.shop().await;
        for _ in 0..5 {
            let (paying, _) = paid_in_silence(&mesh, &shop).await;
            // All are asked before any is heard; who is heard first is chance.
            mesh.channel.set(Mode::HoldReplies);
            let (answers, ()) = tokio::join!(
                join_all((0..6).map(|_| queried(&mesh, &paying.order_no))),
                async {
                    let asked = async || {
                        // The truth is told twice, and is no misbehaviour.
                        let lies = mesh.misbehaved("says", &paying.out_trade_no).await;
                        (lies == 4).then_some(())
                    };
                    until("all are asked", asked).await;
                    mesh.channel.set(Mode::Pass);
                }
            );
            assert_eq!(answers.len(), 6);
            let state = payment(&mesh, &paying.order_no).await.state();
            assert_eq!(state, PaymentState::Succeeded);
            mesh.drain_all().await;
            let story = mesh.timeline(&paying.order_no).await;
            assert_eq!(story.order.unwrap().status(), OrderStatus::Paid);
            assert_eq!(story.settlements.len(), 1);
            assert_eq!(story.remedies.len(), 1);
        }
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn a_dead_payment_that_was_paid_after_all_makes_its_order_paid() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        let says = contradicting(&[QueryAnswer::PayError]);
        mesh.script("says", says).await;
        let (paying, _) = paid_in_silence(&mesh, &shop).await;
        let no = &paying.order_no;
        assert_eq!(queried(&mesh, no).await.state(), PaymentState::Declined);
        mesh.drain_all().await;
        assert_eq!(mesh.order(no).await.status(), OrderStatus::PayFailed);
        let again = mesh.pay(no, "r1").await.unwrap();
        assert_eq!(again.pay_info, "", "that attempt is over");
        let notice = scenarios::Notice::paid(&shop.mch_id, &paying.out_trade_no, paying.amount_fen);
        mesh.notify(notice.signed(scenarios::KEY)).await;
        mesh.drain_all().await;
        let story = mesh.timeline(no).await;
        assert_eq!(story.order.unwrap().status(), OrderStatus::Paid);
        assert_eq!(story.settlements.len(), 1);
        let refused = mesh.pay(no, "r2").await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap(), "ILLEGAL_TRANSITION");
        assert!(mesh.forgotten().await.is_empty());
    }
}

/// Arms what a paid payment does not owe.
async fn owe_a_poll(mesh: &TestMesh, order_no: &str) {
    let (kind, key) = (Kind::Poll.code(), key_of(order_no));
    let sql = format!(
        "INSERT INTO obligations (kind, subject, part, due_at, attempts, token) \
         VALUES ({kind}, {key}, 0, 1, 0, 0)"
    );
    mesh.db(Service::PayGateway).run(&sql).await;
}
