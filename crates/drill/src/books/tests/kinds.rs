//! Each kind ends as it must, and a fault planted in any kind is found.

use proto::sandbox::v1::MisbehaviourKind;

use super::*;

// One order of each kind, each ended as it must: numbered as `Kind::ALL` has them, from 1.
fn each() -> Facts {
    let mut facts = Facts::default();
    for (kind, number) in Kind::ALL.into_iter().zip(1_i64..) {
        let amount = 1_000 + number;
        let order_no = format!("W{number:02}");
        let mut order = Order {
            out_trade_no: format!("{order_no}0000"),
            order_no,
            amount_fen: amount,
            description: kind.description(),
            status: OrderStatus::Paying.into(),
            ..Order::default()
        };
        let mut settlements = Vec::new();
        let mut state = ChargeState::Notpay;
        if kind.ending() == Ending::Paid {
            order.set_status(OrderStatus::Paid);
            state = ChargeState::Success;
            settlements.push(Settlement {
                out_trade_no: order.out_trade_no.clone(),
                gross_fen: amount,
                net_fen: amount,
                ..Settlement::default()
            });
        }
        facts.accepted.push(order.order_no.clone());
        facts.charges.push(Charge {
            out_trade_no: order.out_trade_no.clone(),
            amount_fen: amount,
            state: state.into(),
            ..Charge::default()
        });
        facts.orders.push(Told {
            order,
            settlements,
            remedies: Vec::new(),
        });
    }
    facts
}

fn place(kind: Kind) -> usize {
    Kind::ALL.iter().position(|each| *each == kind).unwrap()
}

fn number(kind: Kind) -> String {
    format!("W{:02}", place(kind) + 1)
}

fn forged(kind: Kind, acknowledged: i32) -> Misbehaviour {
    Misbehaviour {
        out_trade_no: format!("{}0000", number(kind)),
        kind: MisbehaviourKind::Forged.into(),
        times: 3,
        acknowledged,
        ..Misbehaviour::default()
    }
}

// What is found when something goes wrong with the order of a kind.
fn found(kind: Kind, plant: impl FnOnce(&mut Told, &mut Charge)) -> Vec<Wrong> {
    let mut facts = each();
    let at = place(kind);
    plant(&mut facts.orders[at], &mut facts.charges[at]);
    let books = reckon(&facts);
    assert!(!books.balance(), "{kind:?}");
    let findings = books.findings.iter();
    assert!(
        findings
            .clone()
            .all(|finding| finding.number == number(kind)),
        "{:?}",
        books.findings
    );
    findings.map(|finding| finding.wrong).collect()
}

fn kinds(ending: Ending) -> impl Iterator<Item = Kind> {
    let kinds = Kind::ALL.into_iter();
    kinds.filter(move |kind| kind.ending() == ending)
}

#[test]
fn each_kind_may_end_in_its_own_way() {
    let books = reckon(&each());
    assert!(books.balance(), "{books:?}");
    assert_eq!((books.created, books.settled, books.open), (10, 8, 2));
    for KindBooks {
        kind,
        orders,
        paid,
        settled,
        open,
        ..
    } in books.kinds
    {
        let paid_for = usize::from(kind.ending() == Ending::Paid);
        assert_eq!((orders, paid, settled), (1, paid_for, paid_for), "{kind:?}");
        assert_eq!(open, 1 - paid_for, "{kind:?}");
    }
}

#[test]
fn money_that_did_not_reach_its_order_is_lost_in_every_kind() {
    for kind in kinds(Ending::Paid) {
        let wrongs = found(kind, |told, _| {
            told.order.set_status(OrderStatus::Paying);
            told.settlements.clear();
        });
        let [wrong] = wrongs[..] else {
            panic!("{kind:?}: {wrongs:?}")
        };
        assert!(matches!(
            wrong,
            Wrong::ChargeNotPaid(_, OrderStatus::Paying)
        ));
        assert!(wrong.is_loss(), "{kind:?}");
    }
}

