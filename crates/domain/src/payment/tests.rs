//! The table of a payment, written out a second time as data, against every state, event,
//! source and stage of closing.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::channel::Direction;

/// The payment entered its state at 100 s; a close ended, or the channel's expiry was, at
/// 200 s; the grace is 10 s; it is 300 s now.
const SINCE: i64 = 100;
const CLOSED: i64 = 200;
const NOW: i64 = 300;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn sources() -> [(&'static str, Source); 8] {
    let query = |second| Source::Query { begun: at(second) };
    [
        ("reply", Source::Reply),
        ("callback", Source::Callback),
        ("statement", Source::Statement),
        ("stale", query(SINCE - 1)),
        ("since", query(SINCE)),
        ("before", query(CLOSED - 1)),
        ("after", query(CLOSED)),
        ("graced", query(CLOSED + 10)),
    ]
}

fn closures() -> [(&'static str, Closure); 4] {
    [
        ("not sent", Closure::NotSent),
        ("in flight", Closure::InFlight),
        ("ended", Closure::Ended { at: at(CLOSED) }),
        ("expires", Closure::Expires { at: at(CLOSED) }),
    ]
}

const FINDINGS: [Finding; 8] = [
    Finding::NotSent,
    Finding::Waiting,
    Finding::NoEvidence,
    Finding::NotFound,
    Finding::NotPaid,
    Finding::Closed,
    Finding::Reversed,
    Finding::Succeeded,
];

/// Which sources count at which stage of closing, in the order of `closures`.
type Weight = [&'static str; 4];
const ANY: &str = "reply callback statement stale since before after graced";
const ALWAYS: Weight = [ANY, ANY, ANY, ANY];
const ENDS: Weight = [
    "since before after graced",
    "",
    "after graced",
    "since before after graced",
];
const ABSENT: Weight = ["", "", "graced", "after graced"];
const EXPIRED: Weight = ["", "", "", "after graced"];
const BELIEVED: Weight = [ANY, "", "after graced", ANY];
const LATER: Weight = ["since before after graced"; 4];
const UNDONE: Weight = [
    "since before after graced",
    "",
    "after graced",
    "since before after graced",
];

/// From, finding, weight, to.
const MOVES: &[(&str, &str, Weight, &str)] = &[
    ("SENT", "NOT_SENT", ALWAYS, "DECLINED"),
    ("SENT UNKNOWN", "WAITING", ALWAYS, "PENDING"),
    ("SENT", "NO_EVIDENCE NOT_FOUND", ALWAYS, "UNKNOWN"),
    ("SENT PENDING UNKNOWN", "NOT_PAID", ALWAYS, "DECLINED"),
    ("SENT PENDING UNKNOWN", "CLOSED", ALWAYS, "CLOSED"),
    ("CLOSING", "CLOSED NOT_PAID", ENDS, "CLOSED"),
    ("CLOSING", "NOT_FOUND", ABSENT, "CLOSED"),
    ("CLOSING", "WAITING", EXPIRED, "CLOSED"),
    ("CLOSING", "REVERSED", ENDS, "REVERSED"),
    (
        "SENT PENDING UNKNOWN CLOSING DECLINED CLOSED",
        "SUCCEEDED",
        BELIEVED,
        "SUCCEEDED",
    ),
    ("REVERSED", "SUCCEEDED", UNDONE, "SUCCEEDED"),
    ("SUCCEEDED", "REVERSED", LATER, "REVERSED"),
];

struct Case {
    from: PaymentState,
    finding: Finding,
    source: (&'static str, Source),
    closure: usize,
    context: PaymentContext,
}

fn context(closure: Closure, send_before: i64) -> PaymentContext {
    PaymentContext {
        now: at(NOW),
        since: at(SINCE),
        send_before: at(send_before),
        grace: Duration::from_secs(10),
        closure,
        direction: Direction::CustomerScans,
        pay_info_stored: true,
    }
}

/// Every case; the send time and its grace are just over (290 s), or just not (291 s).
fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for from in PaymentState::ALL {
        for finding in FINDINGS {
            for source in sources() {
                for (closure, (_, stage)) in closures().into_iter().enumerate() {
                    for send_before in [NOW - 10, NOW - 9] {
                        let context = context(stage, send_before);
                        all.push(Case {
                            from: *from,
                            finding,
                            source,
                            closure,
                            context,
                        });
                    }
                }
            }
        }
    }
    all
}

fn lists(cell: &str, name: &str) -> bool {
    cell.split(' ').any(|each| each == name)
}

fn expected(case: &Case) -> Option<&'static str> {
    let row = MOVES.iter().find(|(from, finding, weight, _)| {
        lists(from, case.from.name())
            && lists(finding, case.finding.name())
            && lists(weight[case.closure], case.source.0)
    });
    let too_early = case.context.send_before > at(NOW - 10);
    row.map(|(.., to)| *to)
        .filter(|to| *to != "CLOSED" || !too_early)
}

#[test]
fn a_finding_moves_only_by_the_table() {
    for case in cases() {
        let step = case.from.fact(case.finding, case.source.1, &case.context);
        let (from, finding, source) = (case.from, case.finding.name(), case.source.0);
        let to = step.moved_to().map(PaymentState::name);
        assert_eq!(
            to,
            expected(&case),
            "{from} {finding} {source} {}",
            closures()[case.closure].0
        );
    }
}

#[test]
fn trade_is_told_of_every_end_and_live_is_only_ever_cleared() {
    for case in cases() {
        let step = case.from.fact(case.finding, case.source.1, &case.context);
        let effects = step.owed().unwrap();
        let to = step.moved_to();
        let tell = match to {
            Some(PaymentState::Succeeded) => Some(Tell::Succeeded),
            Some(PaymentState::Reversed) if case.from == PaymentState::Succeeded => {
                Some(Tell::Reversed)
            }
            Some(to) if to.is_dead() => Some(Tell::Dead),
            _ => None,
        };
        assert_eq!(effects.tell, tell);
        let cleared = to.is_some_and(PaymentState::is_dead);
        assert_eq!(effects.live == Live::Clear, cleared);
    }
}

#[test]
fn evidence_that_does_not_decide_makes_a_query_due() {
    for case in cases() {
        let step = case.from.fact(case.finding, case.source.1, &case.context);
        let stays = step.moved_to().is_none();
        let due = match (case.from, case.finding) {
            (PaymentState::Succeeded, Finding::Reversed) if stays => Some(ObligationKind::Confirm),
            (PaymentState::Succeeded, _) => None,
            (_, Finding::Succeeded) if stays => Some(ObligationKind::Close),
            _ => None,
        };
        assert_eq!(
            step.owed().unwrap().due,
            due,
            "{} {}",
            case.from,
            case.finding.name()
        );
    }
}

#[test]
fn a_callback_during_a_reverse_is_only_evidence() {
    let cx = context(Closure::InFlight, 0);
    let step = PaymentState::Closing.fact(Finding::Succeeded, Source::Callback, &cx);
    assert_eq!(step.moved_to(), None);
    let ended = context(Closure::Ended { at: at(CLOSED) }, 0);
    let query = Source::Query { begun: at(CLOSED) };
    let step = PaymentState::Closing.fact(Finding::Succeeded, query, &ended);
    assert_eq!(step.moved_to(), Some(PaymentState::Succeeded));
}

#[test]
fn closing_moves_only_by_the_table() {
    let cx = context(Closure::NotSent, 0);
    for from in PaymentState::ALL {
        for command in [PaymentCommand::Close, PaymentCommand::Reverse] {
            let step = from.command(command, &cx);
            match from.name() {
                "SENT" | "PENDING" | "UNKNOWN" => {
                    let effects = PaymentEffects {
                        live: Live::Keep,
                        tell: None,
                        due: None,
                    };
                    assert_eq!(step, Ok(Step::Moved(PaymentState::Closing, effects)));
                }
                "SUCCEEDED" => assert!(step.is_err()),
                _ => assert_eq!(step, Ok(Step::Already), "{from}"),
            }
        }
    }
}

#[test]
fn only_a_prepay_nobody_can_have_seen_is_abandoned() {
    let told = PaymentEffects {
        live: Live::Clear,
        tell: Some(Tell::Dead),
        due: None,
    };
    for (unseen, send_before, direction) in [
        (true, NOW, Direction::CustomerScans),
        (true, NOW + 1, Direction::CustomerScans),
        (false, NOW, Direction::CustomerScans),
        (true, NOW, Direction::MerchantScans),
    ] {
        let context = context(Closure::NotSent, send_before);
        let context = PaymentContext {
            direction,
            pay_info_stored: !unseen,
            ..context
        };
        let allowed = unseen && send_before == NOW && direction == Direction::CustomerScans;
        for from in PaymentState::ALL {
            let step = from.command(PaymentCommand::Abandon, &context);
            match from.name() {
                "SENT" | "UNKNOWN" if allowed => {
                    assert_eq!(step, Ok(Step::Moved(PaymentState::Closing, told)));
                }
                "CLOSING" | "DECLINED" | "CLOSED" | "REVERSED" => {
                    assert_eq!(step, Ok(Step::Already));
                }
                _ => assert!(step.is_err(), "{from}"),
            }
        }
    }
}

#[test]
fn only_a_payment_that_may_be_sent_is_live() {
    let rows = [
        (Opening::Pay, PaymentState::Sent, true),
        (Opening::Close, PaymentState::Closed, false),
        (Opening::Refused, PaymentState::Declined, false),
    ];
    for (opening, state, live) in rows {
        assert_eq!((opening.state(), opening.is_live()), (state, live));
    }
}

#[test]
fn unknown_is_never_declined() {
    let cx = context(Closure::NotSent, 0);
    let to = |answer: ChannelAnswer| {
        PaymentState::Sent
            .fact(answer.finding(), Source::Reply, &cx)
            .moved_to()
    };
    assert_eq!(to(ChannelAnswer::Unknown), Some(PaymentState::Unknown));
    assert_eq!(to(ChannelAnswer::Pending), Some(PaymentState::Pending));
    assert_eq!(to(ChannelAnswer::Declined), Some(PaymentState::Declined));
    assert_eq!(to(ChannelAnswer::Succeeded), Some(PaymentState::Succeeded));
}
