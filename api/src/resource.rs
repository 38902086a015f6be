//! Jobs and dead letters as clients see them.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use golden_jobs::{
    DeadLetterId, JobId, Role, State,
    budgets::Micros,
    record::{JobRecord, RecordedError},
    store::{DeadLetter, Due, NewJob},
};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

pub(crate) mod example;
pub(crate) mod functions;
pub(crate) mod policies;
pub(crate) mod reviews;
pub(crate) mod tasks;
pub(crate) mod webhooks;

/// A job.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Job", example = example::job())]
pub(crate) struct JobResource {
    id: JobId,
    kind: String,
    role: Role,
    tenant: String,
    state: State,
    /// 0 is the most urgent, 9 the least.
    #[schemars(range(max = 9))]
    priority: u8,
    /// Runs begun, less those that did not count: snoozed, or given back by a worker that stops.
    attempt: u32,
    /// Runs that may begin before the job is dead.
    max_attempts: u32,
    /// As it was submitted, character by character.
    payload: Box<RawValue>,
    /// What the succeeded run answered.
    result: Option<Box<RawValue>>,
    /// The last failure. A run that succeeds clears it.
    error: Option<RecordedError>,
    /// What the run under way said of itself last.
    progress: Option<Box<RawValue>>,
    /// What the submitter attached for itself: names with texts.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    metadata: Option<Box<RawValue>>,
    /// The job that made this one, and waits for it.
    parent_id: Option<JobId>,
    /// When it was last due, or will be next.
    run_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    /// The start of the run under way, else of the last one.
    started_at: Option<DateTime<Utc>>,
    /// When it succeeded, died or was cancelled.
    finished_at: Option<DateTime<Utc>>,
    /// Of one run, in seconds.
    #[serde(serialize_with = "as_seconds")]
    #[schemars(with = "f64")]
    timeout: u64,
    /// Told by a webhook when the job ends.
    callback_url: Option<String>,
    /// What its runs have cost, in millionths of a US dollar.
    cost_micros: i64,
    /// What it may cost with all jobs that it makes, likewise.
    max_cost: Option<i64>,
    links: JobLinks,
}

/// Paths of what belongs to a job.
#[derive(Debug, Serialize, JsonSchema)]
struct JobLinks {
    #[serde(rename = "self")]
    itself: String,
    attempts: String,
    logs: String,
    events: String,
    cancel: String,
    retry: String,
    deliveries: String,
}

/// Where a job is read.
pub(crate) fn job_path(id: JobId) -> String {
    format!("/v1/jobs/{id}")
}

impl From<JobRecord> for JobResource {
    fn from(job: JobRecord) -> Self {
        let itself = job_path(job.id);
        Self {
            links: JobLinks {
                attempts: format!("{itself}/attempts"),
                logs: format!("{itself}/logs"),
                events: format!("{itself}/events"),
                cancel: format!("{itself}/cancel"),
                retry: format!("{itself}/retry"),
                deliveries: format!("/v1/webhooks/deliveries?job={}", job.id),
                itself,
            },
            id: job.id,
            kind: job.kind,
            role: job.role,
            tenant: job.tenant_id,
            state: job.state,
            priority: job.priority,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            payload: job.payload,
            result: job.result,
            error: job.error,
            progress: job.progress,
            metadata: job.metadata,
            parent_id: job.parent_id,
            run_at: job.run_at,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            timeout: job.timeout_ms,
            callback_url: job.callback_url,
            cost_micros: job.cost_micros,
            max_cost: job.max_cost,
        }
    }
}

