use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::PayType;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tokio::task::yield_now;

use super::*;
use crate::channel::AuthCode;

/// A channel that takes its time, and remembers how often it was asked.
struct Slow {
    asked: Arc<AtomicUsize>,
    takes: Arc<Mutex<Duration>>,
}

#[async_trait]
impl Channel for Slow {
    fn abilities(&self) -> Abilities {
        Abilities {
            prepay: true,
            pay: true,
            query: true,
            close: true,
            reverse: true,
            refund: true,
        }
    }

    async fn prepay(&self, _: &Prepay) -> PrepayAnswer {
        let why = self.answer().await;
        PrepayAnswer::Unknown { why }
    }

    async fn pay(&self, _: &Pay) -> PayAnswer {
        let why = self.answer().await;
        PayAnswer::Unknown { why }
    }

    async fn query(&self, _: &Query) -> QueryAnswer {
        self.answer().await;
        QueryAnswer::Waiting
    }

    async fn close(&self, _: &Undo) -> UndoAnswer {
        self.answer().await;
        UndoAnswer::Accepted
    }

    async fn reverse(&self, _: &Undo) -> UndoAnswer {
        let why = self.answer().await;
        UndoAnswer::Unknown { why }
    }

    async fn refund(&self, _: &Refund) -> RefundAnswer {
        let why = self.answer().await;
        RefundAnswer::Unknown { why }
    }

    async fn query_refund(&self, _: &RefundQuery) -> RefundQueryAnswer {
        self.answer().await;
        RefundQueryAnswer::NotSure
    }
}

impl Slow {
    async fn answer(&self) -> String {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let takes = *self.takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        String::new()
    }
}

fn limited(limit: usize) -> (Arc<Limited<Slow>>, Arc<AtomicUsize>) {
    taking(&Arc::new(Mutex::new(Duration::from_secs(1))), limit)
}

fn taking(takes: &Arc<Mutex<Duration>>, limit: usize) -> (Arc<Limited<Slow>>, Arc<AtomicUsize>) {
    let asked = Arc::<AtomicUsize>::default();
    let slow = Slow {
        asked: Arc::clone(&asked),
        takes: Arc::clone(takes),
    };
    (Arc::new(Limited::new("slow", slow, limit)), asked)
}

fn prepay() -> Prepay {
    Prepay {
        out_trade_no: "W2011200930000010010000".to_owned(),
        pay_type: PayType::SwiftpassWeChat,
        description: "8".to_owned(),
        payer_id: "o".to_owned(),
        client_ip: "10.1.2.3".to_owned(),
        amount: 1,
        starts: jiff::Timestamp::UNIX_EPOCH,
        expires: jiff::Timestamp::UNIX_EPOCH,
        timeout: Duration::from_secs(3),
    }
}

fn query() -> Query {
    Query {
        out_trade_no: "W2011200930000010010000".to_owned(),
        timeout: Duration::from_secs(3),
    }
}

fn busy() -> (PrepayAnswer, QueryAnswer) {
    let why = || "CHANNEL_BUSY".to_owned();
    let refused = PrepayAnswer::NotSent { why: why() };
    (refused, QueryAnswer::NoEvidence { why: why() })
}

