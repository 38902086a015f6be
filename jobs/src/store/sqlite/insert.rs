//! Jobs come in.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::{
    entry::{self, Arrival, Entry},
    moves,
    params::{after, hex, hex_bytes, list, micros, millis},
    queues::{self, Room},
    rows::time,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    id::JobId,
    store::{Due, IDEMPOTENCY_WINDOW, Inserted, NewJob},
};

const FILE: &str = include_str!("../../sql/sqlite/insert.sql");
const TENANTS: &str = step(FILE, "tenants");
const KEYED: &str = step(FILE, "keyed");
const REMEMBER: &str = step(FILE, "remember");
const JOBS: &str = step(FILE, "jobs");
const RECORDED: &str = step(FILE, "recorded");
const ADOPT: &str = step(FILE, "adopt");

pub(super) struct Insert {
    pub jobs: Vec<NewJob>,
    /// Tenants that may not have a row yet, each with a fresh secret.
    pub strangers: Vec<(String, [u8; 32])>,
}

/// Tenant, route and key of a submission that may be repeated.
type Key = (String, String, String);

#[async_trait]
impl Verb for Insert {
    type Answer = Vec<Inserted>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<Inserted>, sqlx::Error> {
        know_tenants(tx, &self.strangers).await?;
        let repeats = repeats(tx, &self.jobs).await?;
        let first = self.jobs.iter().zip(&repeats).filter(|(_, repeat)| repeat.is_none()).map(|(job, _)| job);
        let mut first: Vec<&NewJob> = first.collect();
        let Room { refused, later } = queues::room(tx, &first).await?;
        queues::charge(tx, &later).await?;
        first.retain(|job| !refused.contains_key(&job.id));
        take_keys(tx, &first).await?;
        let recorded = record(tx, &first, false).await?;
        entry::admit(tx, entry::ASIDE).await?;
        let answers = self.jobs.iter().zip(repeats).map(|(job, repeat)| {
            let original = match &repeat {
                Some(Inserted::Replayed { id }) => *id,
                _ => job.id,
            };
            if let Some(max_queued) = refused.get(&original) {
                return Inserted::QueueFull { max_queued: *max_queued };
            }
            repeat.unwrap_or_else(|| {
                let (run_at, created_at) =
                    recorded.get(&job.id).copied().unwrap_or_else(|| (run_at(job, tx.now), tx.now));
                Inserted::New { id: job.id, run_at: time(run_at), created_at: time(created_at) }
            })
        });
        Ok(answers.collect())
    }
}

/// Makes sure that tenants have a row, which holds their secret and their weight.
pub(super) async fn know_tenants(tx: &mut Tx<'_>, strangers: &[(String, [u8; 32])]) -> Result<(), sqlx::Error> {
    if !strangers.is_empty() {
        let tenants = list(strangers.iter().map(|(id, secret)| (id, hex_bytes(secret))))?;
        sqlx::query(TENANTS).bind(tenants).bind(tx.now).execute(&mut *tx.connection).await?;
    }
    Ok(())
}

/// What the jobs repeat that do not come first with their idempotency key: one entry a job.
pub(super) async fn repeats(tx: &mut Tx<'_>, jobs: &[NewJob]) -> Result<Vec<Option<Inserted>>, sqlx::Error> {
    let mut taken = taken_keys(tx, jobs).await?;
    let repeats = jobs
        .iter()
        .map(|job| {
            let idempotency = job.idempotency.as_ref()?;
            let key = (job.tenant_id.clone(), idempotency.route.clone(), idempotency.key.clone());
            match taken.get(&key) {
                // The job itself came twice: it is recorded, not replayed.
                Some((_, id)) if *id == job.id => None,
                Some((fingerprint, id)) if *fingerprint == idempotency.fingerprint => {
                    Some(Inserted::Replayed { id: *id })
                }
                Some(_) => Some(Inserted::KeyReused),
                None => {
                    taken.insert(key, (idempotency.fingerprint, job.id));
                    None
                }
            }
        })
        .collect();
    Ok(repeats)
}

/// Takes the keys of jobs that come first with theirs.
pub(super) async fn take_keys(tx: &mut Tx<'_>, jobs: &[&NewJob]) -> Result<(), sqlx::Error> {
    let fresh: Vec<_> = jobs
        .iter()
        .filter_map(|job| {
            let i = job.idempotency.as_ref()?;
            Some((&job.tenant_id, &i.route, &i.key, hex_bytes(&i.fingerprint), hex(job.id.0)))
        })
        .collect();
    if !fresh.is_empty() {
        sqlx::query(REMEMBER).bind(list(fresh)?).bind(tx.now).execute(&mut *tx.connection).await?;
    }
    Ok(())
}

