//! Jobs take their place in claim order, and pass the gates of their queues.

use std::collections::BTreeMap;

use sqlx::{Row, sqlite::SqliteRow};

use super::{
    params::{hex, list},
    rows,
    steps::step,
    writer::Tx,
};
use crate::{id::JobId, role::Role, store::queues::tag_step};

const MAKE_READY: &str = include_str!("../../sql/sqlite/make_ready.sql");
const QUEUES: &str = step(MAKE_READY, "queues");
const CHARGED: &str = step(MAKE_READY, "charged");
const READY: &str = step(MAKE_READY, "ready");

const ADMIT: &str = include_str!("../../sql/sqlite/admit.sql");
const WATCHED: &str = step(ADMIT, "watched");
const PARK: &str = step(ADMIT, "park");
const NEXT: &str = step(ADMIT, "next");
const LET: &str = step(ADMIT, "let");
const CHARGED_LATE: &str = step(ADMIT, "charged");
const OPENED: &str = step(ADMIT, "opened");
const FORGOTTEN: &str = step(ADMIT, "forgotten");

/// How many jobs of a queue go through its gate together.
const THROUGH: i64 = 5_000;

/// How long a queue is looked at after its gate was moved, in microseconds.
const WATCH: i64 = 60_000_000;

/// A job that becomes ready.
pub(super) struct Entry {
    pub role: Role,
    pub priority: u8,
    pub id: JobId,
    pub tenant_id: String,
}

/// Whether a job moves its queue's tag on. One that was ready before was charged then.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Charge {
    Yes,
    No,
}

/// What is known of a queue that jobs join.
struct Queue {
    gated: bool,
    last_tag: i64,
    weight: i64,
    /// The tag that its role claimed last.
    claimed: i64,
    /// Where the next tag begins.
    next: i64,
    jobs: i64,
}

/// Makes jobs claimable, and wakes who may claim them; or parks them behind their queue's gate.
pub(super) async fn ready(
    tx: &mut Tx<'_>,
    jobs: impl IntoIterator<Item = Entry>,
    charge: Charge,
) -> Result<(), sqlx::Error> {
    let mut jobs: Vec<Entry> = jobs.into_iter().collect();
    if jobs.is_empty() {
        return Ok(());
    }
    jobs.sort_unstable_by_key(|job| (job.priority, job.id));
    let mut queues = joined(tx, &jobs).await?;
    let mut entries = Vec::with_capacity(jobs.len());
    for job in &jobs {
        let queue = queues.get_mut(&(job.role.as_str(), &job.tenant_id)).ok_or(sqlx::Error::RowNotFound)?;
        let tag = match charge {
            _ if queue.gated => 0,
            Charge::No => queue.claimed,
            Charge::Yes => {
                let tag = queue.last_tag.max(queue.next);
                queue.last_tag = tag + tag_step(queue.weight);
                tag
            }
        };
        queue.jobs += 1;
        if !queue.gated {
            tx.hints.wake(job.role);
        }
        entries.push((job.role.as_str(), queue.gated, job.priority, tag, hex(job.id.0), &job.tenant_id));
    }
    if charge == Charge::Yes {
        let charged = queues.iter().map(|((role, tenant), q)| (role, tenant, q.weight, q.last_tag, q.jobs));
        sqlx::query(CHARGED).bind(list(charged)?).execute(&mut *tx.connection).await?;
    }
    sqlx::query(READY).bind(list(entries)?).execute(&mut *tx.connection).await?;
    Ok(())
}

type Queues<'a> = BTreeMap<(&'a str, &'a str), Queue>;

