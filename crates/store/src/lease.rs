//! Leases: what only one process may hold at a time, for as long as it renews.

use std::time::Duration;

use crate::{Db, StoreError, query, row};

/// A held lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    name: &'static str,
    slot: i32,
    token: i64,
}

impl Lease {
    /// Takes the first free of the slots `0..slots` for `term`; `None` when all are held.
    pub async fn take(
        db: &Db,
        name: &'static str,
        slots: i32,
        term: Duration,
    ) -> Result<Option<Self>, StoreError> {
        for slot in 0..slots {
            let now = db.clock().now();
            let token = db.ids().positive();
            db.execute(&query::LEASES_OPEN, row![name, slot]).await?;
            if db
                .execute(
                    &query::LEASES_TAKE,
                    row![token, now + term, name, slot, now],
                )
                .await?
                > 0
            {
                return Ok(Some(Self { name, slot, token }));
            }
        }
        Ok(None)
    }

    /// Which slot is held.
    pub fn slot(&self) -> i32 {
        self.slot
    }

    /// Holds it for another `term`. False: it was lost; whoever holds it now goes on.
    pub async fn renew(&self, db: &Db, term: Duration) -> Result<bool, StoreError> {
        let until = db.clock().now() + term;
        let rows = db.execute(
            &query::LEASES_RENEW,
            row![until, self.name, self.slot, self.token],
        );
        Ok(rows.await? > 0)
    }

    /// Gives it back.
    pub async fn release(self, db: &Db) -> Result<(), StoreError> {
        db.execute(
            &query::LEASES_RELEASE,
            row![self.name, self.slot, self.token],
        )
        .await?;
        Ok(())
    }
}
