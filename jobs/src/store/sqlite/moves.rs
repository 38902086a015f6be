//! Moves between the narrow tables, and what follows when jobs end: the steps that several
//! verbs share.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use sqlx::Row;
use uuid::Uuid;

use super::{
    entry::{self, Arrival},
    params::{hex, list},
    rows,
    steps::step,
    writer::Tx,
};
use crate::{
    id::{JobId, MessageId},
    role::Role,
    store::Run,
};

const FILE: &str = include_str!("../../sql/sqlite/moves.sql");
const SCHEDULED: &str = step(FILE, "scheduled");
const UNREADY: &str = step(FILE, "unready");
const UNSCHEDULED: &str = step(FILE, "unscheduled");
const HELD: &str = step(FILE, "held");
const FREED: &str = step(FILE, "freed");
const FOLLOWED: &str = step(FILE, "followed");
const TOLD: &str = step(FILE, "told");
const UNAWAITED: &str = step(FILE, "unawaited");
const COUNTED: &str = step(FILE, "counted");

/// Puts jobs down as due later, and tells the promoter when to look.
pub(super) async fn scheduled<'a>(
    tx: &mut Tx<'_>,
    jobs: impl IntoIterator<Item = (JobId, i64, Role, u8, &'a str)>,
) -> Result<(), sqlx::Error> {
    let (hints, now) = (&mut tx.hints, tx.now);
    let rows: Vec<_> = jobs
        .into_iter()
        .map(|(id, run_at, role, priority, tenant)| {
            hints.due_in(Duration::from_micros(u64::try_from(run_at.saturating_sub(now)).unwrap_or(0)));
            (hex(id.0), run_at, role.as_str(), priority, tenant)
        })
        .collect();
    if !rows.is_empty() {
        sqlx::query(SCHEDULED).bind(list(rows)?).execute(&mut *tx.connection).await?;
    }
    Ok(())
}

/// Takes jobs of a tenant out of wherever they wait for a worker or for their time.
pub(super) async fn withdraw(tx: &mut Tx<'_>, tenant: &str, jobs: &[JobId]) -> Result<(), sqlx::Error> {
    let ids = list(jobs.iter().map(|id| hex(id.0)))?;
    sqlx::query(UNREADY).bind(&ids).execute(&mut *tx.connection).await?;
    sqlx::query(UNSCHEDULED).bind(&ids).bind(tenant).execute(&mut *tx.connection).await?;
    Ok(())
}

/// The leases among these runs that are still held.
pub(super) async fn held(tx: &mut Tx<'_>, runs: impl IntoIterator<Item = Run>) -> Result<HashSet<i64>, sqlx::Error> {
    let runs = list(runs.into_iter().map(|run| (hex(run.id.0), run.lease)))?;
    let leases: Vec<i64> = sqlx::query_scalar(HELD).bind(runs).fetch_all(&mut *tx.connection).await?;
    Ok(leases.into_iter().collect())
}

/// Ends leases that are known to be held.
pub(super) async fn free(tx: &mut Tx<'_>, leases: impl IntoIterator<Item = i64>) -> Result<(), sqlx::Error> {
    sqlx::query(FREED).bind(list(leases)?).execute(&mut *tx.connection).await?;
    Ok(())
}

/// Nobody counts these jobs any more.
pub(super) async fn unawait(tx: &mut Tx<'_>, jobs: &[JobId]) -> Result<(), sqlx::Error> {
    if !jobs.is_empty() {
        let ids = list(jobs.iter().map(|id| hex(id.0)))?;
        sqlx::query(UNAWAITED).bind(ids).execute(&mut *tx.connection).await?;
    }
    Ok(())
}

/// What follows from jobs having ended: those who wait for them hear of it, events are put
/// out for webhooks, and parents whose last child this was become due.
pub(super) async fn ended(tx: &mut Tx<'_>, jobs: &[JobId]) -> Result<(), sqlx::Error> {
    jobs.iter().for_each(|id| tx.hints.ended(*id));
    let ids = list(jobs.iter().map(|id| hex(id.0)))?;
    let followed = sqlx::query(FOLLOWED).bind(ids).bind(tx.now).fetch_all(&mut *tx.connection).await?;

    let mut events = Vec::new();
    let mut children = Vec::new();
    let mut parents: HashMap<Uuid, u32> = HashMap::new();
    for row in &followed {
        let id: JobId = rows::job_id(row, "id")?;
        if row.try_get("told")? {
            let tenant: String = row.try_get("tenant_id")?;
            let state: &str = row.try_get("state")?;
            // The end of a task is told as such as well: who follows tasks need not know that they are jobs.
            let of_task = match (row.try_get("kind")?, state) {
                ("task", "succeeded") => Some("task.completed".to_owned()),
                ("task", "dead") => Some("task.failed".to_owned()),
                _ => None,
            };
            for event in [Some(format!("job.{state}")), of_task].into_iter().flatten() {
                events.push((hex(MessageId::new().0), tenant.clone(), hex(id.0), event));
            }
        }
        if row.try_get("awaited")? {
            children.push(id);
            *parents.entry(row.try_get("parent_id")?).or_default() += 1;
        }
    }
    if !events.is_empty() {
        tx.hints.tell();
        sqlx::query(TOLD).bind(list(events)?).bind(tx.now).execute(&mut *tx.connection).await?;
    }
    unawait(tx, &children).await?;
    count_down(tx, parents).await
}

async fn count_down(tx: &mut Tx<'_>, parents: HashMap<Uuid, u32>) -> Result<(), sqlx::Error> {
    if parents.is_empty() {
        return Ok(());
    }
    let parents = list(parents.into_iter().map(|(id, ended)| (hex(id), ended)))?;
    let rows = sqlx::query(COUNTED).bind(parents).bind(tx.now).fetch_all(&mut *tx.connection).await?;
    let mut due = Vec::new();
    for row in &rows {
        if row.try_get("due")? {
            due.push(rows::entry(row)?);
        }
    }
    entry::ready(tx, due, Arrival::Returning).await
}