#[test]
fn an_order_to_be_paid_must_not_stay_paying() {
    for kind in kinds(Ending::Paid) {
        let wrongs = found(kind, |told, charge| {
            told.order.set_status(OrderStatus::Paying);
            told.settlements.clear();
            charge.set_state(ChargeState::Notpay);
        });
        assert_eq!(wrongs, [Wrong::Unfinished(OrderStatus::Paying)], "{kind:?}");
    }
}

#[test]
fn an_order_nobody_pays_must_not_be_paid() {
    for kind in kinds(Ending::Open) {
        let wrongs = found(kind, |told, _| told.order.set_status(OrderStatus::Paid));
        assert!(matches!(wrongs[..], [Wrong::PaidWithoutCharge(_)]));
    }
}

#[test]
fn an_order_nobody_pays_must_not_end() {
    for kind in kinds(Ending::Open) {
        for status in [
            OrderStatus::Unpaid,
            OrderStatus::PayFailed,
            OrderStatus::Revoked,
        ] {
            let wrongs = found(kind, |told, _| told.order.set_status(status));
            assert_eq!(wrongs, [Wrong::Unfinished(status)], "{kind:?}");
        }
    }
}

#[test]
fn a_payer_who_never_pays_is_not_charged() {
    for kind in kinds(Ending::Open) {
        let wrongs = found(kind, |told, charge| {
            told.order.set_status(OrderStatus::Paid);
            charge.set_state(ChargeState::Success);
            told.settlements.push(Settlement {
                out_trade_no: charge.out_trade_no.clone(),
                gross_fen: charge.amount_fen,
                net_fen: charge.amount_fen,
                ..Settlement::default()
            });
        });
        assert!(matches!(wrongs[..], [Wrong::PaidUnasked(_)]), "{wrongs:?}");
    }
}

#[test]
fn what_nobody_paid_is_not_settled() {
    for kind in kinds(Ending::Open) {
        let wrongs = found(kind, |told, _| {
            told.settlements.push(Settlement {
                gross_fen: 7,
                net_fen: 7,
                ..Settlement::default()
            });
        });
        assert_eq!(wrongs, [Wrong::SettledUnpaid(7)], "{kind:?}");
    }
}

#[test]
fn an_acknowledged_forgery_is_found_and_no_money() {
    for kind in [Kind::Forged, Kind::Claimed] {
        let mut facts = each();
        facts.misdeeds = vec![forged(kind, 1), forged(kind, 1)];
        let books = reckon(&facts);
        let believed = Finding::of(&number(kind), Wrong::ForgeryBelieved(2));
        assert_eq!(books.findings, [believed]);
        assert!(!books.balance());
        assert_eq!(books.lost(), 0);
    }
}

#[test]
fn a_refused_forgery_is_no_finding_and_counted() {
    let mut facts = each();
    facts.misdeeds = vec![forged(Kind::Forged, 0), forged(Kind::Claimed, 0)];
    let books = reckon(&facts);
    assert!(books.balance(), "{books:?}");
    let forged = books.kinds.iter().find(|books| books.kind == Kind::Forged);
    let misdeeds = &forged.unwrap().misdeeds;
    assert_eq!(misdeeds.get(&MisbehaviourKind::Forged), Some(&3));
}

#[test]
fn a_remedy_is_counted_for_its_kind() {
    let mut facts = each();
    facts.orders[place(Kind::Lost)]
        .remedies
        .push(Remedy::default());
    let books = reckon(&facts);
    for books in books.kinds {
        let remedied = usize::from(books.kind == Kind::Lost);
        assert_eq!(books.remedied, remedied, "{:?}", books.kind);
    }
}

#[test]
fn an_order_of_no_kind_must_be_paid() {
    let wrongs = found(Kind::Unpaid, |told, _| {
        "Demo order".clone_into(&mut told.order.description);
    });
    assert_eq!(wrongs, [Wrong::Unfinished(OrderStatus::Paying)]);
}
