//! Rows of PostgreSQL, and what they become.

use std::{borrow::Cow, time::Duration};

use serde_json::value::RawValue;
use sqlx::{ColumnIndex, Postgres, Row, postgres::PgArguments, postgres::PgRow, query::Query};
use uuid::Uuid;

use crate::{
    id::{DeadLetterId, JobId, WorkerId},
    record::{Attempt, JobRecord, RecordedError},
    role::Role,
    store::{
        Claimed, DeadLetter, DeadLetterFilter, DeadLetterPage, Glance, HeldRun, JobPage, JobSummary, LogBegin, LogKept,
        LogLine, LostRun, Moment, Pool, Promoted, ReadyJob, Run, RunUnderWay, StoreError, WorkerInfo,
    },
    trace::TraceContext,
};

type Read<T> = Result<T, sqlx::Error>;

/// What a failed statement means for the caller. Data that the database refuses (class 21
/// cardinality violation, 22 data exception, 23 constraint violation, 54 limit exceeded, as by a
/// key too long for its index) will be refused again; all else may pass.
pub(super) fn classify(error: sqlx::Error) -> StoreError {
    let refused = error
        .as_database_error()
        .and_then(|e| e.code())
        .is_some_and(|code| ["21", "22", "23", "54"].iter().any(|class| code.starts_with(class)));
    match refused {
        true => StoreError::Rejected(error.to_string()),
        false => StoreError::Unavailable(error.to_string()),
    }
}

/// PostgreSQL's text has no NUL; what an outside server answered may.
pub(super) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

pub(super) fn role(row: &PgRow, column: &str) -> Read<Role> {
    parsed(row.try_get(column)?)
}

pub(super) fn job_id(row: &PgRow, column: &str) -> Read<JobId> {
    Ok(JobId(row.try_get(column)?))
}

pub(super) fn count<I: ColumnIndex<PgRow>>(row: &PgRow, column: I) -> Read<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}

pub(super) fn parsed<T>(text: &str) -> Read<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

pub(super) fn perhaps_job_id(row: &PgRow, column: &str) -> Read<Option<JobId>> {
    Ok(row.try_get::<Option<Uuid>, _>(column)?.map(JobId))
}

pub(super) fn small(row: &PgRow, column: &str) -> Read<u32> {
    Ok(u32::try_from(row.try_get::<i32, _>(column)?).unwrap_or(0))
}

pub(super) fn json(row: &PgRow, column: &str) -> Read<Option<Box<RawValue>>> {
    row.try_get::<Option<String>, _>(column)?
        .map(|text| RawValue::from_string(text).map_err(|error| sqlx::Error::Decode(Box::new(error))))
        .transpose()
}

pub(super) fn payload(row: &PgRow) -> Read<Box<RawValue>> {
    Ok(json(row, "payload")?.unwrap_or_else(|| RawValue::NULL.to_owned()))
}

pub(super) fn recorded_error(row: &PgRow, at: &str) -> Read<Option<RecordedError>> {
    let code: Option<String> = row.try_get("error_code")?;
    let message: Option<String> = row.try_get("error_message")?;
    let at = row.try_get(at)?;
    Ok(match (code, message, at) {
        (Some(code), Some(message), Some(at)) => Some(RecordedError { code, message, at }),
        _ => None,
    })
}

/// One that cannot be read is as good as none: nothing is to fail for it.
pub(super) fn trace(row: &PgRow) -> Read<Option<TraceContext>> {
    Ok(row.try_get::<Option<&str>, _>("trace_context")?.and_then(TraceContext::stored))
}

pub(super) fn claimed(row: &PgRow, role: Role) -> Read<Claimed> {
    Ok(Claimed {
        run: run(row)?,
        tenant_id: row.try_get("tenant_id")?,
        kind: row.try_get("kind")?,
        role,
        priority: u8::try_from(row.try_get::<i16, _>("priority")?).unwrap_or(9),
        attempt: small(row, "attempt")?,
        max_attempts: small(row, "max_attempts")?,
        timeout: Duration::from_millis(count(row, "timeout_ms")?),
        payload: payload(row)?,
        checkpoint: json(row, "checkpoint")?,
        parent_id: perhaps_job_id(row, "parent_id")?,
        trace: trace(row)?,
        run_at: row.try_get("run_at")?,
        claimed_at: row.try_get("started_at")?,
    })
}

pub(super) fn ready(row: &PgRow) -> Read<ReadyJob> {
    Ok(ReadyJob {
        priority: u8::try_from(row.try_get::<i16, _>("priority")?).unwrap_or(9),
        fair_tag: row.try_get("fair_tag")?,
        id: JobId(row.try_get("id")?),
    })
}

fn run(row: &PgRow) -> Read<Run> {
    Ok(Run { id: JobId(row.try_get("id")?), lease: row.try_get("run_lease")? })
}

