//! Asking until there is an answer, within the time the context leaves.

use std::time::Duration;

use mesh::Context;
use seam::{Ids, SystemIds};
use tonic::{Code, Response, Status};

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// Asks a method of a client until it answers: `ask!(peers.trade, get_order, request)`.
macro_rules! ask {
    ($client:expr, $method:ident, $request:expr) => {
        $crate::persist::persist(|| {
            let (mut client, request) = ($client.clone(), $request.clone());
            async move { client.$method(request).await }
        })
    };
}
pub(crate) use ask;

/// Growing pauses between tries.
pub(crate) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Backoff {
    /// Waits, longer each time; false, at once, when the context's time ends before that.
    pub(crate) async fn pause(&mut self) -> bool {
        let pause = self.0 * (500 + SystemIds.permille()) / 1000;
        self.0 = (self.0 * 2).min(LONGEST);
        if Context::current()
            .remaining()
            .is_some_and(|left| left <= pause)
        {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }
}

/// Repeats an idempotent call while the mesh is away or busy; the last answer when time is up.
pub(crate) async fn persist<T, F, Answer>(mut ask: F) -> Result<T, Status>
where
    F: FnMut() -> Answer,
    Answer: Future<Output = Result<Response<T>, Status>>,
{
    let mut backoff = Backoff::default();
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) if passes(&status) && backoff.pause().await => {}
            Err(status) => return Err(status),
        }
    }
}

/// Whether the same call may be answered differently a moment later.
pub(crate) fn passes(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::ResourceExhausted
            | Code::Cancelled
            | Code::Unknown
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    async fn persisted(within: Duration, answers: &[Code]) -> (Result<(), Code>, usize) {
        let asked = Cell::new(0);
        let ask = || {
            let code = answers.get(asked.get()).or(answers.last()).copied();
            asked.set(asked.get() + 1);
            async move {
                match code {
                    Some(Code::Ok) => Ok(Response::new(())),
                    code => Err(Status::new(code.unwrap_or(Code::Unknown), "no")),
                }
            }
        };
        let outcome = Context::background(within).scope(persist(ask)).await;
        (outcome.map_err(|status| status.code()), asked.get())
    }

    #[tokio::test(start_paused = true)]
    async fn an_absent_mesh_is_asked_again() {
        let minute = Duration::from_mins(1);
        let answers = [
            Code::Unavailable,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::Ok,
        ];
        assert_eq!(persisted(minute, &answers).await, (Ok(()), 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_no_is_an_answer() {
        let minute = Duration::from_mins(1);
        let outcome = persisted(minute, &[Code::FailedPrecondition]).await;
        assert_eq!(outcome, (Err(Code::FailedPrecondition), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_its_time_and_never_spins() {
        let begun = tokio::time::Instant::now();
        let (outcome, asked) = persisted(Duration::from_secs(10), &[Code::Unavailable]).await;
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert_eq!(outcome, Err(Code::Unavailable));
        assert!((10..=30).contains(&asked), "{asked}");
    }
}
