//! Scripted misbehaviour of notices.

use pb::{MisbehaviourKind as Kind, Step};

use super::*;

const NUMBER: &str = "W1709251528510010000";
const LATER: &str = "W1709251528510020000";

/// A channel that notifies, and a merchant with nothing to say yet.
async fn stage(misbehaviour: Misbehaviour) -> (Rig, Merchant) {
    let mut rig = Rig::new().await;
    rig.notify();
    rig.script(misbehaviour).await;
    let shop = Merchant::new(&rig.net).await;
    (rig, shop)
}

/// Another merchant is told of a payment, which no script touches: what was due before it went out.
async fn settle(rig: &Rig) {
    let mut other = Merchant::new(&rig.net).await;
    other.answer("success").await;
    let number = format!("Y{}", rig.list(0, "").await.unwrap().charges.len() + 10_000);
    rig.call(with(jspay(&number, &other.url), "mch_id", "7551000009"))
        .await;
    rig.pay(&number).await.unwrap();
    other.notice().await;
    recorded(rig, &number, 1).await;
}

/// Waits until a notice is due at another time, or never.
async fn put_off(rig: &Rig, kind: Kind) {
    let waiting = async {
        loop {
            let misdeeds = rig.misdeeds(NUMBER).await;
            if misdeeds.iter().any(|misdeed| misdeed.0 == kind) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

fn own(mut script: pb::Script) -> pb::Script {
    script.orders = Some(pb::OrderFilter {
        mch_id: MCH.to_owned(),
        ..pb::OrderFilter::default()
    });
    script
}

#[tokio::test]
async fn a_lost_notice_is_never_sent() {
    let mut rig = Rig::new().await;
    rig.notify();
    let lost = script("lost", Misbehaviour::Lost(pb::LostNotice {}));
    rig.set(own(lost)).await.unwrap();
    let mut shop = Merchant::new(&rig.net).await;
    rig.prepay(NUMBER, &shop.url).await;
    rig.pay(NUMBER).await.unwrap();
    put_off(&rig, Kind::Lost).await;
    settle(&rig).await;
    rig.advance(100_000);
    settle(&rig).await;
    assert!(shop.notices.try_recv().is_err());
    assert!(!owed(&rig).await);
    let charge = rig.charge(NUMBER).await;
    assert_eq!(
        (charge.state(), charge.notify_attempts),
        (pb::ChargeState::Success, 0)
    );
    assert_eq!(rig.query(NUMBER).await["trade_state"], "SUCCESS");
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::Lost, Step::Notify, 1, 0)]
    );
}

#[tokio::test]
async fn a_late_notice_comes_with_the_time_of_the_payment() {
    let mut rig = Rig::new().await;
    rig.notify();
    let late = pb::LateNotice {
        delay: millis(3_600_000),
    };
    let late = script("late", Misbehaviour::Late(late));
    rig.set(own(late)).await.unwrap();
    let mut shop = Merchant::new(&rig.net).await;
    shop.answer("success").await;
    rig.prepay(NUMBER, &shop.url).await;
    rig.pay(NUMBER).await.unwrap();
    put_off(&rig, Kind::Late).await;
    rig.advance(3599);
    settle(&rig).await;
    assert!(shop.notices.try_recv().is_err());
    rig.advance(1);
    assert_eq!(shop.notice().await["time_end"], "20170925152851");
    assert!(recorded(&rig, NUMBER, 1).await.notify_acknowledged);
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::Late, Step::Notify, 1, 0)]
    );
}

#[tokio::test]
async fn a_repeated_notice_comes_several_times_at_once() {
    let copies = pb::RepeatedNotice {
        copies: 3,
        pause: None,
    };
    let (rig, mut shop) = stage(Misbehaviour::Repeated(copies)).await;
    rig.prepay(NUMBER, &shop.url).await;
    rig.pay(NUMBER).await.unwrap();
    // None is answered before all have come.
    for _ in 0..3 {
        assert_eq!(shop.notice().await["out_trade_no"], NUMBER);
    }
    for _ in 0..3 {
        shop.answer("success").await;
    }
    let charge = recorded(&rig, NUMBER, 1).await;
    assert!(charge.notify_acknowledged);
    assert!(shop.notices.try_recv().is_err() && !owed(&rig).await);
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::Repeated, Step::Notify, 1, 0)]
    );
}

