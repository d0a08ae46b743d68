//! At the server's limit the least important calls are refused, at once and cheaply, and told
//! when to come back. Health is exempt; calls that mostly wait have a limit of their own.

use std::future::ready;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::Either;
use http::{HeaderMap, HeaderName, HeaderValue};
use metrics::Counter;
use tonic::body::Body;

use super::limit::{Entry, Limit, Limits, Place, Queue, View};
use super::metrics::SERVER;
use super::{Answer, Call, Pattern, Reply, Rest, reply};
use crate::context::Context;
use crate::criticality::{Criticality, KINDS};
use crate::error::{ErrorKind, Fault};
use crate::policy::Method;

/// Counts refused calls, by criticality, method and reason.
pub(crate) const SHED: &str = "mesh_server_shed_total";

// When a retrying client may come back, as gRPC's retry design has it.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
// Whoever asks whether we live is told, whatever the load: or a busy server loses its peers.
const HEALTH: &str = "grpc.health.v1.Health";
// Nobody works for so long: such a call waits for something to happen.
const WAITS_FROM: Duration = Duration::from_secs(20);
// As many different times to come back.
const SPREAD: u32 = 8;

/// Lets calls in as long as there is a place for them.
#[derive(Clone)]
pub(crate) struct LoadShed(Arc<Shared>);

struct Shared {
    work: Arc<Limit>,
    waits: Arc<Limit>,
    refusals: Refusals,
}

impl LoadShed {
    pub(crate) fn new(limits: &Limits) -> Self {
        let queue = Queue::new(limits.queue, limits.queue_wait);
        Self(Arc::new(Shared {
            work: Limit::new("work", limits.in_flight, queue),
            waits: Limit::new("waiting", limits.waiting, Queue::default()),
            refusals: Refusals::new(limits.retry_after),
        }))
    }

    /// Who holds its places now.
    pub(crate) fn views(&self) -> [View; 2] {
        [self.0.work.view(), self.0.waits.view()]
    }
}

impl Shared {
    fn enter(&self, method: &Method, criticality: Criticality) -> Entry {
        if is_exempt(method) {
            return Entry::Taken(Place::free());
        }
        let limit = if waits(method) {
            &self.waits
        } else {
            &self.work
        };
        limit.enter(criticality)
    }

    fn refuse(&self, method: &Method, criticality: Criticality) -> Reply {
        Shed::Overloaded.count(method, criticality);
        self.refusals.next()
    }
}

impl Pattern for LoadShed {
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
        let shared = Arc::clone(&self.0);
        let method = Arc::clone(&call.method);
        let criticality = Context::criticality_at_hand();
        let entry = shared.enter(&method, criticality);
        if matches!(entry, Entry::Full) {
            return Either::Left(ready(shared.refuse(&method, criticality)));
        }
        let work = rest.run(call);
        let answer = Box::pin(async move {
            match entry.place().await {
                Some(place) => place.until_end_of(work.await),
                None => shared.refuse(&method, criticality),
            }
        });
        Either::Right(answer)
    }
}

/// Whether a method is served whatever the load.
pub(crate) fn is_exempt(method: &Method) -> bool {
    *method.service == *HEALTH
}

// A stream or a long poll holds its place for long and works for moments.
fn waits(method: &Method) -> bool {
    method.endless || method.kind != "unary" || method.policy.timeout >= WAITS_FROM
}

/// Why a call was refused before anybody looked at it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shed {
    Overloaded,
    RateLimited,
}

/// The counters of one method's refusals, made when they first come, and kept.
#[derive(Debug, Default)]
pub(crate) struct ShedMeters {
    overloaded: [OnceLock<Counter>; KINDS],
    rate_limited: [OnceLock<Counter>; KINDS],
    overloads: AtomicU64,
    rate_limits: AtomicU64,
}

impl ShedMeters {
    /// How often a call was refused for that.
    pub(crate) fn total(&self, shed: Shed) -> u64 {
        let total = match shed {
            Shed::Overloaded => &self.overloads,
            Shed::RateLimited => &self.rate_limits,
        };
        total.load(Ordering::Relaxed)
    }
}

