//! What users ask for: cancel, retry, replay, purge.

use async_trait::async_trait;
use sqlx::{
    Row, Sqlite,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};
use uuid::Uuid;

use super::{
    audit::audit,
    entry::{self, Arrival},
    escalations::withdraw,
    moves,
    params::{hex, list, micros},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Actor, acts},
    id::{DeadLetterId, JobId},
    record::{Move, State},
    store::{DeadLetterFilter, Replay, Retried},
};

const CANCEL: &str = include_str!("../../sql/sqlite/cancel.sql");
const TREE: &str = step(CANCEL, "tree");
const FLAGGED: &str = step(CANCEL, "flagged");
const UNFUNDED: &str = step(CANCEL, "unfunded");
const ENDED: &str = step(CANCEL, "ended");

const RETRY: &str = include_str!("../../sql/sqlite/retry.sql");
const FOUND: &str = step(RETRY, "found");
const REQUEUED: &str = step(RETRY, "requeued");
const RENEWED: &str = step(RETRY, "renewed");
const RESOLVED: &str = step(RETRY, "resolved");
const HASTENED: &str = step(RETRY, "hastened");

const REPLAY: &str = include_str!("../../sql/sqlite/replay.sql");
const PICKED: &str = step(REPLAY, "picked");
const REPLAYED: &str = step(REPLAY, "resolved");

const PURGE: &str = include_str!("../../sql/sqlite/purge.sql");

pub(super) struct Cancel {
    pub tenant: String,
    pub job: JobId,
    pub by: Actor,
}

#[async_trait]
impl Verb for Cancel {
    /// Whether anything was still open; `None` without such a job.
    type Answer = Option<bool>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Option<bool>, sqlx::Error> {
        let tree = sqlx::query(TREE).bind(&self.tenant).bind(self.job.0).fetch_all(&mut *tx.connection).await?;
        if tree.is_empty() {
            return Ok(None);
        }
        let (mut below, mut running, mut waiting, mut escalations) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut asked = 0;
        for row in &tree {
            let id = rows::job_id(row, "id")?;
            if id != self.job {
                below.push(id);
            }
            if row.try_get("open")? && row.try_get("asks_human")? {
                escalations.push(id);
            }
            if row.try_get("running")? {
                running.push(id);
                asked += u64::from(!row.try_get::<bool, _>("asked")?);
            } else if row.try_get("open")? {
                waiting.push(id);
            }
        }
        // Parents within the tree end with it; only the one above it is left to be told.
        moves::unawait(tx, &below).await?;
        if !running.is_empty() {
            let ids = list(running.iter().map(|id| hex(id.0)))?;
            sqlx::query(FLAGGED).bind(ids).execute(&mut *tx.connection).await?;
            tx.hints.cancel();
        }
        if !waiting.is_empty() {
            moves::withdraw(tx, &self.tenant, &waiting).await?;
            let ids = list(waiting.iter().map(|id| hex(id.0)))?;
            sqlx::query(UNFUNDED).bind(&ids).execute(&mut *tx.connection).await?;
            sqlx::query(ENDED).bind(ids).bind(tx.now).execute(&mut *tx.connection).await?;
            moves::ended(tx, &waiting).await?;
            entry::admit(tx, entry::ASIDE).await?;
        }
        if !escalations.is_empty() {
            withdraw(tx, &escalations, &self.by).await?;
        }
        if asked > 0 || !waiting.is_empty() {
            audit(tx, &self.tenant, &self.by, acts::cancelled(self.job, waiting.len(), asked)).await?;
        }
        Ok(Some(!running.is_empty() || !waiting.is_empty()))
    }
}

pub(super) struct Retry {
    pub tenant: String,
    pub job: JobId,
    pub by: Actor,
}

#[async_trait]
impl Verb for Retry {
    type Answer = Retried;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Retried, sqlx::Error> {
        let found = sqlx::query(FOUND).bind(&self.tenant).bind(self.job.0).fetch_optional(&mut *tx.connection).await?;
        let Some(row) = found else { return Ok(Retried::NoSuchJob) };
        let state: State = rows::parsed(row.try_get("state")?)?;
        if state.after(Move::Replay).is_some() {
            requeue(tx, &[self.job], None, Move::Replay).await?;
            sqlx::query(RESOLVED)
                .bind(&self.tenant)
                .bind(self.job.0)
                .bind(&self.by.subject)
                .bind(tx.now)
                .execute(&mut *tx.connection)
                .await?;
        } else if state.after(Move::Due).is_some() {
            moves::withdraw(tx, &self.tenant, &[self.job]).await?;
            sqlx::query(HASTENED).bind(self.job.0).bind(tx.now).execute(&mut *tx.connection).await?;
            entry::ready(tx, [rows::entry(&row)?], Arrival::New).await?;
        } else {
            return Ok(Retried::NotNow(state));
        }
        entry::admit(tx, entry::ASIDE).await?;
        audit(tx, &self.tenant, &self.by, acts::retried(self.job)).await?;
        Ok(Retried::Requeued)
    }
}

