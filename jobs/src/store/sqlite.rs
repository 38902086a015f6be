//! The store on SQLite: binds, fetches and maps; what is decided is decided elsewhere.
//!
//! One verb is one file in `sql/sqlite`. Reads go to a few connections that cannot write;
//! writes to the one task that owns the one connection that can.

mod audit;
mod batch;
mod breakers;
mod budgets;
mod callbacks;
mod chores;
mod claim;
mod deliveries;
mod depths;
mod endpoints;
mod entry;
mod escalations;
mod events;
mod finish;
mod functions;
mod guards;
mod hints;
mod insert;
mod logs;
mod messages;
mod moves;
mod open;
mod params;
mod policies;
mod publications;
mod queues;
mod retention;
mod reviews;
mod rows;
mod schedules;
mod settle;
mod tenants;
mod users;
mod waits;
mod watch;
mod workers;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rand::Rng;
use sqlx::{SqliteExecutor, SqlitePool, sqlite::SqlitePoolOptions};
use uuid::Uuid;

use super::{
    Claimed, ConnectError, ConnectOptions, DeadLetterFilter, DeadLetterPage, Depths, IDEMPOTENCY_WINDOW, Idempotency,
    Inserted, JobFilter, JobPage, JobSummary, LOOK, NewJob, Page, Promoted, Replay, Report, Retried, Run, RunEnd,
    SUMMARY_RESULT_LIMIT, Store, StoreClock, StoreError,
    listing::{self, LettersWhere, Where},
    steps,
};
use crate::{
    audit::Actor,
    budgets::Allowance,
    governance::rules::Rules,
    id::{DeadLetterId, JobId, WorkerId},
    record::{Attempt, JobRecord},
    role::Role,
    wake::Wakes,
};
pub(super) use open::{inspect, migrate};
use params::{hex, list, micros};
use users::bind_filter;
use writer::Writer;

/// The longest any verb may take; after that the caller is told and may try again.
const DEADLINE: Duration = Duration::from_secs(5);

/// Connections that read.
const READERS: u32 = 4;

/// A page of jobs: where to look, and what to do there.
macro_rules! jobs {
    ($place:literal) => {
        concat!(include_str!(concat!("../sql/sqlite/jobs/", $place, ".sql")), include_str!("../sql/sqlite/jobs.sql"))
    };
}

/// A page of dead letters, likewise.
macro_rules! letters {
    ($place:literal) => {
        concat!(
            include_str!(concat!("../sql/sqlite/dead_letters/", $place, ".sql")),
            include_str!("../sql/sqlite/dead_letters.sql")
        )
    };
}

/// A store in a SQLite file.
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
    clock: StoreClock,
    /// Of tenants for which nothing else was set.
    allowance: Allowance,
    rules: Rules,
    wakes: Wakes,
    /// Tenants known to have a row, to spare the question.
    tenants: Mutex<HashSet<String>>,
    /// Workers this process registered: one that is gone by its next heartbeat was taken for lost.
    registered: Mutex<HashSet<WorkerId>>,
}

impl SqliteStore {
    pub(super) async fn connect(options: ConnectOptions) -> Result<Self, ConnectError> {
        let to_write = open::connect_options(&options.url)?;
        let connection = open::open(&to_write).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(DEADLINE)
            .test_before_acquire(false)
            .connect_lazy_with(open::to_read(&to_write));
        let wakes = Wakes::default();
        let writer = Writer::start(connection, to_write, options.clock.clone(), wakes.clone());
        Ok(Self {
            writer,
            readers,
            clock: options.clock,
            allowance: options.allowance,
            rules: options.governance,
            wakes,
            tenants: Mutex::default(),
            registered: Mutex::default(),
        })
    }

    /// Gives a read its deadline.
    async fn read<T>(&self, read: impl Future<Output = Result<T, sqlx::Error>> + Send) -> Result<T, StoreError> {
        match tokio::time::timeout(DEADLINE, read).await {
            Ok(answer) => answer.map_err(|error| rows::classify(&error)),
            Err(_) => Err(too_late()),
        }
    }

