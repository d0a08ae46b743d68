//! How channels write money and time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

const CHINA: Offset = Offset::constant(8);

/// Fen in plain ASCII digits: no sign, no leading zero, no decimals. `None` for anything else.
pub fn fen(text: &str) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if digits && !leading_zero {
        text.parse().ok()
    } else {
        None
    }
}

/// The second as `yyyyMMddHHmmss` in China.
pub fn china_time(at: Timestamp) -> String {
    CHINA.to_datetime(at).strftime("%Y%m%d%H%M%S").to_string()
}

/// The instant of `yyyyMMddHHmmss` in China. `None` for anything else.
pub fn from_china_time(text: &str) -> Option<Timestamp> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let two = |from: usize| text.get(from..from + 2)?.parse::<i8>().ok();
    let year = text.get(..4)?.parse().ok()?;
    let civil = DateTime::new(year, two(4)?, two(6)?, two(8)?, two(10)?, two(12)?, 0).ok()?;
    CHINA.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_digits_are_money() {
        assert_eq!(fen("0"), Some(0));
        assert_eq!(fen("8880"), Some(8880));
        assert_eq!(fen("9223372036854775807"), Some(i64::MAX));
        let others = [
            "",
            " ",
            "01",
            "00",
            "+1",
            "-1",
            "1.0",
            "1e2",
            "0x1",
            " 1",
            "1 ",
            "1_000",
            "1,000",
            "１",
            "٣",
            "9223372036854775808",
            "100000000000000000000",
        ];
        for other in others {
            assert_eq!(fen(other), None, "{other:?}");
        }
    }

    #[test]
    fn time_is_told_in_china() {
        let paid: Timestamp = "2017-04-21T03:29:47Z".parse().unwrap();
        assert_eq!(china_time(paid), "20170421112947");
        assert_eq!(from_china_time("20170421112947"), Some(paid));
    }

    #[test]
    fn what_is_no_time_is_none() {
        let others = [
            "",
            "170421112947",
            "20170229000000",
            "20171301000000",
            "20170421112960",
            "+0170421112947",
            "2017042111294７",
            "00000000000000",
            "201704211129471",
        ];
        for other in others {
            assert_eq!(from_china_time(other), None, "{other:?}");
        }
    }
}
