//! What is past its time is removed.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::{
    SqliteStore,
    params::{after as later, hex, list},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    id::{JobId, ReservationId, WorkerId},
    record::State,
    store::{Chore, IDEMPOTENCY_WINDOW, Keep, Next, Pruned, Retention, StoreError, retention::HANGING},
};

const FILE: &str = include_str!("../../sql/sqlite/prune_jobs.sql");
const LOOKED: &str = step(FILE, "looked");
const OLD: &str = step(FILE, "old");
/// What hangs on jobs in numbers.
const HANGING_ON: [&str; 3] = [step(FILE, "logs"), step(FILE, "attempts"), step(FILE, "tries")];
const DELIVERIES: &str = step(FILE, "deliveries");
const LETTERS: &str = step(FILE, "letters");
const ESCALATIONS: &str = step(FILE, "escalations");
const RESERVATIONS: &str = step(FILE, "reservations");
const TREES: &str = step(FILE, "trees");
const BALLOTS: &str = step(FILE, "ballots");
const REVIEWS: &str = step(FILE, "reviews");
const JOBS: &str = step(FILE, "jobs");

const LEDGER: &str = include_str!("../../sql/sqlite/prune_ledger.sql");
const LEDGER_GONE: &str = step(LEDGER, "gone");
const LEDGER_SUMMED: &str = step(LEDGER, "summed");

/// How far the clock that made a job's id may have been from ours.
const SKEW: Duration = Duration::from_secs(3600);

#[async_trait]
impl Retention for SqliteStore {
    async fn take_turn(&self, chore: Chore, worker: WorkerId, lease: Duration) -> Result<bool, StoreError> {
        self.writer.call(TakeTurn { chore, worker, lease }).await
    }

    async fn prune_jobs(&self, keep: &Keep, after: Option<JobId>, limit: u32) -> Result<Pruned, StoreError> {
        let Some(shortest) = keep.shortest() else { return Ok(Pruned::default()) };
        self.writer.call(PruneJobs { keep: *keep, shortest, after, limit }).await
    }

    async fn prune_dead_letters(&self, keep: &Keep, limit: u32) -> Result<u64, StoreError> {
        let Some(age) = keep.dead else { return Ok(0) };
        self.writer.call(Prune { statement: include_str!("../../sql/sqlite/prune_dead_letters.sql"), age, limit }).await
    }

    async fn prune_ledger(&self, keep: &Keep, limit: u32) -> Result<u64, StoreError> {
        let Some(age) = keep.ledger else { return Ok(0) };
        self.writer.call(PruneLedger { age, limit }).await
    }

    async fn prune_keys(&self, limit: u32) -> Result<u64, StoreError> {
        let statement = include_str!("../../sql/sqlite/prune_keys.sql");
        self.writer.call(Prune { statement, age: IDEMPOTENCY_WINDOW, limit }).await
    }
}

/// The time so long before now.
fn ago(tx: &Tx<'_>, age: Duration) -> i64 {
    tx.now.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
}

struct TakeTurn {
    chore: Chore,
    worker: WorkerId,
    lease: Duration,
}

#[async_trait]
impl Verb for TakeTurn {
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        let turn = sqlx::query(include_str!("../../sql/sqlite/take_turn.sql"))
            .bind(self.worker.0)
            .bind(later(tx.now, self.lease))
            .bind(tx.now)
            .bind(self.chore.as_str());
        Ok(turn.execute(&mut *tx.connection).await?.rows_affected() > 0)
    }
}

struct PruneJobs {
    keep: Keep,
    shortest: Duration,
    after: Option<JobId>,
    limit: u32,
}

#[async_trait]
impl Verb for PruneJobs {
    type Answer = Pruned;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Pruned, sqlx::Error> {
        let after = self.after.map_or(Uuid::nil(), |after| after.0);
        let looked = sqlx::query(LOOKED).bind(after).bind(self.limit).fetch_all(&mut *tx.connection).await?;
        let Some(last) = looked.last() else { return Ok(Pruned::default()) };
        let (last, created_at): (Uuid, i64) = (last.try_get("id")?, last.try_get("created_at")?);
        let young = ago(tx, self.shortest).saturating_add(i64::try_from(SKEW.as_micros()).unwrap_or(i64::MAX));
        let more = looked.len() == self.limit as usize && created_at < young;
        let mut pruned = Pruned { next: Next::after(more.then_some(JobId(last))), ..Pruned::default() };

        let old = sqlx::query(OLD)
            .bind(after)
            .bind(last)
            .bind(self.keep.succeeded.map(|age| ago(tx, age)))
            .bind(self.keep.cancelled.map(|age| ago(tx, age)))
            .bind(self.keep.dead.map(|age| ago(tx, age)))
            .fetch_all(&mut *tx.connection)
            .await?;
        if old.is_empty() {
            return Ok(pruned);
        }
        let ids = list(old.iter().map(|row| row.try_get("id").map(hex)).collect::<Result<Vec<_>, _>>()?)?;
        for statement in HANGING_ON {
            let hung = sqlx::query(statement).bind(&ids).bind(HANGING).execute(&mut *tx.connection).await?;
            if hung.rows_affected() == u64::from(HANGING) {
                return Ok(Pruned { next: Next::Again, ..pruned });
            }
        }
        for statement in [DELIVERIES, LETTERS, ESCALATIONS, RESERVATIONS, TREES, BALLOTS, REVIEWS, JOBS] {
            sqlx::query(statement).bind(&ids).execute(&mut *tx.connection).await?;
        }
        for row in &old {
            match rows::parsed(row.try_get("state")?)? {
                State::Succeeded => pruned.succeeded += 1,
                State::Dead => pruned.dead += 1,
                _ => pruned.cancelled += 1,
            }
        }
        Ok(pruned)
    }
}

struct PruneLedger {
    age: Duration,
    limit: u32,
}

#[async_trait]
impl Verb for PruneLedger {
    type Answer = u64;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<u64, sqlx::Error> {
        let old = ago(tx, self.age);
        let gone: Vec<(String, String, i64, i64)> =
            sqlx::query_as(LEDGER_GONE).bind(self.limit).bind(old).fetch_all(&mut *tx.connection).await?;
        let mut sums: BTreeMap<(&str, i64), i64> = BTreeMap::new();
        for (account, tenant, turn, amount) in &gone {
            if account == "tenant" {
                let sum = sums.entry((tenant, *turn)).or_default();
                *sum = sum.saturating_add(*amount);
            }
        }
        for ((tenant, turn), amount) in sums {
            sqlx::query(LEDGER_SUMMED)
                .bind(ReservationId::new().0)
                .bind(tenant)
                .bind(turn)
                .bind(amount)
                .bind(tx.now)
                .execute(&mut *tx.connection)
                .await?;
        }
        Ok(gone.len() as u64)
    }
}

/// Rows of a table without anything that hangs on them.
struct Prune {
    /// Takes how many and the time of the youngest.
    statement: &'static str,
    age: Duration,
    limit: u32,
}

#[async_trait]
impl Verb for Prune {
    type Answer = u64;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<u64, sqlx::Error> {
        let youngest = ago(tx, self.age);
        let prune = sqlx::query(self.statement).bind(self.limit).bind(youngest);
        Ok(prune.execute(&mut *tx.connection).await?.rows_affected())
    }
}
