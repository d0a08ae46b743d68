//! The number a story is asked by.

use domain::{OrderNo, OutTradeNo};

use crate::failure::Failure;

/// Whose number it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// Ours: an order's, or that of one of its payments.
    Ours(OrderNo),
    /// A channel's.
    Theirs(String),
}

impl Number {
    /// A number that begins as ours do must be one of ours.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let order = text.parse::<OrderNo>();
        let payment = text.parse::<OutTradeNo>().map(|number| number.order);
        let ours = if text.len() > ORDER_NO {
            payment
        } else {
            order
        };
        match ours {
            Ok(order) => Ok(Self::Ours(order)),
            Err(error) if begins_as_ours(text) => Err(Failure::new(
                "TRACE_FAILED",
                format!("INVALID_ARGUMENT: {text:?}: {error}"),
            )),
            Err(_) => Ok(Self::Theirs(text.to_owned())),
        }
    }
}

// "W" and 18 digits.
const ORDER_NO: usize = 19;

fn begins_as_ours(text: &str) -> bool {
    let digit = text.strip_prefix('W').and_then(|rest| rest.chars().next());
    digit.is_some_and(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = "W261120100903123010";

    #[test]
    fn a_payments_number_names_its_order() {
        for number in ["", "0000", "0001", "0001T"] {
            let read = Number::read(&format!("{ORDER}{number}")).unwrap();
            assert_eq!(read, Number::Ours(ORDER.parse().unwrap()), "{number}");
        }
    }

    #[test]
    fn what_does_not_begin_as_ours_is_the_channels() {
        for number in ["4200001", "26112010090312301", "WX17", "R1", "数数", ""] {
            let read = Number::read(number).unwrap();
            assert_eq!(read, Number::Theirs(number.to_owned()));
        }
    }

    #[test]
    fn what_begins_as_ours_and_is_not_says_what_would_be_right() {
        let cases = [
            ("W1".to_owned(), "W and 18 digits"),
            (format!("{ORDER}1"), "four digits"),
            (format!("{ORDER}0000t"), "four digits"),
            (ORDER.replace("1120", "1320"), "not a date"),
        ];
        for (number, right) in cases {
            let said = Number::read(&number).unwrap_err().to_string();
            assert!(said.contains(right) && said.contains(&number), "{said}");
        }
    }
}
