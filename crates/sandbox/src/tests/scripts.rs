//! Setting scripts: which are taken, which orders they meet, and that they last.

use pb::Step;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tonic::Code;

use super::*;
use crate::mischief::{Act, Order, Script};

pub(super) fn late() -> Misbehaviour {
    Misbehaviour::Late(pb::LateNotice {
        delay: millis(1000),
    })
}

impl Rig {
    pub(super) async fn scripts(&self) -> Vec<pb::Script> {
        let request = Request::new(pb::ListScriptsRequest {});
        let reply = self.service().list_scripts(request).await.unwrap();
        reply.into_inner().scripts
    }

    pub(super) async fn names(&self) -> Vec<String> {
        self.scripts()
            .await
            .into_iter()
            .map(|script| script.name)
            .collect()
    }

    pub(super) async fn clear(&self, names: &[&str]) -> i32 {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let request = Request::new(pb::ClearScriptsRequest { names });
        let reply = self.service().clear_scripts(request).await.unwrap();
        reply.into_inner().cleared
    }

    /// Which of so many orders a script of this name and 300 in 1000 chooses.
    fn chosen(&self, name: &str, orders: usize) -> Vec<String> {
        let mut script = Script::new(name, Act::Lost {});
        script.permille = 300;
        let chosen = |number: &String| {
            let order = Order {
                out_trade_no: number.clone(),
                ..Order::default()
            };
            self.sandbox.0.mischief.chooses(&script, &order)
        };
        numbers(orders).filter(chosen).collect()
    }
}

fn numbers(orders: usize) -> impl Iterator<Item = String> {
    (0..orders).map(|place| format!("W{place:09}"))
}

#[tokio::test]
async fn scripts_outlive_the_process() {
    let rig = Rig::new().await;
    let mut set = Vec::new();
    for misbehaviour in every() {
        let name = format!("script {}", set.len());
        let told = rig.set(script(&name, misbehaviour)).await.unwrap();
        assert_eq!((told.permille, told.configured), (1000, false));
        set.push(told);
    }
    assert_eq!(set.len(), 16);
    assert_eq!(rig.scripts().await, set);
    let rig = rig.restart().await;
    assert_eq!(rig.scripts().await, set);
    // A second time under the same name: instead of the first, in its place.
    rig.set(script("script 0", late())).await.unwrap();
    set[0] = pb::Script {
        misbehaviour: Some(late()),
        ..set[0].clone()
    };
    assert_eq!(rig.scripts().await, set);
}

fn every() -> [Misbehaviour; 16] {
    [
        Misbehaviour::Slow(pb::Slow { delay: millis(1) }),
        Misbehaviour::TimeoutBefore(pb::Timeout::default()),
        Misbehaviour::TimeoutAfter(pb::Timeout { hold: millis(1) }),
        Misbehaviour::Lost(pb::LostNotice {}),
        late(),
        Misbehaviour::Repeated(pb::RepeatedNotice {
            copies: 2,
            pause: millis(5),
        }),
        Misbehaviour::Reordered(pb::ReorderedNotice::default()),
        Misbehaviour::BeforeReply(pb::NoticeBeforeReply {}),
        Misbehaviour::Forged(pb::ForgedNotice {
            forgeries: vec![pb::Forgery::OtherMerchant.into()],
        }),
        Misbehaviour::WrongAmount(pb::WrongAmount { difference_fen: -1 }),
        Misbehaviour::Garbage(pb::GarbageReply {
            garbage: pb::Garbage::NotUtf8.into(),
        }),
        Misbehaviour::Contradicting(pb::Contradiction {
            answers: vec![pb::QueryAnswer::Closed.into()],
            unpaid_too: true,
        }),
        Misbehaviour::Password(pb::PasswordWait {
            delay: None,
            outcome: pb::PasswordOutcome::Never.into(),
        }),
        Misbehaviour::Decline(pb::Decline::default()),
        Misbehaviour::RefundEnding(pb::RefundEnding {
            state: pb::RefundState::Notsure.into(),
            delay: millis(5),
        }),
        Misbehaviour::PaidMeanwhile(pb::PaidMeanwhile::default()),
    ]
}

async fn refuses(bad: Vec<(&str, pb::Script)>) {
    let rig = Rig::new().await;
    for (field, bad) in bad {
        let refused = rig.set(bad).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        let (start, told) = (format!("script.{field}: "), refused.message());
        assert!(told.starts_with(&start), "{field}: {told}");
    }
    assert_eq!(rig.scripts().await, []);
}

