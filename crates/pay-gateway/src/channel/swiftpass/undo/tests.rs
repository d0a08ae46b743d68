use std::sync::Arc;
use std::time::Duration;

use crate::channel::scripted::{Asked, Script, ok};
use crate::channel::swiftpass::tests::{
    app, before, forged, only, platform, reply, rsa, swiftpass, vector,
};
use crate::channel::swiftpass::{Swiftpass, wire};
use crate::channel::{Channel, Fields, Undo, UndoAnswer};

const NUMBER: &str = "W1709251528510010000";

fn undo() -> Undo {
    Undo {
        out_trade_no: NUMBER.to_owned(),
        timeout: Duration::from_secs(3),
    }
}

/// What both calls make of this reply; they must agree.
async fn answer(reply: &str) -> UndoAnswer {
    let closed = before(ok(reply)).await.0.close(&undo()).await;
    let reversed = before(ok(reply)).await.0.reverse(&undo()).await;
    assert_eq!(closed, reversed);
    closed
}

async fn without_agent() -> (Swiftpass, Asked) {
    let (mut swiftpass, asked) = before(ok("")).await;
    swiftpass.account.sign_agentno = None;
    (swiftpass, asked)
}

#[tokio::test]
async fn a_close_asks_as_the_vectors_do() {
    let (swiftpass, asked) = without_agent().await;
    swiftpass.close(&undo()).await;
    let expected: Fields = vector("close_req").fields.iter().collect();
    assert_eq!(only(&asked), expected);
    let (mut swiftpass, asked) = without_agent().await;
    swiftpass.account.signer = app();
    swiftpass.close(&undo()).await;
    let vectors = rsa().vectors;
    let vector = vectors.iter().find(|v| v.name == "close_req").unwrap();
    let expected: Fields = vector.fields.iter().collect();
    assert_eq!(only(&asked), expected);
}

#[tokio::test]
async fn a_reverse_asks_with_the_number_alone() {
    let (swiftpass, asked) = before(ok("")).await;
    swiftpass.reverse(&undo()).await;
    let expected = [
        ("service", "unified.micropay.reverse"),
        ("version", "2.0"),
        ("charset", "UTF-8"),
        ("sign_type", "MD5"),
        ("mch_id", "7551000001"),
        ("sign_agentno", "075020000001"),
        ("out_trade_no", NUMBER),
        ("nonce_str", "5f2c9d1b8e7a4c3d"),
    ];
    assert_eq!(only(&asked), forged(&expected));
}

#[tokio::test]
async fn a_signed_answer_is_told_as_it_is() {
    for fields in [
        &[][..],
        &[("code", "0"), ("retry_flag", "N")],
        &[("out_trade_no", NUMBER)],
    ] {
        assert_eq!(answer(&reply(fields)).await, UndoAnswer::Accepted);
    }
    let early = [
        ("result_code", "1"),
        ("err_code", "ORDER_TOO_YOUNG"),
        ("err_msg", "订单创建不足5分钟"),
        ("retry_flag", "Y"),
    ];
    let refused = UndoAnswer::Refused {
        code: "ORDER_TOO_YOUNG".to_owned(),
        message: "订单创建不足5分钟".to_owned(),
    };
    assert_eq!(answer(&reply(&early)).await, refused);
    let bare = UndoAnswer::Refused {
        code: String::new(),
        message: String::new(),
    };
    assert_eq!(answer(&reply(&[("result_code", "1")])).await, bare);
}

#[tokio::test]
async fn what_is_not_believed_is_unknown() {
    for bad in [
        reply(&[("status", "400")]),
        reply(&[("result_code", "")]),
        reply(&[("mch_id", "7551000002")]),
        reply(&[("out_trade_no", "W1709251528510010001")]),
        reply(&[]).replace("7551000001", "7551000002"),
        "<xml><status>400</status><message>busy</message></xml>".to_owned(),
        "<xml><status>0</status><result_code>0</result_code></xml>".to_owned(),
        String::new(),
    ] {
        let answer = answer(&bad).await;
        assert!(matches!(answer, UndoAnswer::Unknown { .. }), "{answer:?}");
    }
}

#[tokio::test]
async fn under_rsa_the_same_is_said() {
    let accepted = [
        ("status", "0"),
        ("result_code", "0"),
        ("mch_id", "7551000001"),
    ];
    let mut fields = Fields::from_iter(accepted);
    platform().sign(&mut fields).unwrap();
    let body = wire::write(&fields);
    let (mut swiftpass, _) = before(ok(&body)).await;
    swiftpass.account.signer = app();
    assert_eq!(swiftpass.close(&undo()).await, UndoAnswer::Accepted);
    let believed_by_md5 = answer(&body).await;
    assert!(matches!(believed_by_md5, UndoAnswer::Unknown { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_slow_channel_is_unknown_and_an_unreachable_one_was_not_asked() {
    let (slow, _) = before(Script::Silence).await;
    let answer = slow.close(&undo()).await;
    assert!(matches!(answer, UndoAnswer::Unknown { .. }), "{answer:?}");
    let unreachable = swiftpass("http://127.0.0.1:9/".to_owned(), Arc::default());
    let answer = unreachable.reverse(&undo()).await;
    assert!(matches!(answer, UndoAnswer::NotSent { .. }), "{answer:?}");
}
