//! Limits how many calls of one method are under way to one destination, so that a slow one
//! cannot take everything its callers have.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::Either;
use metrics::Gauge;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;

use super::{Answer, Call, Pattern, Polled, Reply, Rest, poll_body, reply};
use crate::error::{ErrorKind, Fault};
use crate::policy::{Method, Policies};

/// Counts calls that found no place.
pub(crate) const REFUSED: &str = "mesh_bulkhead_refused_total";
/// Calls that hold one, until their answers end.
pub(crate) const IN_FLIGHT: &str = "mesh_bulkhead_in_flight";
/// How long calls waited for one, whatever came of it.
pub(crate) const WAIT: &str = "mesh_bulkhead_wait_seconds";

/// How many calls of one method a client may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkheadLimits {
    /// Under way at once, until their answers end; 256.
    pub at_once: usize,
    /// Waiting for a place, until their deadline; 1024. One more is refused.
    pub waiting: usize,
}

impl Default for BulkheadLimits {
    fn default() -> Self {
        Self {
            at_once: 256,
            waiting: 1024,
        }
    }
}

/// Holds back calls for which there is no place.
#[derive(Clone)]
pub(crate) struct Bulkhead(Arc<Shared>);

struct Shared {
    limits: BulkheadLimits,
    /// By the place of the method, made with its first call.
    lanes: Vec<OnceLock<Arc<Lane>>>,
}

/// The places of one method.
struct Lane {
    places: Semaphore,
    waiting: AtomicUsize,
    taken: Gauge,
}

impl Bulkhead {
    pub(crate) fn new(policies: &Policies, limits: BulkheadLimits) -> Self {
        let lanes = (0..policies.places()).map(|_| OnceLock::new()).collect();
        Self(Arc::new(Shared { limits, lanes }))
    }

    fn lane(&self, method: &Method) -> Option<Arc<Lane>> {
        let lane = self.0.lanes.get(method.place)?;
        let made = || {
            Arc::new(Lane {
                places: Semaphore::new(self.0.limits.at_once.min(Semaphore::MAX_PERMITS)),
                waiting: AtomicUsize::new(0),
                taken: metrics::gauge!(
                    IN_FLIGHT,
                    "grpc_service" => method.service.clone(),
                    "grpc_method" => method.name.clone(),
                ),
            })
        };
        Some(Arc::clone(lane.get_or_init(made)))
    }
}

impl Lane {
    /// A place, if one is free.
    fn place_now(self: Arc<Self>) -> Option<Place> {
        // It is given back when the answer has ended.
        self.places.try_acquire().ok()?.forget();
        Some(Place::of(self))
    }

    /// A place when one is free; none if too many wait already.
    async fn place(self: Arc<Self>, most: usize, call: &mut Call) -> Option<Place> {
        let turn = Waiting::begin(&self.waiting, most)?;
        let timed = Timed(&call.method, Instant::now());
        self.places.acquire().await.ok()?.forget();
        drop((turn, timed));
        call.begun = Instant::now();
        Some(Place::of(self))
    }
}

/// A place, given back when dropped.
struct Place(Arc<Lane>);

impl Place {
    fn of(lane: Arc<Lane>) -> Self {
        lane.taken.increment(1.0);
        Self(lane)
    }

    /// The answer, which holds the place until it ends.
    fn until_end_of(self, answer: Reply) -> Reply {
        if answer.is_over() {
            return answer;
        }
        answer.map(|body| Body::new(Held(Some((body, self)))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.decrement(1.0);
        self.0.places.add_permits(1);
    }
}

/// One who waits; dropped when it waits no longer, also because it was given up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let turn = Self(count);
        (count.fetch_add(1, Ordering::AcqRel) < most).then_some(turn)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Shows how long a call waited, also one that was given up.
struct Timed<'a>(&'a Method, Instant);

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        let Self(method, begun) = self;
        metrics::histogram!(
            WAIT,
            "grpc_service" => method.service.clone(),
            "grpc_method" => method.name.clone(),
        )
        .record(begun.elapsed());
    }
}

impl Pattern for Bulkhead {
    fn around<R: Rest>(&self, mut call: Call, rest: &R) -> impl Answer + use<R> {
        // One that never ends would keep its place for ever.
        let Some(lane) = self.lane(&call.method).filter(|_| !call.method.endless) else {
            return Either::Left(rest.run(call).left_future());
        };
        if let Some(place) = lane.clone().place_now() {
            let answer = rest.run(call).map(|answer| place.until_end_of(answer));
            return Either::Left(answer.right_future());
        }
        let (limits, rest) = (self.0.limits, rest.clone());
        let answer = Box::pin(async move {
            match lane.place(limits.waiting, &mut call).await {
                Some(place) => place.until_end_of(rest.run(call).await),
                None => reply(full(&call.method, limits)),
            }
        });
        Either::Right(answer)
    }
}

fn full(method: &Method, limits: BulkheadLimits) -> Fault {
    let Method { service, name, .. } = method;
    metrics::counter!(
        REFUSED,
        "grpc_service" => service.clone(),
        "grpc_method" => name.clone(),
    )
    .increment(1);
    let BulkheadLimits { at_once, waiting } = limits;
    let message = format!(
        "{at_once} calls of {service}/{name} are under way and {waiting} wait; try again later"
    );
    Fault::new(ErrorKind::Throttled, "BULKHEAD_FULL", message)
}