#[tokio::test]
async fn a_copy_comes_even_after_the_first_was_acknowledged() {
    let copies = pb::RepeatedNotice {
        copies: 2,
        pause: millis(200),
    };
    let (rig, mut shop) = stage(Misbehaviour::Repeated(copies)).await;
    rig.prepay(NUMBER, &shop.url).await;
    shop.answer("success").await;
    rig.pay(NUMBER).await.unwrap();
    shop.notice().await;
    shop.notice().await;
    shop.answer("fail").await;
    assert!(recorded(&rig, NUMBER, 1).await.notify_acknowledged);
}

#[tokio::test]
async fn a_later_payments_notice_overtakes_an_earlier_one() {
    let longest = pb::ReorderedNotice {
        longest: millis(3_600_000),
    };
    let (rig, mut shop) = stage(Misbehaviour::Reordered(longest)).await;
    for number in [NUMBER, LATER] {
        rig.prepay(number, &shop.url).await;
    }
    rig.pay(NUMBER).await.unwrap();
    // Another merchant's notice does not count.
    held(&rig).await;
    let mut other = Merchant::new(&rig.net).await;
    rig.set(own(script("it", Misbehaviour::Reordered(longest))))
        .await
        .unwrap();
    rig.call(with(jspay("W0001", &other.url), "mch_id", "7551000002"))
        .await;
    rig.pay("W0001").await.unwrap();
    other.answer("success").await;
    other.notice().await;
    recorded(&rig, "W0001", 1).await;
    assert!(shop.notices.try_recv().is_err());
    assert_eq!(rig.misdeeds(NUMBER).await, []);
    rig.advance(1);
    rig.pay(LATER).await.unwrap();
    for number in [LATER, NUMBER] {
        shop.answer("success").await;
        assert_eq!(shop.notice().await["out_trade_no"], number);
        assert!(recorded(&rig, number, 1).await.notify_acknowledged);
    }
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::Reordered, Step::Notify, 1, 0)]
    );
    assert_eq!(rig.misdeeds(LATER).await, []);
}

/// Waits until the first order's notice is held back.
pub(super) async fn held(rig: &Rig) {
    let due = || DueNotices {
        now: rig.sandbox.0.clock.now(),
        per_merchant: 1,
    };
    let waiting = async {
        while !rig
            .sandbox
            .0
            .ledger
            .call(due())
            .await
            .unwrap()
            .charges
            .is_empty()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    assert!(owed(rig).await);
}

#[tokio::test]
async fn a_notice_held_back_goes_out_even_if_nothing_follows() {
    let (rig, mut shop) = stage(Misbehaviour::Reordered(pb::ReorderedNotice::default())).await;
    rig.prepay(NUMBER, &shop.url).await;
    rig.pay(NUMBER).await.unwrap();
    held(&rig).await;
    shop.answer("success").await;
    rig.advance(10);
    shop.notice().await;
    recorded(&rig, NUMBER, 1).await;
    assert_eq!(rig.misdeeds(NUMBER).await, []);
    // It holds nobody else back from being held.
    rig.prepay(LATER, &shop.url).await;
    rig.pay(LATER).await.unwrap();
    held(&rig).await;
    assert!(shop.notices.try_recv().is_err());
}

#[tokio::test]
async fn what_is_held_back_outlives_the_process() {
    let longest = pb::ReorderedNotice {
        longest: millis(3_600_000),
    };
    let (rig, mut shop) = stage(Misbehaviour::Reordered(longest)).await;
    for number in [NUMBER, LATER] {
        rig.prepay(number, &shop.url).await;
    }
    rig.pay(NUMBER).await.unwrap();
    held(&rig).await;
    let mut rig = rig.restart().await;
    rig.notify();
    rig.pay(LATER).await.unwrap();
    for number in [LATER, NUMBER] {
        shop.answer("success").await;
        assert_eq!(shop.notice().await["out_trade_no"], number);
    }
}

#[tokio::test]
async fn forged_notices_come_before_and_between_genuine_ones() {
    let (rig, mut shop) = stage(Misbehaviour::Forged(pb::ForgedNotice::default())).await;
    // Prepared before: nothing is forged then.
    rig.service()
        .clear_scripts(Request::new(pb::ClearScriptsRequest::default()))
        .await
        .unwrap();
    rig.prepay(NUMBER, &shop.url).await;
    rig.script(Misbehaviour::Forged(pb::ForgedNotice::default()))
        .await;
    rig.pay(NUMBER).await.unwrap();
    let mut letters = Vec::new();
    for answer in ["fail", "success", "fail", "fail", "fail", "success"] {
        letters.push(shop.letter().await);
        shop.answer(answer).await;
        if letters.len() == 3 {
            recorded(&rig, NUMBER, 1).await;
            rig.advance(15);
        }
    }
    let genuine: Vec<_> = letters
        .iter()
        .map(|letter| sign::verify(letter, &key()))
        .collect();
    assert_eq!(genuine, [false, false, true, false, false, true]);
    assert_eq!(
        (
            letters[0]["total_fee"].as_str(),
            letters[2]["total_fee"].as_str()
        ),
        ("1251", "1250")
    );
    assert_eq!(letters[1]["total_fee"], "1250");
    assert!(recorded(&rig, NUMBER, 2).await.notify_acknowledged);
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::Forged, Step::Notify, 2, 1)]
    );
}

