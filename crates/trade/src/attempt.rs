//! A payment as trade knows it: what it asked for, and the newest fact it was told of it.

use domain::{Attempt, Fen, OrderNo, PayType, UnknownCode};
use jiff::Timestamp;
use store::{Db, Row, StoreError, Write, row};

use crate::queries;

/// A stored attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredAttempt {
    pub(crate) attempt: Attempt,
    pub(crate) pay_type: PayType,
    /// When the channel says it was paid.
    pub(crate) paid_at: Option<Timestamp>,
    /// What the channel says it took, where it was told.
    pub(crate) paid_amount: Option<Fen>,
    /// When its counted money went back; none once it is there again.
    pub(crate) reversed_at: Option<Timestamp>,
    /// pay-gateway's version of the newest fact that was taken in; 0: none.
    pub(crate) payment_version: i64,
}

impl StoredAttempt {
    /// The attempt, if trade ever asked for it.
    pub(crate) async fn get(
        db: &Db,
        order: OrderNo,
        attempt: Attempt,
    ) -> Result<Option<Self>, StoreError> {
        let key = row![order.get(), attempt.get()];
        let row = db.fetch_optional(&queries::ATTEMPTS_GET, key).await?;
        row.as_ref().map(Self::read).transpose()
    }

    /// Whether a newer version of the payment is known than this; 0 is not known to be older
    /// than anything.
    pub(crate) fn outdates(&self, version: i64) -> bool {
        version > 0 && version < self.payment_version
    }

    /// One of which nothing is known yet.
    pub(crate) const fn new(attempt: Attempt, pay_type: PayType) -> Self {
        Self {
            attempt,
            pay_type,
            paid_at: None,
            paid_amount: None,
            reversed_at: None,
            payment_version: 0,
        }
    }

    /// What it paid of an order of this amount.
    pub(crate) fn paid_of(&self, amount: Fen) -> Fen {
        self.paid_amount.unwrap_or(amount)
    }

    /// The same once a fact of this version is taken in.
    pub(crate) fn told(&self, version: i64) -> Self {
        Self {
            payment_version: version.max(self.payment_version),
            ..*self
        }
    }

    /// The same once it is known to be paid. When, and how much, is told once.
    pub(crate) fn paid(&self, at: Timestamp, amount: Option<Fen>) -> Self {
        Self {
            paid_at: self.paid_at.or(Some(at)),
            paid_amount: self.paid_amount.or(amount),
            ..*self
        }
    }

    /// Adds its row to the write of a line of its order.
    pub(crate) fn insert_into(&self, write: Write, order: OrderNo, at: Timestamp) -> Write {
        let row = row![
            order.get(),
            self.attempt.get(),
            self.pay_type.code(),
            self.paid_at,
            self.paid_amount.map(Fen::get),
            self.reversed_at,
            self.payment_version,
            at
        ];
        write.insert(&queries::ATTEMPTS_INSERT, row)
    }

    /// Adds what it was told to the write of a line of its order.
    pub(crate) fn told_in(&self, write: Write, order: OrderNo) -> Write {
        let row = row![
            order.get(),
            self.attempt.get(),
            self.paid_at,
            self.paid_amount.map(Fen::get),
            self.reversed_at,
            self.payment_version
        ];
        write.update(&queries::ATTEMPTS_TOLD, row)
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let unknown = |column| move |e: UnknownCode| row.corrupt(column, e);
        let attempt = Attempt::try_from(row.int("attempt")?);
        Ok(Self {
            attempt: attempt.map_err(|e| row.corrupt("attempt", e))?,
            pay_type: PayType::from_code(row.small("pay_type")?).map_err(unknown("pay_type"))?,
            paid_at: row.opt_time("paid_at")?,
            paid_amount: row.opt_int("paid_amount")?.map(Fen::new),
            reversed_at: row.opt_time("reversed_at")?,
            payment_version: row.int("payment_version")?,
        })
    }
}
