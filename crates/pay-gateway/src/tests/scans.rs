//! Payments by the payer's code (b→c): taken once, waited for, and the code is nowhere.

use std::time::Duration;

use domain::{ObligationKind, PaymentState};
use proto::gateway::v1::PaymentState as Wire;
use proto::shop::v1::{MerchantAccount, PayType};
use tonic::Code;

use super::asks::{CODE, by_code, request};
use super::bed::{Bed, FEN, Setup, number, on_both, on_both_with};
use super::channel::{Gate, PAY, QUERY, Says, declined, paid, refused, state, taken, typing};
use super::shops::{MCH_ID, OTHER_MCH_ID, account, till};
use super::stands::{DEAD_BY_QUERY, DEAD_BY_REPLY, PAID_BY_QUERY, PAID_BY_REPLY};

#[tokio::test]
async fn a_code_that_is_charged_at_once_is_paid_by_the_reply() {
    on_both(async |bed| {
        let one = number(1);
        bed.channel.says(PAY, taken(FEN, bed.now()));
        let payment = bed.pay(one).await;
        assert_eq!(
            (payment.state(), payment.reason.as_str()),
            (Wire::Succeeded, "")
        );
        assert_eq!(payment.channel_trade_no, "42000020261120");
        assert_eq!(payment.earliest_close_time, None);
        bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_REPLY]))
            .await;
        assert_eq!(bed.stored(one).await.paid_at, Some(bed.now()));
        assert_eq!(bed.events(one).await, ["PAY", "REPLY_PAID"]);
        let asked = bed.channel.asked(PAY);
        assert_eq!(asked[0]["auth_code"], CODE);
        assert_eq!(asked[0]["total_fee"], FEN.to_string());
        assert_eq!(asked[0]["time_expire"], "20261120140000");
    })
    .await;
}

