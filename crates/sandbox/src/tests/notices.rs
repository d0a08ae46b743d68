//! Notices: by schedule, until the merchant answers `success`.

use super::*;

const NUMBER: &str = "W1709251528510010000";

#[tokio::test]
async fn a_payment_is_told_at_once() {
    let mut rig = Rig::new().await;
    rig.notify();
    let mut shop = Merchant::new(&rig.net).await;
    shop.answer("success").await;
    let prepared = with(jspay(NUMBER, &shop.url), "attach", "table 4");
    rig.call(prepared).await;
    let paid = rig.pay(NUMBER).await.unwrap();
    let notice = shop.notice().await;
    for (name, value) in [
        ("status", "0"),
        ("result_code", "0"),
        ("pay_result", "0"),
        ("mch_id", MCH),
        ("out_trade_no", NUMBER),
        ("total_fee", "1250"),
        ("fee_type", "CNY"),
        ("trade_type", "pay.weixin.jspay"),
        ("transaction_id", &paid.transaction_id),
        ("time_end", "20170925152851"),
        ("sub_openid", "oywgtuKWbuy3crsXWtPEQfK0000"),
        ("attach", "table 4"),
    ] {
        assert_eq!(notice[name], value, "{name}");
    }
    assert!(recorded(&rig, NUMBER, 1).await.notify_acknowledged);
}

#[tokio::test]
async fn a_notice_is_repeated_by_schedule_until_success() {
    let mut rig = Rig::new().await;
    rig.notify();
    let mut shop = Merchant::new(&rig.net).await;
    rig.prepay(NUMBER, &shop.url).await;
    rig.pay(NUMBER).await.unwrap();
    for (attempt, (answer, pause)) in [
        ("fail", 15),
        ("success\n", 15),
        ("SUCCESS", 30),
        ("<xml/>", 180),
    ]
    .into_iter()
    .enumerate()
    {
        shop.answer(answer).await;
        shop.notice().await;
        let done = i32::try_from(attempt).unwrap() + 1;
        assert!(
            !recorded(&rig, NUMBER, done).await.notify_acknowledged,
            "{answer}"
        );
        rig.advance(pause - 1);
        // Another merchant's whole notice passes, and nothing more is sent here.
        let mut other = Merchant::new(&rig.net).await;
        let number = format!("W000{attempt}");
        other.answer("success").await;
        rig.prepay(&number, &other.url).await;
        rig.pay(&number).await.unwrap();
        other.notice().await;
        assert_eq!(rig.charge(NUMBER).await.notify_attempts, done);
        rig.advance(1);
    }
    shop.answer("success").await;
    shop.notice().await;
    assert!(recorded(&rig, NUMBER, 5).await.notify_acknowledged);
    rig.advance(100_000);
    assert!(shop.notices.try_recv().is_err());
}

#[tokio::test]
async fn an_error_status_is_no_success() {
    let mut rig = Rig::new().await;
    rig.notify();
    let shop = Merchant::new(&rig.net).await;
    rig.prepay(NUMBER, &shop.url.replace("/callback", "/broken"))
        .await;
    rig.prepay("W0002", "http://127.0.0.1:9/nobody").await;
    for number in [NUMBER, "W0002"] {
        rig.pay(number).await.unwrap();
        assert!(!recorded(&rig, number, 1).await.notify_acknowledged);
    }
}

#[tokio::test]
async fn a_silent_merchant_is_given_up_for_this_time() {
    let mut rig = Rig::with(|settings| settings.notify_timeout = Duration::from_millis(50)).await;
    rig.notify();
    let mut shop = Merchant::new(&rig.net).await;
    rig.prepay(NUMBER, &shop.url).await;
    rig.pay(NUMBER).await.unwrap();
    shop.notice().await;
    assert!(!recorded(&rig, NUMBER, 1).await.notify_acknowledged);
}

#[tokio::test]
async fn the_schedule_ends() {
    let mut rig = Rig::with(|settings| settings.notify_schedule.truncate(2)).await;
    rig.notify();
    rig.prepay(NUMBER, "http://127.0.0.1:9/nobody").await;
    rig.pay(NUMBER).await.unwrap();
    recorded(&rig, NUMBER, 1).await;
    assert!(owed(&rig).await);
    rig.advance(15);
    recorded(&rig, NUMBER, 2).await;
    assert!(!owed(&rig).await);
}

#[tokio::test]
async fn no_notice_is_sent_where_none_is_wanted() {
    let rig = Rig::new().await;
    rig.prepay(NUMBER, "127.0.0.1").await;
    rig.pay(NUMBER).await.unwrap();
    assert!(!owed(&rig).await);
}

#[tokio::test]
async fn a_slow_merchant_delays_nobody_else() {
    let mut rig = Rig::with(|settings| {
        settings.notify_per_merchant = 2;
        settings.notify_concurrency = 4;
        settings.notify_timeout = Duration::from_mins(1);
    })
    .await;
    let (mut slow, mut quick) = (Merchant::new(&rig.net).await, Merchant::new(&rig.net).await);
    for place in 0..20 {
        let number = format!("W1709251528510{place:02}");
        rig.prepay(&number, &slow.url).await;
        rig.pay(&number).await.unwrap();
    }
    rig.notify();
    slow.notice().await;
    let other = with(jspay(NUMBER, &quick.url), "mch_id", "7551000002");
    rig.call(other).await;
    quick.answer("success").await;
    rig.pay(NUMBER).await.unwrap();
    assert_eq!(quick.notice().await["out_trade_no"], NUMBER);
    assert!(recorded(&rig, NUMBER, 1).await.notify_acknowledged);
}

#[tokio::test]
async fn a_restart_continues_the_notices() {
    let mut rig = Rig::new().await;
    let mut shop = Merchant::new(&rig.net).await;
    rig.prepay(NUMBER, &shop.url).await;
    rig.prepay("W0002", &shop.url).await;
    rig.notify();
    rig.pay(NUMBER).await.unwrap();
    shop.answer("fail").await;
    shop.notice().await;
    recorded(&rig, NUMBER, 1).await;
    let mut rig = rig.restart().await;
    // Paid while nobody sends notices.
    rig.pay("W0002").await.unwrap();
    shop.answer("success").await;
    rig.notify();
    assert_eq!(shop.notice().await["out_trade_no"], "W0002");
    recorded(&rig, "W0002", 1).await;
    assert_eq!(rig.charge(NUMBER).await.notify_attempts, 1);
    shop.answer("success").await;
    rig.advance(15);
    assert_eq!(shop.notice().await["out_trade_no"], NUMBER);
    assert!(recorded(&rig, NUMBER, 2).await.notify_acknowledged);
}