/// Puts ended jobs back to work, if `mv` leads out of their state. Answers those that were.
pub(super) async fn requeue(
    tx: &mut Tx<'_>,
    jobs: &[JobId],
    payload: Option<&str>,
    mv: Move,
) -> Result<Vec<JobId>, sqlx::Error> {
    let rows = sqlx::query(REQUEUED)
        .bind(list(jobs.iter().map(|id| hex(id.0)))?)
        .bind(payload)
        .bind(tx.now)
        .bind(list(mv.leaves())?)
        .fetch_all(&mut *tx.connection)
        .await?;
    let again = rows.iter().map(rows::entry).collect::<Result<Vec<_>, sqlx::Error>>()?;
    let ids: Vec<JobId> = again.iter().map(|entry| entry.id).collect();
    let renewed = sqlx::query(RENEWED).bind(list(ids.iter().map(|id| hex(id.0)))?);
    renewed.execute(&mut *tx.connection).await?;
    entry::ready(tx, again, Arrival::New).await?;
    entry::admit(tx, entry::ASIDE).await?;
    Ok(ids)
}

pub(super) struct ReplayDead {
    pub replay: Replay,
    pub limit: u32,
}

#[async_trait]
impl Verb for ReplayDead {
    type Answer = Vec<JobId>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<JobId>, sqlx::Error> {
        let picked: Vec<SqliteRow> = bind_filter(sqlx::query(PICKED), &self.replay.filter)?
            .bind(self.limit)
            .fetch_all(&mut *tx.connection)
            .await?;
        let (mut letters, mut jobs) = (Vec::with_capacity(picked.len()), Vec::with_capacity(picked.len()));
        for row in &picked {
            letters.push(DeadLetterId(row.try_get("id")?));
            jobs.extend(row.try_get::<Option<Uuid>, _>("job_id")?.map(JobId));
        }
        if letters.is_empty() {
            return Ok(Vec::new());
        }
        sqlx::query(REPLAYED)
            .bind(list(letters.iter().map(|id| hex(id.0)))?)
            .bind(&self.replay.by.subject)
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?;
        let Replay { filter, by, payload } = &self.replay;
        let again = requeue(tx, &jobs, payload.as_ref().map(|payload| payload.get()), Move::Replay).await?;
        let act = acts::replayed(filter, payload.is_some(), &letters, again.len());
        audit(tx, &filter.tenant_id, by, act).await?;
        Ok(again)
    }
}

pub(super) struct Purge {
    pub filter: DeadLetterFilter,
    pub by: Actor,
    pub limit: u32,
}

#[async_trait]
impl Verb for Purge {
    type Answer = u64;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<u64, sqlx::Error> {
        let purged = bind_filter(sqlx::query(PURGE), &self.filter)?
            .bind(self.limit)
            .bind(&self.by.subject)
            .bind(tx.now)
            .fetch_all(&mut *tx.connection)
            .await?;
        let letters: Vec<DeadLetterId> =
            purged.iter().map(|row| Ok(DeadLetterId(row.try_get("id")?))).collect::<Result<_, sqlx::Error>>()?;
        if !letters.is_empty() {
            audit(tx, &self.filter.tenant_id, &self.by, acts::purged(&self.filter, &letters)).await?;
        }
        Ok(letters.len() as u64)
    }
}

type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Binds ?1 to ?7, which mean the same in every statement over dead letters.
pub(super) fn bind_filter<'q>(
    statement: Statement<'q>,
    filter: &'q DeadLetterFilter,
) -> Result<Statement<'q>, sqlx::Error> {
    let ids = match filter.ids.is_empty() {
        true => None,
        false => Some(list(filter.ids.iter().map(|id| hex(id.0)))?),
    };
    Ok(statement
        .bind(&filter.tenant_id)
        .bind(ids)
        .bind(&filter.kind)
        .bind(&filter.subject)
        .bind(&filter.error)
        .bind(filter.since.map(micros))
        .bind(filter.until.map(micros)))
}
