//! What goes along with a call: its deadline, its trace, its request id, its criticality.
//! Task-local: a handler's own calls take it on without being told.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use seam::{Ids, SystemIds};
use tokio::time::Instant;

use crate::criticality::Criticality;
use crate::policy::Method;
use crate::trace::TraceContext;

tokio::task_local! {
    static CURRENT: Context;
}

/// The deadline, trace, request id and criticality of the work at hand.
#[derive(Debug, Clone)]
pub struct Context {
    deadline: Option<Instant>,
    trace: TraceContext,
    /// None: the request is known by its trace.
    request_id: Option<Arc<str>>,
    /// None: nobody said, and each call it makes has its own method's.
    criticality: Option<Criticality>,
    /// None: it is no call that is served.
    served: Option<Arc<Served>>,
}

/// The call that is being served.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) method: Arc<Method>,
    /// The name its caller has proved to have.
    pub(crate) caller: Option<String>,
}

impl Context {
    /// The context of the running call or job; outside of any, a new trace without a deadline.
    pub fn current() -> Self {
        CURRENT
            .try_with(Self::clone)
            .unwrap_or_else(|_| Self::new(TraceContext::start(&SystemIds)))
    }

    /// For a job of our own: a new trace, to end within `timeout`.
    pub fn background(timeout: Duration) -> Self {
        Self::background_with(timeout, &SystemIds)
    }

    /// As `background`, with ids that can be foretold.
    pub fn background_with(timeout: Duration, ids: &dyn Ids) -> Self {
        Self::new(TraceContext::start(ids)).within(timeout)
    }

    /// Takes up a trace that was stored, to end within `timeout`; a malformed one starts anew.
    pub fn from_traceparent(traceparent: &str, timeout: Duration) -> Self {
        let trace = TraceContext::parse(traceparent).map(|trace| trace.child(&SystemIds));
        Self::new(trace.unwrap_or_else(|| TraceContext::start(&SystemIds))).within(timeout)
    }

    /// Without a deadline; the request id is the trace's.
    pub(crate) fn new(trace: TraceContext) -> Self {
        Self {
            deadline: None,
            trace,
            request_id: None,
            criticality: None,
            served: None,
        }
    }

    /// Without a deadline, by the name that the request has already.
    pub(crate) fn named(trace: TraceContext, request_id: &str) -> Self {
        Self {
            request_id: Some(request_id.into()),
            ..Self::new(trace)
        }
    }

    /// The same with another criticality: how important its calls are.
    pub fn with_criticality(self, criticality: Criticality) -> Self {
        Self {
            criticality: Some(criticality),
            ..self
        }
    }

    /// The same with less time, never with more.
    pub fn within(self, timeout: Duration) -> Self {
        self.until(Instant::now().checked_add(timeout))
    }

    /// The same, of a call that is served.
    pub(crate) fn serving(self, method: &Arc<Method>, caller: Option<&str>) -> Self {
        let (method, caller) = (Arc::clone(method), caller.map(str::to_owned));
        Self {
            served: Some(Arc::new(Served { method, caller })),
            ..self
        }
    }

    /// The call that is being served, if it is one.
    pub(crate) fn served(&self) -> Option<&Served> {
        self.served.as_deref()
    }

    pub(crate) fn until(self, deadline: Option<Instant>) -> Self {
        Self {
            deadline: earlier(self.deadline, deadline),
            ..self
        }
    }

    /// Runs `work` in this context.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Runs one step of a poll in this context.
    pub(crate) fn enter<T>(&self, step: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), step)
    }

    /// When the work must be over, if that is set.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// What is left until the deadline; zero when it has passed, none without one.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The trace.
    pub fn trace(&self) -> &TraceContext {
        &self.trace
    }

    /// The trace's id, 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        self.trace.trace_id()
    }

    /// The `traceparent` to store beside what this work leaves to be done.
    pub fn traceparent(&self) -> String {
        self.trace.traceparent()
    }

    /// The caller's name for this request, handed on to every hop; without one, the trace's id.
    pub fn request_id(&self) -> Cow<'_, str> {
        match &self.request_id {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(self.trace_id()),
        }
    }

    /// The same, where it is not what the trace says already.
    pub(crate) fn own_request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// How important it is; the default when nobody said.
    pub fn criticality(&self) -> Criticality {
        self.criticality.unwrap_or_default()
    }

    /// What every hop is told about that, if anything was said.
    pub(crate) fn said_criticality(&self) -> Option<Criticality> {
        self.criticality
    }

    /// When the running call or job must be over, without a copy of the rest.
    pub(crate) fn deadline_at_hand() -> Option<Instant> {
        CURRENT.try_with(|context| context.deadline).ok().flatten()
    }

    /// Looks at the context of the running call or job, if there is one.
    pub(crate) fn look<T>(look: impl FnOnce(&Self) -> T) -> Option<T> {
        CURRENT.try_with(look).ok()
    }

    /// The criticality of the running call or job, without a copy of the rest.
    pub(crate) fn criticality_at_hand() -> Criticality {
        CURRENT
            .try_with(|context| context.criticality)
            .ok()
            .flatten()
            .unwrap_or_default()
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_left_shrinks_and_never_grows() {
        let context = Context::background(Duration::from_secs(3));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(context.remaining(), Some(Duration::from_secs(2)));
        assert_eq!(
            context.clone().within(Duration::from_secs(9)).remaining(),
            context.remaining()
        );
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(context.remaining(), Some(Duration::ZERO));
    }

    #[tokio::test]
    async fn work_within_a_scope_finds_its_context() {
        let context = Context::background(Duration::from_secs(1));
        let traceparent = context.traceparent();
        let seen = context
            .scope(async { Context::current().traceparent() })
            .await;
        assert_eq!(seen, traceparent);
        assert_ne!(Context::current().traceparent(), traceparent);
    }

    #[tokio::test]
    async fn a_stored_trace_is_taken_up_again() {
        let stored = Context::background(Duration::from_secs(1)).traceparent();
        let later = Context::from_traceparent(&stored, Duration::from_secs(1));
        assert_eq!(later.trace_id(), stored.split('-').nth(1).unwrap());
        let anew = Context::from_traceparent("nonsense", Duration::from_secs(1));
        assert!(TraceContext::parse(&anew.traceparent()).is_some());
    }
}
