//! What a channel tells us: believed after its signature, acknowledged after the commit,
//! counted once however often it comes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::ObligationKind as Kind;
use futures::future::join_all;
use paymesh::cli::Service;
use proto::gateway::v1::list_payment_events_request::Number;
use proto::gateway::v1::{ListPaymentEventsRequest, Payment, PaymentState};
use proto::trade::v1::OrderStatus;
use scenarios::{Mode, Notice, OTHER_KEY, Paying, Shop, TestMesh, Workers, key_of, until};
use store::Engine;
use testkit::ENGINES;

const INBOX: &str = "SELECT COUNT(*) FROM inbox";
// What decides about money, as the inbox has it.
const TOLD: &str = "SELECT DISTINCT mch_id, out_trade_no, channel_trade_no, amount, currency, \
    paid, paid_at FROM inbox";

async fn payment(mesh: &TestMesh, order_no: &str) -> Payment {
    let request = ListPaymentEventsRequest {
        number: Some(Number::OrderNo(order_no.to_owned())),
    };
    let events = mesh
        .payments()
        .list_payment_events(request)
        .await
        .unwrap()
        .into_inner();
    events.payments.into_iter().next().unwrap()
}

/// A payment that was made, and the channel's notice of it, kept from whom it was for.
async fn kept_notice(mesh: &TestMesh, shop: &Shop) -> (Paying, Vec<u8>) {
    let paying = mesh.paying(shop).await;
    mesh.callbacks.set(Mode::Swallow);
    mesh.charge(&paying.out_trade_no).await;
    let number = paying.out_trade_no.as_bytes();
    let notice = until("the channel tells", async || {
        let complete = |body: &Vec<u8>| body.ends_with(b"</xml>") && holds(body, number);
        mesh.callbacks.bodies().into_iter().find(complete)
    });
    let notice = notice.await;
    (paying, notice)
}

fn holds(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

async fn acknowledged(mesh: &TestMesh, body: &[u8]) {
    let answer = mesh.notify(body).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "success"));
}

#[tokio::test]
async fn a_callback_that_comes_often_counts_once() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let (paying, notice) = kept_notice(&mesh, &mesh.shop().await).await;
        acknowledged(&mesh, &notice).await;
        acknowledged(&mesh, &notice).await;
        join_all((0..10).map(|_| acknowledged(&mesh, &notice))).await;
        let story = mesh.settled(&paying.order_no).await;
        // After settlement too; and the channel's own repeats, which are other messages.
        join_all((0..10).map(|_| acknowledged(&mesh, &notice))).await;
        assert_eq!(
            mesh.db(Service::PayGateway).count(INBOX).await,
            1,
            "a repeat is stored once"
        );
        mesh.callbacks.set(Mode::Pass);
        let told = async || {
            let charges = mesh.charges_of(&paying.order_no).await;
            charges[0].notify_acknowledged.then_some(())
        };
        until("the channel's repeat is acknowledged", told).await;
        let inbox = Kind::Inbox.code();
        let taken = async || {
            let sql = format!("SELECT COUNT(*) FROM obligations WHERE kind = {inbox}");
            (mesh.db(Service::PayGateway).count(&sql).await == 0).then_some(())
        };
        until("the inbox is empty", taken).await;
        let after = mesh.timeline(&paying.order_no).await;
        assert_eq!(after.settlements, story.settlements);
        assert_eq!(
            after.order, story.order,
            "nothing changed, its version included"
        );
        assert_eq!(
            mesh.db(Service::PayGateway)
                .count("SELECT COUNT(*) FROM outbox")
                .await,
            1
        );
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn ten_callbacks_at_once_pay_an_order_once() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        let paying = mesh.paying(&shop).await;
        // Ten messages, not one ten times: each says the same in other words.
        let notice = Notice::paid(&shop.mch_id, &paying.out_trade_no, paying.amount_fen);
        let notices = (0..10).map(|n| notice.clone().with("nonce_str", &format!("n{n}")));
        let notices: Vec<_> = notices
            .map(|notice| notice.signed(scenarios::KEY))
            .collect();
        join_all(
            notices
                .iter()
                .map(|notice| acknowledged(&mesh, notice.as_bytes())),
        )
        .await;
        let story = mesh.settled(&paying.order_no).await;
        assert_eq!(story.settlements.len(), 1);
        assert_eq!(mesh.db(Service::PayGateway).count(INBOX).await, 10);
        let log = format!(
            "SELECT COUNT(*) FROM payment_log WHERE order_no = {} AND from_state <> to_state \
             AND to_state = 5",
            key_of(&paying.order_no)
        );
        assert_eq!(mesh.db(Service::PayGateway).count(&log).await, 1);
        assert_eq!(
            mesh.db(Service::PayGateway)
                .count("SELECT COUNT(*) FROM outbox")
                .await,
            1
        );
    }
}

