use std::sync::Mutex;

use super::*;
use crate::endpoint::lock;
use tokio::time::Instant;

#[test]
fn a_target_is_a_name_a_list_or_a_file() {
    let name = |text: &str| Target::Name(HostPort::parse(text).unwrap());
    for text in [
        "trade:50051",
        "127.0.0.1:1",
        "[::1]:9",
        "trade.pay.svc.cluster.local:80",
    ] {
        assert_eq!(Target::parse(text), Some(name(text)));
        assert_eq!(Target::parse(&format!("dns:///{text}")), Some(name(text)));
    }
    let list = ["a:1", "10.0.0.1:2"].map(|text| HostPort::parse(text).unwrap());
    assert_eq!(
        Target::parse("static:///a:1,10.0.0.1:2"),
        Some(Target::List(list.to_vec()))
    );
    assert_eq!(
        Target::parse("file:///etc/peers"),
        Some(Target::File("/etc/peers".into()))
    );
    let service = Target::parse("kubernetes:///trade.pay:grpc").unwrap();
    assert!(matches!(&service, Target::Kubernetes(service) if service.host() == "trade.pay"));
    assert_eq!(service.authority().unwrap(), "trade.pay");
    for text in [
        "",
        "trade",
        ":1",
        "http://trade:1",
        "trade:1/x",
        "a b:1",
        "trade:99999",
        "a@b:1",
        "dns://trade:1",
        "dns:///",
        "static:///",
        "static:///a:1,",
        "static:///a:1,b",
        "file:///",
        "file://peers",
        "kubernetes:///",
        "kubernetes:///trade",
        "kubernetes://trade.pay:grpc",
    ] {
        assert_eq!(Target::parse(text), None, "{text}");
    }
}

/// A resolver that says what a test lets it say.
#[derive(Default)]
struct Script {
    answer: Mutex<Resolved>,
    fails: Mutex<bool>,
    asked: Mutex<Vec<Instant>>,
}

#[tonic::async_trait]
impl Resolve for Script {
    async fn resolve(&self, host: &str, _: u16) -> io::Result<Resolved> {
        lock(&self.asked).push(Instant::now());
        if *lock(&self.fails) || host == "nobody" {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(lock(&self.answer).clone())
    }
}

impl Script {
    fn say(&self, ports: &[u16]) {
        *lock(&self.answer) = addresses(ports).into();
    }

    fn asked(&self) -> usize {
        lock(&self.asked).len()
    }
}

#[derive(Default)]
struct Heard {
    found: Mutex<Vec<Vec<SocketAddr>>>,
    failed: Mutex<Vec<String>>,
    trouble: Notify,
}

impl Audience for Heard {
    fn found(&self, addresses: Vec<SocketAddr>) {
        lock(&self.found).push(addresses);
    }

    fn failed(&self, error: DiscoverError) {
        lock(&self.failed).push(error.to_string());
    }