/// What is known of the keys of these jobs.
async fn taken_keys(tx: &mut Tx<'_>, jobs: &[NewJob]) -> Result<HashMap<Key, ([u8; 32], JobId)>, sqlx::Error> {
    let asked: Vec<_> =
        jobs.iter().filter_map(|job| job.idempotency.as_ref().map(|i| (&job.tenant_id, &i.route, &i.key))).collect();
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let window = i64::try_from(IDEMPOTENCY_WINDOW.as_micros()).unwrap_or(i64::MAX);
    let rows = sqlx::query(KEYED).bind(list(asked)?).bind(tx.now - window).fetch_all(&mut *tx.connection).await?;
    rows.iter()
        .map(|row| {
            let fingerprint: &[u8] = row.try_get("fingerprint")?;
            let fingerprint = fingerprint.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            let key = (row.try_get("tenant_id")?, row.try_get("route")?, row.try_get("key")?);
            Ok((key, (fingerprint, JobId(row.try_get("job_id")?))))
        })
        .collect()
}

pub(super) fn run_at(job: &NewJob, now: i64) -> i64 {
    match job.due {
        Due::Now => now,
        Due::At(at) => micros(at),
        Due::In(delay) => after(now, delay),
    }
}

/// When a job is due and since when it is known, in microseconds.
type Times = (i64, i64);

/// Records jobs and their place in the queue. Where none of them was known before, as is
/// the rule, the answer is empty; else it holds the times of every one.
pub(super) async fn record(
    tx: &mut Tx<'_>,
    jobs: &[&NewJob],
    awaited: bool,
) -> Result<HashMap<JobId, Times>, sqlx::Error> {
    match record_new(tx, jobs, awaited).await {
        Err(error) if error.as_database_error().is_some_and(|e| e.is_unique_violation()) => {}
        result => return result.map(|()| HashMap::new()),
    }
    let known = recorded(tx, jobs).await?;
    let mut ids: HashSet<JobId> = known.keys().copied().collect();
    let new: Vec<&NewJob> = jobs.iter().copied().filter(|job| ids.insert(job.id)).collect();
    record_new(tx, &new, awaited).await?;
    let mut times = known;
    times.extend(new.into_iter().map(|job| (job.id, (run_at(job, tx.now), tx.now))));
    Ok(times)
}

pub(super) async fn recorded(tx: &mut Tx<'_>, jobs: &[&NewJob]) -> Result<HashMap<JobId, Times>, sqlx::Error> {
    let ids = list(jobs.iter().map(|job| hex(job.id.0)))?;
    let rows = sqlx::query(RECORDED).bind(ids).fetch_all(&mut *tx.connection).await?;
    rows.iter()
        .map(|row| Ok((JobId(row.try_get("id")?), (row.try_get("run_at")?, row.try_get("created_at")?))))
        .collect()
}

/// Records jobs that were not known before; fails where one was.
pub(super) async fn record_new(tx: &mut Tx<'_>, jobs: &[&NewJob], awaited: bool) -> Result<(), sqlx::Error> {
    if jobs.is_empty() {
        return Ok(());
    }
    let now = tx.now;
    let rows = list(jobs.iter().map(|job| {
        let run_at = run_at(job, now);
        (
            hex(job.id.0),
            &job.tenant_id,
            &job.kind,
            job.role.as_str(),
            if run_at <= now { "queued" } else { "scheduled" },
            job.priority,
            // As a string within the list, so that the text is kept as it came.
            job.payload.get(),
            job.max_attempts,
            millis(job.timeout),
            run_at,
            job.metadata.as_ref().map(|metadata| metadata.get()),
            &job.callback_url,
            job.parent_id.map(|id| hex(id.0)),
            job.trace.as_ref().map(ToString::to_string),
            job.max_cost,
        )
    }))?;
    sqlx::query(JOBS).bind(rows).bind(now).bind(awaited).execute(&mut *tx.connection).await?;

    let (due, later): (Vec<&NewJob>, Vec<&NewJob>) = jobs.iter().partition(|job| run_at(job, now) <= now);
    let due = due.iter().map(|job| Entry {
        role: job.role,
        priority: job.priority,
        id: job.id,
        tenant_id: job.tenant_id.clone(),
    });
    entry::ready(tx, due, Arrival::New).await?;
    let later = later.iter().map(|job| (job.id, run_at(job, now), job.role, job.priority, job.tenant_id.as_str()));
    moves::scheduled(tx, later).await
}

/// Makes children that were recorded before be awaited by their parent, unless they have
/// ended already. Answers how many of each parent are.
pub(super) async fn adopt(
    tx: &mut Tx<'_>,
    children: impl IntoIterator<Item = (JobId, JobId)>,
) -> Result<HashMap<JobId, u32>, sqlx::Error> {
    let children = list(children.into_iter().map(|(child, parent)| (hex(child.0), hex(parent.0))))?;
    let parents: Vec<Uuid> = sqlx::query_scalar(ADOPT).bind(children).fetch_all(&mut *tx.connection).await?;
    let mut adopted = HashMap::new();
    for parent in parents {
        *adopted.entry(JobId(parent)).or_insert(0) += 1;
    }
    Ok(adopted)
}
