//! Randomness: tokens, nonces, identities.

use std::sync::Mutex;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A source of random numbers.
pub trait Ids: Send + Sync + 'static {
    /// 64 random bits.
    fn bits(&self) -> u64;

    /// A random number from 1 to `i64::MAX`: a token, a write id.
    fn positive(&self) -> i64 {
        i64::try_from(self.bits() >> 1).map_or(1, |bits| bits.max(1))
    }

    /// 32 random hexadecimal digits: a nonce.
    fn nonce(&self) -> String {
        hex::encode([self.bits().to_be_bytes(), self.bits().to_be_bytes()].concat())
    }

    /// Evenly from 0 to 999: jitter, in parts per thousand.
    fn permille(&self) -> u32 {
        u32::try_from(self.bits() % 1000).unwrap_or(0)
    }
}

/// The process's random number generator, seeded by the system.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn bits(&self) -> u64 {
        rand::rng().next_u64()
    }
}

/// The same numbers for the same seed.
#[derive(Debug)]
pub struct SeededIds(Mutex<StdRng>);

impl SeededIds {
    /// A generator for `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Ids for SeededIds {
    fn bits(&self) -> u64 {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (one, two) = (SeededIds::new(7), SeededIds::new(7));
        assert_eq!(one.nonce(), two.nonce());
        assert_ne!(one.nonce(), SeededIds::new(8).nonce());
    }

    #[test]
    fn a_token_is_never_zero_or_negative() {
        let ids = SeededIds::new(1);
        assert!((0..10_000).all(|_| ids.positive() > 0));
    }
}
