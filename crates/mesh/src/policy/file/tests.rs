use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use tempfile::TempDir;

use super::*;

const PAY: &str = "/paymesh.trade.v1.TradeService/PayOrder";
const OPTION: Duration = Duration::from_secs(10);

/// A folder for one file, gone with the test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PolicyFile {
        PolicyFile::new(self.0.path().join("policy.json"))
    }

    fn write(&self, text: &str) {
        std::fs::write(self.file().path, text).unwrap();
    }
}

fn policies() -> Policies {
    Policies::read(proto::DESCRIPTORS).unwrap()
}

fn with_timeout(timeout: &str) -> String {
    format!(r#"{{"methodConfig": [{{"name": [{{}}], "timeout": "{timeout}"}}]}}"#)
}

fn timeout(policies: &Policies) -> Duration {
    policies.of(PAY).timeout
}

fn error(policies: &Policies) -> Option<String> {
    policies.file().unwrap().error
}

#[test]
fn a_file_that_is_not_there_leaves_the_method_options() {
    let (policies, folder) = (policies(), Folder::new());
    assert_eq!(policies.file(), None);
    policies.read_file(&folder.file());
    assert_eq!(timeout(&policies), OPTION);
    let view = policies.file().unwrap();
    assert_eq!((view.path, view.applied), (folder.file().path, None));
    let why = view.error.unwrap();
    assert!(why.contains("policy.json cannot be read: "), "{why}");
    assert!(why.contains("put it there"), "{why}");
    // It comes later.
    folder.write(&with_timeout("3s"));
    policies.read_file(&folder.file());
    assert_eq!(timeout(&policies), Duration::from_secs(3));
    assert_eq!(error(&policies), None);
}

#[test]
fn a_wrong_file_keeps_what_was_good_last_and_says_what_is_wrong() {
    let (policies, folder) = (policies(), Folder::new());
    folder.write(&with_timeout("3s"));
    policies.read_file(&folder.file());
    for (wrong, words) in [
        (
            with_timeout("3"),
            "methodConfig[0].timeout: \"3\" must be positive seconds, e.g. \"0.1s\"",
        ),
        (
            r#"{"methodConfig": [{"timeOut": "1s"}]}"#.to_owned(),
            "unknown field `timeOut`",
        ),
        (r#"{"methodConfig": ["#.to_owned(), "line 1 column 18"),
        (
            r#"{"methodConfig": [{"name": [{"service": "paymesh.trade.v1.TradeService",
                "method": "Pay"}]}]}"#
                .to_owned(),
            "methodConfig[0].name: paymesh.trade.v1.TradeService has no method Pay",
        ),
    ] {
        folder.write(&wrong);
        policies.read_file(&folder.file());
        let why = error(&policies).unwrap();
        assert!(
            why.contains("policy.json: ") && why.contains(words),
            "{why}"
        );
        assert_eq!(timeout(&policies), Duration::from_secs(3));
    }
    std::fs::remove_file(folder.file().path).unwrap();
    policies.read_file(&folder.file());
    assert!(error(&policies).unwrap().contains("cannot be read"));
    assert_eq!(timeout(&policies), Duration::from_secs(3));
    // As it was before: nothing is wrong any longer.
    folder.write(&with_timeout("3s"));
    policies.read_file(&folder.file());
    assert_eq!(error(&policies), None);
}

#[test]
fn what_a_file_no_longer_says_is_again_what_the_method_says() {
    let (policies, folder) = (policies(), Folder::new());
    folder.write(&with_timeout("3s"));
    policies.read_file(&folder.file());
    folder.write("{}");
    policies.read_file(&folder.file());
    assert_eq!(timeout(&policies), OPTION);
    let under = policies.with_service_config(&with_timeout("4s")).unwrap();
    assert_eq!(timeout(&under), Duration::from_secs(4));
    under.read_file(&folder.file());
    assert_eq!(
        timeout(&under),
        Duration::from_secs(4),
        "what was put beneath it stands"
    );
}

#[test]
fn each_change_is_counted_once() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let (policies, folder) = (policies(), Folder::new());
    metrics::with_local_recorder(&recorder, || {
        for text in ["{}", "{}", "{", "{", "{", "{}"] {
            folder.write(text);
            policies.read_file(&folder.file());
        }
    });
    let shown = recorder.handle().render();
    for expected in ["{result=\"ok\"} 2", "{result=\"failed\"} 1"] {
        assert!(shown.contains(&format!("{RELOADS}{expected}")), "{shown}");
    }
}

#[test]
fn a_method_keeps_its_place_and_its_meters() {
    let (policies, folder) = (policies(), Folder::new());
    let before = policies.method(PAY);
    folder.write(&with_timeout("3s"));
    policies.read_file(&folder.file());
    let after = policies.method(PAY);
    assert_eq!(before.place, after.place);
    assert!(Arc::ptr_eq(&before.served, &after.served));
    assert!(Arc::ptr_eq(&before.called, &after.called));
    assert_eq!(
        before.policy.timeout, OPTION,
        "who began with it ends with it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_is_followed_until_the_end() {
    let (policies, folder) = (policies(), Folder::new());
    folder.write(&with_timeout("3s"));
    let stop = CancellationToken::new();
    let following = {
        let (policies, file, stop) = (policies.clone(), folder.file(), stop.clone());
        tokio::spawn(async move { policies.follow(file, stop).await })
    };
    let becomes = async |seconds| {
        while timeout(&policies) != Duration::from_secs(seconds) {
            sleep(Duration::from_millis(100)).await;
        }
    };
    becomes(3).await;
    folder.write(&with_timeout("4s"));
    let begun = Instant::now();
    becomes(4).await;
    assert!(
        begun.elapsed() <= Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
    stop.cancel();
    following.await.unwrap();
}