    fn trouble(&self) -> &Notify {
        &self.trouble
    }
}

impl Heard {
    fn last(&self) -> Vec<SocketAddr> {
        lock(&self.found).last().cloned().unwrap_or_default()
    }
}

fn addresses(ports: &[u16]) -> Vec<SocketAddr> {
    ports
        .iter()
        .map(|port| SocketAddr::from(([10, 0, 0, 1], *port)))
        .collect()
}

fn begin(target: &str, script: &Arc<Script>) -> Arc<Heard> {
    let target = Target::parse(target).unwrap();
    let resolver: Arc<dyn Resolve> = script.clone();
    let discovery = Discovery::new(target, resolver, Duration::from_secs(30));
    let heard = Arc::new(Heard::default());
    let audience = heard.clone();
    tokio::spawn(async move { discovery.run(&*audience).await });
    heard
}

fn saying(ports: &[u16]) -> Arc<Script> {
    let script = Arc::new(Script::default());
    script.say(ports);
    script
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_at_an_interval_and_every_address_counts() {
    let script = saying(&[2, 1]);
    let heard = begin("trade:80", &script);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(heard.last(), addresses(&[1, 2]));
    script.say(&[3]);
    sleep(Duration::from_secs(28)).await;
    assert_eq!(heard.last(), addresses(&[1, 2]));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(heard.last(), addresses(&[3]));
}

#[tokio::test(start_paused = true)]
async fn trouble_is_a_reason_to_look_but_not_all_the_time() {
    let script = saying(&[1]);
    let heard = begin("trade:80", &script);
    for _ in 0..1000 {
        heard.trouble.notify_one();
        sleep(Duration::from_millis(1)).await;
    }
    let asked = lock(&script.asked).len();
    assert!((2..=4).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_fails_takes_nothing_away() {
    let script = saying(&[1, 2]);
    let heard = begin("trade:80", &script);
    sleep(Duration::from_secs(1)).await;
    *lock(&script.fails) = true;
    sleep(Duration::from_mins(10)).await;
    assert!(!lock(&heard.failed).is_empty());
    *lock(&script.fails) = false;
    // Nor does one that knows the name and no address.
    script.say(&[]);
    sleep(Duration::from_mins(10)).await;
    assert!(
        lock(&heard.found)
            .iter()
            .all(|found| *found == addresses(&[1, 2]))
    );
    assert!(lock(&heard.failed)[0].starts_with("trade:80 cannot be resolved"));
}

/// When it was asked for the first time, and again and again, in milliseconds.
fn times(script: &Script) -> Vec<u128> {
    let asked = lock(&script.asked);
    let first = asked[0];
    let since = asked.iter().map(|at| at.duration_since(first).as_millis());
    since.collect()
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_asked_for_again_when_its_time_is_over() {
    for (ttl, every) in [(0, 1), (1, 1), (7, 7), (300, 30)] {
        let script = saying(&[1]);
        lock(&script.answer).ttl = Some(Duration::from_secs(ttl));
        begin("trade:80", &script);
        sleep(Duration::from_millis(100_500)).await;
        let expected = (0..=100).step_by(every).map(|at| at * 1000);
        let times = times(&script);
        let close = |(asked, expected): (&u128, u128)| asked.abs_diff(expected) < 100;
        assert!(times.iter().zip(expected).all(close), "{ttl}: {times:?}");
        assert_eq!(times.len(), 100 / every + 1, "{ttl}: {times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_shortest_time_of_a_list_counts() {
    let script = saying(&[1]);
    lock(&script.answer).ttl = Some(Duration::from_secs(5));
    begin("static:///trade:1,10.0.0.1:2,rate:3", &script);
    sleep(Duration::from_secs(52)).await;
    assert_eq!(script.asked(), 22);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again_soon_and_then_less_often() {
    let script = saying(&[1]);
    *lock(&script.fails) = true;
    let heard = begin("trade:80", &script);
    sleep(Duration::from_secs(62)).await;
    let expected = [0, 1, 3, 7, 15, 31, 61].map(|at| at * 1000);
    let times = times(&script);
    let close = |(asked, expected): (&u128, u128)| asked.abs_diff(expected) < 100;
    assert_eq!(times.len(), expected.len(), "{times:?}");
    assert!(times.iter().zip(expected).all(close), "{times:?}");
    *lock(&script.fails) = false;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(heard.last(), addresses(&[1]));
}

#[tokio::test(start_paused = true)]
async fn a_family_nobody_could_tell_about_keeps_what_was_known_of_it() {
    let both = |port: u16| {
        let old = [10, 0, 0, 1].into();
        let new = [0xfd00, 0, 0, 0, 0, 0, 0, 1].into();
        [old, new].map(|ip: IpAddr| SocketAddr::new(ip, port))
    };
    let script = saying(&[]);
    lock(&script.answer).addresses = both(1).to_vec();
    let heard = begin("trade:80", &script);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(heard.last(), both(1));
    *lock(&script.answer) = Resolved {
        untold: Some(Family::V6),
        ..vec![both(2)[0]].into()
    };
    sleep(Duration::from_secs(30)).await;
    assert_eq!(heard.last(), [both(2)[0], both(1)[1]]);
    lock(&script.answer).untold = None;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(heard.last(), [both(2)[0]]);
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_can_be_told() {
    let script = saying(&[1]);
    let resolver: Arc<dyn Resolve> = script.clone();
    let target = Target::parse("trade:80").unwrap();
    let discovery = Discovery::new(target, resolver, Duration::from_secs(30));
    let (seen, heard) = (discovery.seen(), Heard::default());
    let before = seen.view();
    assert_eq!((before.source, before.resolved), ("dns", None));
    let begun = Instant::now();
    let look = timeout(Duration::from_secs(1), discovery.run(&heard));
    assert!(look.await.is_err());
    let view = seen.view();
    assert_eq!(view.resolved.map(|at| at - begun), Some(Duration::ZERO));
    assert!(view.error.is_none());
    *lock(&script.fails) = true;
    let target = Target::parse("static:///trade:80").unwrap();
    let discovery = Discovery::new(target, script, Duration::from_secs(30));
    let seen = discovery.seen();
    let look = timeout(Duration::from_secs(1), discovery.run(&heard));
    assert!(look.await.is_err());
    let (at, error) = seen.view().error.unwrap();
    assert!(
        at > begun && error.starts_with("trade:80 cannot be resolved"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_nobody_says_any_more_stands_and_is_not_found_again() {
    let script = saying(&[1]);
    let target = Target::parse("static:///trade:1,rate:1").unwrap();
    let discovery = Discovery::new(target, script.clone(), Duration::from_secs(30));
    let (seen, heard) = (discovery.seen(), Arc::new(Heard::default()));
    let audience = heard.clone();
    tokio::spawn(async move { discovery.run(&*audience).await });
    sleep(Duration::from_secs(1)).await;
    let found = (lock(&heard.found).len(), seen.view().resolved);
    *lock(&script.fails) = true;
    sleep(Duration::from_mins(5)).await;
    assert!(lock(&heard.failed).len() > 5);
    assert_eq!((lock(&heard.found).len(), seen.view().resolved), found);
    *lock(&script.fails) = false;
    sleep(Duration::from_mins(1)).await;
    assert!(seen.view().resolved > found.1);
}

#[tokio::test(start_paused = true)]
async fn one_name_of_a_list_that_fails_leaves_the_others() {
    let script = saying(&[7]);
    let heard = begin("static:///nobody:1,trade:7,10.0.0.1:9", &script);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(heard.last(), addresses(&[7, 9]));
    assert_eq!(lock(&heard.failed).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn addresses_need_no_resolver() {
    let script = saying(&[]);
    let heard = begin("static:///10.0.0.1:1,10.0.0.1:2", &script);
    sleep(Duration::from_hours(1)).await;
    assert_eq!(*lock(&heard.found), [addresses(&[1, 2])]);
    assert!(lock(&script.asked).is_empty());
}

#[tokio::test]
async fn a_file_is_read_again_and_a_broken_one_takes_nothing_away() {
    let directory = std::env::temp_dir().join(format!("peers-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("peers");
    let heard = Arc::new(Heard::default());
    let target = Target::parse(&format!("file://{}", path.display())).unwrap();
    let mut discovery = Discovery::new(target, saying(&[]), Duration::from_secs(30));
    assert_eq!(discovery.pause(), FILE_EVERY);

    discovery.look(&*heard).await;
    assert!(lock(&heard.failed)[0].contains("cannot be read"));
    std::fs::write(&path, "10.0.0.1:1\n10.0.0.1:2\n").unwrap();
    discovery.look(&*heard).await;
    assert_eq!(heard.last(), addresses(&[1, 2]));
    std::fs::write(&path, "10.0.0.1:2\n10.0.").unwrap();
    discovery.look(&*heard).await;
    assert_eq!(heard.last(), addresses(&[1, 2]));
    std::fs::write(&path, "10.0.0.1:2\n").unwrap();
    discovery.look(&*heard).await;
    assert_eq!(heard.last(), addresses(&[2]));
    assert!(!discovery.is_final());
    for empty in ["", "# nobody yet\n"] {
        let failed = lock(&heard.failed).len();
        std::fs::write(&path, empty).unwrap();
        discovery.look(&*heard).await;
        let told = lock(&heard.failed)[failed..].join(", ");
        assert!(told.contains("peers lists no address"), "{told}");
        assert_eq!(heard.last(), addresses(&[2]));
    }
    std::fs::remove_dir_all(directory).unwrap();
}
