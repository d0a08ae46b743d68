//! What is said once a second at most, however often there is cause: whoever is refused tries again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const EVERY: Duration = Duration::from_secs(1);

/// Something that is logged once a second at most: when it was said last.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Whether it may be said again; if so, it is taken as said.
    pub fn may(&self) -> bool {
        let now = Instant::now();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| now.saturating_duration_since(last) >= EVERY);
        if may {
            *last = Some(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn once_a_second_and_no_more() {
        let seldom = Seldom::default();
        assert!(seldom.may() && !seldom.may());
        tokio::time::advance(EVERY / 2).await;
        assert!(!seldom.may());
        tokio::time::advance(EVERY / 2).await;
        assert!(seldom.may() && !seldom.may());
    }
}
