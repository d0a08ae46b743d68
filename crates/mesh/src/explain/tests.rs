use std::sync::Arc;

use seam::net::Memory;

use super::*;
use crate::client::{Client, ClientSettings};

const TRADE: &str = "paymesh.trade.v1.TradeService";

fn policies() -> Policies {
    Policies::read(proto::DESCRIPTORS).unwrap()
}

fn client(directory: &Directory, target: &str) -> Client {
    let settings = ClientSettings {
        directory: directory.clone(),
        ..ClientSettings::new("test", target)
    };
    Client::new(settings, Arc::new(Memory::default()), policies()).unwrap()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[tokio::test]
async fn a_peer_is_told_about_for_as_long_as_it_has_a_client() {
    let directory = Directory::default();
    let explain = Explain::new(directory.clone(), policies());
    let [one, _other] =
        ["static:///a.test:1,b.test:2", "dns:///c.test:3"].map(|target| client(&directory, target));
    let targets = |asked: &[&str]| {
        let told = explain.tell(&words(asked)).peers.into_iter();
        told.map(|peer| peer.target).collect::<Vec<_>>()
    };
    assert_eq!(
        targets(&[]),
        ["dns:///c.test:3", "static:///a.test:1,b.test:2"]
    );
    assert_eq!(
        targets(&["B.TEST", "nobody"]),
        ["static:///a.test:1,b.test:2"]
    );
    drop(one);
    tokio::task::yield_now().await;
    assert_eq!(targets(&[""]), ["dns:///c.test:3"]);
}

#[test]
fn a_method_is_told_with_where_each_value_comes_from() {
    let json = r#"{"methodConfig": [{"name": [{"service": "paymesh.trade.v1.TradeService",
        "method": "GetOrder"}], "timeout": "0.25s"}]}"#;
    let policies = policies().with_service_config(json).unwrap();
    let explain = Explain::new(Directory::default(), policies);
    let told = explain.tell(&words(&["TradeService/"])).methods;
    let method = |name: &str| told.iter().find(|method| method.name == name).unwrap();
    assert!(told.iter().all(|method| method.service == TRADE));
    let get = method("GetOrder");
    assert_eq!(get.timeout, lasting(Duration::from_millis(250)));
    assert_eq!(get.timeout_source(), wire::ValueSource::ServiceConfig);
    assert_eq!(get.retry_source(), wire::ValueSource::MethodOption);
    assert_eq!(get.retryable_codes, ["UNAVAILABLE"]);
    let pay = method("PayOrder");
    assert_eq!(pay.timeout, lasting(Duration::from_secs(10)));
    assert_eq!(pay.timeout_source(), wire::ValueSource::MethodOption);
    assert_eq!(pay.callers, ["client"]);
    assert!(pay.idempotent && !pay.served && !pay.called);
}

#[test]
fn without_a_word_only_what_is_served_or_was_called_is_told() {
    let policies = policies();
    let explain = Explain::new(Directory::default(), policies.clone());
    assert_eq!(explain.tell(&[]).methods, []);
    let called = policies.method("/paymesh.trade.v1.TradeService/GetOrder");
    crate::layer::metrics::CLIENT.meters(&called);
    let told = explain.tell(&[]).methods;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].called && told[0].name == "GetOrder");
}
