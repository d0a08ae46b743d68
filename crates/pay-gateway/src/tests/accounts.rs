//! Merchant accounts: which one takes a payment, which keys are believed, and what holds while
//! shop-center is away.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::{ObligationKind, PaymentState};
use prost::Message;
use proto::gateway::v1::PaymentState as Wire;
use proto::shop::v1::{ListMerchantAccountsResponse, MerchantAccount, PayType, ShopStatus};
use store::cache::{InProcess, ReadThrough, ReadThroughSettings};
use tonic::Code;

use super::asks::request;
use super::bed::{Bed, FEN, Setup, number, on_both, on_both_with};
use super::channel::{Letter, PAY, PREPAY, QUERY, key, paid};
use super::shops::{MCH_ID, OTHER_MCH_ID, SHOP, account};
use super::stands::{DEAD_BY_REPLY, PAID_BY_CALLBACK, PAID_BY_QUERY};

const BELIEVED: u64 = 30;

impl Bed {
    /// Under which account the n-th order is prepared.
    async fn account_of(&self, n: u8) -> i64 {
        self.prepay(number(n)).await.account_id
    }
}

#[tokio::test]
async fn a_payment_keeps_its_account_whatever_shop_center_says_later() {
    on_both(async |bed| {
        let one = number(1);
        bed.prepay(one).await;
        let mut replaced = account(1, OTHER_MCH_ID);
        replaced.key_name = "two".to_owned();
        bed.channel.signs(OTHER_MCH_ID, "two");
        bed.shops.knows(vec![replaced]);
        bed.wait(BELIEVED + 1);
        assert_eq!(bed.prepay(number(2)).await.state(), Wire::Pending);
        let asked = bed.channel.asked(PREPAY);
        assert_eq!(asked[0]["mch_id"], MCH_ID);
        assert_eq!(asked[1]["mch_id"], OTHER_MCH_ID);

        bed.channel.says(QUERY, paid(FEN, bed.now()));
        bed.query(one).await;
        assert_eq!(bed.channel.asked(QUERY)[0]["mch_id"], MCH_ID);
        bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
        assert_eq!(bed.query(one).await.account_id, 1);
        // The second payment's callback is its own merchant's.
        let letter = Letter::paid(number(2), FEN, bed.now());
        let letter = letter.with("mch_id", OTHER_MCH_ID).signed_with(key("two"));
        bed.is_called_back(&letter).await;
        bed.drain(ObligationKind::Inbox).await;
        bed.stands(
            number(2),
            PaymentState::Succeeded,
            (true, &[PAID_BY_CALLBACK]),
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_payer_gets_another_account_next_time() {
    on_both(async |bed| {
        bed.shops
            .knows(vec![account(1, MCH_ID), account(2, OTHER_MCH_ID)]);
        let mut had = Vec::new();
        for n in 1..=8 {
            had.push(bed.account_of(n).await);
        }
        assert!(had.windows(2).all(|pair| pair[0] != pair[1]), "{had:?}");
        // A repeat is the same payment, and no next time.
        assert_eq!(bed.account_of(8).await, had[7]);
        assert_ne!(bed.account_of(9).await, had[7]);
    })
    .await;
}

#[tokio::test]
async fn what_the_cache_keeps_of_another_shop_is_not_believed() {
    let clock = testkit::clock();
    let cache = Arc::new(InProcess::new(1 << 20, clock.clone()));
    let plant = async |name, key: &str, value: Vec<u8>| {
        let settings = ReadThroughSettings {
            name,
            ttl: Duration::from_hours(1),
            negative_ttl: Duration::ZERO,
            stale: Duration::ZERO,
            remembered: Duration::ZERO,
        };
        let shelf = ReadThrough::<()>::new(settings, cache.clone(), clock.clone());
        shelf.get(key, |_| async { Ok(Some(value)) }).await.unwrap();
    };
    let elsewhere = MerchantAccount {
        shop_id: SHOP + 1,
        ..account(7, OTHER_MCH_ID)
    };
    let accounts = ListMerchantAccountsResponse {
        accounts: vec![elsewhere, account(1, MCH_ID)],
        ..Default::default()
    };
    let accounts = accounts.encode_to_vec();
    plant("accounts", &format!("shop:{SHOP}"), accounts).await;
    let setup = Setup {
        cache: Some(cache.clone()),
        ..Setup::default()
    };
    on_both_with(setup, async |bed| {
        for n in 1..=8 {
            assert_eq!(bed.account_of(n).await, 1);
        }
    })
    .await;
}

#[tokio::test]
async fn each_account_has_connections_of_its_own_and_keeps_them() {
    on_both(async |bed| {
        bed.shops
            .knows(vec![account(1, MCH_ID), account(2, OTHER_MCH_ID)]);
        for n in 1..=8 {
            bed.account_of(n).await;
        }
        assert_eq!(bed.dials.count(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_disabled_account_is_not_picked_and_its_callbacks_are_still_believed() {
    on_both(async |bed| {
        bed.shops
            .knows(vec![account(1, MCH_ID), account(2, OTHER_MCH_ID)]);
        let had = [bed.account_of(1).await, bed.account_of(2).await];
        assert_eq!(BTreeSet::from(had), BTreeSet::from([1, 2]));
        let disabled = MerchantAccount {
            enabled: false,
            ..account(1, MCH_ID)
        };
        bed.shops
            .knows(vec![disabled.clone(), account(2, OTHER_MCH_ID)]);
        bed.wait(BELIEVED + 1);
        for n in 3..=8 {
            assert_eq!(bed.account_of(n).await, 2);
        }
        bed.shops.knows(vec![disabled]);
        bed.wait(BELIEVED + 1);
        let declined = bed.prepay(number(9)).await;
        assert_eq!(declined.reason, "NO_MERCHANT_ACCOUNT");
        let of_the_disabled = if had[0] == 1 { 1 } else { 2 };
        bed.is_paid_by_callback(number(of_the_disabled)).await;
        let told = [PAID_BY_CALLBACK];
        bed.stands(
            number(of_the_disabled),
            PaymentState::Succeeded,
            (true, &told),
        )
        .await;
        assert_eq!(bed.count_owed(ObligationKind::Match).await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_account_that_does_not_fit_is_not_picked() {
    on_both(async |bed| {
        let alipay = MerchantAccount {
            pay_type: PayType::SwiftpassAlipay.into(),
            ..account(1, MCH_ID)
        };
        let without_key = MerchantAccount {
            key_name: "nobody has it".to_owned(),
            ..account(2, MCH_ID)
        };
        bed.shops.knows(vec![alipay, without_key]);
        let declined = bed.prepay(number(1)).await;
        assert_eq!(declined.reason, "NO_MERCHANT_ACCOUNT");
        let mut by_alipay = request(number(2));
        by_alipay.pay_type = PayType::SwiftpassAlipay.into();
        let pending = bed.try_prepay(by_alipay).await.unwrap();
        assert_eq!((pending.state(), pending.account_id), (Wire::Pending, 1));
    })
    .await;
}

#[tokio::test]
async fn two_keys_are_believed_while_one_replaces_the_other() {
    on_both(async |bed| {
        let mut new = account(2, MCH_ID);
        new.key_name = "two".to_owned();
        bed.shops.knows(vec![account(1, MCH_ID), new]);
        for (n, name) in [(1, "one"), (2, "two")] {
            bed.channel.signs(MCH_ID, name);
            // Whichever of the two it has: a reply under the other key is not believed, and a
            // callback under either is.
            bed.prepay(number(n)).await;
            let letter = Letter::paid(number(n), FEN, bed.now()).signed_with(key(name));
            bed.is_called_back(&letter).await;
            bed.drain(ObligationKind::Inbox).await;
            let told = [PAID_BY_CALLBACK];
            bed.stands(number(n), PaymentState::Succeeded, (true, &told))
                .await;
        }
        let third = Letter::paid(number(1), FEN, bed.now());
        let third = third.signed_with("ffffffffffffffffffffffffffffffff");
        assert!(bed.callback(&third).await != "success");
    })
    .await;
}

#[tokio::test]
async fn while_shop_center_is_away_only_a_known_merchants_callback_is_acknowledged() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.prepay(number(2)).await;
        let letter = |n| Letter::paid(number(n), FEN, bed.now());
        // Looked up once, so that it is known.
        bed.is_called_back(&letter(1)).await;
        bed.shops.is_away(true);
        bed.wait(BELIEVED + 1);
        bed.is_called_back(&letter(2)).await;
        let unknown = letter(2).with("mch_id", OTHER_MCH_ID);
        assert_eq!(bed.callback(&unknown).await, "http status 503");
        assert_eq!(bed.stored_callbacks().await, 2);
        // What it knew is too old one day, and then believed no more.
        bed.wait(BELIEVED * 21);
        let late = letter(2).with("nonce_str", "late");
        assert_eq!(bed.callback(&late).await, "http status 503");
        // The channel repeats it, and it is taken when shop-center is back.
        bed.shops.is_away(false);
        bed.is_called_back(&late).await;
        assert_eq!(bed.stored_callbacks().await, 3);
        assert_eq!(bed.callback(&unknown).await, "http status 400");
    })
    .await;
}

#[tokio::test]
async fn accounts_that_are_known_take_payments_while_shop_center_is_away() {
    on_both(async |bed| {
        bed.shops.is_away(true);
        let status = bed.try_prepay(request(number(1))).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(bed.find(number(1)).await.is_none());
        bed.shops.is_away(false);
        assert_eq!(bed.prepay(number(1)).await.state(), Wire::Pending);
        let asked = bed.shops.times_asked();
        bed.shops.is_away(true);
        assert_eq!(bed.prepay(number(2)).await.state(), Wire::Pending);
        assert_eq!(bed.shops.times_asked(), asked);
        bed.wait(BELIEVED + 1);
        assert_eq!(bed.prepay(number(3)).await.state(), Wire::Pending);
    })
    .await;
}

#[tokio::test]
async fn a_shop_without_accounts_is_asked_about_again_soon() {
    on_both(async |bed| {
        bed.shops.knows(vec![]);
        assert_eq!(bed.prepay(number(1)).await.reason, "NO_MERCHANT_ACCOUNT");
        assert_eq!(bed.prepay(number(2)).await.reason, "NO_MERCHANT_ACCOUNT");
        assert_eq!(bed.shops.times_asked(), 1);
        bed.shops.knows(vec![account(1, MCH_ID)]);
        bed.clock.advance(Duration::from_secs(BELIEVED / 10 + 1));
        assert_eq!(bed.prepay(number(3)).await.state(), Wire::Pending);
    })
    .await;
}

#[tokio::test]
async fn a_shop_that_is_not_open_takes_no_payment() {
    on_both(async |bed| {
        bed.prepay(number(9)).await;
        let not_open = [
            Some(ShopStatus::Suspended),
            Some(ShopStatus::Closed),
            Some(ShopStatus::Unspecified),
            None,
        ];
        for (n, status) in (1..).zip(not_open) {
            bed.shops.stands(status);
            bed.wait(BELIEVED + 1);
            for one in [number(n), number(n + 4)] {
                let refused = if one == number(n) {
                    bed.prepay(one).await
                } else {
                    bed.pay(one).await
                };
                assert_eq!(
                    (refused.state(), refused.reason.as_str()),
                    (Wire::Declined, "SHOP_CLOSED")
                );
                bed.stands(one, PaymentState::Declined, (false, &[DEAD_BY_REPLY]))
                    .await;
                assert_eq!(bed.events(one).await, ["REFUSE"]);
            }
        }
        assert_eq!(bed.channel.asked(PREPAY).len(), 1);
        assert!(bed.channel.asked(PAY).is_empty());
        // What was begun goes on.
        assert_eq!(bed.prepay(number(9)).await.state(), Wire::Pending);
        bed.is_paid_by_callback(number(9)).await;
        let told = [PAID_BY_CALLBACK];
        bed.stands(number(9), PaymentState::Succeeded, (true, &told))
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_shops_status_is_believed_for_a_while_and_its_absence_more_briefly() {
    on_both(async |bed| {
        assert_eq!(bed.prepay(number(1)).await.state(), Wire::Pending);
        bed.shops.stands(None);
        assert_eq!(bed.prepay(number(2)).await.state(), Wire::Pending);
        bed.wait(BELIEVED + 1);
        assert_eq!(bed.prepay(number(3)).await.reason, "SHOP_CLOSED");
        bed.shops.stands(Some(ShopStatus::Open));
        assert_eq!(bed.prepay(number(4)).await.reason, "SHOP_CLOSED");
        bed.wait(BELIEVED / 10 + 1);
        assert_eq!(bed.prepay(number(5)).await.state(), Wire::Pending);
        // While shop-center is away, what it said last counts.
        bed.shops.is_away(true);
        bed.wait(BELIEVED + 1);
        assert_eq!(bed.prepay(number(6)).await.state(), Wire::Pending);
        bed.wait(BELIEVED * 21);
        let status = bed.try_prepay(request(number(7))).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(bed.find(number(7)).await.is_none());
    })
    .await;
}
