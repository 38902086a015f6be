//! The record of everything: a trait of set-based verbs, on PostgreSQL and on SQLite.
//!
//! The store is the truth and decides by its own clock what is due and which lease is
//! alive. Rules (what follows a failure, when a lost job is dead) are pure functions of
//! [`crate::outcome`]; the store binds, fetches and fences.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use crate::{
    audit::Actor,
    budgets::Micros,
    id::{DeadLetterId, JobId, WorkerId},
    outcome::Verdict,
    record::{Attempt, JobRecord, State},
    role::Role,
    trace::TraceContext,
    wake::Wakes,
};

pub mod audit;
pub mod batch;
pub mod breakers;
pub mod budgets;
pub mod callbacks;
pub mod clock;
mod connect;
pub mod deliveries;
mod depths;
pub mod endpoints;
pub mod escalations;
pub mod events;
pub mod functions;
pub mod guards;
mod json;
mod listing;
pub mod logs;
pub mod messages;
pub mod policies;
pub mod postgres;
pub mod publications;
pub mod queues;
pub mod ready;
pub mod retention;
pub mod reviews;
pub mod schedules;
mod settlement;
pub mod sqlite;
mod steps;
pub mod tenants;
pub mod waits;
pub mod watch;
pub mod workers;

pub use audit::Audit;
pub use batch::{Batches, InsertedBatch, NewBatch};
pub use breakers::Breakers;
pub use budgets::Budgets;
pub use callbacks::Callbacks;
pub use clock::StoreClock;
pub use connect::{ConnectError, ConnectOptions, Inspection, PoolMode, connect, inspect, migrate};
pub use deliveries::Deliveries;
pub use depths::{Consensus, Depths, LATELY, RoleDepth, SILENT_AFTER};
pub use endpoints::Endpoints;
pub use escalations::Escalations;
pub use events::Events;
pub use functions::Functions;
pub use guards::Guards;
pub use logs::{
    LOG_BYTES, LOG_LINES, LOG_TRUNCATED, LogAppend, LogBegin, LogKept, LogLine, LogSlice, LogStream, Logs, NewLine,
};
pub use messages::Messages;
pub use policies::Policies;
pub use publications::Publications;
pub use queues::{LOOKED_AT, Pause, Queue, QueueName, Queues, Quota};
pub use ready::{Ready, ReadyJob};
pub use retention::{Chore, Keep, Next, Pruned, Retention};
pub use reviews::Reviews;
pub use schedules::Schedules;
pub use tenants::{Deleted, Tenant, Tenants, Terms, TermsChange};
pub use waits::{Family, Waits};
pub use watch::{Glance, Moment, Watch};
pub use workers::{DRAIN_KEPT, Heard, HeldRun, LostRun, Pool, RunUnderWay, UnderWay, WorkerInfo, Workers};

/// A worker silent for this long has lost its jobs.
pub const LOST_AFTER: Duration = Duration::from_secs(20);

/// Jobs, dead letters or deliveries that are looked at for one page of a list, at most.
pub const LOOK: u32 = 10_000;