/// A body that keeps its place until it ends.
struct Held(Option<(Body, Place)>);

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let Some((body, _)) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let frame = poll_body(body, cx);
        let over = match &frame {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            Poll::Ready(None | Some(Err(_))) => true,
        };
        if over {
            self.0 = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        let open = self.0.as_ref();
        open.is_none_or(|(body, _)| http_body::Body::is_end_stream(body))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reply;
    use super::super::testing::{call, ending, endless, service};
    use super::super::trailers;
    use super::*;
    use crate::error::reason_of;
    use futures::FutureExt;
    use http_body_util::BodyExt;
    use metrics_exporter_prometheus::PrometheusBuilder;

    const PATH: &str = "/paymesh.trade.v1.TradeService/GetOrder";

    fn bulkhead(at_once: usize, waiting: usize) -> Bulkhead {
        let policies = Policies::read(proto::DESCRIPTORS).unwrap();
        Bulkhead::new(&policies, BulkheadLimits { at_once, waiting })
    }

    fn silent() -> impl Rest {
        service(|_| std::future::pending())
    }

    fn quick() -> impl Rest {
        service(|_| async { reply(Status::ok("")) })
    }

    async fn assert_full(answer: Reply) {
        let status = ending(answer).await;
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert_eq!(reason_of(&status).as_deref(), Some("BULKHEAD_FULL"));
        assert!(status.message().contains("TradeService/GetOrder"));
    }

    #[tokio::test]
    async fn one_call_too_many_waits_and_one_more_is_refused() {
        let bulkhead = bulkhead(2, 1);
        let ask = |rest| Box::pin(bulkhead.around(call(PATH), &rest));
        let (mut one, mut two) = (ask(silent()), ask(silent()));
        assert!((&mut one).now_or_never().is_none() && (&mut two).now_or_never().is_none());
        let mut three = Box::pin(bulkhead.around(call(PATH), &quick()));
        assert!((&mut three).now_or_never().is_none());
        assert_full(bulkhead.around(call(PATH), &quick()).await).await;
        // Given up, its place goes to who waits.
        drop(one);
        assert_eq!(ending(three.await).await.code(), tonic::Code::Ok);
        // And nobody waits any longer.
        let mut four = ask(silent());
        assert!((&mut four).now_or_never().is_none());
        let five = bulkhead.around(call(PATH), &quick());
        assert!(Box::pin(five).now_or_never().is_none());
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_the_queue() {
        let bulkhead = bulkhead(1, 1);
        let mut held = Box::pin(bulkhead.around(call(PATH), &silent()));
        assert!((&mut held).now_or_never().is_none());
        for _ in 0..3 {
            let waits = bulkhead.around(call(PATH), &quick());
            assert!(Box::pin(waits).now_or_never().is_none());
        }
    }

    #[tokio::test]
    async fn a_place_is_held_until_the_answer_ends() {
        let bulkhead = bulkhead(1, 0);
        let streaming = service(|_| async { endless(vec![trailers(Status::ok(""))]) });
        let mut answer = bulkhead.around(call(PATH), &streaming).await;
        assert_full(bulkhead.around(call(PATH), &quick()).await).await;
        assert!(
            answer
                .body_mut()
                .frame()
                .await
                .unwrap()
                .unwrap()
                .is_trailers()
        );
        let after = bulkhead.around(call(PATH), &quick()).await;
        assert_eq!(ending(after).await.code(), tonic::Code::Ok);
    }

    #[tokio::test]
    async fn an_answer_that_is_dropped_or_ends_with_its_headers_gives_its_place_back() {
        let bulkhead = bulkhead(1, 0);
        let streaming = service(|_| async { endless(vec![]) });
        for _ in 0..3 {
            drop(
                bulkhead
                    .clone()
                    .around(call(PATH), &streaming.clone())
                    .await,
            );
            let answer = bulkhead.around(call(PATH), &quick()).await;
            assert_eq!(ending(answer).await.code(), tonic::Code::Ok);
        }
    }

    #[tokio::test]
    async fn places_taken_are_shown() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _shown = metrics::set_default_local_recorder(&recorder);
        let shows = |taken: usize| {
            let shown = recorder.handle().render();
            let of = "grpc_service=\"paymesh.trade.v1.TradeService\",grpc_method=\"GetOrder\"";
            let expected = format!("{IN_FLIGHT}{{{of}}} {taken}\n");
            assert!(shown.contains(&expected), "{shown}");
        };
        let bulkhead = bulkhead(2, 1);
        let streaming = service(|_| async { endless(vec![]) });
        let answer = bulkhead.around(call(PATH), &streaming).await;
        let mut held = Box::pin(bulkhead.around(call(PATH), &silent()));
        assert!((&mut held).now_or_never().is_none());
        let mut waits = Box::pin(bulkhead.around(call(PATH), &silent()));
        assert!((&mut waits).now_or_never().is_none());
        shows(2);
        drop(answer);
        assert!((&mut waits).now_or_never().is_none());
        shows(2);
        drop((held, waits));
        shows(0);
    }

    #[tokio::test]
    async fn methods_do_not_take_each_others_places() {
        let bulkhead = bulkhead(1, 0);
        let mut held = Box::pin(bulkhead.around(call(PATH), &silent()));
        assert!((&mut held).now_or_never().is_none());
        for path in ["/paymesh.trade.v1.TradeService/PayOrder", "/no.Such/Method"] {
            let answer = bulkhead.around(call(path), &quick()).await;
            assert_eq!(ending(answer).await.code(), tonic::Code::Ok, "{path}");
        }
    }

    #[tokio::test]
    async fn what_never_ends_takes_no_place() {
        let bulkhead = bulkhead(0, 0);
        let watch = call("/grpc.health.v1.Health/Watch");
        let answer = bulkhead.around(watch, &quick()).await;
        assert_eq!(ending(answer).await.code(), tonic::Code::Ok);
    }
}
