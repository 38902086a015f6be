//! What keeps the store going: jobs come due, workers live and die, events are passed on.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    entry::{self, Arrival},
    params::{list, millis},
    role_names, rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    id::WorkerId,
    role::Role,
    store::{LostRun, Promoted, WorkerInfo},
};

const PROMOTE: &str = include_str!("../../sql/sqlite/promote.sql");
const TAKEN: &str = step(PROMOTE, "taken");
const WAITING: &str = step(PROMOTE, "waiting");
const NEXT: &str = step(PROMOTE, "next");

const HEARTBEAT: &str = include_str!("../../sql/sqlite/heartbeat.sql");
const UPDATE: &str = step(HEARTBEAT, "update");
const REGISTER: &str = step(HEARTBEAT, "register");

const LOST_FILE: &str = include_str!("../../sql/sqlite/lost.sql");
const FORGOTTEN: &str = step(LOST_FILE, "forgotten");
const LOST: &str = step(LOST_FILE, "lost");

pub(super) struct Promote {
    pub limit: u32,
}

#[async_trait]
impl Verb for Promote {
    type Answer = Promoted;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Promoted, sqlx::Error> {
        let due = sqlx::query(TAKEN).bind(tx.now).bind(self.limit).fetch_all(&mut *tx.connection).await?;
        let moved = u32::try_from(due.len()).unwrap_or(u32::MAX);
        let due = due.iter().map(rows::entry).collect::<Result<Vec<_>, _>>()?;
        entry::ready(tx, due, Arrival::New).await?;
        entry::park(tx).await?;
        entry::admit(tx, entry::PARKED).await?;
        let ready: Vec<String> =
            sqlx::query_scalar(WAITING).bind(list(role_names())?).fetch_all(&mut *tx.connection).await?;
        let ready = ready.iter().map(|role| rows::parsed(role)).collect::<Result<Vec<Role>, _>>()?;
        ready.iter().for_each(|role| tx.hints.wake(*role));
        let next: Option<i64> = sqlx::query_scalar(NEXT).bind(tx.now).fetch_one(&mut *tx.connection).await?;
        let next_due = next.map(|at| Duration::from_micros(u64::try_from(at - tx.now).unwrap_or(0)));
        // A full batch means that more may be due already.
        let next_due = if moved == self.limit { Some(Duration::ZERO) } else { next_due };
        Ok(Promoted { moved, ready, next_due })
    }
}

pub(super) struct Heartbeat {
    pub worker: WorkerInfo,
    /// Whether this process registered the worker before. If so, a row that is gone was
    /// taken away by the rescue of its jobs.
    pub registered: bool,
}

#[async_trait]
impl Verb for Heartbeat {
    /// Whether the worker lives on.
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        let worker = &self.worker;
        let updated =
            sqlx::query(UPDATE).bind(worker.id.0).bind(tx.now).execute(&mut *tx.connection).await?.rows_affected();
        if updated > 0 || self.registered {
            return Ok(updated > 0);
        }
        sqlx::query(REGISTER)
            .bind(worker.id.0)
            .bind(tx.now)
            .bind(&worker.host)
            .bind(worker.pid)
            .bind(list(&worker.roles)?)
            .bind(&worker.version)
            .execute(&mut *tx.connection)
            .await?;
        Ok(true)
    }
}

pub(super) struct Retire {
    pub worker: WorkerId,
}

#[async_trait]
impl Verb for Retire {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        let retire = sqlx::query(include_str!("../../sql/sqlite/retire.sql"));
        retire.bind(self.worker.0).execute(&mut *tx.connection).await.map(|_| ())
    }
}

pub(super) struct Lost {
    pub silence: Duration,
    pub limit: u32,
}

#[async_trait]
impl Verb for Lost {
    type Answer = Vec<LostRun>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<LostRun>, sqlx::Error> {
        let heard_by = tx.now.saturating_sub(millis(self.silence).saturating_mul(1000));
        sqlx::query(FORGOTTEN).bind(heard_by).execute(&mut *tx.connection).await?;
        let rows = sqlx::query(LOST).bind(heard_by).bind(self.limit).fetch_all(&mut *tx.connection).await?;
        rows.iter().map(rows::lost).collect()
    }
}
