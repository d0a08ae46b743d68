//! Every call has a deadline: a client's call ends at it, a server's work too, and what is
//! left of it is told to the next hop.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::Either;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tonic::Status;
use tonic::body::Body;

use super::{
    Answer, Call, Pattern, Polled, Reply, Rest, poll_body, reply, trailers, unlike_others,
};
use crate::context::Context;
use crate::error::{ErrorKind, Fault};
use crate::policy::Method;

pub(crate) const HEADER: HeaderName = HeaderName::from_static("grpc-timeout");
/// Counts calls whose time was over, by side and by how far they had come.
pub(crate) const EXPIRED: &str = "mesh_deadlines_expired_total";

// No call lasts longer; also keeps instants far from overflow.
const LONGEST: Duration = Duration::from_hours(24);
/// How much of its time a call may lose to look like others; and of how much time at least.
const ALIKE: Duration = Duration::from_millis(1);
const WORTH_IT: Duration = Duration::from_millis(100);

/// The caller's side: the least of what the context leaves, and what the request sets or else
/// the method's policy. Those below find it in the context; the next hop is told what is left when
/// the call is sent.
#[derive(Clone)]
pub(crate) struct ClientDeadline;

impl Pattern for ClientDeadline {
    fn around<R: Rest>(&self, mut call: Call, rest: &R) -> impl Answer + use<R> {
        let method = Arc::clone(&call.method);
        let wished = requested(call.request.headers())
            .unwrap_or(method.policy.timeout)
            .min(LONGEST);
        // For all attempts, also where the caller has none: they are of one trace.
        let own = call.begun.checked_add(wished);
        let context = Context::current().until(own);
        call.untouched = (context.deadline() == own).then_some(wished);
        let deadline = context.deadline().unwrap_or(call.begun);
        let over = Over {
            side: "client",
            method,
        };
        if deadline <= call.begun {
            let message = "the call's time was over before it was sent";
            return Either::Left(ready(reply(over.expired("unsent", message))));
        }
        let work = context.enter(|| rest.run(call));
        let work = timeout_at(deadline, context.scope(work));
        let answer = work.map(move |ended| {
            let answer = in_time(ended, &over);
            if answer.is_over() {
                return answer;
            }
            answer.map(|body| {
                Body::new(DeadlineBody::new((body, over), Some(deadline), |status| {
                    Err(status)
                }))
            })
        });
        Either::Right(answer)
    }
}

/// The server's side: refuses what is over, ends what lasts too long, and sets the context.
#[derive(Clone)]
pub(crate) struct ServerDeadline;

impl Pattern for ServerDeadline {
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
        let method = Arc::clone(&call.method);
        let default = (!method.endless).then_some(method.policy.timeout);
        let timeout = requested(call.request.headers())
            .or(default)
            .map(|timeout| timeout.min(LONGEST));
        // Counted from its arrival: tonic keeps the same deadline, without a reason, and the
        // earlier one wins.
        let deadline = timeout.map(|timeout| call.begun + timeout);
        let context = Context::current().until(deadline);
        // Nothing of it is done before it is polled.
        let work = context.enter(|| rest.run(call));
        let over = Over {
            side: "server",
            method,
        };
        Box::pin(async move {
            // It may have waited for its turn since it arrived.
            if deadline.is_some_and(|at| at <= Instant::now()) {
                let message = "the call's time was over before it was begun";
                return reply(over.expired("refused", message));
            }
            let work = context.clone().scope(work);
            let reply = match deadline {
                Some(deadline) => in_time(timeout_at(deadline, work).await, &over),
                None => work.await,
            };
            if reply.is_over() {
                return reply;
            }
            reply.map(|body| {
                let body = DeadlineBody::new((body, over), deadline, |status| Ok(trailers(status)));
                Body::new(DeadlineBody {
                    within: Some(context),
                    ..body
                })
            })
        })
    }
}

fn in_time(ended: Result<Reply, Elapsed>, over: &Over) -> Reply {
    let message = "the call did not end within its time";
    ended.unwrap_or_else(|_| reply(over.expired("unanswered", message)))
}

/// Who tells a call that its time is over.
struct Over {
    side: &'static str,
    method: Arc<Method>,
}

