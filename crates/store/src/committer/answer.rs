//! What the waiters of a batch are told, and what is counted.

use metrics::Label;
use tracing::warn;

use super::batch::Outcome;
use super::{Labels, Pending};
use crate::{CommitError, Refusal};

/// Why a batch is given up.
#[derive(Debug)]
pub(crate) enum Failure {
    Unknown,
    Unavailable(String),
    Contended,
    Rejected(String),
}

impl Failure {
    pub(crate) fn rejected(unknown: bool, why: &str) -> Self {
        if unknown {
            Self::Unknown
        } else {
            Self::Rejected(why.to_owned())
        }
    }
}

/// Tells each waiter what became of its write.
pub(crate) fn tell(labels: &Labels, part: Vec<Pending>, outcomes: &[Outcome]) {
    for (pending, outcome) in part.into_iter().zip(outcomes) {
        let write = pending.write.name();
        let answer = match outcome {
            Outcome::Done => Ok(()),
            Outcome::Conflict => Err(CommitError::Conflict { write }),
        };
        count(
            labels,
            write,
            answer.as_ref().map_or("conflict", |()| "done"),
        );
        // A caller that went away is not told; what it wanted is written all the same.
        drop(pending.waiter.send(answer));
    }
}

/// Tells all of them why theirs is given up.
pub(crate) fn fail(labels: &Labels, part: Vec<Pending>, failure: &Failure) {
    warn!(writes = part.len(), ?failure, "not committed");
    for Pending { write, waiter, .. } in part {
        let name = write.name();
        let refused = |refusal| CommitError::Refused {
            write: name,
            refusal,
        };
        let answer = match failure {
            Failure::Unknown => CommitError::Unknown(Box::new(write)),
            Failure::Unavailable(why) => refused(Refusal::Unavailable(why.clone())),
            Failure::Contended => refused(Refusal::Unavailable("others hold its rows".to_owned())),
            Failure::Rejected(why) => refused(Refusal::Rejected(why.clone())),
        };
        count(labels, name, answer.reason());
        drop(waiter.send(Err(answer)));
    }
}

fn count(labels: &Labels, write: &'static str, outcome: &'static str) {
    let mut labels = labels.to_vec();
    labels.push(Label::from_static_parts("write", write));
    labels.push(Label::from_static_parts("outcome", outcome));
    metrics::counter!("store_writes_total", labels).increment(1);
}
