//! Each kind ends as it must, and a fault planted in any kind is found.

use proto::sandbox::v1::MisbehaviourKind;
use proto::trade::v1::CancelType;

use super::*;
use crate::plan::end::End;
use crate::plan::script::seen_by;

// An order of this kind that ended so: the columns that the end has, and money as they say.
pub(super) fn ended(facts: &mut Facts, kind: Kind, end: End) {
    let index = i64::try_from(facts.orders.len()).unwrap() + 1;
    let amount = 1_000 + index;
    add_paid(facts, index, amount);
    let at = facts.orders.len() - 1;
    let told = &mut facts.orders[at];
    told.order.description = kind.description();
    match end {
        End::Paid => {}
        End::PaidOnce => super::refunds::surplus(facts, at),
        End::PaidInPart => super::refunds::refund(facts, at, 300),
        End::RefundRejected => super::refunds::rejected(facts, at),
        End::Refunded(by) if kind == Kind::External => super::refunds::external(facts, at, by),
        End::Refunded(CancelType::System) => super::refunds::recalled(facts, at),
        End::Refunded(by) => {
            super::refunds::refund(facts, at, amount);
            facts.orders[at].order.set_cancel_type(by);
        }
        End::Revoked(by) => {
            told.order.set_status(OrderStatus::Revoked);
            told.order.set_cancel_type(by);
            told.order.set_fulfilment(Fulfilment::PendingAccept);
            told.settlements.clear();
            let charge = charge_of(facts, at);
            charge.set_state(ChargeState::Closed);
            charge.was_paid = false;
        }
    }
    if kind.row().remedy {
        facts.orders[at].remedies.push(Remedy::default());
    }
    for any in seen_by(kind) {
        let number = facts.orders[at].order.order_no.clone();
        facts.misdeeds.push(Misbehaviour {
            out_trade_no: number + "0000",
            kind: any.first().copied().unwrap().into(),
            times: 1,
            ..Misbehaviour::default()
        });
    }
}

// One order of each kind, each ended as it must: numbered as the report has them, from 1.
fn each() -> Facts {
    let mut facts = Facts::default();
    for kind in Kind::all() {
        ended(&mut facts, kind, kind.row().end);
    }
    facts
}

fn place(kind: Kind) -> usize {
    Kind::all().position(|each| each == kind).unwrap()
}