    /// The tenants among these that may not have a row yet, each with a fresh secret.
    fn strangers<'a>(&self, tenants: impl Iterator<Item = &'a str>) -> Vec<(String, [u8; 32])> {
        let known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let strangers: HashSet<&str> = tenants.filter(|tenant| !known.contains(*tenant)).collect();
        strangers.into_iter().map(|tenant| (tenant.to_owned(), rand::rng().random())).collect()
    }

    /// These tenants have a row from now on.
    fn knows(&self, tenants: Vec<String>) {
        if !tenants.is_empty() {
            self.tenants.lock().unwrap_or_else(PoisonError::into_inner).extend(tenants);
        }
    }
}

fn too_late() -> StoreError {
    StoreError::Unavailable(format!("no answer within {DEADLINE:?}"))
}

#[expect(clippy::disallowed_methods, reason = "here is the clock that others ask: this machine's")]
fn now(clock: &StoreClock) -> DateTime<Utc> {
    clock.held().unwrap_or_else(Utc::now)
}

/// Reads jobs without what may be large, on its own or within a transaction.
async fn summaries_of(executor: impl SqliteExecutor<'_>, jobs: &[JobId]) -> Result<Vec<JobSummary>, sqlx::Error> {
    let rows = sqlx::query(include_str!("../sql/sqlite/summaries.sql"))
        .bind(list(jobs.iter().map(|id| hex(id.0)))?)
        .bind(SUMMARY_RESULT_LIMIT)
        .fetch_all(executor)
        .await?;
    rows.iter().map(rows::summary).collect()
}

fn role_names() -> [&'static str; Role::ALL.len()] {
    Role::ALL.map(Role::as_str)
}

#[async_trait]
impl Store for SqliteStore {
    async fn insert(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>, StoreError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let strangers = self.strangers(jobs.iter().map(|job| job.tenant_id.as_str()));
        let names: Vec<String> = strangers.iter().map(|(tenant, _)| tenant.clone()).collect();
        let inserted = self.writer.call(insert::Insert { jobs, strangers }).await?;
        self.knows(names);
        Ok(inserted)
    }

