//! Which orders there will be: the same for the same seed.

use crate::seed::SELLERS;

const LEAST: i64 = 1_000;

/// One order to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) merchant_order_no: String,
    pub(crate) shop_id: i64,
    pub(crate) amount_fen: i64,
    pub(crate) payer_id: String,
}

/// Orders without end; no two have the same amount, so the sum that is missing names the order.
pub(crate) fn plans(seed: u64) -> impl Iterator<Item = Plan> {
    primes()
        .zip(SELLERS.iter().cycle())
        .enumerate()
        .map(move |(index, (prime, seller))| Plan {
            merchant_order_no: format!("demo-{seed}-{:05}", index + 1),
            shop_id: seller.shop_id,
            amount_fen: LEAST + prime,
            payer_id: format!("demo-payer-{:05}", index + 1),
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
}