impl Over {
    /// `at`: how far the call had come.
    fn expired(&self, at: &'static str, message: &str) -> Fault {
        metrics::counter!(
            EXPIRED,
            "side" => self.side,
            "grpc_service" => self.method.service.clone(),
            "grpc_method" => self.method.name.clone(),
            "at" => at,
        )
        .increment(1);
        Fault::new(ErrorKind::Timeout, "DEADLINE_EXCEEDED", message)
    }
}

type Ending = fn(Status) -> Result<Frame<Bytes>, Status>;

/// A body that ends at the deadline; a server's is produced within the call's context.
struct DeadlineBody {
    body: Option<Body>,
    over: Over,
    timer: Option<Pin<Box<Sleep>>>,
    within: Option<Context>,
    ending: Ending,
}

impl DeadlineBody {
    fn new((body, over): (Body, Over), deadline: Option<Instant>, ending: Ending) -> Self {
        // An answer that ended with its headers needs no timer.
        let streams = !http_body::Body::is_end_stream(&body);
        let timer = deadline
            .filter(|_| streams)
            .map(|at| Box::pin(sleep_until(at)));
        Self {
            body: Some(body),
            over,
            timer,
            within: None,
            ending,
        }
    }
}

impl http_body::Body for DeadlineBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Polled {
        let this = &mut *self;
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let frame = match &this.within {
            Some(context) => context.enter(|| poll_body(body, cx)),
            None => poll_body(body, cx),
        };
        let cut = match &frame {
            Poll::Pending => this
                .timer
                .as_mut()
                .is_some_and(|timer| timer.as_mut().poll(cx).is_ready()),
            Poll::Ready(Some(Ok(frame))) => frame.is_data() && is_late(this.timer.as_ref()),
            Poll::Ready(_) => false,
        };
        if !cut {
            return frame;
        }
        this.body = None;
        let message = "the answer did not end within its time";
        let status = this.over.expired("unfinished", message).into();
        Poll::Ready(Some((this.ending)(status)))
    }

    fn is_end_stream(&self) -> bool {
        self.body
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream)
    }
}

fn is_late(timer: Option<&Pin<Box<Sleep>>>) -> bool {
    timer.is_some_and(|timer| timer.deadline() <= Instant::now())
}

