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
const LINES: &str = step(MAKE_READY, "lines");
const JOINED: &str = step(MAKE_READY, "joined");
const READY: &str = step(MAKE_READY, "ready");

const PARK: &str = include_str!("../../sql/sqlite/park.sql");
const PARKED_NOW: &str = step(PARK, "parked");
const SWEPT: &str = step(PARK, "swept");

const ADMIT: &str = include_str!("../../sql/sqlite/admit.sql");
const WATCHED: &str = step(ADMIT, "watched");
const TAKEN_BACK: &str = step(ADMIT, "taken_back");
const NEXT: &str = step(ADMIT, "next");
const LET: &str = step(ADMIT, "let");
const CHARGED: &str = step(ADMIT, "charged");
const OPENED: &str = step(ADMIT, "opened");
const FORGOTTEN: &str = step(ADMIT, "forgotten");

/// How many jobs are parked in one look.
pub(super) const PARKED: i64 = 5_000;

/// How many jobs are let through beside another verb, which waits for it.
pub(super) const ASIDE: i64 = 100;

/// How long a queue is looked at after its gate was opened, in microseconds.
const WATCH: i64 = 60_000_000;

/// A job that becomes ready.
pub(super) struct Entry {
    pub role: Role,
    pub priority: u8,
    pub id: JobId,
    pub tenant_id: String,
}

/// Which of its tenant's two lines a job joins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    New,
    /// It comes back from a worker, and need not queue behind its tenant's backlog.
    Returning,
}

/// A tenant's line in a role and a priority.
struct Line {
    gated: bool,
    step: i64,
    /// The tag that was claimed last.
    clock: i64,
    tag: i64,
    returning_tag: i64,
    arrived: i64,
}

impl Line {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            gated: row.try_get("gated")?,
            step: tag_step(row.try_get("weight")?),
            clock: row.try_get("clock")?,
            tag: row.try_get("tag")?,
            returning_tag: row.try_get("returning_tag")?,
            arrived: 0,
        })
    }

    /// The tag of the next job that joins it.
    fn join(&mut self, arrival: Arrival) -> i64 {
        self.arrived += i64::from(arrival == Arrival::New);
        // Who is parked is charged when it is let through.
        if self.gated {
            return 0;
        }
        let end = match arrival {
            Arrival::New => &mut self.tag,
            Arrival::Returning => &mut self.returning_tag,
        };
        let tag = self.clock.max(*end);
        *end = tag + self.step;
        tag
    }
}

/// Makes jobs claimable, and wakes who may claim them; or parks them behind their queue's gate.
pub(super) async fn ready(
    tx: &mut Tx<'_>,
    jobs: impl IntoIterator<Item = Entry>,
    arrival: Arrival,
) -> Result<(), sqlx::Error> {
    let mut jobs: Vec<Entry> = jobs.into_iter().collect();
    if jobs.is_empty() {
        return Ok(());
    }
    jobs.sort_unstable_by_key(|job| job.id);
    let mut lines = lines(tx, &jobs).await?;
    let mut entries = Vec::with_capacity(jobs.len());
    for job in &jobs {
        let line = lines.get_mut(&name(job)).ok_or(sqlx::Error::RowNotFound)?;
        let tag = line.join(arrival);
        if !line.gated {
            tx.hints.wake(job.role);
        }
        entries.push((job.role.as_str(), line.gated, job.priority, tag, hex(job.id.0), &job.tenant_id));
    }
    let joined = lines
        .iter()
        .map(|((role, tenant, priority), line)| (role, tenant, priority, line.tag, line.returning_tag, line.arrived));
    sqlx::query(JOINED).bind(list(joined)?).execute(&mut *tx.connection).await?;
    sqlx::query(READY).bind(list(entries)?).execute(&mut *tx.connection).await?;
    Ok(())
}

type Name<'a> = (&'a str, &'a str, u8);

fn name(job: &Entry) -> Name<'_> {
    (job.role.as_str(), &job.tenant_id, job.priority)
}

