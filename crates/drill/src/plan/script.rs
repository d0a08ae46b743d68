//! What the simulated channel is told to do to the orders of each kind.

use std::collections::BTreeSet;
use std::time::Duration;

use proto::sandbox::v1::script::Misbehaviour;
use proto::sandbox::v1::{
    Contradiction, Decline, ForgedNotice, Forgery, GarbageReply, LateNotice, LostNotice,
    MisbehaviourKind, OrderFilter, PaidMeanwhile, PasswordOutcome, PasswordWait, QueryAnswer,
    RefundEnding, RefundState, RepeatedNotice, Script, Step, Timeout, WrongAmount,
};
use proto::shop::v1::PayType;

use super::kind::Kind;
use crate::seed::SELLERS;

/// How long after the payment a late callback comes.
pub(crate) const LATE: Duration = Duration::from_secs(3);
// Longer than any caller waits for the channel.
const SILENCE: Duration = Duration::from_secs(10);
const COPIES: i32 = 3;
const BETWEEN_COPIES: Duration = Duration::from_millis(100);
const GARBAGE_ANSWERS: i32 = 2;
const TYPING: Duration = Duration::from_millis(800);
// As many as a scanned payment is asked about before it is reversed, and some more: those that
// are left are asked for after the reversal.
const LIES: usize = 17;
// One would do, but for a mesh that dies before it has taken it in.
const FAILURES: usize = 4;

/// The scripts of all kinds; their names do not change, so setting them again changes nothing.
pub(crate) fn scripts() -> impl Iterator<Item = Script> {
    Kind::all().flat_map(of)
}

/// What an order of this kind must have seen: of each set one.
pub(crate) fn seen_by(kind: Kind) -> Vec<BTreeSet<MisbehaviourKind>> {
    let all = of(kind).into_iter().chain(of_first_payment(kind, ""));
    let (mut by_account, mut by_kind) = (BTreeSet::new(), Vec::new());
    for script in all {
        let Some(seen) = script.misbehaviour.as_ref().map(kind_of) else {
            continue;
        };
        // An order is of one account.
        if script
            .orders
            .is_some_and(|orders| !orders.mch_id.is_empty())
        {
            by_account.insert(seen);
        } else {
            by_kind.push(BTreeSet::from([seen]));
        }
    }
    by_kind.extend(Some(by_account).filter(|seen| !seen.is_empty()));
    by_kind
}

/// What is told of the first payment of an order alone.
pub(crate) fn of_first_payment(kind: Kind, order_no: &str) -> Option<Script> {
    let misbehaviour = match kind {
        Kind::Refused => password(PasswordOutcome::Refused),
        Kind::Declined => Misbehaviour::Decline(Decline::default()),
        Kind::Replaced => password(PasswordOutcome::Never),
        Kind::Surplus => contradiction(QueryAnswer::PayError, FAILURES),
        _ => return None,
    };
    Some(Script {
        name: format!("demo-{}-{order_no}", kind.name()),
        orders: Some(OrderFilter {
            out_trade_no_prefix: format!("{order_no}0000"),
            ..OrderFilter::default()
        }),
        misbehaviour: Some(misbehaviour),
        ..Script::default()
    })
}

fn of(kind: Kind) -> Vec<Script> {
    let one = |misbehaviour| vec![script(kind, misbehaviour)];
    match kind {
        Kind::Late => one(Misbehaviour::Late(LateNotice {
            delay: length(LATE),
        })),
        Kind::Repeated => one(Misbehaviour::Repeated(RepeatedNotice {
            copies: COPIES,
            pause: length(BETWEEN_COPIES),
        })),
        Kind::Forged => one(forged()),
        Kind::Lying => one(Misbehaviour::WrongAmount(WrongAmount { difference_fen: 1 })),
        Kind::Lost | Kind::Tardy => one(Misbehaviour::Lost(LostNotice {})),
        Kind::Garbage => garbage(),
        Kind::Timeout => timeouts(),
        Kind::Claimed => vec![Script {
            step: Step::Prepay.into(),
            ..script(kind, forged())
        }],
        Kind::Password => one(password(PasswordOutcome::Paid)),
        Kind::Abandoned => one(password(PasswordOutcome::Never)),
        Kind::Reversed => reversed(),
        Kind::Raced => one(Misbehaviour::PaidMeanwhile(PaidMeanwhile::default())),
        Kind::Unsure => one(ending(RefundState::Notsure)),
        Kind::Handed => one(ending(RefundState::Change)),
        _ => Vec::new(),
    }
}