impl Shed {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Overloaded => "OVERLOADED",
            Self::RateLimited => "RATE_LIMITED",
        }
    }

    pub(crate) fn count(self, method: &Method, criticality: Criticality) {
        let kept = &SERVER.meters(method).shed;
        let (kept, total) = match self {
            Self::Overloaded => (&kept.overloaded, &kept.overloads),
            Self::RateLimited => (&kept.rate_limited, &kept.rate_limits),
        };
        total.fetch_add(1, Ordering::Relaxed);
        let Some(kept) = kept.get(criticality.index()) else {
            return;
        };
        let counter = kept.get_or_init(|| {
            metrics::counter!(
                SHED,
                "grpc_service" => method.service.clone(),
                "grpc_method" => method.name.clone(),
                "criticality" => criticality.name(),
                "reason" => self.reason(),
            )
        });
        counter.increment(1);
    }
}

/// A refusal that says when to come back, to people, programs and retrying clients.
pub(crate) fn refused(fault: Fault, after: Duration) -> Reply {
    let mut refusal = reply(fault.retry_after(after));
    // Rounded up: a moment is not "at once".
    let millis = after.as_nanos().div_ceil(1_000_000);
    let millis = HeaderValue::from(u64::try_from(millis).unwrap_or(u64::MAX));
    refusal.headers_mut().insert(PUSHBACK, millis);
    refusal
}

/// Refusals made beforehand: with too much to do already, none is encoded for each call.
struct Refusals {
    made: Vec<HeaderMap>,
    next: AtomicUsize,
}

impl Refusals {
    // From a half of the time to one and a half: who is refused together must not come back so.
    fn new(retry_after: Duration) -> Self {
        let after = |part| retry_after / 2 + retry_after.saturating_mul(part) / SPREAD;
        let made = (0..SPREAD).map(|part| {
            let after = after(part);
            refused(overloaded(), after).into_parts().0.headers
        });
        Self {
            made: made.collect(),
            next: AtomicUsize::new(0),
        }
    }

    fn next(&self) -> Reply {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let made = turn.checked_rem(self.made.len());
        let Some(made) = made.and_then(|turn| self.made.get(turn)) else {
            return reply(overloaded());
        };
        let mut refusal = Reply::new(Body::empty());
        refusal.headers_mut().clone_from(made);
        refusal
    }
}

