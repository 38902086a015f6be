//! Workers live, are looked at, and go.

use std::{sync::PoisonError, time::Duration};

use async_trait::async_trait;
use sqlx::Row;

use super::{
    SqliteStore,
    audit::chain,
    params::{list, millis},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Actor, acts},
    id::WorkerId,
    store::{
        DRAIN_KEPT, Heard, HeldRun, LostRun, StoreError, UnderWay, WorkerInfo, Workers, audit::ChainName,
        workers::by_worker,
    },
};

const HEARTBEAT: &str = include_str!("../../sql/sqlite/heartbeat.sql");
const UPDATE: &str = step(HEARTBEAT, "update");
const REGISTER: &str = step(HEARTBEAT, "register");

const LOST_FILE: &str = include_str!("../../sql/sqlite/lost.sql");
const FORGOTTEN: &str = step(LOST_FILE, "forgotten");
const LOST: &str = step(LOST_FILE, "lost");

const RETIRE: &str = include_str!("../../sql/sqlite/retire.sql");
const LEAVE_TURNS: &str = step(RETIRE, "turns");
const LEAVE: &str = step(RETIRE, "worker");

#[async_trait]
impl Workers for SqliteStore {
    async fn heartbeat(&self, worker: &WorkerInfo) -> Result<Heard, StoreError> {
        let registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner).contains(&worker.id);
        let heard = self.writer.call(Heartbeat { worker: worker.clone(), registered }).await?;
        let mut known = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        if heard == Heard::Lost {
            known.remove(&worker.id)
        } else {
            known.insert(worker.id)
        };
        Ok(heard)
    }

    async fn retire(&self, worker: WorkerId) -> Result<(), StoreError> {
        self.registered.lock().unwrap_or_else(PoisonError::into_inner).remove(&worker);
        self.writer.call(Retire { worker }).await
    }

    async fn drain(&self, worker: WorkerId, by: &Actor) -> Result<bool, StoreError> {
        self.writer.call(Drain { worker, by: by.clone() }).await
    }

    async fn lost(&self, silence: Duration, limit: u32) -> Result<Vec<LostRun>, StoreError> {
        self.writer.call(Lost { silence, limit }).await
    }

    async fn held(&self, worker: WorkerId) -> Result<Vec<HeldRun>, StoreError> {
        self.read(async {
            let rows =
                sqlx::query(include_str!("../../sql/sqlite/held.sql")).bind(worker.0).fetch_all(&self.readers).await?;
            rows.iter().map(rows::held).collect()
        })
        .await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/workers.sql")).fetch_all(&self.readers).await?;
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
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/under_way.sql"))
                .bind(worker.map(|worker| worker.0))
                .bind(tenant)
                .bind(most)
                .fetch_all(&self.readers)
                .await?;
            let runs = rows.iter().map(|row| {
                Ok((WorkerId(row.try_get("worker_id")?), rows::count(row, "runs")?, rows::run_under_way(row)?))
            });
            Ok(by_worker(runs.collect::<Result<Vec<_>, sqlx::Error>>()?))
        })
        .await
    }
}

struct Heartbeat {
    worker: WorkerInfo,
    /// Whether this process registered the worker before. If so, a row that is gone was
    /// taken away by the rescue of its jobs.
    registered: bool,
}

#[async_trait]
impl Verb for Heartbeat {
    type Answer = Heard;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Heard, sqlx::Error> {
        let worker = &self.worker;
        let draining: Option<bool> =
            sqlx::query_scalar(UPDATE).bind(worker.id.0).bind(tx.now).fetch_optional(&mut *tx.connection).await?;
        match draining {
            Some(true) => return Ok(Heard::Draining),
            Some(false) => return Ok(Heard::Alive),
            None if self.registered => return Ok(Heard::Lost),
            None => {}
        }
        sqlx::query(REGISTER)
            .bind(worker.id.0)
            .bind(tx.now)
            .bind(&worker.host)
            .bind(worker.pid)
            .bind(list(worker.pools.iter().map(|pool| pool.role))?)
            .bind(list(worker.pools.iter().map(|pool| pool.capacity))?)
            .bind(&worker.version)
            .execute(&mut *tx.connection)
            .await?;
        Ok(Heard::Alive)
    }
}

struct Retire {
    worker: WorkerId,
}

#[async_trait]
impl Verb for Retire {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        for statement in [LEAVE_TURNS, LEAVE] {
            sqlx::query(statement).bind(self.worker.0).execute(&mut *tx.connection).await?;
        }
        Ok(())
    }
}

struct Drain {
    worker: WorkerId,
    by: Actor,
}

#[async_trait]
impl Verb for Drain {
    /// Whether the worker is known.
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        let drain = sqlx::query_scalar(include_str!("../../sql/sqlite/drain.sql"));
        let changed: Option<bool> = drain.bind(self.worker.0).bind(tx.now).fetch_optional(&mut *tx.connection).await?;
        if changed == Some(true) {
            chain(tx, &ChainName::INSTALLATION, &[(&self.by, &acts::drained(self.worker))]).await?;
        }
        Ok(changed.is_some())
    }
}

struct Lost {
    silence: Duration,
    limit: u32,
}

#[async_trait]
impl Verb for Lost {
    type Answer = Vec<LostRun>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<LostRun>, sqlx::Error> {
        let before = |silence| tx.now.saturating_sub(millis(silence).saturating_mul(1000));
        let (heard_by, drained_by) = (before(self.silence), before(DRAIN_KEPT));
        sqlx::query(FORGOTTEN).bind(heard_by).bind(drained_by).execute(&mut *tx.connection).await?;
        let rows = sqlx::query(LOST).bind(heard_by).bind(self.limit).fetch_all(&mut *tx.connection).await?;
        rows.iter().map(rows::lost).collect()
    }
}