fn forged() -> Misbehaviour {
    let ways = [
        Forgery::BadSignature,
        Forgery::OtherKey,
        Forgery::OtherMerchant,
    ];
    Misbehaviour::Forged(ForgedNotice {
        forgeries: ways.map(i32::from).to_vec(),
    })
}

fn password(outcome: PasswordOutcome) -> Misbehaviour {
    Misbehaviour::Password(PasswordWait {
        delay: length(TYPING),
        outcome: outcome.into(),
    })
}

fn contradiction(answer: QueryAnswer, times: usize) -> Misbehaviour {
    Misbehaviour::Contradicting(Contradiction {
        answers: vec![answer.into(); times],
        unpaid_too: true,
    })
}

fn ending(state: RefundState) -> Misbehaviour {
    Misbehaviour::RefundEnding(RefundEnding {
        state: state.into(),
        delay: None,
    })
}

fn garbage() -> Vec<Script> {
    let lost = script(Kind::Garbage, Misbehaviour::Lost(LostNotice {}));
    let garbage = Misbehaviour::Garbage(GarbageReply { garbage: 0 });
    let answers = Script {
        step: Step::Query.into(),
        times: GARBAGE_ANSWERS,
        ..script(Kind::Garbage, garbage)
    };
    vec![named(lost, "lost"), answers]
}

// The code is charged; neither the answer nor any poll says so.
fn reversed() -> Vec<Script> {
    let hold = length(SILENCE);
    let silent = script(Kind::Reversed, Misbehaviour::TimeoutAfter(Timeout { hold }));
    let silent = Script {
        step: Step::Micropay.into(),
        ..named(silent, "silent")
    };
    let unseen = contradiction(QueryAnswer::NotPaid, LIES);
    vec![silent, script(Kind::Reversed, unseen)]
}

// Only the WeChat accounts are deaf: the payer's other wallet gets through. One of them does
// what it was asked, the next does not, in turn.
fn timeouts() -> Vec<Script> {
    let hold = length(SILENCE);
    let ways = [
        Misbehaviour::TimeoutBefore(Timeout { hold }),
        Misbehaviour::TimeoutAfter(Timeout { hold }),
    ];
    let accounts = SELLERS.iter().flat_map(|seller| &seller.tills);
    let deaf = accounts.filter(|till| till.pay_type == PayType::SwiftpassWechat);
    let each = deaf.zip(ways.into_iter().cycle());
    each.map(|(till, way)| {
        let silent = named(script(Kind::Timeout, way), till.mch_id);
        Script {
            step: Step::Prepay.into(),
            orders: Some(OrderFilter {
                mch_id: till.mch_id.to_owned(),
                ..orders(Kind::Timeout)
            }),
            ..silent
        }
    })
    .collect()
}

