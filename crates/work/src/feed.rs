//! The feed: sequenced here, served to subscribers, pulled from publishers.

pub mod puller;
pub mod sequencer;
pub mod server;
mod tail;

#[cfg(test)]
mod tests;