pub(super) fn held(row: &PgRow) -> Read<HeldRun> {
    Ok(HeldRun { run: run(row)?, role: role(row, "role")?, cancel: row.try_get("cancel")? })
}

pub(super) fn lost(row: &PgRow) -> Read<LostRun> {
    Ok(LostRun {
        run: run(row)?,
        role: role(row, "role")?,
        attempt: small(row, "attempt")?,
        max_attempts: small(row, "max_attempts")?,
        lost_before: small(row, "lost")?,
    })
}

pub(super) fn promoted(row: &PgRow, limit: u32) -> Read<Promoted> {
    let moved = u32::try_from(row.try_get::<i64, _>("moved")?).unwrap_or(u32::MAX);
    let ready: Vec<String> = row.try_get("ready")?;
    let next: Option<i64> = row.try_get("next_due_ms")?;
    let next_due = next.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    Ok(Promoted {
        moved,
        ready: ready.iter().map(|role| parsed(role)).collect::<Read<_>>()?,
        // A full batch means that more may be due already.
        next_due: if moved == limit { Some(Duration::ZERO) } else { next_due },
    })
}

/// Whether any wait is over.
pub(super) fn lapsed(row: &PgRow) -> Read<bool> {
    row.try_get("lapsed")
}

/// The roles with gated queues.
pub(super) fn gated(row: &PgRow) -> Read<Vec<Role>> {
    row.try_get::<Vec<String>, _>("gated")?.iter().map(|role| parsed(role)).collect()
}

pub(super) fn worker(row: &PgRow) -> Read<WorkerInfo> {
    let (roles, capacities): (Vec<String>, Vec<i32>) = (row.try_get("roles")?, row.try_get("capacities")?);
    let pool = |(role, capacity): (&String, i32)| {
        Ok(Pool { role: parsed(role)?, capacity: u32::try_from(capacity).unwrap_or(0) })
    };
    Ok(WorkerInfo {
        id: WorkerId(row.try_get("id")?),
        host: row.try_get("host")?,
        pid: u32::try_from(row.try_get::<i64, _>("pid")?).unwrap_or(0),
        pools: roles.iter().zip(capacities).map(pool).collect::<Read<_>>()?,
        version: row.try_get("version")?,
        started_at: row.try_get("started_at")?,
        heartbeat_at: row.try_get("heartbeat_at")?,
        draining_since: row.try_get("draining_at")?,
    })
}

pub(super) fn run_under_way(row: &PgRow) -> Read<RunUnderWay> {
    Ok(RunUnderWay {
        job: job_id(row, "id")?,
        tenant_id: row.try_get("tenant_id")?,
        kind: row.try_get("kind")?,
        role: role(row, "role")?,
        attempt: small(row, "attempt")?,
        started_at: row.try_get("started_at")?,
        cancel: row.try_get("cancel")?,
    })
}

/// What one look of `cancel.sql` did.
pub(super) struct Cancelled {
    pub found: bool,
    pub ended: Vec<JobId>,
    pub flagged: u64,
    /// Those of them that nobody had asked before.
    pub asked: u64,
    pub missed: i64,
    pub told: bool,
    /// Of the jobs that ended or were asked to: those of kind `escalation`.
    pub asking: Vec<Uuid>,
    pub resumed: Option<Role>,
}

pub(super) fn cancelled(row: &PgRow) -> Read<Cancelled> {
    let ended: Vec<Uuid> = row.try_get("ended")?;
    let resumed: Option<String> = row.try_get("resumed")?;
    Ok(Cancelled {
        found: row.try_get("found")?,
        ended: ended.into_iter().map(JobId).collect(),
        flagged: count(row, "flagged")?,
        asked: count(row, "asked")?,
        missed: row.try_get("missed")?,
        told: row.try_get("told")?,
        asking: row.try_get("asking")?,
        resumed: resumed.as_deref().map(parsed).transpose()?,
    })
}

pub(super) fn job(row: &PgRow) -> Read<JobRecord> {
    Ok(JobRecord {
        id: JobId(row.try_get("id")?),
        tenant_id: row.try_get("tenant_id")?,
        kind: row.try_get("kind")?,
        role: role(row, "role")?,
        state: parsed(row.try_get("state")?)?,
        priority: u8::try_from(row.try_get::<i16, _>("priority")?).unwrap_or(9),
        attempt: small(row, "attempt")?,
        max_attempts: small(row, "max_attempts")?,
        timeout_ms: count(row, "timeout_ms")?,
        payload: payload(row)?,
        result: json(row, "result")?,
        progress: json(row, "progress")?,
        metadata: json(row, "metadata")?,
        callback_url: row.try_get("callback_url")?,
        parent_id: perhaps_job_id(row, "parent_id")?,
        error: recorded_error(row, "error_at")?,
        worker_id: row.try_get::<Option<Uuid>, _>("worker_id")?.map(WorkerId),
        cancel_requested: row.try_get("cancel_requested")?,
        run_at: row.try_get("run_at")?,
        created_at: row.try_get("created_at")?,
        started_at: row.try_get("started_at")?,
        finished_at: row.try_get("finished_at")?,
        cost_micros: row.try_get("cost_micros")?,
        max_cost: row.try_get("max_cost")?,
    })
}

