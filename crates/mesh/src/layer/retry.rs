//! Tries a failed call again, as gRPC's A6 has it: what may be repeated, as often as its policy
//! and the destination's budget allow, and whatever was never processed; within the deadline.

mod credit;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::Either;
use http::request::Parts;
use http::{Extensions, HeaderName, HeaderValue, Uri};
use seam::Ids;
use tokio::time::{Instant, sleep};
use tonic::{Code, Status};
use tracing::debug;

use super::metrics::label;
use super::replay::Replay;
use super::{Answer, Call, Pattern, Reply, Request, Rest};
use crate::budget::Budget;
use crate::context::Context;
use crate::error::retry_after_of;
use crate::outcome::{Outcome, PUSHBACK, code_of};
use crate::policy::{MaxAttempts, Method, Policies};

/// Counts attempts that failed, by what was then done.
pub(crate) const FAILED: &str = "mesh_attempts_failed_total";

pub(crate) const PREVIOUS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

// Not to be tried again, whatever is left.
const FINAL: &str = "final";

/// What is left of a call whose peer says that its time is over: it was told a little less.
const LAST_MOMENT: Duration = Duration::from_millis(2);

/// Attempts of a call none of which was processed, whatever its policy.
const UNPROCESSED: u32 = 3;

/// On a request: the endpoint that has just failed it, to be picked only if no other is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avoid(pub(crate) SocketAddr);

/// Sends a call again when that is safe and promises something.
#[derive(Clone)]
pub(crate) struct Retry(Arc<Shared>);

struct Shared {
    /// The destination's: clones of a client draw from the same one.
    budget: Arc<Budget>,
    ids: Arc<dyn Ids>,
}

impl Retry {
    pub(crate) fn new(policies: Policies, ids: Arc<dyn Ids>) -> Self {
        let budget = Arc::new(Budget::new(move || policies.throttling()));
        Self(Arc::new(Shared { budget, ids }))
    }

    /// What is left for retries.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.0.budget
    }
}

impl Pattern for Retry {
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
        if call.method.takes_stream() {
            return Either::Left(rest.run(call));
        }
        let (retry, rest) = (self.clone(), rest.clone());
        let answer = Box::pin(async move {
            let Call {
                method,
                mut begun,
                untouched,
                request,
            } = call;
            let (head, body) = request.into_parts();
            let mut attempts = Attempts::new(&retry, &method, &head);
            let (kept, mut head) = (Kept::of(&head), Some(head));
            let replay = Replay::new(body);
            loop {
                let next = attempts.next(head.take().unwrap_or_else(|| kept.parts()));
                let request = Request::from_parts(next, replay.body());
                let method = Arc::clone(&method);
                let call = Call {
                    method,
                    begun,
                    untouched,
                    request,
                };
                let answer = rest.run(call).await;
                let Some(failed) = attempts.ended(&answer) else {
                    return credit::when_it_ends(attempts.retry.budget(), answer);
                };
                let then = attempts.then(&failed, replay.is_whole());
                attempts.count(&failed, &then);
                let Then::Retried(wait) = then else {
                    return answer;
                };
                // Nobody wants it, and it may hold a stream.
                drop(answer);
                sleep(wait).await;
                begun = Instant::now();
            }
        });
        Either::Right(answer)
    }
}

/// A request's head, to be sent once more: as lean as can be, because that is seldom. Its version
/// is the connection's.
struct Kept {
    method: http::Method,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    extensions: Extensions,
}

impl Kept {
    fn of(head: &Parts) -> Self {
        let headers = head.headers.iter();
        Self {
            method: head.method.clone(),
            uri: head.uri.clone(),
            headers: headers
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            extensions: head.extensions.clone(),
        }
    }

    fn parts(&self) -> Parts {
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.method = self.method.clone();
        head.uri = self.uri.clone();
        head.extensions = self.extensions.clone();
        for (name, value) in &self.headers {
            head.headers.append(name, value.clone());
        }
        head
    }
}

/// What follows a failed attempt: another one, or its answer for the caller, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Retried(Duration),
    Answered(&'static str),
}

/// How an attempt failed.
struct Failed {
    code: Code,
    never_processed: bool,
    /// There was no room for it, here.
    crowded: bool,
    pushback: Pushback,
}

impl Failed {
    /// Why one may think of trying again at all.
    fn cause(&self) -> &'static str {
        match self.pushback {
            _ if self.never_processed => "never_processed",
            Pushback::After(_) | Pushback::Never => "pushback",
            Pushback::NotBefore(_) | Pushback::Unsaid => "code",
        }
    }
}

/// When the server wants to see the call again.
#[derive(Clone, Copy)]
enum Pushback {
    Unsaid,
    /// Not at all.
    Never,
    /// In that time; it wants to.
    After(Duration),
    /// Not before that time, if at all.
    NotBefore(Duration),
}

/// One call's attempts.
struct Attempts<'a> {
    retry: &'a Retry,
    method: &'a Method,
    deadline: Option<Instant>,
    allowed: Option<MaxAttempts>,
    made: u32,
    /// Waits of our own choosing since the server last chose.
    waits: u32,
    /// The endpoint of the last one.
    last: Option<SocketAddr>,
}

