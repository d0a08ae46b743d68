use std::sync::Mutex;

use super::super::testing::{call, call_by, ending, service};
use super::super::{reply, trailers};
use super::*;
use crate::error::{ErrorKind, Fault};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use seam::SeededIds;
use tonic::body::Body;

/// Idempotent, three attempts.
const GET: &str = "/paymesh.trade.v1.TradeService/GetOrder";
/// Idempotent, one attempt.
const PAY: &str = "/paymesh.trade.v1.TradeService/PayOrder";
/// Not idempotent.
const CHECK: &str = "/grpc.health.v1.Health/Check";
const ENDPOINT: &str = "10.0.0.7:1";

/// What each attempt was told, and when it came.
type Seen = Arc<Mutex<Vec<(Parts, usize, Instant)>>>;

fn retry() -> Retry {
    let policies = Policies::read(proto::DESCRIPTORS).unwrap();
    Retry::new(policies, Arc::new(SeededIds::new(1)))
}

/// A peer that answers each attempt by its number, and what it saw.
fn peer(answer: impl Fn(usize) -> Reply + Clone + Send + Sync + 'static) -> (impl Rest, Seen) {
    let seen = Seen::default();
    let noted = seen.clone();
    let rest = service(move |call: Call| {
        let (noted, answer) = (noted.clone(), answer.clone());
        async move {
            let (parts, body) = call.request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let attempt = {
                let mut noted = noted.lock().unwrap();
                noted.push((parts, body.len(), Instant::now()));
                noted.len()
            };
            answer(attempt)
        }
    });
    (rest, seen)
}

fn unavailable() -> Reply {
    reply(Status::unavailable("away"))
}

fn pushed_back(code: Code, millis: &'static str) -> Reply {
    let mut answer = reply(Status::new(code, "later"));
    let value = http::HeaderValue::from_static(millis);
    answer.headers_mut().insert(PUSHBACK, value);
    answer
}

fn never_processed() -> Reply {
    Outcome::NeverProcessed.mark(unavailable())
}

/// The code a call to `path` ends with, and how many attempts it took.
async fn asked(
    path: &str,
    answer: impl Fn(usize) -> Reply + Clone + Send + Sync + 'static,
) -> (Code, usize) {
    let (rest, seen) = peer(answer);
    let status = ending(retry().around(call(path), &rest).await).await;
    let attempts = seen.lock().unwrap().len();
    (status.code(), attempts)
}