/// Every row says where looking ended; one that says nothing else stands for an empty page.
pub(super) fn job_page(rows: &[PgRow]) -> Read<JobPage> {
    let mut page = JobPage::default();
    for row in rows {
        page.looked_to = row.try_get::<Option<Uuid>, _>("looked_to")?.map(JobId);
        if row.try_get::<Option<Uuid>, _>("id")?.is_some() {
            page.jobs.push(job(row)?);
        }
    }
    Ok(page)
}

pub(super) fn summary(row: &PgRow) -> Read<JobSummary> {
    Ok(JobSummary { job: job(row)?, result_omitted: row.try_get("result_omitted")?, trace: trace(row)? })
}

pub(super) fn glance(row: &PgRow) -> Read<Glance> {
    Ok(Glance {
        job: job_id(row, "id")?,
        moment: Moment {
            state: parsed(row.try_get("state")?)?,
            attempt: small(row, "attempt")?,
            error_at: row.try_get("error_at")?,
            run_at: row.try_get("run_at")?,
            started_at: row.try_get("started_at")?,
            finished_at: row.try_get("finished_at")?,
            cost_micros: row.try_get("cost_micros")?,
        },
        progress: json(row, "progress")?,
        last_line: count(row, "last_line")?,
    })
}

pub(super) fn log_kept(row: &PgRow) -> Read<LogKept> {
    Ok(LogKept { run: run(row)?, begin: LogBegin { seq: count(row, "seq")?, bytes: count(row, "bytes")? } })
}

pub(super) fn log_line(row: &PgRow) -> Read<LogLine> {
    Ok(LogLine {
        seq: count(row, "seq")?,
        attempt: small(row, "attempt")?,
        stream: parsed(row.try_get("stream")?)?,
        at: row.try_get("at")?,
        text: row.try_get("text")?,
    })
}

pub(super) fn attempt(row: &PgRow) -> Read<Attempt> {
    Ok(Attempt {
        attempt: small(row, "attempt")?,
        outcome: row.try_get("outcome")?,
        error: recorded_error(row, "finished_at")?,
        worker_id: row.try_get::<Option<Uuid>, _>("worker_id")?.map(WorkerId),
        started_at: row.try_get("started_at")?,
        finished_at: row.try_get("finished_at")?,
    })
}

pub(super) fn dead_letter_page(rows: &[PgRow]) -> Read<DeadLetterPage> {
    let mut page = DeadLetterPage::default();
    for row in rows {
        page.looked_to = row.try_get::<Option<Uuid>, _>("looked_to")?.map(DeadLetterId);
        if row.try_get::<Option<Uuid>, _>("id")?.is_some() {
            page.letters.push(dead_letter(row)?);
        }
    }
    Ok(page)
}

pub(super) fn dead_letter(row: &PgRow) -> Read<DeadLetter> {
    Ok(DeadLetter {
        id: DeadLetterId(row.try_get("id")?),
        tenant_id: row.try_get("tenant_id")?,
        job_id: perhaps_job_id(row, "job_id")?,
        original_subject: row.try_get("original_subject")?,
        kind: row.try_get("kind")?,
        role: row.try_get::<Option<&str>, _>("role")?.map(parsed).transpose()?,
        payload: payload(row)?,
        error_code: row.try_get("error_code")?,
        error: row.try_get("error")?,
        attempts: small(row, "attempts")?,
        created_at: row.try_get("created_at")?,
        resolved: row.try_get("resolved")?,
        resolution: row.try_get("resolution")?,
        resolved_by: row.try_get("resolved_by")?,
        resolved_at: row.try_get("resolved_at")?,
    })
}

/// Binds $1 to $7, which mean the same in every statement over dead letters.
pub(super) fn bind_filter<'q>(
    query: Query<'q, Postgres, PgArguments>,
    filter: &'q DeadLetterFilter,
) -> Query<'q, Postgres, PgArguments> {
    query
        .bind(&filter.tenant_id)
        .bind(filter.ids.iter().map(|id| id.0).collect::<Vec<Uuid>>())
        .bind(&filter.kind)
        .bind(&filter.subject)
        .bind(&filter.error)
        .bind(filter.since)
        .bind(filter.until)
}