/// Reads `grpc-timeout`; a malformed one counts as none.
pub(crate) fn requested(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = headers.get(HEADER)?.as_bytes().split_last()?;
    let plain = (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    if !plain {
        return None;
    }
    let digits = digits.iter().map(|digit| u64::from(digit - b'0'));
    let count = digits.fold(0, |count, digit| count * 10 + digit);
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Writes what is `left` for a call. What nobody has used any of is told a millisecond short, and
/// so alike in all calls: such a header is sent once, and then stands in the connection's table.
pub(crate) fn told(left: Duration, untouched: Option<Duration>) -> HeaderValue {
    let alike = untouched.filter(|whole| *whole >= WORTH_IT);
    let alike = alike.map(|whole| whole.saturating_sub(ALIKE));
    match alike.filter(|alike| *alike <= left) {
        Some(alike) => digits(alike),
        None => unlike_others(digits(left)),
    }
}

/// Writes `grpc-timeout`: at most eight digits, rounded down, so that from hop to hop it never grows.
fn digits(left: Duration) -> HeaderValue {
    const DIGITS: u128 = 100_000_000;
    let (count, unit) = match (left.as_micros(), left.as_millis()) {
        (micros, _) if micros < DIGITS => (micros, b'u'),
        (_, millis) if millis < DIGITS => (millis, b'm'),
        _ => (u128::from(left.as_secs()).min(DIGITS - 1), b'S'),
    };
    let (mut text, mut digits) = ([0; 9], itoa::Buffer::new());
    let digits = digits.format(count).as_bytes();
    text[..digits.len()].copy_from_slice(digits);
    text[digits.len()] = unit;
    let written = HeaderValue::from_bytes(&text[..=digits.len()]);
    written.unwrap_or(HeaderValue::from_static("0u"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, ending, endless, service};
    use super::*;
    use crate::error::reason_of;
    use proptest::prelude::*;
    use tonic::Code;

    async fn assert_expired(reply: Reply) {
        let status = ending(reply).await;
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(reason_of(&status).as_deref(), Some("DEADLINE_EXCEEDED"));
    }

    fn with_timeout(path: &str, timeout: &'static str) -> Call {
        let mut call = call(path);
        call.request
            .headers_mut()
            .insert(HEADER, HeaderValue::from_static(timeout));
        call
    }

    #[test]
    fn a_timeout_reads_as_it_was_written() {
        for left in ["1u", "99999999u", "100000m", "99999999m", "100000S"] {
            let header = HeaderMap::from_iter([(HEADER, left.parse().unwrap())]);
            let read = requested(&header).unwrap();
            assert_eq!(digits(read), left);
        }
        for malformed in ["", "m", "1", "-1m", "+1m", "123456789m", "1x", "1 m"] {
            let value = HeaderValue::from_static(malformed);
            let header = HeaderMap::from_iter([(HEADER, value)]);
            assert_eq!(requested(&header), None, "{malformed}");
        }
    }

    #[test]
    fn time_that_nobody_has_used_is_told_alike_and_never_grows() {
        let (second, micros) = (Duration::from_secs(1), Duration::from_micros);
        for left in [second, micros(999_001), micros(999_000)] {
            let told = told(left, Some(second));
            assert_eq!(
                (told.to_str().unwrap(), told.is_sensitive()),
                ("999000u", false)
            );
        }
        // A retry, what is left of a larger piece of work, and what a millisecond is much of.
        let (left, short) = (micros(998_999), micros(99_000));
        for (left, whole) in [(left, Some(second)), (left, None), (short, Some(short))] {
            let told = told(left, whole);
            assert!(told.is_sensitive());
            assert_eq!(told, digits(left));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_call_ends_at_the_policys_timeout() {
        let begun = Instant::now();
        let silent = service(|_| std::future::pending());
        let path = "/paymesh.trade.v1.TradeService/GetOrder";
        assert_expired(ClientDeadline.around(call(path), &silent).await).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_request_may_ask_for_more_than_the_policy_but_not_than_the_context() {
        let told = service(|_| async {
            let told = digits(Context::current().remaining().unwrap());
            Reply::new(Body::empty()).map(|body| body).tap(told)
        });
        let client = ClientDeadline;
        let told_to = |timeout| {
            let (client, told) = (client.clone(), told.clone());
            async move { client.around(with_timeout("/x/Y", timeout), &told).await }
        };
        assert_eq!(told_to("5S").await.headers()[HEADER], "5000000u");
        let context = Context::background(Duration::from_secs(2));
        assert_eq!(
            context.scope(told_to("5S")).await.headers()[HEADER],
            "2000000u"
        );
    }

    trait Tap {
        fn tap(self, told: HeaderValue) -> Self;
    }

    impl Tap for Reply {
        fn tap(mut self, told: HeaderValue) -> Self {
            self.headers_mut().insert(HEADER, told);
            self
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_time_is_never_sent() {
        let never = service(|_| async { panic!("was sent") });
        let client = ClientDeadline;
        let context = Context::background(Duration::ZERO);
        let called = async { client.around(call("/x/Y"), &never).await };
        assert_expired(context.scope(called).await).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_refuses_work_whose_time_is_over() {
        let never = service(|_| async { panic!("was served") });
        let server = ServerDeadline;
        assert_expired(server.around(with_timeout("/x/Y", "0m"), &never).await).await;
    }

    #[tokio::test(start_paused = true)]
    async fn work_whose_time_ended_in_a_queue_is_never_begun() {
        let never = service(|_| async { panic!("was served") });
        let queued = ServerDeadline.around(with_timeout("/x/Y", "50m"), &never);
        tokio::time::advance(Duration::from_millis(50)).await;
        assert_expired(queued.await).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_without_a_callers_deadline_uses_the_policys() {
        let begun = Instant::now();
        let silent = service(|_| std::future::pending());
        let path = "/paymesh.trade.v1.TradeService/PayOrder";
        assert_expired(ServerDeadline.around(call(path), &silent).await).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_streaming_answer_ends_at_the_deadline_on_both_sides() {
        let stream = service(|_| async { endless(vec![Frame::data(Bytes::from_static(b"x"))]) });
        let begun = Instant::now();
        let server = ServerDeadline;
        assert_expired(
            server
                .around(with_timeout("/x/Y", "3S"), &stream.clone())
                .await,
        )
        .await;
        assert_eq!(begun.elapsed(), Duration::from_secs(3));
        let client = ClientDeadline;
        assert_expired(client.around(with_timeout("/x/Y", "3S"), &stream).await).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_never_pauses_ends_too() {
        use futures::StreamExt;
        let flood = service(|_| async {
            let frames =
                futures::stream::repeat_with(|| Ok::<_, Status>(Frame::data(Bytes::new())));
            let slow = frames.then(|frame| async {
                tokio::time::advance(Duration::from_millis(10)).await;
                frame
            });
            Reply::new(Body::new(http_body_util::StreamBody::new(slow)))
        });
        let server = ServerDeadline;
        assert_expired(server.around(with_timeout("/x/Y", "1S"), &flood).await).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_handler_finds_the_deadline_in_its_context() {
        let seen = service(|_| async {
            let left = Context::current().remaining().unwrap();
            Reply::new(Body::empty()).tap(digits(left))
        });
        let server = ServerDeadline;
        let reply = server.around(with_timeout("/x/Y", "250m"), &seen).await;
        assert_eq!(reply.headers()[HEADER], "250000u");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_produced_within_the_calls_context() {
        let stream = service(|_| async {
            let frames = futures::stream::poll_fn(|_| {
                let left = Context::current().remaining().unwrap();
                let frame = Frame::data(digits(left).as_bytes().to_vec().into());
                Poll::Ready(Some(Ok::<_, Status>(frame)))
            });
            let frames = futures::StreamExt::take(frames, 1);
            Reply::new(Body::new(http_body_util::StreamBody::new(frames)))
        });
        let server = ServerDeadline;
        let reply = server.around(with_timeout("/x/Y", "250m"), &stream).await;
        let body = http_body_util::BodyExt::collect(reply.into_parts().1)
            .await
            .unwrap();
        assert_eq!(&body.to_bytes()[..], b"250000u");
    }

    fn read(text: &[u8]) -> Option<Duration> {
        let value = HeaderValue::from_bytes(text).ok()?;
        requested(&HeaderMap::from_iter([(HEADER, value)]))
    }

    proptest! {
        /// From hop to hop a time may lose a millionth, or what no unit tells; it never grows.
        #[test]
        fn what_is_written_is_never_more_than_what_is_left(seconds in 0u64..90_000_000, nanos in 0u32..1_000_000_000) {
            let left = Duration::new(seconds, nanos);
            let read = read(digits(left).as_bytes()).unwrap();
            // A time that has grown would be none.
            let lost = left.checked_sub(read).unwrap();
            prop_assert!(lost <= left / 99_999 || lost < Duration::from_micros(1), "{lost:?}");
            let next = requested(&HeaderMap::from_iter([(HEADER, digits(read))]));
            prop_assert_eq!(next, Some(read));
        }

        /// What strangers write is a time or nothing, and no reason to panic.
        #[test]
        fn any_header_is_read_or_left(text in prop::collection::vec(any::<u8>(), 0..12)) {
            let (unit, digits) = text.split_last().map_or((0, &[][..]), |(unit, rest)| (*unit, rest));
            let plain = digits.iter().all(u8::is_ascii_digit) && (1..=8).contains(&digits.len());
            prop_assert_eq!(read(&text).is_some(), plain && b"HMSmun".contains(&unit));
        }

        #[test]
        fn a_time_of_any_unit_is_read(count in 0u64..100_000_000, unit in 0usize..6) {
            let (letter, nanos) = [
                ('H', 3_600_000_000_000u64), ('M', 60_000_000_000), ('S', 1_000_000_000),
                ('m', 1_000_000), ('u', 1_000), ('n', 1),
            ][unit];
            let expected = Duration::from_nanos_u128(u128::from(count) * u128::from(nanos));
            prop_assert_eq!(read(format!("{count}{letter}").as_bytes()), Some(expected));
        }

        /// However often it is shortened, a context has the least of all times.
        #[test]
        fn a_context_has_the_least_of_all_times(millis in prop::collection::vec(0u64..10_000_000, 1..6)) {
            let times = millis.iter().map(|millis| Duration::from_millis(*millis));
            let least = times.clone().min().unwrap();
            let begun = Instant::now();
            let context = times.fold(None, |context: Option<Context>, time| {
                Some(context.map_or_else(|| Context::background(time), |context| context.within(time)))
            });
            let deadline = context.unwrap().deadline().unwrap();
            prop_assert!(deadline >= begun + least);
            prop_assert!(deadline <= Instant::now() + least);
        }
    }
}