fn fails_until(last: usize, failed: fn() -> Reply) -> impl Fn(usize) -> Reply + Clone {
    move |attempt| match attempt {
        attempt if attempt < last => failed(),
        _ => reply(Status::ok("")),
    }
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_call_is_tried_as_often_as_its_policy_says() {
    for (path, last, expected) in [
        (GET, 2, (Code::Ok, 2)),
        (GET, 3, (Code::Ok, 3)),
        (GET, 4, (Code::Unavailable, 3)),
        (PAY, 2, (Code::Unavailable, 1)),
        (CHECK, 2, (Code::Unavailable, 1)),
        ("/no.Such/Method", 2, (Code::Unavailable, 1)),
    ] {
        assert_eq!(
            asked(path, fails_until(last, unavailable)).await,
            expected,
            "{path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_never_processed_is_sent_again_whatever_it_is() {
    for path in [GET, PAY, CHECK, "/no.Such/Method"] {
        assert_eq!(
            asked(path, fails_until(3, never_processed)).await,
            (Code::Ok, 3)
        );
        let all = asked(path, fails_until(9, never_processed)).await;
        assert_eq!(all, (Code::Unavailable, 3), "{path}");
    }
    // Once processed, it is what its policy says that counts.
    let then_lost = |attempt| match attempt {
        1 => never_processed(),
        _ => unavailable(),
    };
    assert_eq!(asked(PAY, then_lost).await, (Code::Unavailable, 2));
}

#[tokio::test(start_paused = true)]
async fn a_peers_peer_that_could_not_be_reached_proves_nothing() {
    let told = || {
        let fault = Fault::new(ErrorKind::Unavailable, "PEER_UNAVAILABLE", "behind it");
        reply(fault)
    };
    assert_eq!(
        asked(PAY, fails_until(2, told)).await,
        (Code::Unavailable, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn only_codes_of_the_policy_are_tried_again() {
    for code in (1..17).map(Code::from_i32) {
        let answer = move |attempt| match attempt {
            1 => reply(Status::new(code, "x")),
            _ => reply(Status::ok("")),
        };
        let expected = if code == Code::Unavailable {
            (Code::Ok, 2)
        } else {
            (code, 1)
        };
        assert_eq!(asked(GET, answer).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_has_begun_stands() {
    let begun = |_| {
        let frames = [
            Frame::data(Bytes::from_static(b"x")),
            trailers(Status::unavailable("x")),
        ];
        let frames = futures::stream::iter(frames.map(Ok::<_, Status>));
        Reply::new(Body::new(StreamBody::new(frames)))
    };
    assert_eq!(asked(GET, begun).await, (Code::Unavailable, 1));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_told_its_number_and_whom_to_avoid() {
    let (rest, seen) = peer(|_| {
        let mut answer = unavailable();
        answer.known_mut().served = Some(ENDPOINT.parse().unwrap());
        answer
    });
    retry().around(call(GET), &rest).await;
    let seen = seen.lock().unwrap();
    let [first, second, third] = &seen[..] else {
        panic!("{} attempts", seen.len())
    };
    assert_eq!(first.0.headers.get(PREVIOUS), None);
    assert_eq!(first.0.extensions.get::<Avoid>(), None);
    for (nth, (parts, ..)) in [(1u32, second), (2, third)] {
        assert_eq!(parts.headers[PREVIOUS], nth.to_string());
        assert_eq!(
            parts.extensions.get(),
            Some(&Avoid(ENDPOINT.parse().unwrap()))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn waits_grow_and_differ() {
    let (rest, seen) = peer(|_| unavailable());
    retry().around(call(GET), &rest).await;
    let seen = seen.lock().unwrap();
    let waits: Vec<_> = seen.windows(2).map(|two| two[1].2 - two[0].2).collect();
    // A timer of the runtime is exact to a millisecond.
    for (wait, millis) in waits.iter().zip([25u32, 50]) {
        let (least, most) = (millis * 4 / 5, millis * 6 / 5 + 2);
        let (least, most) = [least, most]
            .map(u64::from)
            .map(Duration::from_millis)
            .into();
        assert!((least..most).contains(wait), "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_says_when_to_come_back_and_when_not_to() {
    for (code, millis, expected, after) in [
        (Code::Unavailable, "700", (Code::Ok, 2), 700),
        // It sheds: nobody has tried, and it wants the call later.
        (Code::ResourceExhausted, "300", (Code::Ok, 2), 300),
        (Code::Unavailable, "-1", (Code::Unavailable, 1), 0),
        (Code::Unavailable, "soon", (Code::Unavailable, 1), 0),
    ] {
        let begun = Instant::now();
        let answer = move |attempt| match attempt {
            1 => pushed_back(code, millis),
            _ => reply(Status::ok("")),
        };
        assert_eq!(asked(GET, answer).await, expected, "{millis}");
        let took = begun.elapsed().as_millis();
        assert!((after..after + 3).contains(&took), "{took} after {millis}");
    }
    let not_idempotent = asked(CHECK, |_| pushed_back(Code::Unavailable, "1")).await;
    assert_eq!(not_idempotent, (Code::Unavailable, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_past_the_deadline() {
    for (timeout, expected) in [(400, 1), (600, 2)] {
        let (rest, seen) = peer(|_| pushed_back(Code::Unavailable, "500"));
        let begun = Instant::now();
        let context = Context::background(Duration::from_millis(timeout));
        let asked = retry().around(call(GET), &rest);
        let status = ending(context.scope(asked).await).await;
        // The answer that there was, not that the time is over.
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(seen.lock().unwrap().len(), expected);
        assert!(begun.elapsed() < Duration::from_millis(600));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_time_is_over_takes_nothing_from_the_budget() {
    let json = r#"{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 2,
        "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1,
        "retryableStatusCodes": ["DEADLINE_EXCEEDED"]}}],
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}}"#;
    let policies = Policies::read(proto::DESCRIPTORS).unwrap();
    let policies = policies.with_service_config(json).unwrap();
    let retry = Retry::new(policies.clone(), Arc::new(SeededIds::new(1)));
    let full = retry.budget().view().tokens;
    // A peer is told a little less than there is, and says that it is over as it ends.
    for (left, attempts, taken) in [(LAST_MOMENT, 1, 0), (LAST_MOMENT * 20, 2, 2_000)] {
        let (rest, seen) = peer(|_| reply(Status::deadline_exceeded("over")));
        let context = Context::background(left);
        let asked = retry.around(call_by(&policies, GET), &rest);
        context.scope(asked).await;
        assert_eq!(seen.lock().unwrap().len(), attempts);
        assert_eq!(full - retry.budget().view().tokens, taken, "{left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_told_when_to_try_again_is_not_earlier() {
    let later = || {
        let fault = Fault::new(ErrorKind::Unavailable, "LATER", "not yet");
        reply(fault.retry_after(Duration::from_secs(1)))
    };
    let begun = Instant::now();
    assert_eq!(asked(GET, fails_until(2, later)).await, (Code::Ok, 2));
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_may_ask_for_fewer_attempts_and_never_for_more() {
    for (most, expected) in [(1, 1), (2, 2), (9, 3)] {
        let (rest, seen) = peer(|_| never_processed());
        let mut call = call(GET);
        call.request.extensions_mut().insert(MaxAttempts(most));
        retry().around(call, &rest).await;
        assert_eq!(seen.lock().unwrap().len(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_sent_whole_each_time_and_a_long_one_once() {
    for (length, expected) in [(0, 3), (64 * 1024, 3), (64 * 1024 + 1, 1)] {
        let (rest, seen) = peer(|_| unavailable());
        let body = http_body_util::Full::new(Bytes::from(vec![7; length]));
        let mut call = call(GET);
        *call.request.body_mut() = Body::new(body);
        retry().around(call, &rest).await;
        let lengths: Vec<_> = seen.lock().unwrap().iter().map(|seen| seen.1).collect();
        assert_eq!(lengths, vec![length; expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_requests_is_sent_once() {
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    assert_eq!(
        asked(path, |_| never_processed()).await,
        (Code::Unavailable, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn clones_share_one_budget() {
    let (rest, seen) = peer(|_| unavailable());
    let retry = retry();
    for _ in 0..100 {
        retry.around(call(GET), &rest.clone()).await;
    }
    // A hundred tokens, half of which are for failures that are tried again: two of three.
    let attempts = seen.lock().unwrap().len();
    assert!((130..=145).contains(&attempts), "{attempts}");
}

#[tokio::test(start_paused = true)]
async fn the_service_config_decides_how_often_and_after_what() {
    let json = r#"{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 5,
        "initialBackoff": "2s", "maxBackoff": "2s", "backoffMultiplier": 1,
        "retryableStatusCodes": ["ABORTED"]}}],
        "retryThrottling": {"maxTokens": 5, "tokenRatio": 0.1}}"#;
    let policies = Policies::read(proto::DESCRIPTORS).unwrap();
    let policies = policies.with_service_config(json).unwrap();
    let retry = Retry::new(policies.clone(), Arc::new(SeededIds::new(1)));
    for (code, expected) in [(Code::Unavailable, 1), (Code::Aborted, 3)] {
        let (rest, seen) = peer(move |_| reply(Status::new(code, "x")));
        let begun = Instant::now();
        retry.around(call_by(&policies, PAY), &rest).await;
        // Of five tokens two may go before retries end.
        assert_eq!(seen.lock().unwrap().len(), expected, "{code:?}");
        assert!(
            begun.elapsed() >= Duration::from_millis(1600) * (u32::try_from(expected).unwrap() - 1)
        );
    }
}

#[test]
fn an_attempt_that_failed_is_counted_by_what_followed() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(asked(GET, |_| unavailable()));
    });
    let shown = recorder.handle().render();
    for (then, count) in [("retried", 2), ("attempts", 1)] {
        let line = format!("grpc_code=\"Unavailable\",cause=\"code\",then=\"{then}\"}} {count}");
        assert!(shown.contains(&line), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_reached_no_handler_takes_nothing_from_the_budget_and_is_not_refused_by_it() {
    let retry = retry();
    let full = retry.budget().view();
    // As when a server leaves: each call finds its connection closed.
    let (leaving, seen) = peer(|_| never_processed());
    for _ in 0..100 {
        retry.around(call(GET), &leaving.clone()).await;
    }
    assert_eq!(seen.lock().unwrap().len(), 300);
    assert_eq!(retry.budget().view(), full);
    // What has failed until nothing is left is no reason to lose a call that nobody has seen.
    let (failing, _) = peer(|_| unavailable());
    for _ in 0..100 {
        retry.around(call(GET), &failing.clone()).await;
    }
    let (once, _) = peer(fails_until(2, never_processed));
    let status = ending(retry.around(call(PAY), &once).await).await;
    assert_eq!(status.code(), Code::Ok);
}

#[tokio::test(start_paused = true)]
async fn who_finds_the_queue_full_does_not_get_in_line_again() {
    let full = |_| {
        let mut answer = never_processed();
        answer.known_mut().crowded = true;
        answer
    };
    assert_eq!(asked(GET, full).await, (Code::Unavailable, 1));
}

/// An answer with a message, then its end.
fn answered(end: Status) -> Reply {
    let frames = [Frame::data(Bytes::from_static(b"x")), trailers(end)];
    let frames = futures::stream::iter(frames.map(Ok::<_, Status>));
    Reply::new(Body::new(StreamBody::new(frames)))
}

#[tokio::test(start_paused = true)]
async fn only_an_answer_that_ends_well_gives_something_back() {
    let retry = retry();
    let (failing, _) = peer(|_| unavailable());
    retry.around(call(PAY), &failing).await;
    for (end, back) in [
        (Status::unavailable("x"), 0),
        (Status::not_found("x"), 0),
        (Status::ok(""), 200),
    ] {
        let before = retry.budget().view().tokens;
        let (rest, _) = peer(move |_| answered(end.clone()));
        let answer = retry.around(call(GET), &rest).await;
        assert_eq!(retry.budget().view().tokens, before, "it has only begun");
        ending(answer).await;
        assert_eq!(retry.budget().view().tokens, before + back);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_followed_by_another_attempt_is_let_go_of_at_once() {
    let held = Arc::new(());
    let kept = held.clone();
    let (rest, _) = peer(move |_| {
        let kept = kept.clone();
        let open = futures::stream::poll_fn(move |_| {
            let _ = &kept;
            std::task::Poll::<Option<Result<Frame<Bytes>, Status>>>::Pending
        });
        unavailable().map(|_| Body::new(StreamBody::new(open)))
    });
    let watched = held.clone();
    let asked = retry().around(call(GET), &rest);
    let looked = async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Arc::strong_count(&watched)
    };
    let (_, during) = futures::join!(asked, looked);
    // Here, in the watch, and in the peer that makes answers, which the call has a copy of.
    assert!(during <= 4, "{during}");
}
