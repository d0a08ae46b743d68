//! Scripts of the configuration: as an operator writes them, one of each kind.

use std::collections::BTreeSet;
use std::time::Instant;

use pb::{ChargeState, MisbehaviourKind as Kind, RefundState, Step};
use tonic::Code;
use tonic_types::StatusExt;

use super::misnotices::held;
use super::scripts::late;
use super::*;
use crate::Script;

const EVERY: &str = r#"
    scripts = [
        { name = "slow", act = { slow = { delay = "20ms" } } },
        { name = "deaf", act = { timeout_before = { hold = "1ms" } } },
        { name = "mute", act = { timeout_after = { hold = "1ms" } } },
        { name = "garbled", step = "prepay", act = { garbage = { garbage = "status400" } } },
        { name = "denied", act = { contradicting = { answers = ["not_paid"] } } },
        { name = "asked", act = { password = { delay = "20s", outcome = "refused" } } },
        { name = "poor", act = { decline = { code = "NOTENOUGH" } } },
        { name = "unsure", act = { refund_ending = { state = "notsure", delay = "1s" } } },
        { name = "meanwhile", act = { paid_meanwhile = {} } },
        { name = "held", act = { reordered = { longest = "1h" } } },
        { name = "lost", act = { lost = {} } },
        { name = "late", act = { late = { delay = "1h" } } },
        { name = "twice", act = { repeated = { copies = 2, pause = "1ms" } } },
        { name = "early", act = { before_reply = {} } },
        { name = "forged", act = { forged = { forgeries = ["other_key"] } } },
        { name = "lies", times = 1, act = { wrong_amount = { difference_fen = -250 } } },
    ]
"#;

/// Every kind, each about the orders whose numbers begin with the script's name.
fn every() -> Vec<Script> {
    let configured: SandboxSettings = toml::from_str(EVERY).unwrap();
    let mut scripts = configured.scripts;
    for script in &mut scripts {
        script.orders.out_trade_no_prefix = format!("{}_", script.name);
    }
    scripts
}

async fn rig() -> Rig {
    Rig::with(|settings| settings.scripts = every()).await
}

#[test]
fn an_operator_can_write_every_kind() {
    let written: BTreeSet<Kind> = every().iter().map(|script| script.act.kind()).collect();
    let known = (1..).map_while(|code| Kind::try_from(code).ok());
    assert_eq!(written, known.collect());
}

#[tokio::test]
async fn configured_scripts_are_in_force_and_stay() {
    let rig = rig().await;
    rig.set(script("more", late())).await.unwrap();
    let refused = rig.set(script("lost", late())).await.unwrap_err();
    let reason = refused.get_details_error_info().unwrap().reason;
    assert_eq!(
        (refused.code(), reason.as_str()),
        (Code::FailedPrecondition, "SCRIPT_CONFIGURED")
    );
    assert_eq!(rig.clear(&["lost"]).await, 0);
    assert_eq!(rig.clear(&[]).await, 1);
    let names: Vec<String> = every().into_iter().map(|script| script.name).collect();
    assert_eq!(rig.names().await, names);
    let scripts = rig.scripts().await;
    assert!(scripts.iter().all(|script| script.configured));
    assert_eq!(scripts[3].step(), Step::Prepay);
    assert_eq!(
        scripts[4].misbehaviour,
        Some(Misbehaviour::Contradicting(pb::Contradiction {
            answers: vec![pb::QueryAnswer::NotPaid.into()],
            unpaid_too: false,
        }))
    );
}

