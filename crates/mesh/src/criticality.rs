//! How much it matters that a call is served: at its limit a server refuses the least important
//! first. The caller says it in metadata, else the method's option; a handler's own calls take it
//! on.

use http::{HeaderMap, HeaderName, HeaderValue};
use proto::mesh::v1::Criticality as Declared;

/// The metadata it travels in.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-criticality");

/// How many there are.
pub(crate) const KINDS: usize = 3;

/// How important a call is, by its caller's word or else its method's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Criticality {
    /// Refused last, and the only one that waits for a place: somebody's money is under way.
    Critical,
    /// Everything that says nothing else.
    #[default]
    Default,
    /// Refused first: can as well be done later, or not at all.
    Sheddable,
}

impl Criticality {
    /// As it is written in metadata and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Default => "default",
            Self::Sheddable => "sheddable",
        }
    }

    /// What the caller says; none when it says nothing, or nothing that is known.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        match headers.get(HEADER).map(HeaderValue::as_bytes) {
            Some(b"critical") => Some(Self::Critical),
            Some(b"default") => Some(Self::Default),
            Some(b"sheddable") => Some(Self::Sheddable),
            _ => None,
        }
    }

    /// What a method option says.
    pub(crate) fn declared(option: Declared) -> Option<Self> {
        match option {
            Declared::Unspecified => None,
            Declared::Critical => Some(Self::Critical),
            Declared::Default => Some(Self::Default),
            Declared::Sheddable => Some(Self::Sheddable),
        }
    }

    /// As the next hop is told.
    pub(crate) fn told(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// How many of `most` places such calls may take.
    pub(crate) fn share_of(self, most: usize) -> usize {
        let percent = match self {
            Self::Critical => return most,
            Self::Default => 90,
            Self::Sheddable => 70,
        };
        // Rounded up: a single place is everybody's.
        most.saturating_mul(percent).div_ceil(100)
    }

    /// Its place in a table.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Critical => 0,
            Self::Default => 1,
            Self::Sheddable => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Criticality; KINDS] = [
        Criticality::Critical,
        Criticality::Default,
        Criticality::Sheddable,
    ];

    #[test]
    fn what_is_told_is_what_is_read() {
        for criticality in ALL {
            let headers = HeaderMap::from_iter([(HEADER, criticality.told())]);
            assert_eq!(Criticality::of(&headers), Some(criticality));
        }
    }

    #[test]
    fn a_word_nobody_knows_says_nothing() {
        for word in ["", "CRITICAL", "urgent", "critical "] {
            let value = HeaderValue::from_static(word);
            let headers = HeaderMap::from_iter([(HEADER, value)]);
            assert_eq!(Criticality::of(&headers), None, "{word:?}");
        }
    }

    #[test]
    fn the_more_important_may_take_more_and_everybody_something() {
        assert_eq!(ALL.map(|one| one.share_of(1000)), [1000, 900, 700]);
        assert_eq!(ALL.map(|one| one.share_of(10)), [10, 9, 7]);
        assert_eq!(ALL.map(|one| one.share_of(1)), [1, 1, 1]);
        assert_eq!(ALL.map(|one| one.share_of(0)), [0, 0, 0]);
    }
}
