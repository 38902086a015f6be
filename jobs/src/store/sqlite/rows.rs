//! Rows of SQLite, and what they become.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::entry::Entry;
use crate::{
    id::{DeadLetterId, JobId, WorkerId},
    record::{Attempt, JobRecord, RecordedError},
    role::Role,
    store::{
        Claimed, DeadLetter, DeadLetterPage, Glance, HeldRun, JobPage, JobSummary, LogBegin, LogKept, LogLine, LostRun,
        Moment, Pause, Pool, Queue, Quota, ReadyJob, RoleDepth, Run, RunUnderWay, StoreError, Tenant, Terms,
        WorkerInfo, json,
    },
    trace::TraceContext,
};

type Read<T> = Result<T, sqlx::Error>;

/// What a failed statement means for the caller. Data that the database refuses (a
/// constraint, a value of the wrong type or too long) will be refused again; all else,
/// from a full disk to a busy file, may pass.
pub(super) fn classify(error: &sqlx::Error) -> StoreError {
    // The result codes of https://sqlite.org/rescode.html, without what extends them.
    const TOO_BIG: u32 = 18;
    const CONSTRAINT: u32 = 19;
    const MISMATCH: u32 = 20;
    let primary = error.as_database_error().and_then(|e| e.code()?.parse::<u32>().ok()).map(|code| code & 0xff);
    match (primary, error) {
        (Some(TOO_BIG | CONSTRAINT | MISMATCH), _) | (None, sqlx::Error::Encode(_)) => {
            StoreError::Rejected(error.to_string())
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}

pub(super) fn parsed<T>(text: &str) -> Read<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

pub(super) fn role(row: &SqliteRow) -> Read<Role> {
    parsed(row.try_get("role")?)
}

pub(super) fn count(row: &SqliteRow, column: &str) -> Read<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}

pub(super) fn job_id(row: &SqliteRow, column: &str) -> Read<JobId> {
    Ok(JobId(row.try_get(column)?))
}

pub(super) fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

pub(super) fn perhaps_job_id(row: &SqliteRow, column: &str) -> Read<Option<JobId>> {
    Ok(row.try_get::<Option<Uuid>, _>(column)?.map(JobId))
}

pub(super) fn small(row: &SqliteRow, column: &str) -> Read<u32> {
    Ok(u32::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}

pub(super) fn at(row: &SqliteRow, column: &str) -> Read<DateTime<Utc>> {
    Ok(time(row.try_get(column)?))
}

pub(super) fn perhaps_at(row: &SqliteRow, column: &str) -> Read<Option<DateTime<Utc>>> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(time))
}

