//! What is past its time is removed.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::{PostgresStore, millis, rows, step};
use crate::{
    id::{JobId, WorkerId},
    store::{Chore, IDEMPOTENCY_WINDOW, Keep, Next, Pruned, Retention, StoreError, retention::HANGING},
};

const FILE: &str = include_str!("../../sql/postgres/prune_jobs.sql");
const OLD: &str = step(FILE, "old");
/// What hangs on jobs in numbers.
const HANGING_ON: [&str; 3] = [step(FILE, "logs"), step(FILE, "attempts"), step(FILE, "tries")];
const JOBS: &str = step(FILE, "jobs");

#[async_trait]
impl Retention for PostgresStore {
    async fn take_turn(&self, chore: Chore, worker: WorkerId, lease: Duration) -> Result<bool, StoreError> {
        let taken = self
            .in_time(|| {
                sqlx::query(include_str!("../../sql/postgres/take_turn.sql"))
                    .bind(worker.0)
                    .bind(millis(lease))
                    .bind(self.now())
                    .bind(chore.as_str())
                    .execute(&self.pool)
            })
            .await?;
        Ok(taken.rows_affected() > 0)
    }

    async fn prune_jobs(&self, keep: &Keep, after: Option<JobId>, limit: u32) -> Result<Pruned, StoreError> {
        let Some(shortest) = keep.shortest() else { return Ok(Pruned::default()) };
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let found = sqlx::query(OLD)
                .bind(after.map(|after| after.0))
                .bind(i64::from(limit))
                .bind(keep.succeeded.map(millis))
                .bind(keep.cancelled.map(millis))
                .bind(keep.dead.map(millis))
                .bind(millis(shortest))
                .bind(self.now())
                .fetch_one(&mut *tx)
                .await?;
            let old: Vec<Uuid> = found.try_get("old")?;
            let last: Option<Uuid> = found.try_get("last")?;
            let more = found.try_get::<Option<bool>, _>("more")?.unwrap_or(false);
            let mut pruned = Pruned { next: Next::after(last.filter(|_| more).map(JobId)), ..Pruned::default() };
            if old.is_empty() {
                tx.rollback().await?;
                return Ok(pruned);
            }
            for statement in HANGING_ON {
                let hung = sqlx::query(statement).bind(&old).bind(i64::from(HANGING)).execute(&mut *tx).await?;
                if hung.rows_affected() == u64::from(HANGING) {
                    tx.commit().await?;
                    return Ok(Pruned { next: Next::Again, ..pruned });
                }
            }
            let gone = sqlx::query(JOBS).bind(&old).fetch_one(&mut *tx).await?;
            pruned.succeeded = rows::count(&gone, "succeeded")?;
            pruned.dead = rows::count(&gone, "dead")?;
            pruned.cancelled = rows::count(&gone, "cancelled")?;
            tx.commit().await?;
            Ok(pruned)
        })
        .await
    }

    async fn prune_dead_letters(&self, keep: &Keep, limit: u32) -> Result<u64, StoreError> {
        let Some(dead) = keep.dead else { return Ok(0) };
        let pruned = self
            .in_time(|| {
                sqlx::query(include_str!("../../sql/postgres/prune_dead_letters.sql"))
                    .bind(i64::from(limit))
                    .bind(millis(dead))
                    .bind(self.now())
                    .execute(&self.pool)
            })
            .await?;
        Ok(pruned.rows_affected())
    }

    async fn prune_ledger(&self, keep: &Keep, limit: u32) -> Result<u64, StoreError> {
        let Some(age) = keep.ledger else { return Ok(0) };
        self.in_time(|| async {
            let row = sqlx::query(include_str!("../../sql/postgres/prune_ledger.sql"))
                .bind(i64::from(limit))
                .bind(millis(age))
                .bind(self.now())
                .fetch_one(&self.pool)
                .await?;
            rows::count(&row, "count")
        })
        .await
    }

    async fn prune_keys(&self, limit: u32) -> Result<u64, StoreError> {
        let pruned = self
            .in_time(|| {
                sqlx::query(include_str!("../../sql/postgres/prune_keys.sql"))
                    .bind(i64::from(limit))
                    .bind(i64::try_from(IDEMPOTENCY_WINDOW.as_secs()).unwrap_or(i64::MAX))
                    .bind(self.now())
                    .execute(&self.pool)
            })
            .await?;
        Ok(pruned.rows_affected())
    }
}