#[test]
fn a_configured_script_that_cannot_work_is_refused() {
    let read = |scripts: &str| -> Result<(), String> {
        let text = format!("partner_key = \"k\"\nscripts = [{scripts}]");
        let settings: SandboxSettings = toml::from_str(&text).map_err(|e| e.to_string())?;
        settings.validate().map_err(|e| e.to_string())
    };
    let late = r#"{ name = "a", act = { late = { delay = "1m" } } }"#;
    assert_eq!(read(late), Ok(()));
    assert!(
        read(&format!("{late}, {late}"))
            .unwrap_err()
            .contains("a name of its own")
    );
    let never = read(r#"{ name = "a", act = { late = { delay = "0s" } } }"#).unwrap_err();
    assert_eq!(never, "sandbox script \"a\", delay: above 0, at most a day");
    for unknown in [
        r#"{ name = "a", act = { late = { delay = "1m", dealy = "1m" } } }"#,
        r#"{ name = "a", act = { later = { delay = "1m" } } }"#,
        r#"{ name = "a", order = {}, act = { lost = {} } }"#,
    ] {
        assert!(read(unknown).is_err(), "{unknown}");
    }
}

#[tokio::test]
async fn every_kind_of_configured_script_misbehaves() {
    let mut rig = rig().await;
    answers_go_wrong(&rig).await;
    payers_go_astray(&rig).await;
    rig.notify();
    one_notice_overtakes_another(&rig).await;
    notices_go_wrong(&rig).await;
    for script in every() {
        let misdeeds = rig.misdeeds(&format!("{}_1", script.name)).await;
        let kinds: BTreeSet<Kind> = misdeeds.iter().map(|misdeed| misdeed.0).collect();
        assert_eq!(
            kinds,
            BTreeSet::from([script.act.kind()]),
            "{}",
            script.name
        );
    }
}

async fn answers_go_wrong(rig: &Rig) {
    let begun = Instant::now();
    rig.prepay("slow_1", "127.0.0.1").await;
    assert!(begun.elapsed() >= Duration::from_millis(20));
    for number in ["deaf_1", "mute_1"] {
        assert!(rig.ask(jspay(number, "127.0.0.1")).await.is_none());
        let charges = rig.list(0, "").await.unwrap().charges;
        let done = charges.iter().any(|charge| charge.out_trade_no == number);
        assert_eq!(done, number == "mute_1");
    }
    let garbled = rig.call(jspay("garbled_1", "127.0.0.1")).await;
    assert_eq!(garbled["status"], "400");
    rig.prepay("denied_1", "127.0.0.1").await;
    rig.pay("denied_1").await.unwrap();
    for told in ["NOTPAY", "SUCCESS"] {
        assert_eq!(rig.query("denied_1").await["trade_state"], told);
    }
}

async fn payers_go_astray(rig: &Rig) {
    assert_eq!(refusal(&rig.scan("asked_1", CODE).await).0, "USERPAYING");
    rig.advance(20);
    assert_eq!(rig.query("asked_1").await["trade_state"], "PAYERROR");
    assert_eq!(refusal(&rig.scan("poor_1", CODE).await).0, "NOTENOUGH");
    accepted(&rig.scan("unsure_1", CODE).await);
    accepted(&rig.refund("unsure_1", "R1", "100").await);
    rig.advance(1);
    assert_eq!(rig.refunds().await[0].state(), RefundState::Notsure);
    rig.prepay("meanwhile_1", "127.0.0.1").await;
    assert_eq!(refusal(&rig.close("meanwhile_1").await).0, "ORDERPAID");
}

async fn one_notice_overtakes_another(rig: &Rig) {
    let mut shop = Merchant::new(&rig.net).await;
    for number in ["held_1", "held_2"] {
        rig.prepay(number, &shop.url).await;
    }
    rig.pay("held_1").await.unwrap();
    held(rig).await;
    rig.advance(1);
    rig.pay("held_2").await.unwrap();
    for number in ["held_2", "held_1"] {
        shop.answer("success").await;
        assert_eq!(shop.notice().await["out_trade_no"], number);
    }
}

async fn notices_go_wrong(rig: &Rig) {
    let mut shop = Merchant::new(&rig.net).await;
    for answer in ["success", "fail", "success", "success", "fail"] {
        shop.answer(answer).await;
    }
    rig.prepay("early_1", &shop.url).await;
    assert_eq!(shop.notice().await["out_trade_no"], "early_1");
    assert_eq!(rig.state("early_1").await, ChargeState::Success);
    rig.prepay("forged_1", &shop.url).await;
    assert!(!sign::verify(&shop.letter().await, &key()));
    paid(rig, "twice_1", &shop.url).await;
    for _ in 0..2 {
        assert_eq!(shop.notice().await["out_trade_no"], "twice_1");
    }
    paid(rig, "lies_1", &shop.url).await;
    assert_eq!(shop.notice().await["total_fee"], "1000");
    for number in ["lost_1", "late_1"] {
        paid(rig, number, &shop.url).await;
        let unsent = async {
            while rig.misdeeds(number).await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, unsent).await.unwrap();
    }
    assert!(shop.notices.try_recv().is_err());
}

async fn paid(rig: &Rig, number: &str, notify_url: &str) {
    rig.prepay(number, notify_url).await;
    rig.pay(number).await.unwrap();
}