/// How long an idempotency key is remembered.
pub const IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// The record of jobs, workers, dead letters and events.
///
/// Every verb is one transaction, has a deadline, and takes or gives sets; an empty set
/// does nothing. Writes of a run name its lease and change nothing once it is lost. What people change names who does
/// so, and is in the [audit log](Audit) by the same transaction.
#[async_trait]
pub trait Store:
    Audit
    + Batches
    + Breakers
    + Budgets
    + Callbacks
    + Deliveries
    + Endpoints
    + Escalations
    + Events
    + Functions
    + Guards
    + Logs
    + Messages
    + Policies
    + Publications
    + Queues
    + Ready
    + Retention
    + Reviews
    + Schedules
    + Tenants
    + Waits
    + Watch
    + Workers
    + Send
    + Sync
    + 'static
{
    // Jobs come in.

    /// Records jobs, each claimable at once or when its time comes.
    ///
    /// Answers one entry a job, in order. A job whose id is already recorded is left as it
    /// is, so that inserting twice is harmless.
    async fn insert(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>, StoreError>;

    /// Whether something was recorded for a tenant by this key within [`IDEMPOTENCY_WINDOW`], so that a submission by it
    /// is none that is new.
    async fn knows(&self, tenant: &str, idempotency: &Idempotency) -> Result<bool, StoreError>;

    // Jobs run.

    /// Leases up to `limit` of the most urgent ready jobs of `role`, each to one worker only.
    async fn claim(&self, role: Role, limit: u32, worker: WorkerId) -> Result<Vec<Claimed>, StoreError>;

    /// Records how runs ended. Answers the runs whose lease was lost and for which nothing
    /// was changed.
    ///
    /// A run that was asked to stop and did not succeed or die ends as cancelled.
    async fn finish(&self, ends: Vec<RunEnd>) -> Result<Vec<Run>, StoreError>;

    /// Records progress and checkpoints of runs under way. Answers the runs that are lost.
    async fn report(&self, reports: Vec<Report>) -> Result<Vec<Run>, StoreError>;

    /// Makes jobs ready whose time has come, at most `limit`, and those that have waited for as long as they would; says
    /// who has work.
    async fn promote(&self, limit: u32) -> Result<Promoted, StoreError>;

    // Users act.

    /// Cancels a job and everything below it: what waits ends now, what runs is asked to stop.
    /// `None` when the tenant has no such job; else whether anything was still open.
    async fn cancel(&self, tenant: &str, job: JobId, by: &Actor) -> Result<Option<bool>, StoreError>;

    /// Runs a job again: a dead or cancelled one with fresh attempts (resolving its dead
    /// letter), a scheduled or retrying one now.
    async fn retry(&self, tenant: &str, job: JobId, by: &Actor) -> Result<Retried, StoreError>;

    /// One job; `None` when the tenant has no such job.
    async fn job(&self, tenant: &str, job: JobId) -> Result<Option<JobRecord>, StoreError>;

    /// Jobs of whatever tenant, in no order and without what may be large: for Golden's own work,
    /// never for an answer to a caller.
    async fn summaries(&self, jobs: &[JobId]) -> Result<Vec<JobSummary>, StoreError>;

    /// Jobs newest first. A page takes no longer where few match or none: at most [`LOOK`] jobs are
    /// looked at for it.
    async fn jobs(&self, filter: &JobFilter, page: Page<JobId>) -> Result<JobPage, StoreError>;

    /// Which of these jobs have ended.
    async fn ended(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError>;

    /// The children of a job, oldest first.
    async fn children(&self, parent: JobId) -> Result<Vec<JobRecord>, StoreError>;

    /// The runs of a job, oldest first.
    async fn attempts(&self, job: JobId) -> Result<Vec<Attempt>, StoreError>;

    // Dead letters.

    /// Dead letters newest first. A page takes no longer where few match or none: at most [`LOOK`] are
    /// looked at for it.
    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: Page<DeadLetterId>,
    ) -> Result<DeadLetterPage, StoreError>;

    /// How many unresolved dead letters match.
    async fn count_dead_letters(&self, filter: &DeadLetterFilter) -> Result<u64, StoreError>;

    /// Puts the jobs of up to `limit` unresolved dead letters back to work with fresh
    /// attempts, each once however often and by however many it is asked for. Letters of messages have none,
    /// and are left as they are.
    async fn replay(&self, replay: &Replay, limit: u32) -> Result<Vec<JobId>, StoreError>;

    /// Marks up to `limit` unresolved dead letters as purged. Their jobs stay dead.
    async fn purge(&self, filter: &DeadLetterFilter, by: &Actor, limit: u32) -> Result<u64, StoreError>;

    // Housekeeping.

    /// How much there is of what. It takes no longer the more there is.
    async fn depths(&self) -> Result<Depths, StoreError>;

    /// The time by the store's clock.
    async fn time(&self) -> Result<DateTime<Utc>, StoreError>;

    /// Answers when the store does.
    async fn ping(&self) -> Result<(), StoreError>;

    /// The hints that this store's verbs give.
    fn wakes(&self) -> &Wakes;
}

/// Why a verb did nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store did not answer in time or cannot be reached: try again.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The run belongs to somebody else by now.
    #[error("the lease of this run was lost")]
    LeaseLost,
    /// The store refused the data itself: trying again will not help.
    #[error("the store refused the data: {0}")]
    Rejected(String),
}

