//! The same on the wire: whose account it is, and which answers are believed.

use domain::{RefundFailure, RefundState};
use jiff::Timestamp;
use proto::gateway::v1::RefundState as Wire;

use super::{refund_no, wanted};
use crate::channel::value::china_time;
use crate::tests::bed::{FEN, number, on_both};
use crate::tests::channel::Says;
use crate::tests::shops::{MCH_ID, OTHER_MCH_ID, account};

const REFUND: &str = "unified.trade.refund";
const QUERY: &str = "unified.trade.refundquery";

const PROCESSING: (RefundState, Option<RefundFailure>) = (RefundState::Processing, None);
const SUCCEEDED: (RefundState, Option<RefundFailure>) = (RefundState::Succeeded, None);

type Reply = Vec<(&'static str, String)>;

/// So much went back under our number `n`.
fn went_back(n: u8, fen: i64, at: Timestamp) -> Reply {
    vec![
        ("refund_count", "1".to_owned()),
        ("out_refund_no_0", refund_no(n).to_string()),
        ("refund_id_0", "50000020261120".to_owned()),
        ("refund_fee_0", fen.to_string()),
        ("refund_status_0", "SUCCESS".to_owned()),
        ("refund_time_0", china_time(at)),
    ]
}

#[tokio::test]
async fn money_goes_back_through_the_account_that_took_it() {
    on_both(async |bed| {
        bed.pays(number(1)).await;
        // The shop has another one by now.
        bed.shops.knows(vec![account(2, OTHER_MCH_ID)]);
        bed.wait(60);
        bed.refund(wanted(1, 3000)).await;
        bed.channel
            .says(QUERY, Says::Reply(went_back(1, 3000, bed.now())));
        assert_eq!(bed.ask_in(5).await.done, 1);
        bed.refund_stands(1, SUCCEEDED, &[Wire::Succeeded]).await;
        let sent = bed.channel.asked(REFUND);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0]["out_refund_no"], refund_no(1).to_string());
        assert_eq!(sent[0]["total_fee"], FEN.to_string());
        assert_eq!(sent[0]["refund_fee"], "3000");
        for asked in sent.iter().chain(&bed.channel.asked(QUERY)) {
            assert_eq!(asked["mch_id"], MCH_ID);
            assert_eq!(asked["out_trade_no"], number(1).to_string());
        }
    })
    .await;
}

#[tokio::test]
async fn answers_that_are_forged_or_of_another_refund_are_not_believed() {
    on_both(async |bed| {
        bed.pays(number(1)).await;
        let another = ("out_refund_no", refund_no(9).to_string());
        bed.channel.says(REFUND, Says::Reply(vec![another]));
        let refund = bed.refund(wanted(1, 3000)).await;
        assert_eq!(refund.reason, "NO_ANSWER");
        let answers = [
            Says::Forged(went_back(1, 3000, bed.now())),
            Says::Reply(went_back(9, 3000, bed.now())),
            Says::Reply(went_back(1, 3001, bed.now())),
            Says::Garbage("<xml><refund_status_0>SUCCESS</refund_status_0></xml>"),
        ];
        for answer in answers {
            bed.channel.says(QUERY, answer);
            assert_eq!(bed.query_refund(1).await.state(), Wire::Processing);
            bed.refund_stands(1, PROCESSING, &[]).await;
        }
        bed.channel
            .says(QUERY, Says::Reply(went_back(1, 3000, bed.now())));
        assert_eq!(bed.query_refund(1).await.state(), Wire::Succeeded);
    })
    .await;
}
