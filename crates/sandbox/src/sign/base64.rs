//! Base64, as signatures and PEM have it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes bytes, padded.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let each = (0..3).map(|place| group.get(place).copied().unwrap_or(0));
        let bits = each.fold(0, |bits, byte| bits << 8 | u32::from(byte));
        for place in 0..4 {
            let written = place <= group.len();
            text.push(if written {
                digit(bits >> (18 - 6 * place))
            } else {
                '='
            });
        }
    }
    text
}

/// Reads padded text, white space aside; `None` when it is not such.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    let groups = digits.chunks(4);
    let last = groups.len().checked_sub(1)?;
    for (place, group) in groups.enumerate() {
        let padding = group.iter().rev().take_while(|digit| **digit == b'=');
        let padding = padding.count();
        if group.len() < 4 || padding > 2 || (padding > 0 && place < last) {
            return None;
        }
        let mut bits = 0;
        for digit in group.iter().take(4 - padding) {
            bits = bits << 6 | value(*digit)?;
        }
        let [_, three @ ..] = (bits << (6 * padding)).to_be_bytes();
        bytes.extend(three.iter().take(3 - padding));
    }
    Some(bytes)
}

fn digit(bits: u32) -> char {
    let place = usize::try_from(bits & 63).unwrap_or(0);
    ALPHABET.get(place).copied().map_or('=', char::from)
}

fn value(digit: u8) -> Option<u32> {
    let place = ALPHABET.iter().position(|other| *other == digit)?;
    u32::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_and_read_again() {
        for (bytes, text) in [
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), bytes.as_bytes());
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)).unwrap(), all);
        assert_eq!(decode("Zm\n9v\r\n").unwrap(), b"foo");
    }

    #[test]
    fn other_texts_are_none() {
        for text in ["", "Zg", "Zg=", "Z===", "Zg==Zg==", "Zm9-", "=Zg="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
