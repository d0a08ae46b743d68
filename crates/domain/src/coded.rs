//! Enums that are stored: each variant has one number for the column and one name for people.

/// A stored number that no variant of an enum has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} is no code of {kind}")]
pub struct UnknownCode {
    /// The enum that was expected.
    pub kind: &'static str,
    /// The number that was found.
    pub code: i16,
}

/// Declares an enum with `ALL`, `code`, `from_code`, `name`, `from_name` and `Display`.
macro_rules! coded {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$doc:meta])* $variant:ident = $code:literal $text:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum $name {
            $( $(#[$doc])* $variant = $code, )+
        }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The number stored for it.
            pub const fn code(self) -> i16 {
                self as i16
            }

            /// The variant stored as `code`.
            pub const fn from_code(code: i16) -> Result<Self, $crate::UnknownCode> {
                match code {
                    $( $code => Ok(Self::$variant), )+
                    _ => Err($crate::UnknownCode { kind: stringify!($name), code }),
                }
            }

            /// The name people read, in `UPPER_SNAKE`.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $text, )+
                }
            }

            /// The variant called `name`.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|each| each.name() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

pub(crate) use coded;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::{
        Binding, CanceledBy, Channel, DeclineReason, Fulfilment, ObligationKind, OrderKind,
        OrderStatus, PayId, PayType, PaymentState, RefundFailure, RefundOrigin, RefundState,
        RefundStatus,
    };

    macro_rules! codes_round_trip {
        ($($name:ident),+) => {
            $(
                let mut names = HashSet::new();
                for each in $name::ALL {
                    assert_eq!($name::from_code(each.code()), Ok(*each));
                    assert_eq!($name::from_name(each.name()), Some(*each));
                    assert!(names.insert(each.name()), "{each} twice");
                }
                assert!($name::from_code(-1).is_err());
                assert_eq!($name::from_name(""), None);
            )+
        };
    }

    #[test]
    fn every_stored_enum_reads_back_what_it_wrote() {
        codes_round_trip!(
            Binding,
            CanceledBy,
            Channel,
            DeclineReason,
            Fulfilment,
            ObligationKind,
            OrderKind,
            OrderStatus,
            PayId,
            PayType,
            PaymentState,
            RefundFailure,
            RefundOrigin,
            RefundState,
            RefundStatus
        );
    }

    #[test]
    fn an_unknown_code_names_the_enum_and_the_number() {
        let error = OrderStatus::from_code(99).expect_err("99 is no status");
        assert_eq!(error.to_string(), "99 is no code of OrderStatus");
    }
}
