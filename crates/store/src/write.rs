//! Writes as values: a guard that decides whether it happens, and what happens then.

use jiff::Timestamp;

use crate::feed::Event;
use crate::query::{self, Query};
use crate::wake::Wake;
use crate::{Value, row};

/// The unique key that decides: of all writes with the same key, one is done.
///
/// It is a new row, or the log row (entity, version + 1) of a change.
#[derive(Debug)]
pub struct Guard {
    /// Inserts the row; its last column is `write_id`.
    pub insert: &'static Query,
    /// Selects `write_id` by key.
    pub winner: &'static Query,
    /// Which values of the row are the key, in the order `winner` wants them.
    pub key: &'static [usize],
}

/// What a service wants written: all of it, or nothing.
#[derive(Debug)]
pub struct Write {
    pub(crate) name: &'static str,
    pub(crate) id: i64,
    pub(crate) guard: &'static Guard,
    pub(crate) row: Vec<Value>,
    pub(crate) effects: Vec<Effect>,
}

#[derive(Debug)]
pub(crate) struct Effect {
    pub(crate) phase: Phase,
    pub(crate) query: &'static Query,
    pub(crate) row: Vec<Value>,
}

// The order in which a batch's effects are applied; within one write they never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Update,
    Insert,
    Arm,
    End,
}

// The low 16 bits of a write id count submissions: what this submission wrote is told
// from what an earlier one of the same write had written.
const SUBMISSION: i64 = 0xffff;

impl Write {
    /// A write named for logs and metrics; `row` is the guard's, without the write id.
    pub fn new(name: &'static str, guard: &'static Guard, row: Vec<Value>) -> Self {
        Self {
            name,
            id: 0,
            guard,
            row,
            effects: Vec::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Changes one state row; the query must name the version it changes.
    #[must_use]
    pub fn update(self, query: &'static Query, row: Vec<Value>) -> Self {
        self.with(Phase::Update, query, row)
    }

    /// Inserts a row that cannot be there yet.
    #[must_use]
    pub fn insert(self, query: &'static Query, row: Vec<Value>) -> Self {
        self.with(Phase::Insert, query, row)
    }

    /// Deletes by key, whether it is there or not.
    #[must_use]
    pub fn delete(self, query: &'static Query, key: Vec<Value>) -> Self {
        self.with(Phase::End, query, key)
    }

    /// Owes something, from `due` on; what was owed under the key already is due then.
    #[must_use]
    pub fn arm(self, kind: i16, key: (i64, i32), due: Timestamp) -> Self {
        self.with(
            Phase::Arm,
            &query::OBLIGATIONS_ARM,
            row![kind, key.0, key.1, due],
        )
    }

    /// Owes it no longer.
    #[must_use]
    pub fn end(self, kind: i16, key: (i64, i32)) -> Self {
        self.with(
            Phase::End,
            &query::OBLIGATIONS_END,
            row![kind, key.0, key.1],
        )
    }

    /// Tells the feed.
    #[must_use]
    pub fn publish(self, event: Event) -> Self {
        let pending = row![event.key, event.part, event.version, event.id()];
        self.insert(&query::FEED_PENDING_INSERT, pending)
            .insert(&query::OUTBOX_INSERT, event.into_row())
    }

    fn with(mut self, phase: Phase, query: &'static Query, row: Vec<Value>) -> Self {
        self.effects.push(Effect { phase, query, row });
        self
    }

    pub(crate) fn key(&self) -> impl Iterator<Item = &Value> {
        self.guard.key.iter().filter_map(|&at| self.row.get(at))
    }

    // The keys (kind, subject, part) of what it arms and ends.
    pub(crate) fn obligations(&self) -> impl Iterator<Item = &[Value]> {
        let armed_or_ended = |effect: &&Effect| {
            std::ptr::eq(effect.query, &raw const query::OBLIGATIONS_ARM)
                || std::ptr::eq(effect.query, &raw const query::OBLIGATIONS_END)
        };
        self.effects
            .iter()
            .filter(armed_or_ended)
            .filter_map(|effect| effect.row.get(..3))
    }

    // Whom its commit has work for at `now`.
    pub(crate) fn wakes(&self, now: Timestamp) -> impl Iterator<Item = Wake> {
        let is = |effect: &Effect, query: &'static Query| std::ptr::eq(effect.query, query);
        let wake = move |effect: &Effect| match effect.row.as_slice() {
            [Value::Int(kind), _, _, Value::Int(due)] if is(effect, &query::OBLIGATIONS_ARM) => {
                let is_due = *due <= now.as_microsecond();
                i16::try_from(*kind).ok().filter(|_| is_due).map(Wake::Owed)
            }
            _ if is(effect, &query::FEED_PENDING_INSERT) => Some(Wake::Published),
            _ if is(effect, &query::FEED_INSERT) => Some(Wake::Sequenced),
            _ => None,
        };
        self.effects.iter().filter_map(wake)
    }

    // Called at each submission: the first draws the id, later ones count up.
    pub(crate) fn submit_as(&mut self, random: impl FnOnce() -> i64) {
        match self.id {
            0 => self.id = (random() | (SUBMISSION + 1)) & !SUBMISSION,
            _ => self.again(),
        }
    }

    // Never carries into the identity: a write that became another one would find its own
    // row and call it a conflict.
    pub(crate) fn again(&mut self) {
        if self.id & SUBMISSION != SUBMISSION {
            self.id += 1;
        }
    }

    pub(crate) fn is_same_write(&self, write_id: i64) -> bool {
        self.id & !SUBMISSION == write_id & !SUBMISSION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static GUARD: Guard = Guard {
        insert: &query::PARKED_INSERT,
        winner: &query::PARKED_WINNER,
        key: &[0],
    };

    #[test]
    fn a_write_stays_the_same_however_often_it_is_submitted() {
        let mut write = Write::new("t", &GUARD, row![1]);
        write.submit_as(|| i64::MAX);
        let first = write.id;
        for _ in 0..70_000 {
            write.again();
            assert!(write.id > 0 && write.id != first);
            assert!(write.is_same_write(first));
        }
    }
}
