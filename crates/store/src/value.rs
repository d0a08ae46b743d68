//! What statements are given: the types both engines and sqlx's `Any` driver share.

use jiff::Timestamp;
use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

/// One argument of a statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// SMALLINT, INT or BIGINT; times as epoch microseconds.
    Int(i64),
    /// VARCHAR or TEXT.
    Text(String),
    /// VARBINARY or BLOB.
    Bytes(Vec<u8>),
}

/// The arguments of a statement, in the order of its question marks.
#[macro_export]
macro_rules! row {
    ($($value:expr),* $(,)?) => { ::std::vec![$($crate::Value::from($value)),*] };
}

pub(crate) type Statement = Query<'static, Any, AnyArguments>;

pub(crate) fn bind(statement: Statement, values: &[Value]) -> Statement {
    values
        .iter()
        .fold(statement, |statement, value| match value {
            Value::Null => statement.bind(Option::<i64>::None),
            Value::Int(number) => statement.bind(*number),
            Value::Text(text) => statement.bind(text.clone()),
            Value::Bytes(bytes) => statement.bind(bytes.clone()),
        })
}

macro_rules! from_integer {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Value {
            fn from(number: $integer) -> Self {
                Self::Int(i64::from(number))
            }
        }
    )*};
}

from_integer!(i64, i32, i16, u32, u16, u8, bool);

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Int(time.as_microsecond())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
