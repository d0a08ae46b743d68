//! The channel's times: 14 digits, China time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{self, TimeZone};

const DIGITS: usize = 14;

fn zone() -> TimeZone {
    TimeZone::fixed(tz::offset(8))
}

/// `yyyyMMddHHmmss`.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.to_zoned(zone()).strftime("%Y%m%d%H%M%S").to_string()
}

/// `yyyyMMdd`.
pub(crate) fn day(time: Timestamp) -> String {
    time.to_zoned(zone()).strftime("%Y%m%d").to_string()
}

/// Reads `yyyyMMddHHmmss`; `None` when it is not such a time.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let plain = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let time = DateTime::strptime("%Y%m%d%H%M%S", plain.then_some(text)?).ok()?;
    Some(time.to_zoned(zone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_china_time() {
        let time: Timestamp = "2017-09-25T16:28:55Z".parse().unwrap();
        assert_eq!(seconds(time), "20170926002855");
        assert_eq!(day(time), "20170926");
        assert_eq!(parse("20170926002855"), Some(time));
    }

    #[test]
    fn other_shapes_are_no_times() {
        for text in [
            "",
            "170926002855",
            "2017092600285x",
            "20171326002855",
            "+2017092600285",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