#[tokio::test]
async fn a_callback_before_the_reply_of_the_prepay_pays_the_order() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let order = mesh.bound(&mesh.shop().await).await.order_no;
        mesh.channel.set(Mode::HoldReplies);
        let (answer, ()) = tokio::join!(mesh.pay(&order, "r1"), async {
            let charges =
                async || Some(mesh.charges_of(&order).await).filter(|charges| !charges.is_empty());
            let charges = until("the channel was asked", charges).await;
            mesh.charge(&charges[0].out_trade_no).await;
            mesh.settled(&order).await;
            mesh.channel.set(Mode::Pass);
        });
        let answer = answer.unwrap();
        assert_eq!(answer.order.unwrap().status(), OrderStatus::Paid);
        assert_eq!(answer.pay_info, "", "nobody may pay again");
        assert_eq!(
            payment(&mesh, &order).await.state(),
            PaymentState::Succeeded
        );
        assert_eq!(mesh.timeline(&order).await.settlements.len(), 1);
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn what_is_not_signed_by_its_merchant_is_refused_and_leaves_no_trace() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        mesh.other_merchant().await;
        let paying = mesh.paying(&shop).await;
        let genuine = Notice::paid(&shop.mch_id, &paying.out_trade_no, paying.amount_fen);
        let forged = [
            genuine.signed("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            genuine.signed(""),
            // The key of another merchant is not this merchant's.
            genuine.signed(OTHER_KEY),
            genuine
                .clone()
                .with("sign_type", "RSA_1_256")
                .signed(scenarios::KEY),
            genuine
                .clone()
                .with("mch_id", "7551999999")
                .signed(scenarios::KEY),
            genuine
                .signed(scenarios::KEY)
                .replace("<total_fee>", "<total_fee>1"),
            genuine
                .signed(scenarios::KEY)
                .replace("<sign>", "<sigh>")
                .replace("</sign>", "</sigh>"),
        ];
        for body in forged {
            let answer = mesh.notify(&body).await;
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (400, "fail"),
                "{body}"
            );
        }
        assert_eq!(mesh.db(Service::PayGateway).count(INBOX).await, 0);
        assert_eq!(
            mesh.order(&paying.order_no).await.status(),
            OrderStatus::Paying
        );
        assert_eq!(
            payment(&mesh, &paying.order_no).await.state(),
            PaymentState::Pending
        );
        mesh.charge(&paying.out_trade_no).await;
        mesh.settled(&paying.order_no).await;
    }
}

