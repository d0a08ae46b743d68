//! What queries answer.

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{Row as _, ValueRef};

use crate::StoreError;

/// One row of an answer; columns are read by name.
pub struct Row {
    statement: &'static str,
    columns: AnyRow,
}

impl Row {
    pub(crate) fn new(statement: &'static str, columns: AnyRow) -> Self {
        Self { statement, columns }
    }

    /// An integer.
    pub fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        self.opt_int(column)?
            .ok_or_else(|| self.corrupt(column, "it is null"))
    }

    /// An integer that fits a smaller type.
    pub fn small<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        let number = self.int(column)?;
        T::try_from(number).map_err(|_| self.corrupt(column, "it is out of range"))
    }

    /// An integer or NULL.
    pub fn opt_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.columns
            .try_get(column)
            .map_err(|e| self.corrupt(column, e))
    }

    /// A text.
    pub fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.opt_text(column)?
            .ok_or_else(|| self.corrupt(column, "it is null"))
    }

    /// A text or NULL.
    pub fn opt_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.columns
            .try_get(column)
            .map_err(|e| self.corrupt(column, e))
    }

    /// Bytes.
    pub fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        let value = self
            .columns
            .try_get_raw(column)
            .map_err(|e| self.corrupt(column, e))?;
        if value.is_null() {
            return Err(self.corrupt(column, "it is null"));
        }
        self.columns
            .try_get(column)
            .map_err(|e| self.corrupt(column, e))
    }

    /// A time, stored as epoch microseconds.
    pub fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.opt_time(column)?
            .ok_or_else(|| self.corrupt(column, "it is null"))
    }

    /// A time or NULL.
    pub fn opt_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        let micros = self.opt_int(column)?.map(Timestamp::from_microsecond);
        micros.transpose().map_err(|e| self.corrupt(column, e))
    }

    /// The error for a column whose value makes no sense to the reader.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers hand over the error they have"
    )]
    pub fn corrupt(&self, column: &'static str, cause: impl ToString) -> StoreError {
        StoreError::Column {
            statement: self.statement,
            column,
            cause: cause.to_string(),
        }
    }
}
