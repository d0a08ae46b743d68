//! Between `google.protobuf.Timestamp` and the time the services use.

use jiff::Timestamp;

/// A time for the wire.
pub fn to_proto(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.as_second(),
        nanos: time.subsec_nanosecond(),
    }
}

/// A time from the wire; `None` outside the years -9999 to 9999.
pub fn from_proto(time: &prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(time.seconds, time.nanos).ok()
}