// What the channel's report calls it.
fn kind_of(misbehaviour: &Misbehaviour) -> MisbehaviourKind {
    match misbehaviour {
        Misbehaviour::Slow(_) => MisbehaviourKind::Slow,
        Misbehaviour::TimeoutBefore(_) => MisbehaviourKind::TimeoutBefore,
        Misbehaviour::TimeoutAfter(_) => MisbehaviourKind::TimeoutAfter,
        Misbehaviour::Lost(_) => MisbehaviourKind::Lost,
        Misbehaviour::Late(_) => MisbehaviourKind::Late,
        Misbehaviour::Repeated(_) => MisbehaviourKind::Repeated,
        Misbehaviour::Reordered(_) => MisbehaviourKind::Reordered,
        Misbehaviour::BeforeReply(_) => MisbehaviourKind::BeforeReply,
        Misbehaviour::Forged(_) => MisbehaviourKind::Forged,
        Misbehaviour::WrongAmount(_) => MisbehaviourKind::WrongAmount,
        Misbehaviour::Garbage(_) => MisbehaviourKind::Garbage,
        Misbehaviour::Contradicting(_) => MisbehaviourKind::Contradicting,
        Misbehaviour::Password(_) => MisbehaviourKind::Password,
        Misbehaviour::Decline(_) => MisbehaviourKind::Decline,
        Misbehaviour::RefundEnding(_) => MisbehaviourKind::RefundEnding,
        Misbehaviour::PaidMeanwhile(_) => MisbehaviourKind::PaidMeanwhile,
    }
}

fn script(kind: Kind, misbehaviour: Misbehaviour) -> Script {
    Script {
        name: format!("demo-{}", kind.name()),
        orders: Some(orders(kind)),
        misbehaviour: Some(misbehaviour),
        ..Script::default()
    }
}

fn named(script: Script, what: &str) -> Script {
    Script {
        name: format!("{}-{what}", script.name),
        ..script
    }
}

fn orders(kind: Kind) -> OrderFilter {
    OrderFilter {
        body_contains: kind.mark(),
        ..OrderFilter::default()
    }
}

fn length(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_script_has_its_own_name_and_means_one_kind() {
        let scripts: Vec<Script> = scripts().collect();
        let names: BTreeSet<&str> = scripts.iter().map(|script| script.name.as_str()).collect();
        assert_eq!(names.len(), scripts.len());
        for script in &scripts {
            let orders = script.orders.clone().unwrap();
            assert!(Kind::of(&orders.body_contains).is_some(), "{script:?}");
        }
    }

    #[test]
    fn an_ordinary_order_is_left_alone() {
        for kind in [Kind::Prompt, Kind::Scanned] {
            assert!(of(kind).is_empty() && of_first_payment(kind, "W1").is_none());
            assert_eq!(seen_by(kind), []);
        }
    }

    #[test]
    fn an_order_sees_all_its_kind_is_scripted_for_and_of_one_account() {
        use MisbehaviourKind as Seen;
        let seen = |sets: &[&[Seen]]| -> Vec<BTreeSet<Seen>> {
            let sets = sets.iter();
            sets.map(|set| set.iter().copied().collect()).collect()
        };
        let expected = seen(&[&[Seen::Lost], &[Seen::Garbage]]);
        assert_eq!(seen_by(Kind::Garbage), expected);
        let expected = seen(&[&[Seen::TimeoutBefore, Seen::TimeoutAfter]]);
        assert_eq!(seen_by(Kind::Timeout), expected);
        assert_eq!(seen_by(Kind::Declined), seen(&[&[Seen::Decline]]));
        let scripted = |kind: &Kind| !of(*kind).is_empty() || of_first_payment(*kind, "").is_some();
        for kind in Kind::all().filter(scripted) {
            assert!(!seen_by(kind).is_empty(), "{kind:?}");
        }
    }

    #[test]
    fn only_the_first_payment_of_an_order_fails() {
        let script = of_first_payment(Kind::Declined, "W261120000000001001").unwrap();
        let prefix = script.orders.unwrap().out_trade_no_prefix;
        assert_eq!(prefix, "W2611200000000010010000");
        assert!(script.name.len() <= 64, "{}", script.name);
    }

    #[test]
    fn nobody_is_deaf_in_both_wallets() {
        let deaf: BTreeSet<String> = timeouts()
            .into_iter()
            .filter_map(|script| Some(script.orders?.mch_id))
            .collect();
        assert_eq!(deaf.len(), SELLERS.len());
        for seller in &SELLERS {
            let hears = |mch_id: &str| !deaf.contains(mch_id);
            assert!(seller.tills.iter().any(|till| hears(till.mch_id)));
        }
    }
}