async fn joined<'a>(tx: &mut Tx<'_>, jobs: &'a [Entry]) -> Result<Queues<'a>, sqlx::Error> {
    let mut asked: Vec<_> = jobs.iter().map(|job| (job.role.as_str(), job.tenant_id.as_str(), job.priority)).collect();
    asked.sort_unstable();
    asked.dedup();
    let found = sqlx::query(QUEUES).bind(list(&asked)?).fetch_all(&mut *tx.connection).await?;
    let mut queues = Queues::new();
    // One row was asked for with each line of `asked`, in its order.
    for ((role, tenant, _), row) in asked.into_iter().zip(&found) {
        let next = row.try_get("next")?;
        match queues.get_mut(&(role, tenant)) {
            Some(queue) => queue.next = queue.next.max(next),
            None => drop(queues.insert((role, tenant), queue(row, next)?)),
        }
    }
    Ok(queues)
}

fn queue(row: &SqliteRow, next: i64) -> Result<Queue, sqlx::Error> {
    Ok(Queue {
        gated: row.try_get("gated")?,
        last_tag: row.try_get("last_tag")?,
        weight: row.try_get("weight")?,
        claimed: row.try_get("claimed")?,
        next,
        jobs: 0,
    })
}

/// Lets through what gated queues have room for now. Free where none is gated. Answers whether
/// there may be more at once.
pub(super) async fn admit(tx: &mut Tx<'_>, park: bool) -> Result<bool, sqlx::Error> {
    let mut more = false;
    for row in sqlx::query(WATCHED).fetch_all(&mut *tx.connection).await? {
        let role = rows::role(&row)?;
        let tenant: String = row.try_get("tenant_id")?;
        let gated: bool = row.try_get("gated")?;
        let moved_at: i64 = row.try_get("gate_moved_at")?;
        let paused: bool = row.try_get("paused")?;
        if park && gated && moved_at > tx.now - WATCH {
            let parked = sqlx::query(PARK).bind(role.as_str()).bind(&tenant).bind(THROUGH).bind(paused);
            more |= parked.execute(&mut *tx.connection).await?.rows_affected() == THROUGH.unsigned_abs();
        }
        if paused {
            continue;
        }
        let max_running: Option<i64> = row.try_get("max_running")?;
        let room = match max_running {
            Some(most) => most.saturating_sub(row.try_get("through")?).clamp(0, THROUGH),
            None => THROUGH,
        };
        let through = let_through(tx, role, &tenant, &row, room).await?;
        more |= through == THROUGH;
        if gated && max_running.is_none() {
            let opened = sqlx::query(OPENED).bind(role.as_str()).bind(&tenant).bind(tx.now);
            opened.execute(&mut *tx.connection).await?;
        } else if !gated && moved_at <= tx.now - WATCH {
            sqlx::query(FORGOTTEN).bind(role.as_str()).bind(&tenant).execute(&mut *tx.connection).await?;
        }
    }
    Ok(more)
}

/// Lets up to `room` parked jobs of a queue through, and charges them. Answers how many.
async fn let_through(
    tx: &mut Tx<'_>,
    role: Role,
    tenant: &str,
    queue: &SqliteRow,
    room: i64,
) -> Result<i64, sqlx::Error> {
    if room == 0 {
        return Ok(0);
    }
    let next = sqlx::query(NEXT).bind(role.as_str()).bind(tenant).bind(room).fetch_all(&mut *tx.connection).await?;
    if next.is_empty() {
        return Ok(0);
    }
    let step = tag_step(queue.try_get("weight")?);
    let mut tag: i64 = queue.try_get("last_tag")?;
    for row in &next {
        tag = tag.max(row.try_get("next")?);
    }
    let mut tags = Vec::with_capacity(next.len());
    for row in &next {
        tags.push((hex(rows::job_id(row, "id")?.0), tag));
        tag += step;
    }
    let gated: bool = queue.try_get("gated")?;
    sqlx::query(LET).bind(list(tags)?).bind(gated).execute(&mut *tx.connection).await?;
    sqlx::query(CHARGED_LATE).bind(role.as_str()).bind(tenant).bind(tag).execute(&mut *tx.connection).await?;
    tx.hints.wake(role);
    Ok(i64::try_from(next.len()).unwrap_or(i64::MAX))
}
