//! Which orders there will be: the same for the same seed.

pub(crate) mod end;
pub(crate) mod kind;
pub(crate) mod script;

use proto::shop::v1::PayType;

use crate::seed::SELLERS;
use kind::{Kind, rows};

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

    /// The code the payer shows for this try: of that wallet, and of no other try.
    pub(crate) fn auth_code(&self, order_no: &str, attempt: u32) -> String {
        let wallet = match self.wallet(attempt) {
            PayType::SwiftpassAlipay => "28",
            _ => "13",
        };
        // The moment, node and sequence of the order's number: once a day.
        let order = order_no.get(7..).unwrap_or_default();
        format!("{wallet}{order:0>12}{attempt:04}")
    }
}

/// Orders without end; no two have the same amount, so the sum that is missing names the order.
pub(crate) fn plans(seed: u64) -> impl Iterator<Item = Plan> {
    // A round is not divided by four: each kind meets both shops and both wallets in time.
    let tills = WALLETS
        .iter()
        .flat_map(|wallets| SELLERS.iter().map(move |seller| (seller, *wallets)));
    let tills: Vec<_> = tills.collect();
    primes()
        .zip(tills.into_iter().cycle())
        .zip(round().into_iter().cycle())
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

// A round of orders, each kind as often as its share says and spread over all of it.
fn round() -> Vec<Kind> {
    let count = rows().count();
    // The place of an order within the round: the how manieth of its kind, and a bit for the
    // kind, both in parts of a million of the round.
    let place = |nth: usize, kind: usize, share: usize| {
        (nth * 2 * count + 2 * kind + 1) * 1_000_000 / (share * 2 * count)
    };
    let mut places: Vec<(usize, Kind)> = rows()
        .enumerate()
        .flat_map(|(at, row)| (0..row.share).map(move |nth| (place(nth, at, row.share), row.kind)))
        .collect();
    places.sort_unstable();
    places.into_iter().map(|(_, kind)| kind).collect()
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
        let rounds = 4;
        let plans: Vec<Plan> = plans(1).take(rounds * round().len()).collect();
        for row in rows() {
            let of_kind = || plans.iter().filter(|plan| plan.kind == row.kind);
            let tills: BTreeSet<_> = of_kind()
                .map(|plan| (plan.shop_id, i32::from(plan.wallet(1))))
                .collect();
            let wallets = if row.kind == Kind::Timeout { 1 } else { 2 };
            assert_eq!(tills.len(), SELLERS.len() * wallets, "{row:?}");
            assert_eq!(of_kind().count(), rounds * row.share, "{row:?}");
        }
    }

    #[test]
    fn a_kind_is_spread_over_the_round() {
        let round = round();
        let prompt = |kinds: &[Kind]| kinds.iter().filter(|kind| **kind == Kind::Prompt).count();
        for part in round.chunks_exact(10) {
            assert!((3..=5).contains(&prompt(part)), "{part:?}");
        }
        let single: Vec<usize> = rows()
            .filter(|row| row.share == 1)
            .filter_map(|row| round.iter().position(|kind| *kind == row.kind))
            .collect();
        let apart = single.iter().max().unwrap() - single.iter().min().unwrap();
        assert!(apart > round.len() / 3, "{single:?}");
    }

    #[test]
    fn who_failed_takes_the_other_wallet() {
        let plan = plans(1).next().unwrap();
        assert_ne!(plan.wallet(1), plan.wallet(2));
        assert_eq!(plan.wallet(1), plan.wallet(3));
    }

    #[test]
    fn a_code_is_of_its_wallet_and_never_shown_twice() {
        let codes: BTreeSet<String> = plans(1)
            .take(100)
            .flat_map(|plan| {
                [1, 2].map(|attempt| {
                    plan.auth_code(&plan.payer_id.replace("2088", "W261120"), attempt)
                })
            })
            .collect();
        assert_eq!(codes.len(), 200);
        for code in codes {
            assert_eq!(code.len(), 18);
            assert!(code.starts_with("13") || code.starts_with("28"));
        }
    }

    #[test]
    fn every_payer_could_be_an_alipay_user() {
        for plan in plans(1).take(500) {
            assert!(plan.payer_id.starts_with("2088"), "{}", plan.payer_id);
            assert_eq!(plan.payer_id.len(), 16);
        }
    }
}