#[tokio::test]
async fn the_intent_is_on_record_before_the_code_is_used() {
    on_both(async |bed| {
        let (one, gate) = (number(1), Gate::shut());
        bed.channel.says(PAY, gate.holds(taken(FEN, bed.now())));
        let call = bed.pay_meanwhile(one);
        bed.channel.was_asked(PAY, 1).await;
        bed.stands(one, PaymentState::Sent, (true, &[])).await;
        assert_eq!(bed.pay(one).await.state(), Wire::Sent);
        gate.open();
        assert_eq!(call.await.unwrap().state(), Wire::Succeeded);
        assert_eq!(bed.channel.asked(PAY).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_payer_who_types_a_password_is_waited_for() {
    on_both(async |bed| {
        let one = number(1);
        assert_eq!(bed.pay(one).await.state(), Wire::Pending);
        bed.stands(one, PaymentState::Pending, (true, &[])).await;
        assert_eq!(bed.due_in(one).await, Duration::from_secs(2));
        bed.channel.says(QUERY, state("USERPAYING"));
        for (wait, next) in [(2, 3), (3, 5), (5, 5), (5, 5)] {
            bed.wait(wait);
            assert_eq!(bed.drain(ObligationKind::Poll).await.postponed, 1);
            assert_eq!(bed.due_in(one).await, Duration::from_secs(next));
        }
        bed.wait(5);
        bed.channel.says(QUERY, paid(FEN, bed.now()));
        assert_eq!(bed.drain(ObligationKind::Poll).await.done, 1);
        bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
        assert_eq!(
            bed.events(one).await,
            ["PAY", "REPLY_WAITING", "QUERY_PAID"]
        );
    })
    .await;
}

#[tokio::test]
async fn a_repeat_is_answered_as_stored_and_its_code_is_not_used() {
    on_both(async |bed| {
        let one = number(1);
        let first = bed.pay(one).await;
        let mut repeat = by_code(one);
        repeat.auth_code = "287654321098765432".to_owned();
        bed.channel.says(PAY, taken(FEN, bed.now()));
        assert_eq!(bed.try_pay(repeat).await.unwrap(), first);
        let calls: Vec<_> = (0..10).map(|_| bed.pay_meanwhile(number(2))).collect();
        for call in calls {
            let state = call.await.unwrap().state();
            assert!([Wire::Sent, Wire::Succeeded].contains(&state), "{state:?}");
        }
        assert_eq!(bed.channel.asked(PAY).len(), 2);
        bed.stands(number(2), PaymentState::Succeeded, (true, &[PAID_BY_REPLY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn another_content_under_the_same_number_is_refused() {
    on_both(async |bed| {
        let one = number(1);
        bed.pay(one).await;
        let mut other = by_code(one);
        other.amount_fen += 1;
        let refused = [
            bed.try_pay(other).await.unwrap_err(),
            bed.try_prepay(request(one)).await.unwrap_err(),
        ];
        for refused in refused {
            let reason = mesh::reason_of(&refused);
            assert_eq!(reason.as_deref(), Some("PAYMENT_DIFFERS"));
        }
        assert_eq!(bed.channel.asked(PAY).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_final_refusal_of_a_code_is_declined() {
    on_both(async |bed| {
        bed.channel.says(PAY, declined("AUTHCODEEXPIRE"));
        let declined = bed.pay(number(1)).await;
        assert_eq!(
            (declined.state(), declined.reason.as_str()),
            (Wire::Declined, "NOT_PAID")
        );
        bed.stands(number(1), PaymentState::Declined, (false, &[DEAD_BY_REPLY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn without_a_certain_answer_a_code_is_unknown_and_never_declined() {
    let hasty = Setup {
        timeout: Duration::from_millis(300),
        ..Setup::default()
    };
    on_both_with(hasty, async |bed| {
        let Says::Reply(mut dollars) = taken(FEN, bed.now()) else {
            panic!("a reply")
        };
        dollars.push(("fee_type", "USD".to_owned()));
        let answers = [
            (Says::Silence, "NO_ANSWER"),
            (Says::Garbage("<"), "NO_ANSWER"),
            (refused("SYSTEMERROR"), "NO_ANSWER"),
            (refused("AUTH"), "NO_ANSWER"),
            // Money of another amount or currency is never this payment's.
            (taken(FEN + 1, bed.now()), "AMOUNT_DIFFERS"),
            (Says::Reply(dollars), "AMOUNT_DIFFERS"),
        ];
        for (n, (says, reason)) in (1..).zip(answers) {
            bed.channel.says(PAY, says);
            let answer = bed.pay(number(n)).await;
            assert_eq!(
                (answer.state(), answer.reason.as_str()),
                (Wire::Unknown, reason)
            );
            bed.stands(number(n), PaymentState::Unknown, (true, &[]))
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_replys_money_of_another_amount_is_taken_on_a_querys_word_alone() {
    on_both(async |bed| {
        let one = number(1);
        bed.channel.says(PAY, taken(FEN + 1, bed.now()));
        bed.pay(one).await;
        // Nothing but the polls' word counts, and they go on.
        for wait in [2, 3] {
            bed.wait(wait);
            assert_eq!(bed.drain(ObligationKind::Poll).await.postponed, 1);
            let stored = bed.stored(one).await;
            assert_eq!(stored.reason, "AMOUNT_DIFFERS");
            assert_eq!(stored.paid_amount, None);
            bed.stands(one, PaymentState::Unknown, (true, &[])).await;
        }
        bed.wait(5);
        bed.channel.says(QUERY, paid(FEN + 1, bed.now()));
        assert_eq!(bed.drain(ObligationKind::Poll).await.done, 1);
        bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
        assert_eq!(bed.told_fen(one).await, [FEN + 1]);
    })
    .await;
}

#[tokio::test]
async fn the_payid_tells_the_wallet_in_each_direction() {
    on_both(async |bed| {
        let alipay = MerchantAccount {
            pay_type: PayType::SwiftpassAlipay.into(),
            ..account(2, MCH_ID)
        };
        let accounts = vec![account(1, MCH_ID), alipay, till(9, MCH_ID)];
        bed.shops.knows(accounts);
        let scanned = [
            (PayType::SwiftpassWechat, 9),
            (PayType::SwiftpassAlipay, 14),
        ];
        for (n, (pay_type, pay_id)) in (1..).zip(scanned) {
            let mut prepay = request(number(n));
            prepay.pay_type = pay_type.into();
            assert_eq!(bed.try_prepay(prepay).await.unwrap().pay_id, pay_id);
            assert_eq!(bed.query(number(n)).await.pay_id, pay_id);
        }
        // What takes both learns it from the code; another wallet's has none.
        let codes = [
            (CODE, 12),
            ("284567890123456789", 13),
            ("624567890123456789", 0),
        ];
        for (n, (code, pay_id)) in (3..).zip(codes) {
            let mut pay = by_code(number(n));
            pay.auth_code = code.to_owned();
            assert_eq!(bed.try_pay(pay).await.unwrap().pay_id, pay_id);
            assert_eq!(bed.query(number(n)).await.pay_id, pay_id);
        }
    })
    .await;
}

#[tokio::test]
async fn a_code_that_cannot_be_sent_is_declined() {
    let nobody = Setup {
        is_there: false,
        ..Setup::default()
    };
    on_both_with(nobody, async |bed| {
        let declined = bed.pay(number(1)).await;
        assert_eq!(
            (declined.state(), declined.reason.as_str()),
            (Wire::Declined, "NOT_SENT")
        );
        bed.shops.knows(vec![]);
        bed.wait(31);
        let refused = bed.pay(number(2)).await;
        assert_eq!(refused.reason, "NO_MERCHANT_ACCOUNT");
        for n in [1, 2] {
            bed.stands(number(n), PaymentState::Declined, (false, &[DEAD_BY_REPLY]))
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_replys_money_counts_though_a_query_was_quicker_to_decline() {
    on_both(async |bed| {
        let (one, gate) = (number(1), Gate::shut());
        bed.channel.says(PAY, gate.holds(taken(FEN, bed.now())));
        let call = bed.pay_meanwhile(one);
        bed.channel.was_asked(PAY, 1).await;
        bed.channel.says(QUERY, state("PAYERROR"));
        assert_eq!(bed.query(one).await.state(), Wire::Declined);
        gate.open();
        assert_eq!(call.await.unwrap().state(), Wire::Succeeded);
        let told = [DEAD_BY_QUERY, PAID_BY_REPLY];
        bed.stands(one, PaymentState::Succeeded, (false, &told))
            .await;
    })
    .await;
}

#[tokio::test]
async fn tills_accounts_are_picked_by_weight() {
    on_both(async |bed| {
        bed.shops
            .knows(vec![till(1, MCH_ID), till(2, OTHER_MCH_ID)]);
        let mut had = [0, 0, 0];
        for n in 1..=60 {
            let account = bed.pay(number(n)).await.account_id;
            had[usize::try_from(account).unwrap()] += 1;
        }
        assert!(had[1] > 5 && had[2] > 5, "{had:?}");
    })
    .await;
}

#[tokio::test]
async fn each_direction_takes_its_own_pay_types_only() {
    on_both(async |bed| {
        let mut pay = by_code(number(1));
        pay.pay_type = PayType::SwiftpassWechat.into();
        let mut prepay = request(number(1));
        prepay.pay_type = PayType::SwiftpassScan.into();
        let refused = [
            bed.try_pay(pay).await.unwrap_err(),
            bed.try_prepay(prepay).await.unwrap_err(),
        ];
        for refused in refused {
            assert_eq!(refused.code(), Code::InvalidArgument);
        }
        assert!(bed.find(number(1)).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn what_is_no_code_is_refused_and_not_repeated() {
    on_both(async |bed| {
        for code in ["", "123", "13456789012345678x", "1345678901234567890123456"] {
            let mut request = by_code(number(1));
            request.auth_code = code.to_owned();
            let refused = bed.try_pay(request).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            let shown = format!("{refused:?}");
            assert!(code.len() < 9 || !shown.contains(code), "{shown}");
        }
    })
    .await;
}

// All that is stored, as text.
async fn everything(bed: &Bed) -> String {
    let mut all = String::new();
    for table in ["payments", "payment_log", "outbox", "feed", "obligations"] {
        let rows = format!("SELECT * FROM {table}");
        for row in bed.test_db.rows(&rows).await {
            all.push_str(&row.join(" "));
            all.push('\n');
        }
    }
    all
}

#[tokio::test]
async fn a_payers_code_is_stored_nowhere_though_the_channel_repeats_it() {
    on_both(async |bed| {
        let hex = hex::encode(CODE);
        let echo = ("err_msg", format!("code {CODE} is wrong"));
        let with_echo = |says| {
            let Says::Reply(mut fields) = says else {
                panic!("a reply")
            };
            fields.push(echo.clone());
            Says::Reply(fields)
        };
        let answers = [
            taken(FEN, bed.now()),
            typing(),
            declined("AUTH"),
            refused("SYSTEMERROR"),
            refused(CODE),
        ];
        for (n, says) in (1..).zip(answers) {
            bed.channel.says(PAY, with_echo(says));
            bed.pay(number(n)).await;
            bed.told(number(n)).await;
        }
        let stored = everything(bed).await;
        assert!(stored.contains("REPLY_PAID") && stored.contains("is wrong"));
        assert!(!stored.contains(CODE) && !stored.contains(&hex));
    })
    .await;
}