#[tokio::test]
async fn a_script_that_cannot_work_names_the_field() {
    let like = |change: fn(&mut pb::Script)| {
        let mut bad = script("good", late());
        change(&mut bad);
        bad
    };
    refuses(vec![
        ("name", like(|bad| bad.name.clear())),
        ("name", like(|bad| bad.name = "n".repeat(65))),
        ("permille", like(|bad| bad.permille = 1001)),
        ("permille", like(|bad| bad.permille = -1)),
        ("times", like(|bad| bad.times = -1)),
        ("times", like(|bad| bad.times = 1)),
        ("step", like(|bad| bad.step = Step::Query.into())),
        ("step", like(|bad| bad.step = 9)),
        ("misbehaviour", like(|bad| bad.misbehaviour = None)),
    ])
    .await;
}

#[tokio::test]
async fn misbehaviour_that_cannot_work_names_the_field() {
    let slow = |delay| Misbehaviour::Slow(pb::Slow { delay });
    let truth = pb::Contradiction {
        answers: vec![pb::QueryAnswer::Truth.into(); 2],
        unpaid_too: false,
    };
    let (forgeries, garbage) = (vec![9], 9);
    let bad = [
        ("delay", slow(None)),
        ("delay", slow(millis(0))),
        ("delay", slow(millis(86_400_001))),
        (
            "copies",
            Misbehaviour::Repeated(pb::RepeatedNotice::default()),
        ),
        (
            "difference_fen",
            Misbehaviour::WrongAmount(pb::WrongAmount::default()),
        ),
        ("answers", Misbehaviour::Contradicting(truth)),
        (
            "forgeries",
            Misbehaviour::Forged(pb::ForgedNotice { forgeries }),
        ),
        (
            "garbage",
            Misbehaviour::Garbage(pb::GarbageReply { garbage }),
        ),
    ];
    refuses(bad.map(|(field, act)| (field, script("bad", act))).to_vec()).await;
}

#[tokio::test]
async fn what_a_payer_cannot_do_names_the_field() {
    let day = millis(86_400_001);
    let wait = |delay, outcome| Misbehaviour::Password(pb::PasswordWait { delay, outcome });
    let ending = |state, delay| Misbehaviour::RefundEnding(pb::RefundEnding { state, delay });
    let decline = |code: &str| {
        Misbehaviour::Decline(pb::Decline {
            code: code.to_owned(),
        })
    };
    let bad = [
        ("delay", wait(None, 0)),
        ("delay", wait(day, 0)),
        ("delay", wait(day, pb::PasswordOutcome::Never.into())),
        ("outcome", wait(millis(1), 9)),
        ("code", decline("NOT ENOUGH")),
        ("code", decline(&"C".repeat(33))),
        ("state", ending(9, None)),
        ("delay", ending(0, day)),
        (
            "delay",
            Misbehaviour::PaidMeanwhile(pb::PaidMeanwhile { delay: day }),
        ),
    ];
    refuses(bad.map(|(field, act)| (field, script("bad", act))).to_vec()).await;
    let once = [
        wait(millis(1), 0),
        decline(""),
        ending(0, None),
        Misbehaviour::PaidMeanwhile(pb::PaidMeanwhile::default()),
    ];
    let often = once.map(|act| pb::Script {
        times: 2,
        ..script("often", act)
    });
    refuses(often.map(|script| ("times", script)).to_vec()).await;
}

#[tokio::test]
async fn cleared_scripts_are_gone_and_what_they_did_stays() {
    let rig = Rig::new().await;
    for name in ["one", "two", "three"] {
        let slow = Misbehaviour::Slow(pb::Slow { delay: millis(1) });
        rig.set(script(name, slow)).await.unwrap();
    }
    rig.prepay("W0001", "127.0.0.1").await;
    assert_eq!(rig.clear(&["two", "nothing"]).await, 1);
    assert_eq!(rig.names().await, ["one", "three"]);
    assert_eq!(rig.clear(&[]).await, 2);
    assert_eq!(rig.clear(&[]).await, 0);
    let rig = rig.restart().await;
    assert_eq!(rig.scripts().await, []);
    rig.prepay("W0002", "127.0.0.1").await;
    assert_eq!(rig.misdeeds("W0001").await.len(), 3);
    assert_eq!(rig.misdeeds("W0002").await, []);
}

#[tokio::test]
async fn chance_is_fair_and_the_same_after_a_restart() {
    let rig = Rig::new().await;
    let chosen = rig.chosen("some", 1000);
    assert!((250..350).contains(&chosen.len()), "{}", chosen.len());
    // Another process draws other numbers, but the ledger keeps its seed.
    let rig = rig.restart().await;
    assert_eq!(rig.chosen("some", 1000), chosen);
    let folder = TempDir::new().unwrap();
    let other = open(settings(folder.path()), &rig.clock, &rig.net, 7).await;
    let mut elsewhere = Rig::new().await;
    elsewhere.sandbox = other;
    assert_ne!(elsewhere.chosen("some", 1000), chosen);
}

