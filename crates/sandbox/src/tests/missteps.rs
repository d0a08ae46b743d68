//! Slow, silent and garbled answers at the steps after the prepay.

use pb::{ChargeState, MisbehaviourKind as Kind, Step};

use super::*;

const SCANNED: &str = "W1709251528510020000";
const PREPARED: &str = "W1709251528510010000";
const STEPS: [Step; 5] = [
    Step::Micropay,
    Step::Close,
    Step::Reverse,
    Step::Refund,
    Step::RefundQuery,
];

/// The request of a step, and the order it is about.
fn request(step: Step) -> (Fields, &'static str) {
    match step {
        Step::Micropay => (micropay(SCANNED, CODE), SCANNED),
        Step::Close => (about("unified.trade.close", PREPARED), PREPARED),
        Step::Reverse => (about("unified.micropay.reverse", SCANNED), SCANNED),
        Step::Refund => (refund_of(SCANNED, "R1", "100"), SCANNED),
        _ => {
            let request = about("unified.trade.refundquery", "");
            (with(request, "out_refund_no", "R1"), SCANNED)
        }
    }
}

/// What must have been done before a step.
async fn before(rig: &Rig, step: Step) {
    match step {
        Step::Close => {
            rig.prepay(PREPARED, "127.0.0.1").await;
            rig.advance(300);
        }
        Step::Reverse | Step::Refund => accepted(&rig.scan(SCANNED, CODE).await),
        Step::RefundQuery => {
            rig.scan(SCANNED, CODE).await;
            accepted(&rig.refund(SCANNED, "R1", "100").await);
        }
        _ => {}
    }
}

/// Whether a step was done.
async fn done(rig: &Rig, step: Step) -> bool {
    let charges = rig.list(0, "").await.unwrap().charges;
    let state = charges.first().map(Charge::state);
    match step {
        Step::Micropay => state == Some(ChargeState::Success),
        Step::Close => state == Some(ChargeState::Closed),
        Step::Reverse => state == Some(ChargeState::Reversed),
        _ => state == Some(ChargeState::Refund),
    }
}

impl Rig {
    /// A request that a script of one step has a say in; `None`: no answer.
    async fn stumble(&self, step: Step, misbehaviour: Misbehaviour) -> Option<deliver::Reply> {
        before(self, step).await;
        let orders = pb::OrderFilter {
            body_contains: "商品".to_owned(),
            amount_fen: 1250,
            ..pb::OrderFilter::default()
        };
        let script = pb::Script {
            step: step.into(),
            orders: Some(orders),
            times: 1,
            ..script("it", misbehaviour)
        };
        self.set(script).await.unwrap();
        self.ask(request(step).0).await
    }

    async fn once_more(&self, step: Step, kind: Kind) {
        let (request, number) = request(step);
        let reply = self.call(request).await;
        assert_eq!(reply["status"], "0", "{step:?}");
        assert!(done(self, step).await, "{step:?}");
        assert_eq!(
            self.misdeeds(number).await,
            [(kind, step, 1, 0)],
            "{step:?}"
        );
    }
}

#[tokio::test]
async fn a_timeout_before_does_nothing_at_any_step() {
    for step in STEPS {
        let rig = Rig::new().await;
        let silent = Misbehaviour::TimeoutBefore(pb::Timeout { hold: millis(1) });
        assert!(rig.stumble(step, silent).await.is_none(), "{step:?}");
        if step != Step::RefundQuery {
            assert!(!done(&rig, step).await, "{step:?}");
        }
        rig.once_more(step, Kind::TimeoutBefore).await;
    }
}

#[tokio::test]
async fn a_timeout_after_has_done_it_at_every_step() {
    for step in STEPS {
        let rig = Rig::new().await;
        let silent = Misbehaviour::TimeoutAfter(pb::Timeout { hold: millis(1) });
        assert!(rig.stumble(step, silent).await.is_none(), "{step:?}");
        assert!(done(&rig, step).await, "{step:?}");
        rig.once_more(step, Kind::TimeoutAfter).await;
    }
}

#[tokio::test]
async fn garbage_has_done_it_at_every_step() {
    for step in STEPS {
        let rig = Rig::new().await;
        let garbage = pb::Garbage::WrongSignature.into();
        let garbage = Misbehaviour::Garbage(pb::GarbageReply { garbage });
        let reply = rig.stumble(step, garbage).await.unwrap();
        let fields = wire::read(&reply.body).unwrap();
        assert!(!sign::verify(&fields, &key()), "{step:?}");
        assert!(done(&rig, step).await, "{step:?}");
        rig.once_more(step, Kind::Garbage).await;
    }
}

#[tokio::test]
async fn a_slow_answer_is_right_at_every_step() {
    for step in STEPS {
        let rig = Rig::new().await;
        let slow = Misbehaviour::Slow(pb::Slow { delay: millis(1) });
        let reply = rig.stumble(step, slow).await.unwrap();
        accepted(&wire::read(&reply.body).unwrap());
        rig.once_more(step, Kind::Slow).await;
    }
}

#[tokio::test]
async fn queries_contradict_each_other_about_what_was_scanned_too() {
    let rig = Rig::new().await;
    rig.script(Misbehaviour::Contradicting(pb::Contradiction::default()))
        .await;
    rig.scan(SCANNED, CODE).await;
    rig.refund(SCANNED, "R1", "100").await;
    let mut states = Vec::new();
    for _ in 0..3 {
        let reply = rig.query(SCANNED).await;
        let told_paid = reply.contains_key("transaction_id");
        assert_eq!(told_paid, reply["trade_state"] == "REFUND");
        states.push(reply["trade_state"].clone());
    }
    assert_eq!(states, ["REFUND", "NOTPAY", "REFUND"]);
}