#[tokio::test]
async fn what_is_signed_and_does_not_match_is_kept_flagged_and_owed_an_answer() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        let other = mesh.other_merchant().await;
        let paying = mesh.paying(&shop).await;
        let number = &paying.out_trade_no;
        let notice = |amount| Notice::paid(&shop.mch_id, number, amount);
        let right = paying.amount_fen;
        let unknown = "W9912312359599999990000";
        let odd = [
            (notice(right + 1), scenarios::KEY, "AMOUNT_DIFFERS"),
            (notice(right - 1), scenarios::KEY, "AMOUNT_DIFFERS"),
            (
                notice(right).with("fee_type", "USD"),
                scenarios::KEY,
                "CURRENCY_DIFFERS",
            ),
            (
                notice(right).with("total_fee", "a lot"),
                scenarios::KEY,
                "UNCLEAR",
            ),
            (
                notice(right).with("status", "400"),
                scenarios::KEY,
                "UNCLEAR",
            ),
            (
                Notice::paid(&shop.mch_id, unknown, right),
                scenarios::KEY,
                "NUMBER_UNKNOWN",
            ),
            (
                notice(right).with("out_trade_no", "hello"),
                scenarios::KEY,
                "NUMBER_UNKNOWN",
            ),
            (
                notice(right).with("out_trade_no", &format!("{number}T")),
                scenarios::KEY,
                "NUMBER_UNKNOWN",
            ),
            (
                Notice::paid(&other.mch_id, number, right),
                OTHER_KEY,
                "MERCHANT_DIFFERS",
            ),
        ];
        let mut wanted = Vec::new();
        for (notice, key, reason) in odd {
            acknowledged(&mesh, notice.signed(key).as_bytes()).await;
            wanted.push(vec![reason.to_owned(), Kind::Match.code().to_string()]);
        }
        let sql = "SELECT f.reason, b.kind FROM inbox i JOIN inbox_flags f ON f.inbox_id = i.id \
                   JOIN obligations b ON b.subject = i.id ORDER BY f.reason";
        wanted.sort();
        let flagged = async || {
            let rows = mesh.db(Service::PayGateway).rows(sql).await;
            let done = rows.iter().filter(|row| row[1] == wanted[0][1]).count() == wanted.len();
            done.then_some(rows)
        };
        assert_eq!(until("all are flagged", flagged).await, wanted);
        assert_eq!(
            mesh.order(&paying.order_no).await.status(),
            OrderStatus::Paying
        );
        assert_eq!(
            payment(&mesh, &paying.order_no).await.state(),
            PaymentState::Pending
        );
        assert!(mesh.forgotten().await.is_empty());
        mesh.charge(number).await;
        let story = mesh.settled(&paying.order_no).await;
        assert_eq!(story.settlements[0].gross_fen, right);
    }
}

#[tokio::test]
async fn success_is_answered_only_when_the_callback_is_durable() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        let (paying, notice) = kept_notice(&mesh, &shop).await;
        let db = mesh.db(Service::PayGateway);
        let refuse = match engine {
            Engine::Sqlite => "BEGIN SELECT RAISE(ABORT, 'refused'); END",
            Engine::MySql => "FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'",
        };
        db.run(&format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON inbox {refuse}"
        ))
        .await;
        for _ in 0..3 {
            let answer = mesh.notify(&notice).await;
            assert_eq!((answer.status, answer.body.as_str()), (503, "fail"));
        }
        assert_eq!(db.count(INBOX).await, 0);
        db.run("DROP TRIGGER refuse").await;
        // The channel repeats what was not acknowledged, and nobody else need do anything.
        mesh.callbacks.set(Mode::Pass);
        mesh.settled(&paying.order_no).await;
        assert!(db.count(INBOX).await > 0);
    }
}

#[tokio::test]
async fn a_merchant_that_cannot_be_looked_up_now_is_told_to_repeat() {
    for engine in ENGINES {
        let mut mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        let (paying, notice) = kept_notice(&mesh, &shop).await;
        // Started anew, it knows no merchant, and nobody tells it.
        mesh.restart(Service::PayGateway, Workers::On).await;
        mesh.stop(Service::ShopCenter).await;
        let answer = mesh.notify(&notice).await;
        assert_eq!((answer.status, answer.body.as_str()), (503, "fail"));
        mesh.start_again(Service::ShopCenter, Workers::On).await;
        mesh.callbacks.set(Mode::Pass);
        mesh.settled(&paying.order_no).await;
    }
}

