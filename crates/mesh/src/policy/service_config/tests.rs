use super::*;
use crate::policy::Policies;

const GET: &str = "/paymesh.trade.v1.TradeService/GetOrder";
const PAY: &str = "/paymesh.trade.v1.TradeService/PayOrder";

fn policies() -> Policies {
    Policies::read(proto::DESCRIPTORS).unwrap()
}

fn under(json: &str) -> Policies {
    policies().with_service_config(json).unwrap()
}

#[test]
fn the_nearest_name_stands_above_the_method_option() {
    let policies = under(
        r#"{
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {"name": [{}], "timeout": "7s"},
            {"name": [{"service": "paymesh.trade.v1.TradeService"}], "timeout": "2.5s",
             "waitForReady": true},
            {"name": [{"service": "paymesh.trade.v1.TradeService", "method": "GetOrder"},
                      {"service": "some.others.Service"}],
             "timeout": "0.25s",
             "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "2s",
                "backoffMultiplier": 1.6, "retryableStatusCodes": ["UNAVAILABLE", 10]}}
        ]}"#,
    );
    let near = policies.of(GET);
    assert_eq!(near.timeout, Duration::from_millis(250));
    assert_eq!(near.max_attempts, 4);
    let expected = RetryPolicy {
        initial_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_secs(2),
        multiplier: 1600,
        codes: Codes::default().with(Code::Unavailable).with(Code::Aborted),
    };
    assert_eq!(near.retry, expected);
    let beside = policies.of(PAY);
    assert_eq!(beside.timeout, Duration::from_millis(2500));
    let option = super::super::MethodPolicy {
        timeout: beside.timeout,
        ..self::policies().of(PAY)
    };
    assert_eq!(beside, option, "what is not said stands");
    assert_eq!(
        policies.of("/no.Such/Method").timeout,
        Duration::from_secs(7)
    );
}

#[test]
fn retries_for_any_method_reach_only_those_that_may_be_repeated() {
    let policies = under(
        r#"{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 99,
            "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"]}}]}"#,
    );
    assert_eq!(policies.of(GET).max_attempts, MOST_ATTEMPTS);
    assert_eq!(policies.of("/grpc.health.v1.Health/Check").max_attempts, 1);
    assert_eq!(policies.throttling(), None);
}

#[test]
fn throttling_has_up_to_three_decimals() {
    for (ratio, read) in [("0.1", 100), ("1", 1000), ("0.1239", 123), ("2.5", 2500)] {
        let json = format!(r#"{{"retryThrottling": {{"maxTokens": 10, "tokenRatio": {ratio}}}}}"#);
        let throttling = under(&json).throttling().unwrap();
        assert_eq!((throttling.max_tokens, throttling.token_ratio), (10, read));
    }
}

#[test]
fn an_error_names_the_place() {
    let retry = |change: (&str, &str)| {
        let sound = r#"{"methodConfig": [{}, {"name": [{"service": "a.B"}], "retryPolicy": {
            "maxAttempts": 3, "initialBackoff": "0.1s", "maxBackoff": "1s",
            "backoffMultiplier": 1.5, "retryableStatusCodes": ["UNAVAILABLE"]}}]}"#;
        sound.replace(change.0, change.1)
    };
    let named = |config: &str| format!(r#"{{"methodConfig": [{config}]}}"#);
    let service = "paymesh.trade.v1.TradeService";
    for (json, place) in [
        (
            retry(("3,", "1,")),
            "methodConfig[1].retryPolicy.maxAttempts",
        ),
        (
            retry(("0.1s", "0s")),
            "methodConfig[1].retryPolicy.initialBackoff",
        ),
        (
            retry(("1s\"", "1\"")),
            "methodConfig[1].retryPolicy.initialBackoff",
        ),
        (
            retry(("\"1s\"", "\"-1s\"")),
            "methodConfig[1].retryPolicy.maxBackoff",
        ),
        (
            retry(("1.5", "-1.5")),
            "methodConfig[1].retryPolicy.backoffMultiplier",
        ),
        (
            retry(("1.5", "1e-9")),
            "methodConfig[1].retryPolicy.backoffMultiplier",
        ),
        (
            retry(("[\"UNAVAILABLE\"]", "[]")),
            "methodConfig[1].retryPolicy.retryableStatusCodes",
        ),
        (
            retry(("[\"UNAVAILABLE\"]", "[14, \"OK\"]")),
            "methodConfig[1].retryPolicy.retryableStatusCodes[1]",
        ),
        (
            named(r#"{"timeout": "1.0000000001s"}"#),
            "methodConfig[0].timeout",
        ),
        (named(r#"{"timeout": "+1s"}"#), "methodConfig[0].timeout"),
        (named(r#"{"name": [{}, {}]}"#), "methodConfig[0].name[1]"),
        (
            named(r#"{"name": [{"method": "x"}]}"#),
            "methodConfig[0].name[0]",
        ),
        (
            named(&format!(
                r#"{{"name": [{{"service": "{service}", "method": "GetOdrer"}}]}}"#
            )),
            "methodConfig[0].name",
        ),
        (
            retry(("\"a.B\"", r#""grpc.health.v1.Health", "method": "Check""#)),
            "methodConfig[1].name",
        ),
        (
            r#"{"retryThrottling": {"maxTokens": 0, "tokenRatio": 1}}"#.to_owned(),
            "retryThrottling.maxTokens",
        ),
        (
            r#"{"retryThrottling": {"maxTokens": 9, "tokenRatio": 0.0001}}"#.to_owned(),
            "retryThrottling.tokenRatio",
        ),
    ] {
        match policies().with_service_config(&json) {
            Err(ServiceConfigError::Value { place: told, .. }) => assert_eq!(told, place, "{json}"),
            other => panic!("{json}: {:?}", other.map(|_| ())),
        }
    }
}

#[test]
fn what_grpc_knows_and_the_mesh_does_not_is_taken_and_named() {
    let json = r#"{
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {"name": [{"service": "paymesh.trade.v1.TradeService", "method": "GetOrder"}],
             "timeout": "0.5s", "waitForReady": true,
             "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "2s",
                "backoffMultiplier": 1.6, "retryableStatusCodes": ["UNAVAILABLE"],
                "perAttemptRecvTimeout": "0.1s"}},
            {"name": [{}], "waitForReady": false, "maxRequestMessageBytes": 1024,
             "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.5s"}}
        ]}"#;
    let read = ServiceConfig::read(json).unwrap();
    assert_eq!(
        read.unheeded,
        [
            "loadBalancingConfig",
            "methodConfig[0].waitForReady",
            "methodConfig[0].retryPolicy.perAttemptRecvTimeout",
            "methodConfig[1].hedgingPolicy",
            "methodConfig[1].maxRequestMessageBytes",
        ]
    );
    // All else is heeded.
    let near = under(json).of(GET);
    assert_eq!(
        (near.timeout, near.max_attempts),
        (Duration::from_millis(500), 4)
    );
    assert_eq!(under(json).of(PAY), policies().of(PAY));
}

#[test]
fn a_misspelt_field_is_refused_with_its_line() {
    let misspelt = "{\n \"methodConfig\": [\n {\"timeuot\": \"1s\"}]}";
    let Err(ServiceConfigError::Json(error)) = policies().with_service_config(misspelt) else {
        panic!("was taken");
    };
    assert_eq!(error.line(), 3);
    assert!(error.to_string().contains("timeuot"), "{error}");
}