/// A job to record.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub id: JobId,
    pub tenant_id: String,
    pub kind: String,
    pub role: Role,
    /// 0 (most urgent) to 9.
    pub priority: u8,
    /// Valid for its kind: the store does not look.
    pub payload: Box<RawValue>,
    pub max_attempts: u32,
    /// Wall time of one run.
    pub timeout: Duration,
    pub due: Due,
    /// What the submitter attached for itself. Golden only keeps it.
    pub metadata: Option<Box<RawValue>>,
    /// Where a webhook goes when the job ends.
    pub callback_url: Option<String>,
    pub parent_id: Option<JobId>,
    /// What it may cost with all jobs below it.
    pub max_cost: Option<Micros>,
    /// What its runs go on from, where it is part of a trace.
    pub trace: Option<TraceContext>,
    pub idempotency: Option<Idempotency>,
}

/// When a job may run, by the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Now,
    /// At that time; at once where it is past.
    At(DateTime<Utc>),
    /// So long after it was recorded.
    In(Duration),
}

/// Makes a submission safe to repeat: unique on (tenant, route, key).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// What was asked for: one key may be used once for each.
    pub route: String,
    pub key: String,
    /// SHA-256 of the request in canonical form.
    pub fingerprint: [u8; 32],
}

/// What became of one job of an insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It is on record: as of now, or under the same id from before.
    New { id: JobId, run_at: DateTime<Utc>, created_at: DateTime<Utc> },
    /// The same request came before; this is its job.
    Replayed { id: JobId },
    /// The key was used for another request.
    KeyReused,
    /// The tenant's queue in that role holds as many jobs as it may: nothing was recorded.
    QueueFull { max_queued: u64 },
    /// Its queue could not be looked at; others of the same call were recorded.
    Failed(StoreError),
}

/// One run of a job: the job and the lease that fences the run's writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run {
    pub id: JobId,
    /// A new number for every claim, larger than all before it.
    pub lease: i64,
}

/// A job leased to a worker.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub run: Run,
    pub tenant_id: String,
    pub kind: String,
    pub role: Role,
    /// 0 (most urgent) to 9.
    pub priority: u8,
    /// The number of this run, from 1.
    pub attempt: u32,
    pub max_attempts: u32,
    /// Wall time of this run.
    pub timeout: Duration,
    pub payload: Box<RawValue>,
    /// What an earlier run of the job left for this one.
    pub checkpoint: Option<Box<RawValue>>,
    pub parent_id: Option<JobId>,
    /// That of the job.
    pub trace: Option<TraceContext>,
    /// When it was due, and when it was claimed: the difference is its wait.
    pub run_at: DateTime<Utc>,
    pub claimed_at: DateTime<Utc>,
}

/// How a run ended.
#[derive(Debug)]
pub struct RunEnd {
    pub run: Run,
    pub role: Role,
    pub verdict: Verdict,
}

/// What a run says of itself while under way. What is absent stays as it was.
#[derive(Debug, Clone)]
pub struct Report {
    pub run: Run,
    pub progress: Option<Box<RawValue>>,
    pub checkpoint: Option<Box<RawValue>>,
}

/// What [`Store::promote`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promoted {
    /// Jobs that became ready just now.
    pub moved: u32,
    /// The roles that have ready jobs.
    pub ready: Vec<Role>,
    /// How long until the next scheduled job is due, or has waited for long enough.
    pub next_due: Option<Duration>,
}

/// What [`Store::retry`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// The tenant has none of that id.
    NoSuchJob,
    /// It is ready now.
    Requeued,
    /// It is in a state from which there is nothing to retry.
    NotNow(State),
}