#[tokio::test]
async fn a_flipped_byte_changes_nothing_unless_the_message_says_the_same() {
    for engine in ENGINES {
        let mut mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        let (paying, notice) = kept_notice(&mesh, &shop).await;
        let mut stored = 0;
        for at in 0..notice.len() {
            let mut flipped = notice.clone();
            // Another bit at each place, so that all kinds of damage are met.
            flipped[at] ^= 1 << (at % 8);
            let answer = mesh.notify(&flipped).await;
            match (answer.status, answer.body.as_str()) {
                (200, "success") => stored += 1,
                (400, "fail") => {}
                other => panic!("byte {at}: {other:?}"),
            }
        }
        let gateway = mesh.db(Service::PayGateway);
        assert_eq!(gateway.count(INBOX).await, stored);
        assert!(stored < 8, "{stored} damaged messages were believed");
        acknowledged(&mesh, &notice).await;
        let told = gateway.rows(TOLD).await;
        assert_eq!(
            told.len(),
            1,
            "all that was believed says the same: {told:?}"
        );
        assert_eq!(
            told[0][..2],
            [shop.mch_id.clone(), paying.out_trade_no.clone()]
        );
        assert_eq!(
            mesh.order(&paying.order_no).await.status(),
            OrderStatus::Paying
        );
        // And what it says is done, once.
        mesh.restart(Service::PayGateway, Workers::On).await;
        mesh.restart(Service::Trade, Workers::On).await;
        let story = mesh.settled(&paying.order_no).await;
        assert_eq!(story.settlements[0].gross_fen, paying.amount_fen);
        let flags = mesh
            .db(Service::PayGateway)
            .count("SELECT COUNT(*) FROM inbox_flags")
            .await;
        assert_eq!(flags, 0);
    }
}

#[tokio::test]
async fn what_is_no_flat_message_of_bearable_size_is_refused() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        let paying = mesh.paying(&shop).await;
        let notice = Notice::paid(&shop.mch_id, &paying.out_trade_no, paying.amount_fen);
        let good = notice.signed(scenarios::KEY);
        let twice = good.replace("</xml>", "<total_fee><![CDATA[1]]></total_fee></xml>");
        let declared = format!("<!DOCTYPE xml [<!ENTITY a \"1\">]>{good}");
        let outside = format!("<!DOCTYPE xml SYSTEM \"file:///etc/passwd\">{good}");
        let entity = good.replace("</xml>", "<a>&a;</a></xml>");
        let nested = good.replace("</xml>", "<a><b>1</b></a></xml>");
        let many: Vec<_> = (0..100).map(|n| format!("<f{n}>1</f{n}>")).collect();
        let many = good.replace("</xml>", &(many.concat() + "</xml>"));
        let large = notice
            .with("attach", &"x".repeat(70_000))
            .signed(scenarios::KEY);
        let half = good[..good.len() / 2].to_owned();
        let other = [
            String::new(),
            "{}".to_owned(),
            "a=1&b=2".to_owned(),
            "<xml></xml>".to_owned(),
        ];
        for body in [twice, declared, outside, entity, nested, many, half]
            .into_iter()
            .chain(other)
        {
            let answer = mesh.notify(&body).await;
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (400, "fail"),
                "{body:.400}"
            );
        }
        assert_eq!(mesh.notify(&large).await.status, 413);
        let not_utf8 = [good.as_bytes(), b"\xff\xfe"].concat();
        assert_eq!(mesh.notify(&not_utf8).await.status, 400);
        let elsewhere = (scenarios::INGRESS, "/callback/alipay");
        assert_eq!(
            scenarios::post(mesh.net(), elsewhere, good.as_bytes())
                .await
                .status,
            404
        );
        assert_eq!(mesh.db(Service::PayGateway).count(INBOX).await, 0);
        assert_eq!(
            mesh.order(&paying.order_no).await.status(),
            OrderStatus::Paying
        );
    }
}