async fn lines<'a>(tx: &mut Tx<'_>, jobs: &'a [Entry]) -> Result<BTreeMap<Name<'a>, Line>, sqlx::Error> {
    let mut names: Vec<Name<'a>> = jobs.iter().map(name).collect();
    names.sort_unstable();
    names.dedup();
    let found = sqlx::query(LINES).bind(list(&names)?).fetch_all(&mut *tx.connection).await?;
    names.into_iter().zip(&found).map(|(name, row)| Ok((name, Line::read(row)?))).collect()
}

/// Parks what was ready when gates closed. Answers whether there may be more.
pub(super) async fn park(tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
    let parked = sqlx::query(PARKED_NOW).bind(PARKED).execute(&mut *tx.connection).await?.rows_affected();
    if parked == 0 {
        sqlx::query(SWEPT).execute(&mut *tx.connection).await?;
    }
    Ok(parked == PARKED.unsigned_abs())
}

/// Lets up to `most` parked jobs through, as their queues have room now, and takes back what is
/// beyond a quota. Free where no queue is gated. Answers whether there may be more at once.
pub(super) async fn admit(tx: &mut Tx<'_>, most: i64) -> Result<bool, sqlx::Error> {
    let mut left = most;
    for row in sqlx::query(WATCHED).fetch_all(&mut *tx.connection).await? {
        if row.try_get("paused")? {
            continue;
        }
        let queue = Gated {
            role: rows::role(&row)?,
            tenant: row.try_get("tenant_id")?,
            gated: row.try_get("gated")?,
            step: tag_step(row.try_get("weight")?),
        };
        let max_running: Option<i64> = row.try_get("max_running")?;
        let room = match max_running {
            Some(max_running) => left.min(max_running.saturating_sub(row.try_get("through")?)),
            None => left,
        };
        if room < 0 {
            let beyond = sqlx::query(TAKEN_BACK).bind(queue.role.as_str()).bind(&queue.tenant).bind(-room);
            beyond.execute(&mut *tx.connection).await?;
        } else if room > 0 {
            left -= let_through(tx, &queue, room).await?;
        }
        let moved_at: i64 = row.try_get("gate_moved_at")?;
        let then = if queue.gated && max_running.is_none() {
            sqlx::query(OPENED).bind(queue.role.as_str()).bind(&queue.tenant).bind(tx.now)
        } else if !queue.gated && moved_at <= tx.now - WATCH {
            sqlx::query(FORGOTTEN).bind(queue.role.as_str()).bind(&queue.tenant)
        } else {
            continue;
        };
        then.execute(&mut *tx.connection).await?;
    }
    Ok(left == 0)
}

/// A queue whose gate is looked after.
struct Gated {
    role: Role,
    tenant: String,
    gated: bool,
    step: i64,
}

/// Lets up to `room` parked jobs of a queue through, and charges them. Answers how many.
async fn let_through(tx: &mut Tx<'_>, queue: &Gated, room: i64) -> Result<i64, sqlx::Error> {
    let role = queue.role.as_str();
    let next = sqlx::query(NEXT).bind(role).bind(&queue.tenant).bind(room).fetch_all(&mut *tx.connection).await?;
    if next.is_empty() {
        return Ok(0);
    }
    let mut ends: BTreeMap<u8, i64> = BTreeMap::new();
    let mut tags = Vec::with_capacity(next.len());
    for row in &next {
        let end = ends.entry(row.try_get("priority")?).or_insert(row.try_get("tag")?);
        tags.push((hex(rows::job_id(row, "id")?.0), *end));
        *end += queue.step;
    }
    sqlx::query(LET).bind(list(tags)?).bind(queue.gated).execute(&mut *tx.connection).await?;
    sqlx::query(CHARGED).bind(role).bind(&queue.tenant).bind(list(ends)?).execute(&mut *tx.connection).await?;
    tx.hints.wake(queue.role);
    Ok(i64::try_from(next.len()).unwrap_or(i64::MAX))
}