    async fn claim(&self, role: Role, limit: u32, worker: WorkerId) -> Result<Vec<Claimed>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.writer.call(claim::Claim { role, limit, worker, given: None }).await
    }

    async fn finish(&self, ends: Vec<RunEnd>) -> Result<Vec<Run>, StoreError> {
        if ends.is_empty() {
            return Ok(Vec::new());
        }
        self.writer.call(finish::Finish { ends }).await
    }

    async fn report(&self, reports: Vec<Report>) -> Result<Vec<Run>, StoreError> {
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        self.writer.call(finish::Reports { reports }).await
    }

    async fn promote(&self, limit: u32) -> Result<Promoted, StoreError> {
        self.writer.call(chores::Promote { limit }).await
    }

    async fn cancel(&self, tenant: &str, job: JobId, by: &Actor) -> Result<Option<bool>, StoreError> {
        self.writer.call(users::Cancel { tenant: tenant.to_owned(), job, by: by.clone() }).await
    }

    async fn retry(&self, tenant: &str, job: JobId, by: &Actor) -> Result<Retried, StoreError> {
        self.writer.call(users::Retry { tenant: tenant.to_owned(), job, by: by.clone() }).await
    }

    async fn job(&self, tenant: &str, job: JobId) -> Result<Option<JobRecord>, StoreError> {
        self.read(async {
            let row = sqlx::query(include_str!("../sql/sqlite/job.sql"))
                .bind(tenant)
                .bind(job.0)
                .fetch_optional(&self.readers)
                .await?;
            row.as_ref().map(rows::job).transpose()
        })
        .await
    }

    async fn jobs(&self, filter: &JobFilter, page: Page<JobId>) -> Result<JobPage, StoreError> {
        let statement = match listing::place(filter) {
            Where::Any => jobs!("any"),
            Where::Running => jobs!("running"),
            Where::Scheduled => jobs!("scheduled"),
            Where::Dead => jobs!("dead"),
            Where::Children => jobs!("children"),
        };
        let (from, until) = listing::ids(filter, page);
        let metadata = listing::metadata(filter);
        self.read(async {
            let rows = sqlx::query(statement)
                .bind(&filter.tenant_id)
                .bind(&filter.kind)
                .bind(filter.role.map(Role::as_str))
                .bind(filter.state.map(|state| state.as_str()))
                .bind(filter.created_after.map(micros))
                .bind(filter.created_before.map(micros))
                .bind(from)
                .bind(until)
                .bind(page.limit)
                .bind(LOOK)
                .bind(&metadata)
                .bind(filter.parent_id.map(|parent| parent.0))
                .fetch_all(&self.readers)
                .await?;
            rows::job_page(&rows)
        })
        .await
    }

    async fn knows(&self, tenant: &str, idempotency: &Idempotency) -> Result<bool, StoreError> {
        let window = i64::try_from(IDEMPOTENCY_WINDOW.as_micros()).unwrap_or(i64::MAX);
        self.read(async {
            sqlx::query_scalar(include_str!("../sql/sqlite/knows.sql"))
                .bind(tenant)
                .bind(&idempotency.route)
                .bind(&idempotency.key)
                .bind(micros(now(&self.clock)) - window)
                .fetch_one(&self.readers)
                .await
        })
        .await
    }

    async fn ended(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        self.read(async {
            let ended: Vec<Uuid> = sqlx::query_scalar(include_str!("../sql/sqlite/ended.sql"))
                .bind(list(jobs.iter().map(|id| hex(id.0)))?)
                .fetch_all(&self.readers)
                .await?;
            Ok(ended.into_iter().map(JobId).collect())
        })
        .await
    }

    async fn summaries(&self, jobs: &[JobId]) -> Result<Vec<JobSummary>, StoreError> {
        self.read(summaries_of(&self.readers, jobs)).await
    }

    async fn children(&self, parent: JobId) -> Result<Vec<JobRecord>, StoreError> {
        self.read(async {
            let rows =
                sqlx::query(include_str!("../sql/sqlite/children.sql")).bind(parent.0).fetch_all(&self.readers).await?;
            rows.iter().map(rows::job).collect()
        })
        .await
    }

    async fn attempts(&self, job: JobId) -> Result<Vec<Attempt>, StoreError> {
        self.read(async {
            let rows =
                sqlx::query(include_str!("../sql/sqlite/attempts.sql")).bind(job.0).fetch_all(&self.readers).await?;
            rows.iter().map(rows::attempt).collect()
        })
        .await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: Page<DeadLetterId>,
    ) -> Result<DeadLetterPage, StoreError> {
        let statement = match listing::letters_place(filter) {
            LettersWhere::Open => letters!("open"),
            LettersWhere::All => letters!("all"),
            LettersWhere::Named => letters!("named"),
        };
        let (from, until) = listing::letter_ids(filter, page);
        self.read(async {
            let rows = bind_filter(sqlx::query(statement), filter)?
                .bind(from)
                .bind(until)
                .bind(filter.include_resolved)
                .bind(page.limit)
                .bind(LOOK)
                .fetch_all(&self.readers)
                .await?;
            rows::dead_letter_page(&rows)
        })
        .await
    }

    async fn count_dead_letters(&self, filter: &DeadLetterFilter) -> Result<u64, StoreError> {
        self.read(async {
            let row = bind_filter(sqlx::query(include_str!("../sql/sqlite/count_dead_letters.sql")), filter)?
                .fetch_one(&self.readers)
                .await?;
            rows::count(&row, "open")
        })
        .await
    }

    async fn replay(&self, replay: &Replay, limit: u32) -> Result<Vec<JobId>, StoreError> {
        self.writer.call(users::ReplayDead { replay: replay.clone(), limit }).await
    }

    async fn purge(&self, filter: &DeadLetterFilter, by: &Actor, limit: u32) -> Result<u64, StoreError> {
        self.writer.call(users::Purge { filter: filter.clone(), by: by.clone(), limit }).await
    }

    async fn depths(&self) -> Result<Depths, StoreError> {
        self.read_depths().await
    }

    async fn time(&self) -> Result<DateTime<Utc>, StoreError> {
        Ok(now(&self.clock))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read(async { sqlx::query("SELECT 1").execute(&self.readers).await.map(|_| ()) }).await
    }

    fn wakes(&self) -> &Wakes {
        &self.wakes
    }
}
