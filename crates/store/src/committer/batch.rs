//! One batch: the guards, who won, what the winners change, COMMIT.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sqlx::{AnyConnection, AssertSqlSafe, Executor, Row as _};

use super::Pending;
use super::pieces::{self, Piece};
use crate::value::{Statement, bind};
use crate::write::{Effect, Guard, Phase};
use crate::{Engine, Query, Value};

/// What became of one write of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Written by this batch, or by an earlier submission of the same write.
    Done,
    /// Another write has the key.
    Conflict,
}

/// Why a batch came to nothing.
#[derive(Debug)]
pub(crate) enum Broken {
    /// No connection could be made: nothing is written.
    Connect(sqlx::Error),
    /// An error before COMMIT was sent: nothing is written.
    Before(sqlx::Error),
    /// An effect did not find what it changes: nothing is written.
    Mismatch(String),
    /// COMMIT was sent; nobody knows.
    Commit(sqlx::Error),
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        Self::Before(error)
    }
}

/// The texts of repeated statements, made once.
#[derive(Default)]
pub(crate) struct Texts(HashMap<(usize, usize, bool), Arc<str>>);

/// A connection with a batch under way.
pub(crate) struct Batch<'a> {
    pub(crate) engine: Engine,
    pub(crate) connection: &'a mut AnyConnection,
    pub(crate) texts: &'a mut Texts,
    /// Set as COMMIT is sent: from then on its fate may be unknown.
    pub(crate) committing: &'a mut bool,
}

impl Batch<'_> {
    /// Makes the writes, all that win or none; the outcomes come in their order.
    pub(crate) async fn commit(mut self, writes: &[Pending]) -> Result<Vec<Outcome>, Broken> {
        if let Some(begin) = self.engine.begin() {
            self.connection.execute(sqlx::raw_sql(begin)).await?;
        }
        let stored = self.guard(writes).await?;
        let won: Vec<&Pending> = writes
            .iter()
            .filter(|pending| stored.contains(&pending.write.id))
            .collect();
        self.effects(&won).await?;
        *self.committing = true;
        let committed = self.connection.execute(sqlx::raw_sql("COMMIT")).await;
        committed.map_err(Broken::Commit)?;
        Ok(writes
            .iter()
            .map(|pending| outcome(pending, &stored))
            .collect())
    }

    // Inserts the guards and answers the write ids that stand at their keys now.
    async fn guard(&mut self, writes: &[Pending]) -> Result<HashSet<i64>, Broken> {
        let mut groups: BTreeMap<_, (&Guard, Vec<&Pending>)> = BTreeMap::new();
        for pending in writes {
            let guard = pending.write.guard;
            // By name first, so that every committer takes the tables in the same order.
            let place = (guard.insert.name(), std::ptr::from_ref(guard).addr());
            groups
                .entry(place)
                .or_insert((guard, Vec::new()))
                .1
                .push(pending);
        }
        let mut stored = HashSet::new();
        for (guard, mut group) in groups.into_values() {
            // In key order, so that two committers take their locks in the same order.
            group.sort_by(|a, b| a.write.key().cmp(b.write.key()));
            let rows = group
                .iter()
                .map(|pending| with_id(pending))
                .collect::<Vec<_>>();
            self.repeat((guard.insert, Role::Guard), &rows).await?;
            let keys = group
                .iter()
                .map(|p| p.write.key().cloned().collect())
                .collect::<Vec<_>>();
            self.winners(guard.winner, &keys, &mut stored).await?;
        }
        Ok(stored)
    }

    async fn winners(
        &mut self,
        query: &'static Query,
        keys: &[Vec<Value>],
        stored: &mut HashSet<i64>,
    ) -> Result<(), Broken> {
        for piece in self.pieces(query, Role::Filled, keys) {
            let statement = self.statement((query, Role::Filled), &piece);
            for row in statement.fetch_all(&mut *self.connection).await? {
                stored.insert(row.try_get("write_id")?);
            }
        }
        Ok(())
    }

    async fn effects(&mut self, won: &[&Pending]) -> Result<(), Broken> {
        let mut groups: BTreeMap<_, (&'static Query, Vec<Vec<Value>>)> = BTreeMap::new();
        for effect in won.iter().flat_map(|pending| &pending.write.effects) {
            let Effect { phase, query, row } = effect;
            let place = (*phase, query.name(), query.address());
            groups
                .entry(place)
                .or_insert((query, Vec::new()))
                .1
                .push(row.clone());
        }
        for ((phase, name, _), (query, mut rows)) in groups {
            // In key order, for the same reason as the guards.
            rows.sort();
            let changed = self.repeat((query, phase.into()), &rows).await?;
            if phase == Phase::Update && changed != rows.len() as u64 {
                let wanted = rows.len();
                return Err(Broken::Mismatch(format!(
                    "{name} changed {changed} of {wanted} rows"
                )));
            }
        }
        Ok(())
    }

    // Runs a statement for all rows, in as few pieces as its prepared sizes allow.
    async fn repeat(
        &mut self,
        (query, role): (&'static Query, Role),
        rows: &[Vec<Value>],
    ) -> Result<u64, Broken> {
        let mut changed = 0;
        for piece in self.pieces(query, role, rows) {
            let statement = self.statement((query, role), &piece);
            let done = statement.execute(&mut *self.connection).await?;
            changed += done.rows_affected();
        }
        Ok(changed)
    }

    fn pieces<'r>(&self, query: &Query, role: Role, rows: &'r [Vec<Value>]) -> Vec<Rows<'r>> {
        match role {
            _ if !query.repeats(self.engine) => pieces::single(rows),
            Role::Exact => pieces::exact(self.engine, rows),
            Role::Guard | Role::Filled => pieces::filled(rows),
        }
    }

    fn statement(&mut self, (query, role): (&'static Query, Role), piece: &Rows<'_>) -> Statement {
        let (engine, guard) = (self.engine, role == Role::Guard);
        let place = (query.address(), piece.size, guard);
        let text = self.texts.0.entry(place).or_insert_with(|| {
            let text = query.repeated(engine, piece.size);
            let text = text.unwrap_or_else(|| query.sql(engine).to_owned());
            let keep = if guard { engine.keep_existing() } else { "" };
            [text.trim_end(), keep].concat().into()
        });
        let statement = sqlx::query(AssertSqlSafe(Arc::clone(text)));
        let fill = piece.size - piece.rows.len();
        let fill = piece.rows.last().into_iter().cycle().take(fill);
        piece
            .rows
            .iter()
            .chain(fill)
            .fold(statement, |statement, row| bind(statement, row))
    }
}

type Rows<'r> = Piece<'r, Vec<Value>>;

// What a statement does in a batch, and so how its rows may be put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    // Inserts unless it is there: the same row twice is once.
    Guard,
    // Selects, arms, deletes by key: the same row twice is once.
    Filled,
    // Changes and inserts: each row once, and they are counted.
    Exact,
}

impl From<Phase> for Role {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Update | Phase::Insert => Self::Exact,
            Phase::Arm | Phase::End => Self::Filled,
        }
    }
}

fn with_id(pending: &Pending) -> Vec<Value> {
    let mut row = pending.write.row.clone();
    row.push(Value::Int(pending.write.id));
    row
}

fn outcome(pending: &Pending, stored: &HashSet<i64>) -> Outcome {
    let known = stored.contains(&pending.write.id)
        || stored.iter().any(|&id| pending.write.is_same_write(id));
    if known {
        Outcome::Done
    } else {
        Outcome::Conflict
    }
}
