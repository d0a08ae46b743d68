//! What is kept for a key: the value or its absence, when it was read, and the key itself,
//! so that a cache that mixes keys up is found out.

use std::time::Duration;

use jiff::Timestamp;

/// An answer of the source, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) read_at: Timestamp,
    pub(crate) value: Option<Vec<u8>>,
}

const ABSENT: u8 = 0;
const PRESENT: u8 = 1;

impl Entry {
    /// Layout: length of the key (4 bytes), key, microseconds (8 bytes), 0 or 1, value.
    pub(crate) fn encode(&self, key: &str) -> Vec<u8> {
        let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(&self.read_at.as_microsecond().to_be_bytes());
        bytes.push(if self.value.is_some() { PRESENT } else { ABSENT });
        bytes.extend_from_slice(self.value.as_deref().unwrap_or_default());
        bytes
    }

    /// The entry, if the bytes are one and it is this key's.
    pub(crate) fn decode(key: &str, bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (named, rest) = rest.split_at_checked(length)?;
        if named != key.as_bytes() {
            return None;
        }
        let (micros, rest) = rest.split_first_chunk::<8>()?;
        let read_at = Timestamp::from_microsecond(i64::from_be_bytes(*micros)).ok()?;
        let value = match rest.split_first()? {
            (&PRESENT, value) => Some(value.to_vec()),
            (&ABSENT, []) => None,
            _ => return None,
        };
        Some(Self { read_at, value })
    }

    /// Whether it was read less than `age` ago; one from the future counts as too old.
    pub(crate) fn is_within(&self, age: Duration, now: Timestamp) -> bool {
        Duration::try_from(now.duration_since(self.read_at)).is_ok_and(|passed| passed < age)
    }
}