fn overloaded() -> Fault {
    let message = "the server has as much to do as it can; try again a little later";
    Fault::new(ErrorKind::Throttled, Shed::Overloaded.reason(), message)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, ending, endless, service};
    use super::*;
    use crate::error::{reason_of, retry_after_of};
    use crate::trace::TraceContext;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use seam::SeededIds;
    use tonic::{Code, Status};

    const WORK: &str = "/paymesh.trade.v1.TradeService/PayOrder";
    const STREAM: &str = "/paymesh.trade.v1.TradeService/WatchOrder";
    const LONG_POLL: &str = "/paymesh.feed.v1.FeedService/PullEvents";
    const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    const CHECK: &str = "/grpc.health.v1.Health/Check";
    const WATCH: &str = "/grpc.health.v1.Health/Watch";

    fn layer(in_flight: usize, waiting: usize) -> LoadShed {
        let limits = Limits {
            in_flight,
            waiting,
            ..Limits::default()
        };
        LoadShed::new(&limits)
    }

    async fn within(criticality: Criticality, work: impl Future<Output = Reply>) -> Reply {
        let context = Context::new(TraceContext::start(&SeededIds::new(1)));
        context.with_criticality(criticality).scope(work).await
    }

    /// An answer that goes on until it is dropped, or a refusal.
    async fn asked(layer: &LoadShed, path: &str, criticality: Criticality) -> Reply {
        let (layer, call) = (layer.clone(), call(path));
        let asking = async move {
            layer
                .around(call, &service(|_| async { endless(vec![]) }))
                .await
        };
        within(criticality, asking).await
    }

    fn is_refused(reply: &Reply) -> bool {
        reply.headers().contains_key(Status::GRPC_STATUS)
    }

    async fn held(layer: &LoadShed, path: &str, count: usize) -> Vec<Reply> {
        let mut held = Vec::new();
        for _ in 0..count {
            let reply = asked(layer, path, Criticality::Critical).await;
            assert!(!is_refused(&reply), "{path}");
            held.push(reply);
        }
        held
    }

    #[tokio::test]
    async fn a_refusal_says_why_and_when_to_come_back() {
        let layer = layer(1, 1);
        let _held = held(&layer, WORK, 1).await;
        let refusal = asked(&layer, WORK, Criticality::Default).await;
        let pushback = refusal.headers()[PUSHBACK].to_str().unwrap().to_owned();
        let status = ending(refusal).await;
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(reason_of(&status).as_deref(), Some("OVERLOADED"));
        let after = retry_after_of(&status).unwrap();
        assert_eq!(pushback, after.as_millis().to_string());
    }

    #[test]
    fn those_refused_together_come_back_at_different_times() {
        let refusals = Refusals::new(Duration::from_millis(100));
        let after: Vec<u64> = (0..8)
            .map(|_| {
                let refusal = refusals.next();
                refusal.headers()[PUSHBACK]
                    .to_str()
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .collect();
        // A part of a millisecond is a whole one.
        assert_eq!(after, [50, 63, 75, 88, 100, 113, 125, 138]);
    }

    #[tokio::test]
    async fn the_least_important_is_refused_first() {
        let layer = layer(10, 1);
        let mut held = held(&layer, WORK, 7).await;
        assert!(is_refused(
            &asked(&layer, WORK, Criticality::Sheddable).await
        ));
        for _ in 7..9 {
            held.push(asked(&layer, WORK, Criticality::Default).await);
        }
        assert!(!held.iter().any(is_refused));
        assert!(is_refused(&asked(&layer, WORK, Criticality::Default).await));
        assert!(!is_refused(
            &asked(&layer, WORK, Criticality::Critical).await
        ));
    }

    #[tokio::test]
    async fn what_is_refused_is_never_begun() {
        let layer = layer(1, 1);
        let _held = held(&layer, WORK, 1).await;
        let never = service(|_| async { panic!("was served") });
        assert!(is_refused(&layer.around(call(WORK), &never).await));
    }

    #[tokio::test]
    async fn what_only_waits_takes_no_place_from_work() {
        for path in [STREAM, LONG_POLL, REFLECTION] {
            let layer = layer(1, 2);
            let waiting = held(&layer, path, 2).await;
            let work = held(&layer, WORK, 1).await;
            // It has a limit of its own.
            let refused = asked(&layer, path, Criticality::Critical).await;
            assert!(is_refused(&refused), "{path}");
            drop((waiting, work));
            held(&layer, path, 2).await;
        }
    }

    #[tokio::test]
    async fn health_is_answered_at_any_load() {
        let layer = layer(1, 1);
        let _held = (held(&layer, WORK, 1).await, held(&layer, STREAM, 1).await);
        for path in [CHECK, WATCH] {
            let answer = asked(&layer, path, Criticality::Sheddable).await;
            assert!(!is_refused(&answer), "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_critical_call_waits_a_moment_and_is_refused_then() {
        let layer = layer(1, 1);
        let held = held(&layer, WORK, 1).await;
        let begun = tokio::time::Instant::now();
        assert!(is_refused(
            &asked(&layer, WORK, Criticality::Critical).await
        ));
        assert_eq!(begun.elapsed(), Limits::default().queue_wait);
        let (late, ()) = tokio::join!(asked(&layer, WORK, Criticality::Critical), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(held);
        });
        assert!(!is_refused(&late));
    }

    #[tokio::test]
    async fn a_call_nobody_waits_for_gives_its_place_back() {
        let layer = layer(1, 1);
        let silent = service(|_| std::future::pending());
        let mut waiting = Box::pin(layer.around(call(WORK), &silent));
        assert!(futures::poll!(&mut waiting).is_pending());
        assert!(is_refused(&asked(&layer, WORK, Criticality::Default).await));
        drop(waiting);
        held(&layer, WORK, 1).await;
    }

    #[test]
    fn refusals_are_counted_by_criticality_method_and_reason() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        metrics::with_local_recorder(&recorder, || {
            runtime.block_on(async {
                let layer = layer(1, 1);
                let _held = held(&layer, WORK, 1).await;
                for _ in 0..3 {
                    asked(&layer, WORK, Criticality::Sheddable).await;
                }
            });
        });
        let shown = recorder.handle().render();
        let labels = "grpc_service=\"paymesh.trade.v1.TradeService\",grpc_method=\"PayOrder\",\
                      criticality=\"sheddable\",reason=\"OVERLOADED\"";
        let expected = format!("mesh_server_shed_total{{{labels}}} 3");
        assert!(shown.contains(&expected), "{shown}");
    }
}
