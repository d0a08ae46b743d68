//! What services share above the store and the mesh: the runner of obligations, the feed's
//! sequencer, server and puller, the task service, pages of lists, and what callers are told.
//!
//! Services write jobs, event handlers and tasks; nothing here knows a business word.

mod by;
mod error;
pub mod feed;
#[cfg(test)]
mod harness;
mod job;
mod pace;
mod page;
mod query;
mod runner;
mod task;
mod violations;

pub use by::By;
pub use error::fault_of;
pub use feed::puller::{Applied, Handler, ParkedJob, Puller, PullerSettings, Source};
pub use feed::sequencer::{Sequencer, SequencerSettings};
pub use feed::server::{FeedServer, FeedServerSettings};
pub use job::{Job, Tally, Verdict};
pub use page::{Page, PageSizes};
pub use runner::{Runner, RunnerError, RunnerSettings};
pub use store::obligation::Claimed;
pub use task::{Drain, Progress, Task, TaskRun, TaskServer};
pub use violations::Violations;