#[tokio::test]
async fn another_merchants_notice_is_rightly_signed_about_the_wrong_order() {
    let other = Signer::md5("the other merchant's, also of 32 bytes");
    let mut rig = Rig::with(|settings| {
        settings.merchants = vec![crate::MerchantKey {
            mch_id: "7551000002".to_owned(),
            key: Key::new("the other merchant's, also of 32 bytes"),
        }];
    })
    .await;
    rig.notify();
    let forgeries = [pb::Forgery::OtherMerchant, pb::Forgery::OtherKey];
    let forgeries = forgeries.map(i32::from).to_vec();
    let forged = script(
        "forged",
        Misbehaviour::Forged(pb::ForgedNotice { forgeries }),
    );
    let forged = pb::Script {
        step: Step::Notify.into(),
        ..forged
    };
    rig.set(forged).await.unwrap();
    let mut shop = Merchant::new(&rig.net).await;
    rig.prepay(NUMBER, &shop.url).await;
    rig.pay(NUMBER).await.unwrap();
    let mut letters = Vec::new();
    for _ in 0..3 {
        letters.push(shop.letter().await);
        shop.answer("success").await;
    }
    assert_eq!(letters[0]["mch_id"], "7551000002");
    assert!(sign::verify(&letters[0], &other));
    assert_eq!(letters[1]["mch_id"], MCH);
    assert!(sign::verify(&letters[1], &other) && sign::verify(&letters[2], &key()));
    recorded(&rig, NUMBER, 1).await;
    // To keep what is rightly signed is no fault; to believe another's key is one.
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::Forged, Step::Notify, 1, 1)]
    );
}

#[tokio::test]
async fn a_lying_notice_is_rightly_signed_and_the_ledger_says_what_was_charged() {
    let mut rig = Rig::new().await;
    rig.notify();
    let lie = pb::WrongAmount {
        difference_fen: -250,
    };
    let lie = script("lie", Misbehaviour::WrongAmount(lie));
    rig.set(pb::Script { times: 1, ..lie }).await.unwrap();
    let mut shop = Merchant::new(&rig.net).await;
    rig.prepay(NUMBER, &shop.url).await;
    rig.pay(NUMBER).await.unwrap();
    shop.answer("fail").await;
    assert_eq!(shop.notice().await["total_fee"], "1000");
    recorded(&rig, NUMBER, 1).await;
    assert_eq!(rig.charge(NUMBER).await.amount_fen, 1250);
    assert_eq!(rig.query(NUMBER).await["total_fee"], "1250");
    shop.answer("success").await;
    rig.advance(15);
    assert_eq!(shop.notice().await["total_fee"], "1250");
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::WrongAmount, Step::Notify, 1, 0)]
    );
}

#[tokio::test]
async fn misbehaviours_add_up() {
    let (rig, mut shop) = stage(Misbehaviour::WrongAmount(pb::WrongAmount {
        difference_fen: 1,
    }))
    .await;
    let late = pb::LateNotice {
        delay: millis(60_000),
    };
    let copies = pb::RepeatedNotice {
        copies: 2,
        pause: None,
    };
    rig.set(script("late", Misbehaviour::Late(late)))
        .await
        .unwrap();
    rig.set(script("twice", Misbehaviour::Repeated(copies)))
        .await
        .unwrap();
    rig.prepay(NUMBER, &shop.url).await;
    rig.pay(NUMBER).await.unwrap();
    put_off(&rig, Kind::Late).await;
    rig.advance(60);
    for _ in 0..2 {
        assert_eq!(shop.notice().await["total_fee"], "1251");
    }
    let kinds: Vec<_> = rig
        .misdeeds(NUMBER)
        .await
        .iter()
        .map(|misdeed| misdeed.0)
        .collect();
    assert_eq!(kinds, [Kind::Late, Kind::WrongAmount, Kind::Repeated]);
}
