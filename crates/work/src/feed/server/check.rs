//! What a subscriber may ask for; each error names the field and says how to put it right.

use std::time::Duration;

use mesh::{ErrorKind, Fault, Peer};
use proto::feed::v1::{AckEventsRequest, PullEventsRequest};
use store::feed::SHARDS;
use tonic::Request;

use super::DEFAULT_EVENTS;

const MOST_EVENTS: i32 = 500;
const LONGEST_WAIT_MS: i32 = 20_000;
// The width of its column.
const LONGEST_NAME: usize = 32;

/// A pull whose fields are in range.
pub(super) struct Pull<'a> {
    pub(super) reader: (&'a str, i16),
    pub(super) most: u32,
    pub(super) wait: Duration,
}

/// Whoever proved a name reads under it: with another's cursor it would skip facts for that one.
pub(super) fn own<T>(request: &Request<T>, subscriber: &str) -> Result<(), Fault> {
    let proved = request.extensions().get().and_then(Peer::name);
    match proved.filter(|name| *name != subscriber) {
        None => Ok(()),
        Some(name) => {
            let message = format!("subscriber: must be {name}, which your certificate proves");
            let fault = Fault::new(ErrorKind::Denied, "SUBSCRIBER_NOT_ALLOWED", message);
            Err(fault.with("caller", name))
        }
    }
}

pub(super) fn pull(request: &PullEventsRequest) -> Result<Pull<'_>, Fault> {
    let mut fields = Fields::default();
    let reader = fields.reader(&request.subscriber, request.shard);
    fields.wants(
        request.token >= 0,
        ("token", "must be the last answer's, or 0 at first"),
    );
    let most = match request.max_events {
        0 => Some(DEFAULT_EVENTS),
        1..=MOST_EVENTS => u32::try_from(request.max_events).ok(),
        _ => None,
    };
    fields.wants(
        most.is_some(),
        ("max_events", "must be 1 to 500, or 0 for 100"),
    );
    let wait = u64::try_from(request.wait_ms).ok();
    let wait = wait
        .filter(|_| request.wait_ms <= LONGEST_WAIT_MS)
        .map(Duration::from_millis);
    fields.wants(wait.is_some(), ("wait_ms", "must be 0 to 20000"));
    fields.or_fault()?;
    Ok(Pull {
        reader,
        most: most.unwrap_or_default(),
        wait: wait.unwrap_or_default(),
    })
}

pub(super) fn ack(request: &AckEventsRequest) -> Result<(&str, i16), Fault> {
    let mut fields = Fields::default();
    let reader = fields.reader(&request.subscriber, request.shard);
    fields.wants(request.token > 0, ("token", "must be the last pull's"));
    fields.wants(
        request.sequence >= 0,
        ("sequence", "must be one that was pulled"),
    );
    fields.or_fault()?;
    Ok(reader)
}

/// Gathers what is wrong.
#[derive(Default)]
struct Fields(Option<Fault>);

impl Fields {
    fn wants(&mut self, right: bool, (field, description): (&str, &str)) {
        if !right {
            self.0 = Some(match self.0.take() {
                None => Fault::invalid(field, description),
                Some(fault) => fault.field(field, description),
            });
        }
    }

    fn reader<'a>(&mut self, subscriber: &'a str, shard: i32) -> (&'a str, i16) {
        let named = (1..=LONGEST_NAME).contains(&subscriber.len());
        self.wants(
            named,
            (
                "subscriber",
                "must be the subscriber's name, at most 32 bytes",
            ),
        );
        let shard = i16::try_from(shard)
            .ok()
            .filter(|shard| (0..SHARDS).contains(shard));
        let description = format!("must be 0 to {}", SHARDS - 1);
        self.wants(shard.is_some(), ("shard", &description));
        (subscriber, shard.unwrap_or_default())
    }

    fn or_fault(self) -> Result<(), Fault> {
        self.0.map_or(Ok(()), Err)
    }
}
