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
    ] {
        assert_eq!(Target::parse(text), None, "{text}");
    }
}

/// A resolver that says what a test lets it say.
#[derive(Default)]
struct Script {
    answer: Mutex<Vec<SocketAddr>>,
    fails: Mutex<bool>,
    asked: Mutex<Vec<Instant>>,
}

#[tonic::async_trait]
impl Resolve for Script {
    async fn resolve(&self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        lock(&self.asked).push(Instant::now());
        if *lock(&self.fails) || host == "nobody" {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(lock(&self.answer).clone())
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
    *lock(&script.answer) = addresses(ports);
    script
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_at_an_interval_and_every_address_counts() {
    let script = saying(&[2, 1]);
    let heard = begin("trade:80", &script);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(heard.last(), addresses(&[1, 2]));
    *lock(&script.answer) = addresses(&[3]);
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
    lock(&script.answer).clear();
    sleep(Duration::from_mins(10)).await;
    assert!(
        lock(&heard.found)
            .iter()
            .all(|found| *found == addresses(&[1, 2]))
    );
    assert!(lock(&heard.failed)[0].starts_with("trade:80 cannot be resolved"));
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
    std::fs::remove_dir_all(directory).unwrap();
}