/// The longest result that a [`JobSummary`] holds, in bytes.
pub const SUMMARY_RESULT_LIMIT: u32 = 20 * 1024;

/// A job without what may be large, so that many can be read together.
#[derive(Debug, Clone)]
pub struct JobSummary {
    /// Its payload reads `null` and its progress is absent, whatever they are; its result is
    /// absent where it is longer than [`SUMMARY_RESULT_LIMIT`].
    pub job: JobRecord,
    /// Whether the job has a result that was left out.
    pub result_omitted: bool,
    /// What is done about the job goes on from there.
    pub trace: Option<TraceContext>,
}

/// Which jobs of a tenant to list. Absent means any.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    pub tenant_id: String,
    /// `fn.NAME` means all versions of the function.
    pub kind: Option<String>,
    pub role: Option<Role>,
    pub state: Option<State>,
    /// Made by this job.
    pub parent_id: Option<JobId>,
    /// With all of these in their metadata.
    pub metadata: BTreeMap<String, String>,
    /// At this time or later.
    pub created_after: Option<DateTime<Utc>>,
    /// Before this time.
    pub created_before: Option<DateTime<Utc>>,
}

/// What was found for a page of a list of jobs.
#[derive(Debug, Clone, Default)]
pub struct JobPage {
    pub jobs: Vec<JobRecord>,
    /// Where looking ended before the page was full: there may be more below this one.
    pub looked_to: Option<JobId>,
}

/// What was found for a page of a list of dead letters.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterPage {
    pub letters: Vec<DeadLetter>,
    /// Where looking ended before the page was full: there may be more below this one.
    pub looked_to: Option<DeadLetterId>,
}

/// A stretch of a list: at most `limit` entries, those before `before`.
#[derive(Debug, Clone, Copy)]
pub struct Page<Id> {
    /// `None` begins with the first.
    pub before: Option<Id>,
    pub limit: u32,
}

/// A job that died, as it was, or a message that cannot be one.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    pub id: DeadLetterId,
    pub tenant_id: String,
    /// `None` for a message, until it is replayed.
    pub job_id: Option<JobId>,
    /// `jobs.<role>.<kind>`, or what the message came in on.
    pub original_subject: String,
    pub kind: String,
    /// `None` for a message.
    pub role: Option<Role>,
    pub payload: Box<RawValue>,
    /// Of the failure it died of, as in [`JobError`](crate::outcome::JobError).
    pub error_code: String,
    /// That failure's message.
    pub error: String,
    /// Attempts the job had spent.
    pub attempts: u32,
    /// When it died.
    pub created_at: DateTime<Utc>,
    pub resolved: bool,
    /// `replayed` or `purged`.
    pub resolution: Option<String>,
    pub resolved_by: Option<String>,
    pub resolved_at: Option<DateTime<Utc>>,
}

/// Which dead letters of a tenant are meant. Absent means any; an empty `ids` does not narrow.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterFilter {
    pub tenant_id: String,
    pub ids: Vec<DeadLetterId>,
    /// As of a [`JobFilter`].
    pub kind: Option<String>,
    /// The whole of [`DeadLetter::original_subject`].
    pub subject: Option<String>,
    /// A piece of the error's message, whatever its case; on SQLite that holds for ASCII only.
    pub error: Option<String>,
    /// Only those that died then or later.
    pub since: Option<DateTime<Utc>>,
    /// Only those that died before; lets a long replay end though its jobs die again.
    pub until: Option<DateTime<Utc>>,
    /// List resolved ones as well. Replay and purge never touch those.
    pub include_resolved: bool,
}

/// A request to put dead jobs back to work.
#[derive(Debug, Clone)]
pub struct Replay {
    pub filter: DeadLetterFilter,
    /// Who asked, for the record.
    pub by: Actor,
    /// Runs the job with this payload instead of its own.
    pub payload: Option<Box<RawValue>>,
}

/// Shares one store between the parts of a process.
pub type SharedStore = Arc<dyn Store>;
