//! Rotation: a payer who scans gets another merchant account next time, by weight. Which one
//! it was is remembered for a while only: forgetting it repeats an account and harms nothing.

use std::sync::Arc;
use std::time::Duration;

use proto::shop::v1::MerchantAccount;
use ring::digest::{SHA256, digest};
use store::cache::Cache;

use crate::payment::{Account, Asked};

const REMEMBERED: Duration = Duration::from_hours(24);

pub(crate) struct Rotation(pub(crate) Arc<dyn Cache>);

impl Rotation {
    /// One of the accounts, not the one this payer had last if there is another.
    pub(crate) async fn next<'a>(
        &self,
        asked: &Asked,
        accounts: &[&'a MerchantAccount],
        random: u64,
    ) -> Option<&'a MerchantAccount> {
        if accounts.len() < 2 {
            return accounts.first().copied();
        }
        // The payer's identity is not to be read from a cache.
        let payer = hex::encode(digest(&SHA256, asked.payer_id.as_bytes()));
        let key = format!(
            "rotation:{}:{}:{payer}",
            asked.shop_id,
            asked.pay_type.code()
        );
        // What is kept names its key: of another's account nothing follows.
        let kept = |account: &MerchantAccount| format!("{key}={}", account.account_id).into_bytes();
        let last = self.0.get(&key).await.ok().flatten();
        let others = accounts.iter().copied();
        let others = others.filter(|account| last.as_ref() != Some(&kept(account)));
        let picked = by_weight(&others.collect::<Vec<_>>(), random)?;
        // Without the cache the payer may get the same account again.
        drop(self.0.put(&key, kept(picked), REMEMBERED).await);
        Some(picked)
    }
}

/// One of the accounts, each as likely as its weight.
pub(crate) fn by_weight<'a>(
    accounts: &[&'a MerchantAccount],
    random: u64,
) -> Option<&'a MerchantAccount> {
    let weight = |account: &MerchantAccount| u64::from(account.weight.unsigned_abs().max(1));
    let total: u64 = accounts.iter().map(|account| weight(account)).sum();
    let mut left = random.checked_rem(total)?;
    accounts.iter().copied().find(|account| {
        let here = left < weight(account);
        left = left.saturating_sub(weight(account));
        here
    })
}

impl Account {
    /// What a payment keeps of its account.
    pub(crate) fn of(account: &MerchantAccount) -> Self {
        Self {
            id: account.account_id,
            mch_id: account.mch_id.clone(),
            key_name: account.key_name.clone(),
            sign_agentno: account.sign_agentno.clone(),
            sub_appid: account.sub_appid.clone(),
            groupno: account.groupno.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use store::cache::CacheError;

    use super::*;

    fn asked() -> Asked {
        Asked {
            shop_id: 11,
            pay_type: domain::PayType::SwiftpassWeChat,
            amount: domain::Fen::new(1),
            description: String::new(),
            payer_id: "payer".to_owned(),
            client_ip: String::new(),
            expires_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[tokio::test]
    async fn a_payer_gets_another_account_each_time() {
        let cache = store::cache::InProcess::new(1 << 20, Arc::new(seam::SystemClock));
        let rotation = Rotation(Arc::new(cache));
        let account = |account_id| MerchantAccount {
            account_id,
            weight: 100,
            ..MerchantAccount::default()
        };
        let (one, two) = (account(1), account(2));
        let mut had = Vec::new();
        for random in 0..6 {
            let next = rotation.next(&asked(), &[&one, &two], random * 7).await;
            had.push(next.map(|account| account.account_id).unwrap());
        }
        assert!(had.windows(2).all(|pair| pair[0] != pair[1]), "{had:?}");
        let only = rotation.next(&asked(), &[&one], 1).await;
        assert_eq!(only.map(|account| account.account_id), Some(1));
    }

    #[tokio::test]
    async fn what_another_payer_had_says_nothing() {
        let cache = Arc::new(Swapped::default());
        let rotation = Rotation(cache.clone());
        let account = |account_id| MerchantAccount {
            account_id,
            weight: 100,
            ..MerchantAccount::default()
        };
        let (one, two) = (account(1), account(2));
        let other = Asked {
            payer_id: "other".to_owned(),
            ..asked()
        };
        rotation.next(&other, &[&one, &two], 0).await;
        let picked = rotation.next(&asked(), &[&one, &two], 0).await;
        assert_eq!(picked.map(|account| account.account_id), Some(1));
    }

    /// Answers any question with what it was told last.
    #[derive(Default)]
    struct Swapped(std::sync::Mutex<Option<Vec<u8>>>);

    #[async_trait::async_trait]
    impl Cache for Swapped {
        async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, CacheError> {
            Ok(self.0.lock().unwrap().clone())
        }

        async fn put(&self, _: &str, value: Vec<u8>, _: Duration) -> Result<(), CacheError> {
            *self.0.lock().unwrap() = Some(value);
            Ok(())
        }

        async fn forget(&self, _: &str) -> Result<(), CacheError> {
            Ok(())
        }
    }

    #[test]
    fn accounts_are_picked_by_their_weight() {
        let account = |account_id, weight| MerchantAccount {
            account_id,
            weight,
            ..MerchantAccount::default()
        };
        let (small, large) = (account(1, 100), account(2, 300));
        let picked =
            |random| by_weight(&[&small, &large], random).map(|account| account.account_id);
        let ones = (0..400).filter(|&random| picked(random) == Some(1)).count();
        assert_eq!(ones, 100);
        assert_eq!(by_weight(&[], 7), None);
    }
}
