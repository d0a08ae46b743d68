use super::*;
use proto::mesh::v1::{AddressSource, EndpointState, Failure, Limit, RetryBudget};

fn seconds(seconds: i64) -> Lasting {
    Lasting { seconds, nanos: 0 }
}

fn ejected() -> Endpoint {
    Endpoint {
        address: "10.0.0.1:7400".to_owned(),
        state: EndpointState::Ejected.into(),
        reason: "5 failures in a row; spared for 2.0s".to_owned(),
        pick: "not picked as long as another one is ready".to_owned(),
        breaker: Some(Breaker {
            state: BreakerState::Open.into(),
            open_left: Some(seconds(2)),
            ejections: 3,
            ..Breaker::default()
        }),
        connections: vec![Connection {
            streams: 4,
            most_streams: 100,
            ..Connection::default()
        }],
        failures: vec![Failure {
            ago: Some(seconds(75)),
            what: "UNAVAILABLE, after 1.0ms".to_owned(),
        }],
        ..Endpoint::default()
    }
}

#[test]
fn a_peer_is_told_with_what_is_wrong_with_it() {
    let told = peer(&Peer {
        caller: "trade".to_owned(),
        name: "pay-gateway".to_owned(),
        target: "dns:///pay-gateway:7400".to_owned(),
        source: AddressSource::Dns.into(),
        found_ago: Some(seconds(3)),
        error: "pay-gateway:7400 cannot be resolved: timed out".to_owned(),
        endpoints: vec![ejected()],
        most_waiting: 1024,
        retry_budget: Some(RetryBudget {
            tokens_permille: 9_500,
            most_permille: 20_000,
            ..RetryBudget::default()
        }),
        ..Peer::default()
    });
    for expected in [
        "trade calls pay-gateway at dns:///pay-gateway:7400 (dns, found 3.0s ago)",
        "  wrong: pay-gateway:7400 cannot be resolved: timed out",
        "0 of 1024 calls wait for a connection; 9.5 of 20.0 retry tokens are left",
        "ejected",
        "open for 2.0s, opened 3x",
        "4/100",
        "10.0.0.1:7400: 5 failures in a row; spared for 2.0s; not picked as long as",
        "    1m15s ago: UNAVAILABLE, after 1.0ms",
    ] {
        assert!(told.contains(expected), "no {expected:?} in\n{told}");
    }
}

#[test]
fn a_method_is_told_with_who_says_each_value() {
    let told = methods(&[Method {
        service: "paymesh.trade.v1.TradeService".to_owned(),
        name: "GetOrder".to_owned(),
        timeout: Some(seconds(2)),
        timeout_source: ValueSource::ServiceConfig.into(),
        max_attempts: 3,
        retry_source: ValueSource::MethodOption.into(),
        retryable_codes: vec!["UNAVAILABLE".to_owned()],
        callers: vec!["client".to_owned()],
        callers_source: ValueSource::Configuration.into(),
        shed_overloaded: 7,
        ..Method::default()
    }]);
    for expected in [
        "paymesh.trade.v1.TradeService/GetOrder",
        "2.0s c",
        "3 on UNAVAILABLE o",
        "client s",
        "7",
    ] {
        assert!(told.contains(expected), "no {expected:?} in\n{told}");
    }
}

#[test]
fn a_wrong_policy_file_is_told_beside_what_stands() {
    let wrong = PolicySource {
        file: "/etc/policy.json".to_owned(),
        applied_ago: None,
        error: "/etc/policy.json: methodConfig[0].timeout: \"3\" must be …".to_owned(),
    };
    assert_eq!(
        source(&wrong),
        format!("policies: method options alone\n  wrong: {}", wrong.error)
    );
    let good = PolicySource {
        applied_ago: Some(seconds(4000)),
        error: String::new(),
        ..wrong
    };
    let expected = "policies: method options, and above them /etc/policy.json (read 1h6m ago)";
    assert_eq!(source(&good), expected);
}

#[test]
fn a_server_is_told_with_its_limits_and_nothing_as_nothing() {
    let told = server(&Server {
        name: "trade".to_owned(),
        address: "0.0.0.0:7400".to_owned(),
        limits: vec![Limit {
            name: "work".to_owned(),
            taken: 2,
            most: 1000,
            ..Limit::default()
        }],
        ..Server::default()
    });
    assert!(
        told.starts_with("trade serves at 0.0.0.0:7400 (not ready, "),
        "{told}"
    );
    assert!(told.contains("limit work: 2 of 1000"), "{told}");
    let nothing = all(&ExplainResponse::default());
    assert!(
        nothing.ends_with("nothing is known here by that name"),
        "{nothing}"
    );
}
