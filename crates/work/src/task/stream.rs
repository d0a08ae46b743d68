//! How far a task is, as a stream of answers.

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, stream};
use mesh::{ErrorKind, Fault};
use proto::task::v1::RunTaskResponse;
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::Status;

use crate::job::Tally;

// Between two answers: for a progress bar, not for each obligation.
const PACE: Duration = Duration::from_millis(100);

/// How a task stands.
#[derive(Debug, Clone)]
pub(super) enum State {
    Running(Tally),
    Ended(Result<Tally, Fault>),
}

pub(super) type Answers =
    Pin<Box<dyn Stream<Item = Result<RunTaskResponse, Status>> + Send + 'static>>;

/// An answer for each change, not more often than is useful; the last says `finished`.
pub(super) fn answers(state: watch::Receiver<State>) -> Answers {
    Box::pin(stream::unfold(Some(state), |state| async {
        let mut state = state?;
        if state.changed().await.is_err() {
            let stopped = Fault::new(ErrorKind::Unavailable, "SHUTTING_DOWN", "the server stops");
            return Some((Err(stopped.into()), None));
        }
        let now = state.borrow_and_update().clone();
        match now {
            State::Running(tally) => {
                sleep(PACE).await;
                Some((Ok(answer(tally, false)), Some(state)))
            }
            State::Ended(Ok(tally)) => Some((Ok(answer(tally, true)), None)),
            State::Ended(Err(fault)) => Some((Err(fault.into()), None)),
        }
    }))
}

fn answer(tally: Tally, finished: bool) -> RunTaskResponse {
    let count = |number| i64::try_from(number).unwrap_or(i64::MAX);
    RunTaskResponse {
        done: count(tally.done),
        postponed: count(tally.postponed),
        failed: count(tally.failed),
        finished,
    }
}
