//! W3C trace context: which larger piece of work a call belongs to.

use http::HeaderValue;
use seam::Ids;

/// A `traceparent`, and the `tracestate` that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    /// The step above this one; none for the first.
    parent: Option<u64>,
    flags: u8,
    state: Option<HeaderValue>,
}

const SAMPLED: u8 = 1;

impl TraceContext {
    /// A new trace.
    pub fn start(ids: &dyn Ids) -> Self {
        let trace_id = (u128::from(ids.bits()) << 64) | u128::from(ids.bits());
        // All zeros means "no trace" on the wire.
        Self {
            trace_id: trace_id.max(1),
            span_id: span(ids),
            parent: None,
            flags: SAMPLED,
            state: None,
        }
    }

    /// A step within this trace.
    pub fn child(&self, ids: &dyn Ids) -> Self {
        Self {
            span_id: span(ids),
            parent: Some(self.span_id),
            ..self.clone()
        }
    }

    /// Reads a `traceparent`; none when it is malformed.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let version = u8::from_be_bytes(bytes(parts.next()?)?);
        let trace_id = u128::from_be_bytes(bytes(parts.next()?)?);
        let span_id = u64::from_be_bytes(bytes(parts.next()?)?);
        let flags = u8::from_be_bytes(bytes(parts.next()?)?);
        // Later versions may append parts; version 0 has none, and 255 does not exist.
        let known = version != u8::MAX && (version > 0 || parts.next().is_none());
        let valid = known && trace_id != 0 && span_id != 0;
        valid.then_some(Self {
            trace_id,
            span_id,
            parent: None,
            flags: flags & SAMPLED,
            state: None,
        })
    }

    /// Takes a vendor's `tracestate` along.
    pub fn with_state(self, state: Option<HeaderValue>) -> Self {
        Self { state, ..self }
    }

    /// The `tracestate` to hand on, if any.
    pub fn state(&self) -> Option<&HeaderValue> {
        self.state.as_ref()
    }

    /// 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        let mut digits = [0; 32];
        write_hex(&mut digits, &self.trace_bytes());
        text(&digits)
    }

    /// Whether it is a step of the same trace.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        self.trace_id == other.trace_id
    }

    /// The trace's id, as bytes.
    pub fn trace_bytes(&self) -> [u8; 16] {
        self.trace_id.to_be_bytes()
    }

    /// This step's id, as bytes.
    pub fn span_bytes(&self) -> [u8; 8] {
        self.span_id.to_be_bytes()
    }

    /// The id of the step above this one, as bytes; none for the first.
    pub fn parent_bytes(&self) -> Option<[u8; 8]> {
        self.parent.map(u64::to_be_bytes)
    }

    /// Whether its spans are wanted: whoever began the trace decides.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The same step, seen as one of `parent`'s; itself when that is of another trace.
    pub(crate) fn under(self, parent: &Self) -> Self {
        let related = self.trace_id == parent.trace_id && self.span_id != parent.span_id;
        Self {
            parent: related.then_some(parent.span_id),
            ..self
        }
    }

    /// The `traceparent` header's text.
    pub fn traceparent(&self) -> String {
        text(&self.written())
    }

    /// The `traceparent` header.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_bytes(&self.written()).ok()
    }

    fn written(&self) -> [u8; 55] {
        let mut line = *b"00-................................-................-..";
        let (trace, rest) = line[3..].split_at_mut(32);
        write_hex(trace, &self.trace_bytes());
        let (span, flags) = rest[1..].split_at_mut(16);
        write_hex(span, &self.span_bytes());
        write_hex(&mut flags[1..], &[self.flags]);
        line
    }
}

fn text(digits: &[u8]) -> String {
    String::from_utf8_lossy(digits).into_owned()
}

// Each call writes some of them, and formatting is slow.
fn write_hex(digits: &mut [u8], bytes: &[u8]) {
    // Fails where there is not room for exactly so many digits: there is.
    let _ = hex::encode_to_slice(bytes, digits);
}

fn span(ids: &dyn Ids) -> u64 {
    ids.bits().max(1)
}

/// What so many digits say; they are to be lower case.
fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let upper = digits.bytes().any(|digit| digit.is_ascii_uppercase());
    hex::decode_to_slice(digits, &mut bytes)
        .ok()
        .filter(|()| !upper)?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seam::SeededIds;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_reads_as_it_was_written() {
        let trace = TraceContext::parse(EXAMPLE).unwrap();
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.traceparent(), EXAMPLE);
        let own = TraceContext::start(&SeededIds::new(3));
        assert_eq!(TraceContext::parse(&own.traceparent()), Some(own));
    }

    #[test]
    fn a_child_keeps_the_trace_and_changes_the_span() {
        let trace = TraceContext::parse(EXAMPLE).unwrap();
        let child = trace.child(&SeededIds::new(1));
        assert_eq!(child.trace_id(), trace.trace_id());
        assert_ne!(child.traceparent(), trace.traceparent());
    }

    #[test]
    fn a_malformed_traceparent_is_no_trace() {
        let long = format!("{EXAMPLE}-00");
        let upper = EXAMPLE.to_uppercase();
        let malformed = [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            &long,
            &upper,
        ];
        for text in malformed {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_later_version_is_understood() {
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-more";
        assert_eq!(TraceContext::parse(later).unwrap().traceparent(), EXAMPLE);
    }
}
