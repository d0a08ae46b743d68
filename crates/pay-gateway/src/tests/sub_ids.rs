//! The chain merchant and the merchant's own app: told to the channel by the accounts that have
//! them, as they were when the payment began.

use domain::ObligationKind;
use proto::gateway::v1::PaymentState as Wire;
use proto::shop::v1::MerchantAccount;
use seam::SystemIds;
use std::sync::Arc;
use testkit::{ENGINES, TestDb};

use super::bed::{Bed, environment, number, on_both};
use super::channel::{CLOSE, Fields, PAY, PREPAY, QUERY};
use super::shops::{MCH_ID, account, till};
use crate::MIGRATIONS;
use crate::payment::StoredPayment;

const BELIEVED: u64 = 30;
const CHAIN: &str = "075520000007";
const APP: &str = "wx1f87d44db95cba7a";

fn with_both(account: MerchantAccount) -> MerchantAccount {
    MerchantAccount {
        groupno: CHAIN.to_owned(),
        sub_appid: APP.to_owned(),
        ..account
    }
}

impl Bed {
    /// What the channel was told of chain and app, in each call of a service.
    fn told_of_both(&self, service: &str) -> Vec<(Option<String>, Option<String>)> {
        let of = |asked: &Fields| {
            let field = |name| asked.get(name).cloned();
            (field("groupno"), field("sub_appid"))
        };
        self.channel.asked(service).iter().map(of).collect()
    }
}

fn some(groupno: &str, sub_appid: &str) -> (Option<String>, Option<String>) {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    (some(groupno), some(sub_appid))
}

#[tokio::test]
async fn chain_and_app_are_told_exactly_when_the_account_has_them() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.pay(number(2)).await;
        let both = vec![with_both(account(1, MCH_ID)), with_both(till(9, MCH_ID))];
        bed.shops.knows(both);
        bed.wait(BELIEVED + 1);
        assert_eq!(bed.prepay(number(3)).await.state(), Wire::Pending);
        bed.pay(number(4)).await;
        let told = [some("", ""), some(CHAIN, APP)];
        assert_eq!(bed.told_of_both(PREPAY), told);
        assert_eq!(bed.told_of_both(PAY), told);
    })
    .await;
}

#[tokio::test]
async fn a_payment_keeps_chain_and_app_whatever_becomes_of_its_account() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.shops.knows(vec![with_both(account(1, MCH_ID))]);
        bed.wait(BELIEVED + 1);
        bed.prepay(number(2)).await;
        bed.shops.knows(vec![account(1, MCH_ID)]);
        bed.wait(BELIEVED + 1);
        bed.prepay(number(3)).await;
        let kept = bed.stored(number(2)).await.account;
        assert_eq!(
            (kept.groupno.as_str(), kept.sub_appid.as_str()),
            (CHAIN, APP)
        );
        for n in 1..=3 {
            bed.query(number(n)).await;
        }
        // Only those that begin a payment are about the app; whose key signs, all are.
        let told = [some("", ""), some(CHAIN, ""), some("", "")];
        assert_eq!(bed.told_of_both(QUERY), told);
        bed.close(number(2)).await;
        bed.wait(400);
        bed.drain(ObligationKind::Close).await;
        assert_eq!(bed.told_of_both(CLOSE), [some(CHAIN, "")]);
    })
    .await;
}

#[tokio::test]
async fn a_payment_of_before_has_neither_chain_nor_app() {
    let one = number(1);
    for engine in ENGINES {
        let database = TestDb::create(engine).await;
        let migrate = |steps| store::migrate::migrate("test", database.url(), steps);
        migrate(&MIGRATIONS[..1]).await.unwrap();
        database.run(&insert(one.order.get(), 1)).await;
        migrate(MIGRATIONS).await.unwrap();
        // The version before runs on until it is replaced.
        database.run(&insert(one.order.get(), 2)).await;
        let settings = database.settings();
        let (clock, ids) = (testkit::clock(), Arc::new(SystemIds));
        let db = store::Db::open(&settings, MIGRATIONS, clock, ids).await;
        let stored = StoredPayment::of_order(&db.unwrap(), one.order, environment()).await;
        let stored = stored.unwrap();
        let accounts = stored.iter().map(|it| &it.account);
        let both = accounts.map(|it| (it.groupno.as_str(), it.sub_appid.as_str()));
        assert_eq!(both.collect::<Vec<_>>(), [("", ""); 2]);
        assert_eq!(stored[0].account.mch_id, MCH_ID);
    }
}

/// A payment as the version before wrote it.
fn insert(order: i64, attempt: i16) -> String {
    format!(
        "INSERT INTO payments (order_no, attempt, state, reason, shop_id, pay_type, amount, pay_id, \
         description, payer_id, client_ip, expires_at, send_before, account_id, mch_id, key_name, \
         sign_agentno, close_reason, version, created_at, changed_at, write_id) \
         VALUES ({order}, {attempt}, 2, '', 11, 43, 1, 9, 'd', 'p', '', 0, 0, 1, '{MCH_ID}', 'one', \
         '', '', 1, 0, 0, {attempt})"
    )
}