fn raw(text: String) -> Read<Box<RawValue>> {
    RawValue::from_string(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

pub(super) fn json(row: &SqliteRow, column: &str) -> Read<Option<Box<RawValue>>> {
    row.try_get::<Option<String>, _>(column)?.map(raw).transpose()
}

pub(super) fn recorded_error(row: &SqliteRow, at: &str) -> Read<Option<RecordedError>> {
    let code: Option<String> = row.try_get("error_code")?;
    let message: Option<String> = row.try_get("error_message")?;
    Ok(match (code, message, perhaps_at(row, at)?) {
        (Some(code), Some(message), Some(at)) => Some(RecordedError { code, message, at }),
        _ => None,
    })
}

pub(super) fn run(row: &SqliteRow) -> Read<Run> {
    Ok(Run { id: job_id(row, "id")?, lease: row.try_get("run_lease")? })
}

/// One that cannot be read is as good as none: nothing is to fail for it.
pub(super) fn trace(row: &SqliteRow) -> Read<Option<TraceContext>> {
    Ok(row.try_get::<Option<&str>, _>("trace_context")?.and_then(TraceContext::stored))
}

pub(super) fn claimed(row: &SqliteRow, role: Role) -> Read<Claimed> {
    Ok(Claimed {
        run: run(row)?,
        tenant_id: row.try_get("tenant_id")?,
        kind: row.try_get("kind")?,
        role,
        priority: row.try_get("priority")?,
        attempt: small(row, "attempt")?,
        max_attempts: small(row, "max_attempts")?,
        timeout: Duration::from_millis(count(row, "timeout_ms")?),
        payload: raw(row.try_get("payload")?)?,
        checkpoint: json(row, "checkpoint")?,
        parent_id: perhaps_job_id(row, "parent_id")?,
        trace: trace(row)?,
        run_at: at(row, "run_at")?,
        claimed_at: at(row, "started_at")?,
    })
}

pub(super) fn ready(row: &SqliteRow) -> Read<ReadyJob> {
    Ok(ReadyJob { priority: row.try_get("priority")?, fair_tag: row.try_get("fair_tag")?, id: job_id(row, "id")? })
}

pub(super) fn tenant(row: &SqliteRow) -> Read<Tenant> {
    let suspended_at = perhaps_at(row, "suspended_at")?;
    let most =
        |column| row.try_get::<Option<i64>, _>(column).map(|most| most.and_then(|most| u64::try_from(most).ok()));
    Ok(Tenant {
        id: row.try_get("id")?,
        terms: Terms {
            weight: row.try_get("weight")?,
            max_payload: most("max_payload")?,
            max_result: most("max_result")?,
            sandbox_limits: json::read(row.try_get("sandbox_limits")?)?,
            suspended: suspended_at.is_some(),
        },
        suspended_at,
        created_at: at(row, "created_at")?,
    })
}

pub(super) fn entry(row: &SqliteRow) -> Read<Entry> {
    Ok(Entry {
        role: role(row)?,
        priority: row.try_get("priority")?,
        id: job_id(row, "id")?,
        tenant_id: row.try_get("tenant_id")?,
    })
}

pub(super) fn held(row: &SqliteRow) -> Read<HeldRun> {
    Ok(HeldRun { run: run(row)?, role: role(row)?, cancel: row.try_get("cancel")? })
}

pub(super) fn lost(row: &SqliteRow) -> Read<LostRun> {
    Ok(LostRun {
        run: run(row)?,
        role: role(row)?,
        attempt: small(row, "attempt")?,
        max_attempts: small(row, "max_attempts")?,
        lost_before: small(row, "lost")?,
    })
}

pub(super) fn worker(row: &SqliteRow) -> Read<WorkerInfo> {
    let (roles, capacities): (Vec<Role>, Vec<u32>) = (listed(row, "roles")?, listed(row, "capacities")?);
    Ok(WorkerInfo {
        id: WorkerId(row.try_get("id")?),
        host: row.try_get("host")?,
        pid: small(row, "pid")?,
        pools: roles.into_iter().zip(capacities).map(|(role, capacity)| Pool { role, capacity }).collect(),
        version: row.try_get("version")?,
        started_at: at(row, "started_at")?,
        heartbeat_at: at(row, "heartbeat_at")?,
        draining_since: perhaps_at(row, "draining_at")?,
    })
}

pub(super) fn run_under_way(row: &SqliteRow) -> Read<RunUnderWay> {
    Ok(RunUnderWay {
        job: job_id(row, "id")?,
        tenant_id: row.try_get("tenant_id")?,
        kind: row.try_get("kind")?,
        role: role(row)?,
        attempt: small(row, "attempt")?,
        started_at: at(row, "started_at")?,
        cancel: row.try_get("cancel")?,
    })
}

pub(super) fn job(row: &SqliteRow) -> Read<JobRecord> {
    Ok(JobRecord {
        id: job_id(row, "id")?,
        tenant_id: row.try_get("tenant_id")?,
        kind: row.try_get("kind")?,
        role: role(row)?,
        state: parsed(row.try_get("state")?)?,
        priority: u8::try_from(row.try_get::<i64, _>("priority")?).unwrap_or(9),
        attempt: small(row, "attempt")?,
        max_attempts: small(row, "max_attempts")?,
        timeout_ms: count(row, "timeout_ms")?,
        payload: raw(row.try_get("payload")?)?,
        result: json(row, "result")?,
        progress: json(row, "progress")?,
        metadata: json(row, "metadata")?,
        callback_url: row.try_get("callback_url")?,
        parent_id: perhaps_job_id(row, "parent_id")?,
        error: recorded_error(row, "error_at")?,
        worker_id: row.try_get::<Option<Uuid>, _>("worker_id")?.map(WorkerId),
        cancel_requested: row.try_get("cancel_requested")?,
        run_at: at(row, "run_at")?,
        created_at: at(row, "created_at")?,
        started_at: perhaps_at(row, "started_at")?,
        finished_at: perhaps_at(row, "finished_at")?,
        cost_micros: row.try_get("cost_micros")?,
        max_cost: row.try_get("max_cost")?,
    })
}

/// Every row says where looking ended; one that says nothing else stands for an empty page.
pub(super) fn job_page(rows: &[SqliteRow]) -> Read<JobPage> {
    let mut page = JobPage::default();
    for row in rows {
        page.looked_to = row.try_get::<Option<Uuid>, _>("looked_to")?.map(JobId);
        if row.try_get::<Option<Uuid>, _>("id")?.is_some() {
            page.jobs.push(job(row)?);
        }
    }
    Ok(page)
}

pub(super) fn summary(row: &SqliteRow) -> Read<JobSummary> {
    Ok(JobSummary { job: job(row)?, result_omitted: row.try_get("result_omitted")?, trace: trace(row)? })
}

pub(super) fn glance(row: &SqliteRow) -> Read<Glance> {
    Ok(Glance {
        job: job_id(row, "id")?,
        moment: Moment {
            state: parsed(row.try_get("state")?)?,
            attempt: small(row, "attempt")?,
            error_at: perhaps_at(row, "error_at")?,
            run_at: at(row, "run_at")?,
            started_at: perhaps_at(row, "started_at")?,
            finished_at: perhaps_at(row, "finished_at")?,
            cost_micros: row.try_get("cost_micros")?,
        },
        progress: json(row, "progress")?,
        last_line: count(row, "last_line")?,
    })
}

pub(super) fn log_kept(row: &SqliteRow) -> Read<LogKept> {
    Ok(LogKept { run: run(row)?, begin: LogBegin { seq: count(row, "seq")?, bytes: count(row, "bytes")? } })
}

pub(super) fn log_line(row: &SqliteRow) -> Read<LogLine> {
    Ok(LogLine {
        seq: count(row, "seq")?,
        attempt: small(row, "attempt")?,
        stream: parsed(row.try_get("stream")?)?,
        at: at(row, "at")?,
        text: row.try_get("text")?,
    })
}

pub(super) fn attempt(row: &SqliteRow) -> Read<Attempt> {
    Ok(Attempt {
        attempt: small(row, "attempt")?,
        outcome: row.try_get("outcome")?,
        error: recorded_error(row, "finished_at")?,
        worker_id: row.try_get::<Option<Uuid>, _>("worker_id")?.map(WorkerId),
        started_at: at(row, "started_at")?,
        finished_at: perhaps_at(row, "finished_at")?,
    })
}

pub(super) fn dead_letter_page(rows: &[SqliteRow]) -> Read<DeadLetterPage> {
    let mut page = DeadLetterPage::default();
    for row in rows {
        page.looked_to = row.try_get::<Option<Uuid>, _>("looked_to")?.map(DeadLetterId);
        if row.try_get::<Option<Uuid>, _>("id")?.is_some() {
            page.letters.push(dead_letter(row)?);
        }
    }
    Ok(page)
}

pub(super) fn dead_letter(row: &SqliteRow) -> Read<DeadLetter> {
    Ok(DeadLetter {
        id: DeadLetterId(row.try_get("id")?),
        tenant_id: row.try_get("tenant_id")?,
        job_id: perhaps_job_id(row, "job_id")?,
        original_subject: row.try_get("original_subject")?,
        kind: row.try_get("kind")?,
        role: row.try_get::<Option<&str>, _>("role")?.map(parsed).transpose()?,
        payload: raw(row.try_get("payload")?)?,
        error_code: row.try_get("error_code")?,
        error: row.try_get("error")?,
        attempts: small(row, "attempts")?,
        created_at: at(row, "created_at")?,
        resolved: row.try_get("resolved")?,
        resolution: row.try_get("resolution")?,
        resolved_by: row.try_get("resolved_by")?,
        resolved_at: perhaps_at(row, "resolved_at")?,
    })
}

pub(super) fn queue(row: &SqliteRow, now: i64) -> Read<Queue> {
    let pause = |paused: &str, by: &str, at: &str| {
        let pause = Pause { by: row.try_get(by)?, at: perhaps_at(row, at)? };
        Ok::<_, sqlx::Error>(row.try_get::<bool, _>(paused)?.then_some(pause))
    };
    Ok(Queue {
        role: role(row)?,
        tenant_id: row.try_get("tenant_id")?,
        pause: pause("paused", "paused_by", "paused_at")?,
        role_pause: pause("role_paused", "role_paused_by", "role_paused_at")?,
        quota: Quota {
            max_queued: row.try_get::<Option<i64>, _>("max_queued")?.and_then(|most| u64::try_from(most).ok()),
            max_running: row.try_get("max_running")?,
        },
        ready: count(row, "ready")?,
        scheduled: count(row, "scheduled")?,
        running: count(row, "running")?,
        at_least: row.try_get("at_least")?,
        oldest_wait: since(row, "oldest", now)?,
    })
}

pub(super) fn role_depth(row: &SqliteRow, now: i64) -> Read<RoleDepth> {
    Ok(RoleDepth {
        role: role(row)?,
        ready: count(row, "ready")?,
        held: count(row, "held")?,
        scheduled: count(row, "scheduled")?,
        running: count(row, "running")?,
        at_least: row.try_get("at_least")?,
        capacity: count(row, "capacity")?,
        oldest_wait: since(row, "oldest", now)?,
        oldest_run: since(row, "oldest_run", now)?,
    })
}

/// How long a time has been past at `now`; zero where there is none.
fn since(row: &SqliteRow, column: &str, now: i64) -> Read<Duration> {
    let past: Option<i64> = row.try_get(column)?;
    Ok(Duration::from_micros(past.map_or(0, |at| u64::try_from(now.saturating_sub(at)).unwrap_or(0))))
}

fn listed<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Read<Vec<T>> {
    json::read(row.try_get(column)?)
}
