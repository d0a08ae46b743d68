//! Which orders there will be: the same for the same seed.

pub(crate) mod kind;
pub(crate) mod script;

use proto::shop::v1::PayType;

use crate::seed::SELLERS;
use kind::{Kind, ROUND};

const LEAST: i64 = 1_000;

/// The wallets a payer has.
const WALLETS: [[PayType; 2]; 2] = [
    [PayType::SwiftpassWechat, PayType::SwiftpassAlipay],
    [PayType::SwiftpassAlipay, PayType::SwiftpassWechat],
];

/// One order to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) merchant_order_no: String,
    pub(crate) shop_id: i64,
    pub(crate) amount_fen: i64,
    pub(crate) payer_id: String,
    wallets: [PayType; 2],
}

impl Plan {
    /// The wallet of the try to pay of this number, 1 and above: whoever failed with one takes
    /// the other.
    pub(crate) fn wallet(&self, attempt: u32) -> PayType {
        let [first, second] = self.wallets;
        if attempt % 2 == 1 { first } else { second }
    }
}

/// Orders without end; no two have the same amount, so the sum that is missing names the order.
pub(crate) fn plans(seed: u64) -> impl Iterator<Item = Plan> {
    // Rounds of 25, two shops and two wallets: each kind meets all of them.
    let tills = WALLETS
        .iter()
        .flat_map(|wallets| SELLERS.iter().map(move |seller| (seller, *wallets)));
    let tills: Vec<_> = tills.collect();
    primes()
        .zip(tills.into_iter().cycle())
        .zip(ROUND.into_iter().cycle())
        .zip(1_u32..)
        .map(move |(((prime, (seller, wallets)), kind), number)| Plan {
            kind,
            merchant_order_no: format!("demo-{seed}-{number:05}"),
            shop_id: seller.shop_id,
            amount_fen: LEAST + prime,
            // Alipay's numbers begin so; WeChat takes any.
            payer_id: format!("2088{number:012}"),
            wallets: match kind {
                // Their first wallet must be the one that gets no answer.
                Kind::Timeout => [PayType::SwiftpassWechat, PayType::SwiftpassAlipay],
                _ => wallets,
            },
        })
}

fn primes() -> impl Iterator<Item = i64> {
    (2_i64..).filter(|n| (2_i64..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_orders_have_the_same_amount_or_number() {
        let plans: Vec<Plan> = plans(3).take(500).collect();
        let amounts: BTreeSet<i64> = plans.iter().map(|plan| plan.amount_fen).collect();
        let numbers: BTreeSet<&str> = plans
            .iter()
            .map(|plan| plan.merchant_order_no.as_str())
            .collect();
        assert_eq!((amounts.len(), numbers.len()), (500, 500));
        assert_eq!(amounts.first(), Some(&1_002));
    }

    #[test]
    fn the_same_seed_plans_the_same_orders() {
        assert_eq!(plans(1).nth(9), plans(1).nth(9));
        assert_ne!(plans(1).nth(9), plans(2).nth(9));
    }

    #[test]
    fn each_kind_comes_to_every_till() {
        let plans: Vec<Plan> = plans(1).take(200).collect();
        for kind in Kind::ALL {
            let of_kind = || plans.iter().filter(|plan| plan.kind == kind);
            let tills: BTreeSet<_> = of_kind()
                .map(|plan| (plan.shop_id, i32::from(plan.wallet(1))))
                .collect();
            let wallets = if kind == Kind::Timeout { 1 } else { 2 };
            assert_eq!(tills.len(), SELLERS.len() * wallets, "{kind:?}");
            assert_eq!(of_kind().count(), 8 * kind.share(), "{kind:?}");
        }
    }

    #[test]
    fn who_failed_takes_the_other_wallet() {
        let plan = plans(1).next().unwrap();
        assert_ne!(plan.wallet(1), plan.wallet(2));
        assert_eq!(plan.wallet(1), plan.wallet(3));
    }

    #[test]
    fn every_payer_could_be_an_alipay_user() {
        for plan in plans(1).take(500) {
            assert!(plan.payer_id.starts_with("2088"), "{}", plan.payer_id);
            assert_eq!(plan.payer_id.len(), 16);
        }
    }
}