#[tokio::test]
async fn only_the_orders_that_chance_chooses_misbehave() {
    let configured = r#"
        scripts = [
            { name = "configured", permille = 300, act = { garbage = { garbage = "status400" } } },
        ]
    "#;
    let configured: SandboxSettings = toml::from_str(configured).unwrap();
    let rig = Rig::with(|settings| settings.scripts = configured.scripts).await;
    let garbage = pb::Garbage::WrongSignature.into();
    let told = Misbehaviour::Garbage(pb::GarbageReply { garbage });
    rig.set(pb::Script {
        permille: 300,
        ..script("told", told)
    })
    .await
    .unwrap();
    let (mut failed, mut unsigned, mut right) = (Vec::new(), Vec::new(), Vec::new());
    for number in numbers(200) {
        let reply = rig.call(jspay(&number, "127.0.0.1")).await;
        match reply["status"].as_str() {
            "400" => failed.push(number),
            _ if !sign::verify(&reply, &key()) => unsigned.push(number),
            _ => right.push(number),
        }
    }
    let by_configured = rig.chosen("configured", 200);
    let mut by_told = rig.chosen("told", 200);
    for chosen in [&by_configured, &by_told] {
        assert!((30..=90).contains(&chosen.len()), "{}", chosen.len());
    }
    assert_eq!(failed, by_configured);
    // Where both have their turn, the configured one is the first.
    by_told.retain(|number| !by_configured.contains(number));
    assert_eq!(unsigned, by_told);
    for number in right {
        assert_eq!(rig.misdeeds(&number).await, [], "{number}");
    }
}

#[tokio::test]
async fn only_the_orders_meant_misbehave() {
    let rig = Rig::new().await;
    let wanted = pb::OrderFilter {
        out_trade_no_prefix: "W1709".to_owned(),
        mch_id: MCH.to_owned(),
        amount_fen: 1250,
        body_contains: "商品".to_owned(),
    };
    let mut slow = script("slow", Misbehaviour::Slow(pb::Slow { delay: millis(1) }));
    slow.orders = Some(wanted);
    rig.set(slow).await.unwrap();
    let order = |number: &str| jspay(number, "127.0.0.1");
    let others = [
        order("W1710000"),
        with(order("W1709001"), "mch_id", "7551000002"),
        with(order("W1709002"), "total_fee", "1251"),
        with(order("W1709003"), "body", "停车费"),
    ];
    for request in [order("W1709000")].into_iter().chain(others) {
        let number = request["out_trade_no"].clone();
        assert_eq!(rig.call(request).await["result_code"], "0");
        let expected = usize::from(number == "W1709000");
        assert_eq!(rig.misdeeds(&number).await.len(), expected, "{number}");
    }
    rig.query("W1709000").await;
    rig.query("W1709002").await;
    assert_eq!(rig.misdeeds("W1709000").await.len(), 2);
    assert_eq!(rig.misdeeds("").await.len(), 2);
}

#[tokio::test]
async fn what_scripts_did_is_read_in_pages() {
    let rig = Rig::new().await;
    rig.script(Misbehaviour::Slow(pb::Slow { delay: millis(1) }))
        .await;
    for place in 0..5 {
        rig.prepay(&format!("W000{place}"), "127.0.0.1").await;
    }
    let (mut numbers, mut token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListMisbehavioursRequest {
            page_size: 2,
            page_token: token,
            ..pb::ListMisbehavioursRequest::default()
        };
        let page = rig.misbehaviours(request).await;
        numbers.extend(page.misbehaviours.into_iter().map(|one| one.out_trade_no));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(numbers, ["W0000", "W0001", "W0002", "W0003", "W0004"]);
}

#[tokio::test]
async fn a_ledger_of_the_first_release_is_brought_further() {
    let folder = TempDir::new().unwrap();
    let settings = settings(folder.path());
    std::fs::create_dir_all(settings.ledger.parent().unwrap()).unwrap();
    let options = SqliteConnectOptions::new().filename(&settings.ledger);
    let mut old = options.create_if_missing(true).connect().await.unwrap();
    let first = include_str!("../../migrations/0001_ledger.sql");
    sqlx::raw_sql(first).execute(&mut old).await.unwrap();
    let charge =
        "INSERT INTO charges (out_trade_no, mch_id, signer, token_id, amount, body, attach,
        device_info, sub_openid, sub_appid, state, created_at)
        VALUES ('W0001', '7551000001', '7551000001', 't', 1250, 'b', '', '', '', '', 1, 0)";
    sqlx::raw_sql(charge).execute(&mut old).await.unwrap();
    drop(old);
    let mut rig = Rig::new().await;
    rig.sandbox = open(settings, &rig.clock, &rig.net, 1).await;
    let paid = rig.pay("W0001").await.unwrap();
    assert_eq!(paid.trade_type, "pay.weixin.jspay");
}