/// A job as it was accepted, which is how every answer to its submission shows it.
pub(crate) fn accepted(id: JobId, job: NewJob, run_at: DateTime<Utc>, created_at: DateTime<Utc>) -> JobResource {
    JobResource::from(JobRecord {
        id,
        tenant_id: job.tenant_id,
        kind: job.kind,
        role: job.role,
        state: if run_at > created_at { State::Scheduled } else { State::Queued },
        priority: job.priority,
        attempt: 0,
        max_attempts: job.max_attempts,
        timeout_ms: u64::try_from(job.timeout.as_millis()).unwrap_or(u64::MAX),
        payload: job.payload,
        result: None,
        progress: None,
        metadata: job.metadata,
        callback_url: job.callback_url,
        parent_id: job.parent_id,
        error: None,
        worker_id: None,
        cancel_requested: false,
        run_at,
        created_at,
        started_at: None,
        finished_at: None,
        cost_micros: 0,
        max_cost: job.max_cost.map(Micros::get),
    })
}

/// The first answer to a submission again: it is the same request, so only what the store and
/// the kind's policy of that time decided comes from the record.
pub(crate) fn as_it_was_accepted(request: NewJob, record: &JobRecord) -> JobResource {
    let created_at = record.created_at;
    let run_at = match request.due {
        Due::Now => created_at,
        Due::At(at) => at.max(created_at),
        Due::In(delay) => created_at + TimeDelta::from_std(delay).unwrap_or(TimeDelta::MAX),
    };
    let timeout = Duration::from_millis(record.timeout_ms);
    // Which version of a function the kind means was settled then, too.
    let job = NewJob { kind: record.kind.clone(), max_attempts: record.max_attempts, timeout, ..request };
    accepted(record.id, job, run_at, created_at)
}

/// A whole number of seconds where it is one.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn as_seconds<S: Serializer>(millis: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    if millis.is_multiple_of(1000) {
        serializer.serialize_u64(millis / 1000)
    } else {
        #[expect(clippy::cast_precision_loss, reason = "timeouts are hours at most")]
        serializer.serialize_f64(*millis as f64 / 1000.0)
    }
}

/// What is left of a job that died.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeadLetter", example = example::dead_letter())]
pub(crate) struct DeadLetterResource {
    id: DeadLetterId,
    /// Null for a message that came in and cannot be a job, until it is replayed.
    job_id: Option<JobId>,
    tenant: String,
    /// `jobs.<role>.<kind>`, or the NATS subject that the message came in on.
    original_subject: String,
    kind: String,
    /// Null for a message.
    role: Option<Role>,
    /// Of the job; the whole message, as a text where it is not JSON.
    payload: Box<RawValue>,
    /// What it died of.
    error: RecordedError,
    /// Attempts the job had spent.
    attempts: u32,
    /// When it died.
    created_at: DateTime<Utc>,
    /// Whether it was replayed or purged.
    resolved: bool,
    /// `replayed` or `purged`.
    resolution: Option<String>,
    /// The subject of the token that did it.
    resolved_by: Option<String>,
    resolved_at: Option<DateTime<Utc>>,
    links: DeadLetterLinks,
}

/// Paths of what belongs to a dead letter.
#[derive(Debug, Serialize, JsonSchema)]
struct DeadLetterLinks {
    #[serde(rename = "self")]
    itself: String,
    replay: String,
    job: Option<String>,
}

impl From<DeadLetter> for DeadLetterResource {
    fn from(letter: DeadLetter) -> Self {
        let itself = format!("/v1/dlq/{}", letter.id);
        Self {
            links: DeadLetterLinks { replay: format!("{itself}/replay"), job: letter.job_id.map(job_path), itself },
            id: letter.id,
            job_id: letter.job_id,
            tenant: letter.tenant_id,
            original_subject: letter.original_subject,
            kind: letter.kind,
            role: letter.role,
            payload: letter.payload,
            // A dead letter is written when its job's last error happens.
            error: RecordedError { code: letter.error_code, message: letter.error, at: letter.created_at },
            attempts: letter.attempts,
            created_at: letter.created_at,
            resolved: letter.resolved,
            resolution: letter.resolution,
            resolved_by: letter.resolved_by,
            resolved_at: letter.resolved_at,
        }
    }
}