impl<'a> Attempts<'a> {
    fn new(retry: &'a Retry, method: &'a Method, parts: &Parts) -> Self {
        Self {
            retry,
            method,
            deadline: Context::deadline_at_hand(),
            allowed: parts.extensions.get().copied(),
            made: 0,
            waits: 0,
            last: None,
        }
    }

    /// The head of the next attempt.
    fn next(&mut self, mut parts: Parts) -> Parts {
        if self.made > 0 {
            parts.headers.insert(PREVIOUS, self.made.into());
        }
        if let Some(endpoint) = self.last.take() {
            parts.extensions.insert(Avoid(endpoint));
        }
        self.made += 1;
        parts
    }

    /// How the attempt failed; none if it worked, or was answered with a message: an answer that
    /// has begun stands, however it ends.
    fn ended(&mut self, reply: &Reply) -> Option<Failed> {
        let code = code_of(reply).filter(|code| *code != Code::Ok)?;
        let outcome = Outcome::of(reply);
        self.last = reply.known().served;
        Some(Failed {
            code,
            never_processed: outcome == Some(Outcome::NeverProcessed),
            crowded: reply.known().crowded,
            pushback: pushback(reply),
        })
    }

    fn then(&mut self, failed: &Failed, whole: bool) -> Then {
        let policy = &self.method.policy;
        // It ran out of time, and the call with it: no retry would be the budget's concern.
        if failed.code == Code::DeadlineExceeded && self.is_too_late(LAST_MOMENT) {
            return Then::Answered(FINAL);
        }
        let listed = policy.retry.codes.contains(failed.code);
        let wished = matches!(failed.pushback, Pushback::After(_));
        let stopped = matches!(failed.pushback, Pushback::Never);
        if !(listed || wished || stopped || failed.never_processed) {
            // A caller's error: costs the destination nothing.
            return Then::Answered(FINAL);
        }
        // Every failure takes its token, also one that nothing follows. What reached no handler
        // cost the destination nothing, and its attempts are few.
        let affordable = failed.never_processed || self.retry.budget().failed(Instant::now());
        let repeatable = failed.never_processed || policy.idempotent;
        let why = match () {
            () if stopped => "stopped",
            () if failed.crowded => "queue",
            () if !repeatable => FINAL,
            () if self.made >= self.limit(failed) => "attempts",
            () if !whole => "body",
            () if !affordable => "budget",
            () => return self.retried(failed),
        };
        Then::Answered(why)
    }

    fn retried(&mut self, failed: &Failed) -> Then {
        let wait = self.wait(failed);
        if self.is_too_late(wait) {
            return Then::Answered("deadline");
        }
        match failed.pushback {
            Pushback::After(_) => self.waits = 0,
            _ => self.waits += 1,
        }
        Then::Retried(wait)
    }

    fn limit(&self, failed: &Failed) -> u32 {
        let policy = self.method.policy.max_attempts;
        let limit = if failed.never_processed {
            policy.max(UNPROCESSED)
        } else {
            policy
        };
        self.allowed
            .map_or(limit, |MaxAttempts(most)| most.min(limit))
    }

    fn wait(&self, failed: &Failed) -> Duration {
        let backoff = || {
            let jitter = self.retry.0.ids.permille();
            self.method.policy.retry.backoff(self.waits, jitter)
        };
        match failed.pushback {
            Pushback::After(wait) => wait,
            Pushback::NotBefore(wait) => wait.max(backoff()),
            // There may be another endpoint, which knows nothing of this.
            _ if failed.never_processed && self.made == 1 => Duration::ZERO,
            _ => backoff(),
        }
    }

    fn is_too_late(&self, wait: Duration) -> bool {
        let next = Instant::now().checked_add(wait);
        let late = |deadline: Instant| next.is_none_or(|next| next >= deadline);
        self.deadline.is_some_and(late)
    }

    fn count(&self, failed: &Failed, then: &Then) {
        let (why, wait) = match then {
            Then::Retried(wait) => ("retried", *wait),
            Then::Answered(why) => (*why, Duration::ZERO),
        };
        // Most failures are answers, and counted as calls.
        if why == FINAL {
            return;
        }
        let Method { service, name, .. } = self.method;
        let (attempt, code) = (self.made, label(failed.code));
        debug!(%service, method = %name, attempt, code, then = why, ?wait, "attempt failed");
        metrics::counter!(
            FAILED,
            "grpc_service" => service.clone(),
            "grpc_method" => name.clone(),
            "grpc_code" => code,
            "cause" => failed.cause(),
            "then" => why,
        )
        .increment(1);
    }
}

fn pushback(reply: &Reply) -> Pushback {
    if let Some(told) = reply.headers().get(PUSHBACK) {
        let millis = told.to_str().ok().and_then(|told| told.parse::<i64>().ok());
        // What cannot be read is no wish to see the call again.
        let millis = millis.and_then(|millis| u64::try_from(millis).ok());
        return millis.map_or(Pushback::Never, |millis| {
            Pushback::After(Duration::from_millis(millis))
        });
    }
    let status = Status::from_header_map(reply.headers());
    let told = status.as_ref().and_then(retry_after_of);
    told.map_or(Pushback::Unsaid, Pushback::NotBefore)
}

#[cfg(test)]
mod tests;
