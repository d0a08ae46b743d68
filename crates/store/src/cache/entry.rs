//! What stands in a cache: the key it is for, when it was read, and the value or its absence.

use std::time::Duration;

use jiff::Timestamp;

/// What a source said about a key, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) read_at: Timestamp,
    pub(crate) value: Option<Vec<u8>>,
}

// The first byte, so that another layout is never misread.
const LAYOUT: u8 = 1;

impl Entry {
    /// The bytes kept under `key`: layout, length of the key, key, time, value or nothing.
    pub(crate) fn encode(&self, key: &str) -> Vec<u8> {
        let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
        let mut bytes = vec![LAYOUT];
        bytes.extend(length.to_be_bytes());
        bytes.extend(key.as_bytes());
        bytes.extend(self.read_at.as_microsecond().to_be_bytes());
        bytes.push(u8::from(self.value.is_some()));
        bytes.extend(self.value.as_deref().unwrap_or_default());
        bytes
    }

    /// The entry, unless the bytes are for another key or are no entry at all.
    pub(crate) fn decode(key: &str, bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[LAYOUT])?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (named, rest) = rest.split_at_checked(length)?;
        let (micros, rest) = rest.split_first_chunk::<8>()?;
        let (present, value) = rest.split_first()?;
        if named != key.as_bytes() {
            return None;
        }
        let read_at = Timestamp::from_microsecond(i64::from_be_bytes(*micros)).ok()?;
        let value = match present {
            1 => Some(value.to_vec()),
            0 if value.is_empty() => None,
            _ => return None,
        };
        Some(Self { read_at, value })
    }

    /// Whether it was read within the last `age`; not if the clock stands before that.
    pub(crate) fn is_within(&self, age: Duration, now: Timestamp) -> bool {
        Duration::try_from(now.duration_since(self.read_at)).is_ok_and(|passed| passed < age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: Option<&[u8]>) -> Entry {
        let read_at = Timestamp::from_microsecond(1_700_000_000_123_456).unwrap();
        Entry {
            read_at,
            value: value.map(<[u8]>::to_vec),
        }
    }

    #[test]
    fn an_entry_reads_back_under_its_own_key_only() {
        for entry in [entry(Some(b"x")), entry(Some(b"")), entry(None)] {
            let bytes = entry.encode("shop:1");
            assert_eq!(Entry::decode("shop:1", &bytes), Some(entry));
            assert_eq!(Entry::decode("shop:2", &bytes), None);
            assert_eq!(Entry::decode("shop:", &bytes), None);
        }
    }

    #[test]
    fn bytes_cut_short_are_no_entry() {
        let bytes = entry(None).encode("shop:1");
        for length in 0..bytes.len() {
            assert_eq!(Entry::decode("shop:1", &bytes[..length]), None, "{length}");
        }
        assert_eq!(Entry::decode("shop:1", b"shop 1 as text"), None);
        let huge = [&[LAYOUT][..], &u32::MAX.to_be_bytes(), b"shop:1"].concat();
        assert_eq!(Entry::decode("shop:1", &huge), None);
    }

    #[test]
    fn an_entry_from_the_future_counts_as_old() {
        let entry = entry(None);
        let second = Duration::from_secs(1);
        assert!(entry.is_within(second, entry.read_at));
        assert!(!entry.is_within(second, entry.read_at + second));
        assert!(!entry.is_within(second, entry.read_at - second));
    }
}
