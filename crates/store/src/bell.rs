//! Wake-ups: what changed in one process is told to all at once. A hint and no more: it may
//! be lost, so whoever listens also looks again by itself.

mod redis;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

pub use redis::Redis;

/// Tells listeners that something has changed.
pub trait Bell: Send + Sync + 'static {
    /// Tells whoever listens to the topic, in this process and others. Never waits.
    fn publish(&self, topic: &'static str, key: &str);

    /// The keys published under the topic from now on. Who does not keep up loses some, and
    /// is told so.
    fn subscribe(&self, topic: &'static str) -> Rings;
}

/// What a listener hears.
pub type Rings = broadcast::Receiver<Arc<str>>;

/// A bell within the process.
#[derive(Debug, Default)]
pub struct InProcess(Mutex<HashMap<String, broadcast::Sender<Arc<str>>>>);

// How far a listener may fall behind.
const BEHIND: usize = 1024;

impl InProcess {
    fn ring(&self, topic: &str, key: &str) {
        let topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(topic) {
            // Nobody listens any more: nothing to tell.
            let _ = topic.send(key.into());
        }
    }
}

impl Bell for InProcess {
    fn publish(&self, topic: &'static str, key: &str) {
        self.ring(topic, key);
    }

    fn subscribe(&self, topic: &'static str) -> Rings {
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.entry(topic.to_owned());
        topic
            .or_insert_with(|| broadcast::Sender::new(BEHIND))
            .subscribe()
    }
}
