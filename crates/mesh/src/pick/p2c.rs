//! The power of two choices: of two endpoints at random, the one with less to do.

use std::sync::Arc;

use seam::Ids;

use super::{Choice, Fitness, Wish};
use crate::endpoint::Endpoint;

/// Two at random; all are looked at only when these are not both fit.
pub(super) fn choose<'a>(
    ids: &dyn Ids,
    endpoints: &'a [Arc<Endpoint>],
    wish: Wish,
) -> Option<Choice<'a>> {
    let all = || endpoints.iter();
    if let Some((one, other)) = two(ids, endpoints.len(), all)
        && [one, other]
            .iter()
            .all(|endpoint| wish.fitness(endpoint) == Fitness::Fit)
    {
        return Some(Choice::of(lighter(one, other, wish), Fitness::Fit));
    }
    let best = all().map(|endpoint| wish.fitness(endpoint)).max()?;
    if best == Fitness::Unready {
        return None;
    }
    let fit = || all().filter(move |endpoint| wish.fitness(endpoint) >= best);
    let endpoint = match fit().count() {
        0 | 1 => fit().next().or_else(|| all().next()),
        count => match two(ids, count, fit) {
            Some((one, other)) => Some(lighter(one, other, wish)),
            None => fit().next(),
        },
    };
    Some(Choice::of(endpoint?, best))
}

fn lighter<'a>(one: &'a Arc<Endpoint>, other: &'a Arc<Endpoint>, wish: Wish) -> &'a Arc<Endpoint> {
    if other.load(wish.now) < one.load(wish.now) {
        other
    } else {
        one
    }
}

/// Two different ones, in random order.
fn two<T, I: Iterator<Item = T>>(
    ids: &dyn Ids,
    count: usize,
    all: impl Fn() -> I,
) -> Option<(T, T)> {
    let count = u64::try_from(count).ok().filter(|count| *count > 1)?;
    let bits = ids.bits();
    let one = (bits >> 32) % count;
    let other = (one + 1 + (bits & 0xffff_ffff) % (count - 1)) % count;
    let nth = |place: u64| all().nth(usize::try_from(place).ok()?);
    Some((nth(one)?, nth(other)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use seam::SeededIds;

    proptest! {
        #[test]
        fn two_are_never_the_same(seed: u64, count in 2usize..50) {
            let (one, other) = two(&SeededIds::new(seed), count, || 0..count).unwrap();
            prop_assert!(one != other && one < count && other < count);
        }
    }

    #[test]
    fn every_pair_comes_up() {
        let ids = SeededIds::new(5);
        let mut seen = [[0; 4]; 4];
        for _ in 0..12_000 {
            let (one, other) = two(&ids, 4, || 0..4).unwrap();
            seen[one][other] += 1;
        }
        for (one, row) in seen.iter().enumerate() {
            for (other, times) in row.iter().enumerate() {
                assert!((800..1_200).contains(times) == (one != other), "{seen:?}");
            }
        }
    }
}
