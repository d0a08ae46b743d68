//! Places for calls: so many at once, and a short queue before them. A place is held until the
//! answer's body ends, not its headers.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use metrics::Gauge;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic::body::Body;

use super::{Polled, Reply, poll_body};
use crate::criticality::Criticality;

/// Calls that hold a place, by limit.
pub(crate) const IN_FLIGHT: &str = "mesh_server_in_flight";

/// How many there are, by limit.
pub(crate) const PLACES: &str = "mesh_server_places";
/// How long critical calls waited for a place, by limit and what came of it.
pub(crate) const WAIT: &str = "mesh_server_queue_wait_seconds";

/// How much a server takes on at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Calls being worked on; 1,000. Sheddable ones are refused from 70 % of it, others from
    /// 90 %, critical ones when all is taken and the queue is full.
    pub in_flight: usize,
    /// Critical calls that wait for a place; 100.
    pub queue: usize,
    /// How long such a call waits before it is refused; 100 ms.
    pub queue_wait: Duration,
    /// Calls that mostly wait, counted apart: streams, and methods that may take 20 s or more;
    /// 10,000.
    pub waiting: usize,
    /// When those refused are to come back, more or less; 100 ms.
    pub retry_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 1_000,
            queue: 100,
            queue_wait: Duration::from_millis(100),
            waiting: 10_000,
            retry_after: Duration::from_millis(100),
        }
    }
}

/// So many places, and who holds them.
pub(crate) struct Limit {
    name: &'static str,
    most: usize,
    places: Semaphore,
    queue: Queue,
    gauge: OnceLock<Gauge>,
}

/// A limit as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) taken: usize,
    pub(crate) most: usize,
    pub(crate) queued: usize,
    pub(crate) most_queued: usize,
}

/// Those who wait for a place.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) most: usize,
    pub(crate) wait: Duration,
    length: AtomicUsize,
}

impl Queue {
    pub(crate) fn new(most: usize, wait: Duration) -> Self {
        Self {
            most,
            wait,
            length: AtomicUsize::new(0),
        }
    }
}

/// What becomes of a call that wants a place.
pub(crate) enum Entry {
    Taken(Place),
    Queued(Turn),
    Full,
}

impl Limit {
    pub(crate) fn new(name: &'static str, most: usize, queue: Queue) -> Arc<Self> {
        let most = most.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            name,
            most,
            places: Semaphore::new(most),
            queue,
            gauge: OnceLock::new(),
        })
    }

    /// A place, a turn in the queue, or neither. Two that come at the same moment may both get
    /// the last place of their share, but never one beyond all.
    pub(crate) fn enter(self: &Arc<Self>, criticality: Criticality) -> Entry {
        let taken = self.most.saturating_sub(self.places.available_permits());
        if taken < criticality.share_of(self.most)
            && let Ok(place) = self.places.try_acquire()
        {
            place.forget();
            return Entry::Taken(Place::of(self));
        }
        match criticality {
            Criticality::Critical => self.line_up(),
            Criticality::Default | Criticality::Sheddable => Entry::Full,
        }
    }

    fn line_up(self: &Arc<Self>) -> Entry {
        let room = self.queue.length.fetch_add(1, Ordering::AcqRel) < self.queue.most;
        // Gives its place in the queue back when dropped.
        let turn = Turn(Arc::clone(self));
        if room {
            Entry::Queued(turn)
        } else {
            Entry::Full
        }
    }

    /// Who holds its places now.
    pub(crate) fn view(&self) -> View {
        View {
            name: self.name,
            taken: self.most.saturating_sub(self.places.available_permits()),
            most: self.most,
            queued: self.queue.length.load(Ordering::Acquire),
            most_queued: self.queue.most,
        }
    }

    // Made by the first call: the recorder is installed by then.
    fn gauge(&self) -> &Gauge {
        self.gauge.get_or_init(|| {
            // Other servers of the process have limits of the same name.
            self.places_shown().increment(self.most_shown());
            metrics::gauge!(IN_FLIGHT, "limit" => self.name)
        })
    }

    fn places_shown(&self) -> Gauge {
        metrics::gauge!(PLACES, "limit" => self.name)
    }

    fn most_shown(&self) -> f64 {
        u32::try_from(self.most).unwrap_or(u32::MAX).into()
    }

    fn waited(&self, time: Duration, result: &'static str) {
        metrics::histogram!(WAIT, "limit" => self.name, "result" => result).record(time);
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if self.gauge.get().is_some() {
            self.places_shown().decrement(self.most_shown());
        }
    }
}