/// Starts a call and lets it reach the channel.
async fn begin(channel: &Arc<Limited<Slow>>) -> tokio::task::JoinHandle<PrepayAnswer> {
    let channel = Arc::clone(channel);
    let call = tokio::spawn(async move { channel.prepay(&prepay()).await });
    yield_now().await;
    call
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_nothing_is_sent_and_nobody_waits() {
    let (channel, asked) = limited(2);
    let calls = [begin(&channel).await, begin(&channel).await];
    let before = Instant::now();
    let answers = (
        channel.prepay(&prepay()).await,
        channel.query(&query()).await,
    );
    assert_eq!(answers, busy());
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    for call in calls {
        assert_eq!(call.await.unwrap().outcome(), "UNKNOWN");
    }
    assert_eq!(channel.query(&query()).await, QueryAnswer::Waiting);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_takes_half_of_the_room() {
    let (channel, asked) = limited(4);
    let polls = [0, 1, 2].map(|_| {
        let channel = Arc::clone(&channel);
        tokio::spawn(async move { channel.query(&query()).await })
    });
    yield_now().await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    let payers = [begin(&channel).await, begin(&channel).await];
    assert_eq!(asked.load(Ordering::Relaxed), 4);
    assert_eq!(channel.prepay(&prepay()).await, busy().0);
    for payer in payers {
        assert_eq!(payer.await.unwrap().outcome(), "UNKNOWN");
    }
    let mut answers = Vec::new();
    for poll in polls {
        answers.push(poll.await.unwrap());
    }
    let refused = answers.iter().filter(|answer| **answer == busy().1);
    assert_eq!(refused.count(), 1, "{answers:?}");
}

/// Three calls at once that bring nothing: how many reached the channel, and how long that took.
async fn three(channel: &Limited<Slow>, asked: &AtomicUsize) -> (usize, Duration) {
    let (begun, before) = (Instant::now(), asked.load(Ordering::Relaxed));
    let undo = undo();
    let one = || channel.reverse(&undo);
    tokio::join!(one(), one(), one());
    (asked.load(Ordering::Relaxed) - before, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_stays_silent_holds_one_job_at_a_time_until_it_answers() {
    let takes = Arc::new(Mutex::new(SLOW));
    let (channel, asked) = taking(&takes, 8);
    assert_eq!(three(&channel, &asked).await, (3, SLOW));
    assert_eq!(three(&channel, &asked).await, (3, SLOW));
    for _ in 0..3 {
        assert_eq!(three(&channel, &asked).await, (1, SLOW));
    }
    // Who waits for an answer has all the room that there is.
    let mut payers = Vec::new();
    for _ in 0..8 {
        payers.push(begin(&channel).await);
    }
    for payer in payers {
        assert_eq!(payer.await.unwrap().outcome(), "UNKNOWN");
    }
    let quick = SLOW.saturating_sub(Duration::from_millis(1));
    *takes.lock().unwrap() = quick;
    assert_eq!(three(&channel, &asked).await, (1, quick));
    assert_eq!(three(&channel, &asked).await, (3, quick));
    // Those in vain must come one after the other.
    for in_vain in [1, 4, 4] {
        *takes.lock().unwrap() = SLOW;
        for _ in 0..in_vain {
            channel.reverse(&undo()).await;
        }
        *takes.lock().unwrap() = quick;
        channel.reverse(&undo()).await;
        assert_eq!(three(&channel, &asked).await.0, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_answers_late_is_asked_as_much_as_ever() {
    let (channel, asked) = taking(&Arc::new(Mutex::new(SLOW * 2)), 8);
    for _ in 0..10 {
        assert_eq!(channel.query(&query()).await, QueryAnswer::Waiting);
    }
    assert_eq!(three(&channel, &asked).await, (3, SLOW * 2));
}

const NUMBER: &str = "W2011200930000010010000";
const TIMEOUT: Duration = Duration::from_secs(3);

fn pay() -> Pay {
    Pay {
        out_trade_no: NUMBER.to_owned(),
        description: "8".to_owned(),
        client_ip: "10.1.2.3".to_owned(),
        amount: 1,
        auth_code: AuthCode::parse("134567890123456789").unwrap(),
        starts: jiff::Timestamp::UNIX_EPOCH,
        expires: jiff::Timestamp::UNIX_EPOCH,
        timeout: TIMEOUT,
    }
}

fn undo() -> Undo {
    Undo {
        out_trade_no: NUMBER.to_owned(),
        timeout: TIMEOUT,
    }
}

fn refund() -> Refund {
    Refund {
        out_trade_no: NUMBER.to_owned(),
        out_refund_no: "R201120093000001001".to_owned(),
        total: 1,
        amount: 1,
        timeout: TIMEOUT,
    }
}

fn refund_query() -> RefundQuery {
    RefundQuery {
        out_trade_no: NUMBER.to_owned(),
        out_refund_no: "R201120093000001001".to_owned(),
        timeout: TIMEOUT,
    }
}

/// What each call but prepay and query comes to.
async fn outcomes(channel: &Limited<Slow>) -> [&'static str; 5] {
    [
        channel.pay(&pay()).await.outcome(),
        channel.close(&undo()).await.outcome(),
        channel.reverse(&undo()).await.outcome(),
        channel.refund(&refund()).await.outcome(),
        channel.query_refund(&refund_query()).await.outcome(),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_call_has_the_same_limit() {
    let seen = Seen::default();
    let _recording = metrics::set_default_local_recorder(&seen);
    let (channel, asked) = limited(1);
    let call = begin(&channel).await;
    let refused = [
        "NOT_SENT",
        "NOT_SENT",
        "NOT_SENT",
        "NOT_SENT",
        "NO_EVIDENCE",
    ];
    assert_eq!(outcomes(&channel).await, refused);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let busy = PayAnswer::NotSent {
        why: "CHANNEL_BUSY".to_owned(),
    };
    assert_eq!(channel.pay(&pay()).await, busy);
    call.await.unwrap();
    let made = ["UNKNOWN", "ACCEPTED", "UNKNOWN", "UNKNOWN", "NOT_SURE"];
    assert_eq!(outcomes(&channel).await, made);
    let names = ["pay", "close", "reverse", "refund", "query_refund"];
    for (name, outcome) in names.into_iter().zip(made) {
        let counted =
            |what: &str| seen.of(&format!("gateway_channel_calls_total slow {name} {what}"));
        assert_eq!(counted(outcome), 1, "{name}");
        assert!(counted("CHANNEL_BUSY") >= 1, "{name}");
        assert_eq!(seen.of(&format!("gateway_channel_seconds slow {name}")), 1);
    }
    assert_eq!(seen.of("gateway_channel_in_flight slow"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_given_up_leaves_its_place() {
    let (channel, _) = limited(1);
    let call = begin(&channel).await;
    assert_eq!(channel.query(&query()).await, busy().1);
    call.abort();
    call.await.unwrap_err();
    assert_eq!(channel.query(&query()).await, QueryAnswer::Waiting);
}

#[tokio::test(start_paused = true)]
async fn accounts_do_not_take_each_others_places() {
    let (one, other) = (limited(1).0, limited(1).0);
    let call = begin(&one).await;
    assert_eq!(other.query(&query()).await, QueryAnswer::Waiting);
    assert_eq!(call.await.unwrap().outcome(), "UNKNOWN");
}

#[tokio::test(start_paused = true)]
async fn no_limit_is_no_dead_channel() {
    for limit in [0, usize::MAX] {
        let (channel, _) = limited(limit);
        assert_eq!(channel.query(&query()).await, QueryAnswer::Waiting);
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_is_counted_and_none_stays_in_flight() {
    let seen = Seen::default();
    let _recording = metrics::set_default_local_recorder(&seen);
    let (channel, _) = limited(1);
    let call = begin(&channel).await;
    assert_eq!(seen.of("gateway_channel_in_flight slow"), 1);
    channel.query(&query()).await;
    call.await.unwrap();
    channel.query(&query()).await;
    begin(&channel).await.abort();
    yield_now().await;
    let counted = |call, outcome| {
        seen.of(&format!(
            "gateway_channel_calls_total slow {call} {outcome}"
        ))
    };
    assert_eq!(counted("prepay", "UNKNOWN"), 1);
    assert_eq!(counted("prepay", "CANCELLED"), 1);
    assert_eq!(counted("query", "WAITING"), 1);
    assert_eq!(counted("query", "CHANNEL_BUSY"), 1);
    assert_eq!(seen.of("gateway_channel_seconds slow prepay"), 2);
    assert_eq!(seen.of("gateway_channel_seconds slow query"), 1);
    assert_eq!(seen.of("gateway_channel_in_flight slow"), 0);
}

/// What was recorded: counters, gauges, and how often a histogram was told something.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, i64>>>);

struct One(Seen, String);

impl Seen {
    fn of(&self, name: &str) -> i64 {
        self.0
            .lock()
            .unwrap()
            .get(name)
            .copied()
            .unwrap_or_default()
    }

    fn one(&self, key: &Key) -> Arc<One> {
        let labels = key.labels().map(metrics::Label::value);
        let name: Vec<&str> = [key.name()].into_iter().chain(labels).collect();
        Arc::new(One(self.clone(), name.join(" ")))
    }
}

impl One {
    fn add(&self, by: i64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += by;
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.add(value.try_into().unwrap());
    }

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for One {
    fn increment(&self, _: f64) {
        self.add(1);
    }

    fn decrement(&self, _: f64) {
        self.add(-1);
    }

    fn set(&self, _: f64) {}
}

impl HistogramFn for One {
    fn record(&self, _: f64) {
        self.add(1);
    }
}

impl Recorder for Seen {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one(key))
    }
}
