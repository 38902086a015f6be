//! Workers live, are looked at, and go.

use std::{sync::PoisonError, time::Duration};

use async_trait::async_trait;
use sqlx::Row;

use super::{PostgresStore, millis, rows};
use crate::{
    audit::{Actor, acts},
    id::WorkerId,
    store::{
        DRAIN_KEPT, Heard, HeldRun, LostRun, StoreError, UnderWay, WorkerInfo, Workers, audit::ChainName,
        workers::by_worker,
    },
};

#[async_trait]
impl Workers for PostgresStore {
    async fn heartbeat(&self, worker: &WorkerInfo) -> Result<Heard, StoreError> {
        let draining: Option<bool> = self
            .in_time(|| {
                sqlx::query_scalar(include_str!("../../sql/postgres/heartbeat.sql"))
                    .bind(worker.id.0)
                    .bind(self.now())
                    .fetch_optional(&self.pool)
            })
            .await?;
        if let Some(draining) = draining {
            // Perhaps it was registered by a call whose answer was lost.
            self.registered.lock().unwrap_or_else(PoisonError::into_inner).insert(worker.id);
            return Ok(if draining { Heard::Draining } else { Heard::Alive });
        }
        if self.registered.lock().unwrap_or_else(PoisonError::into_inner).remove(&worker.id) {
            return Ok(Heard::Lost);
        }
        let roles: Vec<&str> = worker.pools.iter().map(|pool| pool.role.as_str()).collect();
        let capacities: Vec<i32> =
            worker.pools.iter().map(|pool| i32::try_from(pool.capacity).unwrap_or(i32::MAX)).collect();
        self.in_time(|| {
            sqlx::query(include_str!("../../sql/postgres/register.sql"))
                .bind(worker.id.0)
                .bind(&worker.host)
                .bind(i64::from(worker.pid))
                .bind(&roles)
                .bind(&capacities)
                .bind(&worker.version)
                .bind(self.now())
                .execute(&self.pool)
        })
        .await?;
        self.registered.lock().unwrap_or_else(PoisonError::into_inner).insert(worker.id);
        Ok(Heard::Alive)
    }

    async fn retire(&self, worker: WorkerId) -> Result<(), StoreError> {
        self.registered.lock().unwrap_or_else(PoisonError::into_inner).remove(&worker);
        self.in_time(|| sqlx::query(include_str!("../../sql/postgres/retire.sql")).bind(worker.0).execute(&self.pool))
            .await?;
        Ok(())
    }

    async fn drain(&self, worker: WorkerId, by: &Actor) -> Result<bool, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let changed: Option<bool> = sqlx::query_scalar(include_str!("../../sql/postgres/drain.sql"))
                .bind(worker.0)
                .bind(self.now())
                .fetch_optional(&mut *tx)
                .await?;
            if changed == Some(true) {
                self.chain(&mut tx, &ChainName::INSTALLATION, [(by, &acts::drained(worker))]).await?;
            }
            tx.commit().await?;
            Ok(changed.is_some())
        })
        .await
    }

    async fn lost(&self, silence: Duration, limit: u32) -> Result<Vec<LostRun>, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/lost.sql"))
                .bind(millis(silence))
                .bind(i64::from(limit))
                .bind(self.now())
                .bind(millis(DRAIN_KEPT))
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(rows::lost).collect()
        })
        .await
    }

    async fn held(&self, worker: WorkerId) -> Result<Vec<HeldRun>, StoreError> {
        self.in_time(|| async {
            let rows =
                sqlx::query(include_str!("../../sql/postgres/held.sql")).bind(worker.0).fetch_all(&self.pool).await?;
            rows.iter().map(rows::held).collect()
        })
        .await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/workers.sql")).fetch_all(&self.pool).await?;
            rows.iter().map(rows::worker).collect()
        })
        .await
    }

    async fn under_way(
        &self,
        worker: Option<WorkerId>,
        tenant: Option<&str>,
        most: u32,
    ) -> Result<Vec<UnderWay>, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/under_way.sql"))
                .bind(worker.map(|worker| worker.0))
                .bind(tenant)
                .bind(i64::from(most))
                .fetch_all(&self.pool)
                .await?;
            let runs = rows.iter().map(|row| {
                Ok((WorkerId(row.try_get("worker_id")?), rows::count(row, "runs")?, rows::run_under_way(row)?))
            });
            Ok(by_worker(runs.collect::<Result<Vec<_>, sqlx::Error>>()?))
        })
        .await
    }
}