fn number(kind: Kind) -> String {
    order_no(i64::try_from(place(kind)).unwrap() + 1)
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

#[test]
fn each_kind_may_end_in_its_own_way() {
    let books = reckon(&each());
    assert!(books.balance(), "{:?}", books.findings);
    assert_eq!(books.created, Kind::all().count());
    assert_eq!(books.paid + books.refunded + books.revoked, books.created);
    assert_eq!(books.due_fen(), books.gross_fen());
    for books in books.kinds {
        let ended = (books.paid, books.refunded, books.revoked);
        assert_eq!(books.elsewhere, 0, "{books:?}");
        match books.kind.row().end {
            End::Refunded(_) => assert_eq!(ended, (0, 1, 0), "{books:?}"),
            End::Revoked(_) => assert_eq!(ended, (0, 0, 1), "{books:?}"),
            _ => assert_eq!(ended, (1, 0, 0), "{books:?}"),
        }
    }
}

#[test]
fn a_kill_allows_the_neighbours_a_kind_names_and_nothing_else() {
    let ends = [
        End::Paid,
        End::PaidInPart,
        End::Revoked(CancelType::System),
        End::Revoked(CancelType::Customer),
        End::Revoked(CancelType::Store),
        End::Refunded(CancelType::Customer),
    ];
    for kind in Kind::all().filter(|kind| *kind != Kind::External) {
        for end in ends {
            for killed in [false, true] {
                let mut facts = Facts {
                    killed,
                    ..Facts::default()
                };
                ended(&mut facts, kind, end);
                let books = reckon(&facts);
                let wrongs: Vec<Wrong> = books.findings.iter().map(|it| it.wrong).collect();
                if kind.row().allows(end, killed) {
                    assert_eq!(wrongs, [], "{kind:?} {end:?}");
                } else {
                    assert_eq!(wrongs[0], Wrong::EndsElsewhere(end), "{kind:?}");
                }
                assert_eq!(books.lost(), 0);
            }
        }
    }
}

#[test]
fn money_that_did_not_reach_its_order_is_lost_in_every_kind() {
    for kind in Kind::all() {
        let mut facts = each();
        let at = place(kind);
        let out_trade_no = format!("{}0007", number(kind));
        facts
            .charges
            .push(charge(&out_trade_no, 1_001 + i64::try_from(at).unwrap()));
        let books = reckon(&facts);
        assert!(books.lost() >= 1 && !books.balance(), "{kind:?}");
        assert!(
            books.findings.iter().all(|it| it.number == number(kind)),
            "{:?}",
            books.findings
        );
    }
}

#[test]
fn an_order_that_stays_under_way_is_found_in_every_kind() {
    for kind in Kind::all() {
        let mut facts = Facts {
            killed: true,
            ..Facts::default()
        };
        ended(&mut facts, kind, End::Revoked(CancelType::System));
        let order = &mut facts.orders[0].order;
        order.set_status(OrderStatus::Revoking);
        order.set_cancel_type(CancelType::Unspecified);
        let books = reckon(&facts);
        let stays = Finding::of(&order_no(1), Wrong::Unfinished(OrderStatus::Revoking));
        assert_eq!(books.findings, [stays], "{kind:?}");
    }
}

#[test]
fn a_payer_who_never_pays_is_not_charged() {
    for row in crate::plan::kind::rows().filter(|row| !row.charged) {
        let mut facts = Facts::default();
        ended(&mut facts, row.kind, End::Paid);
        let books = reckon(&facts);
        let unasked = Wrong::ChargedUnasked(1_001);
        assert!(
            books.findings.iter().any(|it| it.wrong == unasked),
            "{row:?}"
        );
    }
}

#[test]
fn money_found_without_a_callback_leaves_a_remedy() {
    for row in crate::plan::kind::rows().filter(|row| row.remedy) {
        let mut facts = each();
        facts.orders[place(row.kind)].remedies.clear();
        let missing = Finding::of(&number(row.kind), Wrong::NoRemedy);
        assert_eq!(reckon(&facts).findings, [missing]);
        facts.killed = true;
        assert!(reckon(&facts).balance());
    }
}

#[test]
fn an_acknowledged_forgery_is_found_and_no_money() {
    for kind in [Kind::Forged, Kind::Claimed] {
        let mut facts = each();
        facts.misdeeds.extend([forged(kind, 1), forged(kind, 1)]);
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
    let refused = [forged(Kind::Forged, 0), forged(Kind::Claimed, 0)];
    facts.misdeeds.extend(refused);
    let books = reckon(&facts);
    assert!(books.balance(), "{books:?}");
    let forged = books.kinds.iter().find(|books| books.kind == Kind::Forged);
    let misdeeds = &forged.unwrap().misdeeds;
    assert_eq!(misdeeds.get(&MisbehaviourKind::Forged), Some(&4));
}

#[test]
fn an_order_that_the_channel_spared_is_found_and_not_lost() {
    let numbers = |kind| format!("{}0000", number(kind));
    for kind in Kind::all() {
        for any in seen_by(kind) {
            let missing = any.first().copied().unwrap();
            let mut facts = each();
            for misdeed in &mut facts.misdeeds {
                if misdeed.out_trade_no == numbers(kind) && misdeed.kind() == missing {
                    // The script met it, and did nothing.
                    misdeed.times = 0;
                }
            }
            let books = reckon(&facts);
            let spared = Finding::of(&number(kind), Wrong::Spared(missing));
            assert_eq!(books.findings, [spared]);
            assert!(!books.balance() && books.lost() == 0);
            facts.killed = true;
            assert!(reckon(&facts).balance(), "{kind:?}");
        }
    }
}

#[test]
fn a_channel_that_is_deaf_in_either_way_is_as_it_was_told() {
    for way in [
        MisbehaviourKind::TimeoutBefore,
        MisbehaviourKind::TimeoutAfter,
    ] {
        let mut facts = Facts::default();
        ended(&mut facts, Kind::Timeout, End::Paid);
        facts.misdeeds[0].set_kind(way);
        assert_eq!(reckon(&facts).findings, []);
    }
}

#[test]
fn callbacks_that_seldom_tell_of_the_money_are_found() {
    let found = |remedied: usize| {
        let mut facts = Facts::default();
        for _ in 0..10 {
            ended(&mut facts, Kind::Prompt, End::Paid);
        }
        for told in facts.orders.iter_mut().skip(1).take(remedied) {
            told.remedies.push(Remedy::default());
        }
        facts
    };
    assert!(reckon(&found(2)).balance());
    let facts = found(3);
    let books = reckon(&facts);
    let unheard = Wrong::Unheard { found: 3, of: 10 };
    assert_eq!(books.findings, [Finding::of(&order_no(2), unheard)]);
    assert!(!books.balance() && books.lost() == 0);
    let killed = Facts {
        killed: true,
        ..facts.clone()
    };
    let tasks_only = Facts {
        tasks_only: true,
        ..facts
    };
    assert!(reckon(&killed).balance() && reckon(&tasks_only).balance());
}