impl Entry {
    /// Waits in the queue if it must; none when the wait was in vain.
    pub(crate) async fn place(self) -> Option<Place> {
        match self {
            Self::Taken(place) => Some(place),
            Self::Queued(turn) => turn.come().await,
            Self::Full => None,
        }
    }
}

/// A turn in the queue.
pub(crate) struct Turn(Arc<Limit>);

impl Turn {
    async fn come(self) -> Option<Place> {
        let (limit, begun) = (&self.0, Instant::now());
        let place = timeout(limit.queue.wait, limit.places.acquire()).await;
        let Ok(Ok(place)) = place else {
            limit.waited(begun.elapsed(), "refused");
            return None;
        };
        place.forget();
        limit.waited(begun.elapsed(), "placed");
        Some(Place::of(limit))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.queue.length.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A place, given back when dropped.
pub(crate) struct Place(Option<Arc<Limit>>);

impl Place {
    /// For calls that nobody counts.
    pub(crate) fn free() -> Self {
        Self(None)
    }

    fn of(limit: &Arc<Limit>) -> Self {
        limit.gauge().increment(1.0);
        Self(Some(Arc::clone(limit)))
    }

    /// The answer, which holds the place until it ends.
    pub(crate) fn until_end_of(self, answer: Reply) -> Reply {
        // What is here already still is to be taken: who does not read keeps his place.
        if self.0.is_none() || (answer.is_over() && !answer.is_whole()) {
            return answer;
        }
        answer.map(|body| Body::new(Held(Some((body, self)))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(limit) = &self.0 {
            limit.places.add_permits(1);
            limit.gauge().decrement(1.0);
        }
    }
}

/// A body that holds a place until it ends.
struct Held(Option<(Body, Place)>);

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let Some((body, _)) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let frame = poll_body(body, cx);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
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
    use super::super::testing::endless;
    use super::super::trailers;
    use super::*;
    use crate::error::{ErrorKind, Fault};
    use Criticality::{Critical, Default, Sheddable};
    use http_body_util::BodyExt;
    use metrics_exporter_prometheus::PrometheusBuilder;

    const WAIT: Duration = Duration::from_millis(100);

    fn limit(most: usize, queue: usize) -> Arc<Limit> {
        Limit::new("test", most, Queue::new(queue, WAIT))
    }

    /// As many places as calls of this importance get, one after the other.
    fn filled(limit: &Arc<Limit>, criticality: Criticality) -> Vec<Place> {
        let entries = std::iter::repeat_with(|| limit.enter(criticality));
        let taken = entries.map_while(|entry| match entry {
            Entry::Taken(place) => Some(place),
            Entry::Queued(_) | Entry::Full => None,
        });
        taken.collect()
    }

    fn queued(limit: &Arc<Limit>) -> Turn {
        match limit.enter(Critical) {
            Entry::Queued(turn) => turn,
            Entry::Taken(_) | Entry::Full => panic!("was not queued"),
        }
    }

    fn is_full(limit: &Arc<Limit>, criticality: Criticality) -> bool {
        matches!(limit.enter(criticality), Entry::Full)
    }

    #[test]
    fn each_takes_its_share_and_leaves_the_rest() {
        let limit = limit(10, 1);
        assert_eq!(filled(&limit, Sheddable).len(), 7);
        let mut places = filled(&limit, Sheddable);
        places.extend(filled(&limit, Default));
        assert_eq!(places.len(), 9);
        places.extend(filled(&limit, Critical));
        assert_eq!(places.len(), 10);
        assert!(is_full(&limit, Sheddable) && is_full(&limit, Default));
        drop(places);
        assert_eq!(filled(&limit, Critical).len(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_critical_call_waits_for_the_next_place() {
        let limit = limit(1, 1);
        let mut places = filled(&limit, Critical);
        let turn = tokio::spawn(queued(&limit).come());
        // Whoever comes later does not overtake.
        assert!(is_full(&limit, Critical) && is_full(&limit, Default));
        tokio::time::sleep(WAIT / 2).await;
        places.clear();
        assert!(is_full(&limit, Default));
        let place = turn.await.unwrap();
        assert!(place.is_some() && is_full(&limit, Default));
        drop(place);
        assert_eq!(filled(&limit, Default).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_in_vain_ends_and_leaves_the_queue() {
        let limit = limit(1, 1);
        let _places = filled(&limit, Critical);
        let begun = Instant::now();
        assert!(queued(&limit).come().await.is_none());
        assert_eq!(begun.elapsed(), WAIT);
        drop(queued(&limit));
        assert!(matches!(limit.enter(Critical), Entry::Queued(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_gone_while_queued_takes_nothing_along() {
        let limit = limit(1, 1);
        let places = filled(&limit, Critical);
        let turn = tokio::spawn(queued(&limit).come());
        tokio::time::sleep(WAIT / 2).await;
        turn.abort();
        assert!(turn.await.is_err());
        drop(places);
        assert_eq!(filled(&limit, Default).len(), 1);
        let _places = filled(&limit, Critical);
        assert!(matches!(limit.enter(Critical), Entry::Queued(_)));
    }

    #[test]
    fn without_a_queue_nobody_waits() {
        let limit = limit(1, 0);
        let _places = filled(&limit, Critical);
        assert!(is_full(&limit, Critical));
    }

    #[tokio::test]
    async fn a_place_is_held_until_the_body_ends() {
        let limit = limit(1, 0);
        let held = || filled(&limit, Default).pop();
        let answer = held().unwrap().until_end_of(endless(vec![]));
        assert!(held().is_none());
        drop(answer);

        let end = trailers(Fault::new(ErrorKind::Conflict, "X", "x"));
        let frames = futures::stream::iter([Ok::<_, Status>(end)]);
        let body = Body::new(http_body_util::StreamBody::new(frames));
        let mut answer = held().unwrap().until_end_of(Reply::new(body));
        assert!(held().is_none());
        while answer.body_mut().frame().await.is_some() {}
        assert!(held().is_some());
        drop(answer);

        let answer = held().unwrap().until_end_of(Reply::new(Body::empty()));
        assert!(held().is_some());
        drop(answer);

        // Known to its end, but nobody has taken it yet.
        let message = http_body_util::Full::from("x").map_err(|never| match never {});
        let whole = super::super::whole::read(http::Response::new(Body::new(message))).await;
        assert!(whole.is_whole());
        let mut answer = held().unwrap().until_end_of(whole);
        assert!(held().is_none());
        while answer.body_mut().frame().await.is_some() {}
        assert!(held().is_some());
    }

    #[test]
    fn places_taken_are_shown() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let limit = limit(3, 0);
            let mut places = filled(&limit, Critical);
            places.pop();
            let shown = recorder.handle().render();
            let expected = "mesh_server_in_flight{limit=\"test\"} 2";
            assert!(shown.contains(expected), "{shown}");
        });
    }

    #[test]
    fn the_places_of_all_servers_are_shown_as_long_as_they_serve() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let shows = |places: usize| {
                let shown = recorder.handle().render();
                let expected = format!("mesh_server_places{{limit=\"test\"}} {places}\n");
                assert!(shown.contains(&expected), "{shown}");
            };
            let (one, other) = (limit(3, 0), limit(4, 0));
            let places = [&one, &other].map(|limit| filled(limit, Critical));
            shows(7);
            drop((one, places));
            shows(4);
            drop(other);
            shows(0);
        });
    }
}
