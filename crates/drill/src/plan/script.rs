//! What the simulated channel is told to do to the orders of each kind.

use std::time::Duration;

use proto::sandbox::v1::script::Misbehaviour;
use proto::sandbox::v1::{
    ForgedNotice, Forgery, GarbageReply, LateNotice, LostNotice, OrderFilter, RepeatedNotice,
    Script, Step, Timeout, WrongAmount,
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

/// The scripts of all kinds; their names do not change, so setting them again changes nothing.
pub(crate) fn scripts() -> impl Iterator<Item = Script> {
    Kind::ALL.into_iter().flat_map(of)
}

fn of(kind: Kind) -> Vec<Script> {
    let one = |misbehaviour| vec![script(kind, misbehaviour)];
    match kind {
        Kind::Prompt | Kind::Unpaid => Vec::new(),
        Kind::Late => one(Misbehaviour::Late(LateNotice {
            delay: length(LATE),
        })),
        Kind::Repeated => one(Misbehaviour::Repeated(RepeatedNotice {
            copies: COPIES,
            pause: length(BETWEEN_COPIES),
        })),
        Kind::Forged => one(forged()),
        Kind::Lying => one(Misbehaviour::WrongAmount(WrongAmount { difference_fen: 1 })),
        Kind::Lost => one(Misbehaviour::Lost(LostNotice {})),
        Kind::Garbage => garbage(),
        Kind::Timeout => timeouts(),
        Kind::Claimed => vec![Script {
            step: Step::Prepay.into(),
            ..script(kind, forged())
        }],
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

fn garbage() -> Vec<Script> {
    let lost = script(Kind::Garbage, Misbehaviour::Lost(LostNotice {}));
    let lost = Script {
        name: format!("{}-lost", lost.name),
        ..lost
    };
    let answers = Script {
        step: Step::Query.into(),
        times: GARBAGE_ANSWERS,
        ..script(
            Kind::Garbage,
            Misbehaviour::Garbage(GarbageReply { garbage: 0 }),
        )
    };
    vec![lost, answers]
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
        let silent = script(Kind::Timeout, way);
        Script {
            name: format!("{}-{}", silent.name, till.mch_id),
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

fn script(kind: Kind, misbehaviour: Misbehaviour) -> Script {
    Script {
        name: format!("demo-{}", kind.name()),
        orders: Some(orders(kind)),
        misbehaviour: Some(misbehaviour),
        ..Script::default()
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
    fn only_prompt_and_unpaid_orders_are_left_alone() {
        let alone = Kind::ALL.into_iter().filter(|kind| of(*kind).is_empty());
        assert_eq!(alone.collect::<Vec<_>>(), [Kind::Prompt, Kind::Unpaid]);
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
