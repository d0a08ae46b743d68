use super::*;
use crate::logged::Logged;

#[test]
fn every_detail_survives_the_wire() {
    let fault = Fault::invalid("item_id", "must be positive, e.g. 42")
        .field("amount", "must be at least 1 fen")
        .with("item-id", -3)
        .precondition("STATUS", "orders/W1", "is PAID")
        .retry_after(Duration::from_millis(1500));
    assert_eq!(fault.kind(), ErrorKind::Invalid);
    let http = Status::from(fault).into_http::<()>();
    let status = Status::from_header_map(http.headers()).unwrap();

    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "item_id: must be positive, e.g. 42");
    assert_eq!(reason_of(&status).as_deref(), Some("INVALID_ARGUMENT"));
    assert_eq!(retry_after_of(&status), Some(Duration::from_millis(1500)));
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(
        (info.domain.as_str(), info.metadata["item-id"].as_str()),
        ("paymesh", "-3")
    );
    let fields: Vec<_> = details
        .bad_request()
        .unwrap()
        .field_violations
        .iter()
        .collect();
    assert_eq!(fields[0].field, "item_id");
    assert_eq!(fields[1].description, "must be at least 1 fen");
    let broken = &details.precondition_failure().unwrap().violations[0];
    assert_eq!(
        (broken.r#type.as_str(), broken.subject.as_str()),
        ("STATUS", "orders/W1")
    );
}

#[test]
fn a_status_without_details_gets_a_reason_and_keeps_its_code() {
    let status = with_reason(Status::out_of_range("too long"));
    assert_eq!(status.code(), Code::OutOfRange);
    assert_eq!(reason_of(&status).as_deref(), Some("OUT_OF_RANGE"));

    let told = Status::from(Fault::new(ErrorKind::NotFound, "NOT_ACCEPTED", "no"));
    assert_eq!(
        reason_of(&with_reason(told)).as_deref(),
        Some("NOT_ACCEPTED")
    );
}

/// What a caller is told of a status, and what is logged.
fn told(status: Status) -> (Status, Logged) {
    let logged = Logged::start();
    (relayed(status), logged)
}

const WHERE: &str = "10.0.0.7:7400";
const WHO: &str = "spiffe://paymesh/rate";

fn between_services() -> Vec<Status> {
    let said = format!("{WHERE} proves to be {WHO}");
    let made = |kind, reason| Fault::new(kind, reason, &said);
    let by_transport = |reason| made(ErrorKind::Unavailable, reason).with(TARGET, WHERE);
    let mut all = vec![
        by_transport("PEER_UNAVAILABLE").into(),
        by_transport("CONNECTION_LOST").into(),
        by_transport("QUEUE_FULL").into(),
        made(ErrorKind::Denied, "CALLER_NOT_ALLOWED").into(),
        made(ErrorKind::Unauthenticated, "CALLER_UNKNOWN").into(),
        made(ErrorKind::Internal, "PANIC").into(),
    ];
    let unexplained = [Code::Unavailable, Code::Unknown, Code::Unimplemented];
    let unexplained = unexplained
        .into_iter()
        .chain([Code::Internal, Code::DataLoss]);
    all.extend(unexplained.map(|code| Status::new(code, &said)));
    all
}

#[test]
fn trouble_between_services_is_logged_whole_and_told_without_names() {
    for status in between_services() {
        let (code, said) = (status.code(), status.message().to_owned());
        let reason = reason_of(&status).unwrap_or_default();
        let (told, logged) = told(status);
        assert_eq!(told.code(), Code::Unavailable, "{code:?}");
        assert_eq!(reason_of(&told).as_deref(), Some("PEER_UNAVAILABLE"));
        assert_eq!(retry_after_of(&told), Some(SOON));
        let whole = format!("{told:?} {}", String::from_utf8_lossy(told.details()));
        assert!(
            !whole.contains(WHERE) && !whole.contains("spiffe"),
            "{whole}"
        );
        for fact in [reason_for(code), &reason, &said] {
            assert_eq!(logged.count(fact), 1, "{fact}");
        }
    }
}

#[test]
fn what_only_details_say_is_logged_too() {
    let fault = Fault::new(ErrorKind::Unavailable, "PEER_UNAVAILABLE", "away");
    let (_, logged) = told(fault.with(TARGET, "rate:1").with("address", WHERE).into());
    assert_eq!((logged.count("rate:1"), logged.count(WHERE)), (1, 1));
}

#[test]
fn when_to_come_back_is_told_as_it_was_said() {
    let fault = Fault::new(ErrorKind::Internal, "X", "x").retry_after(SOON * 7);
    assert_eq!(retry_after_of(&told(fault.into()).0), Some(SOON * 7));
}

#[test]
fn what_is_about_the_request_is_told_as_it_is() {
    let away = |reason| Fault::new(ErrorKind::Unavailable, reason, "x").with("item_no", 7);
    let throttled = Fault::new(ErrorKind::Throttled, "LOOKUPS_BUSY", "x");
    for status in [
        Status::from(away("DATABASE_UNAVAILABLE").retry_after(SOON * 3)),
        Fault::peer_unavailable().into(),
        throttled.into(),
        Fault::invalid("item_id", "must be positive").into(),
        Fault::new(ErrorKind::Timeout, "DEADLINE_EXCEEDED", "x").into(),
        Status::not_found("no such thing"),
    ] {
        let before = format!("{status:?}");
        let (told, logged) = told(status);
        assert_eq!((format!("{told:?}"), logged.count("")), (before, 0));
    }
}

#[test]
fn a_code_is_known_by_its_name() {
    assert_eq!(code_named("OK"), Some(Code::Ok));
    assert_eq!(code_named("UNAUTHENTICATED"), Some(Code::Unauthenticated));
    assert_eq!(code_named("Unavailable"), None);
}

#[test]
fn a_status_of_strangers_has_no_reason() {
    assert_eq!(reason_of(&Status::internal("boom")), None);
    let garbled = Status::with_details(Code::Internal, "x", bytes::Bytes::from_static(b"\xff"));
    assert_eq!(
        (reason_of(&garbled), retry_after_of(&garbled)),
        (None, None)
    );
}
