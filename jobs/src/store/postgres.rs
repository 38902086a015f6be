//! The store on PostgreSQL: binds, fetches and maps; what is decided is decided elsewhere.
//!
//! One verb is one file in `sql/postgres`. Each is a single statement wherever that can be,
//! so that it is a transaction by itself and costs one round trip.

mod audit;
mod batch;
mod breakers;
mod budgets;
mod callbacks;
mod claim;
mod connections;
mod dead_letters;
mod deliveries;
mod depths;
mod endpoints;
mod escalations;
mod events;
mod functions;
mod guards;
mod insert;
mod logs;
mod messages;
mod notify;
mod policies;
mod publications;
mod queues;
mod quota;
mod retention;
mod reviews;
mod rows;
mod schedules;
mod settle;
mod steer;
mod tenants;
mod waits;
mod watch;
mod workers;

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::Mutex,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection, PgExecutor, migrate::Migrator, postgres::PgConnectOptions};
use uuid::Uuid;

use super::{
    Claimed, ConnectError, ConnectOptions, DeadLetterFilter, DeadLetterPage, Depths, IDEMPOTENCY_WINDOW, Idempotency,
    Inserted, Inspection, JobFilter, JobPage, JobSummary, LOOK, NewJob, Page, PoolMode, Promoted, Replay, Report,
    Retried, Run, RunEnd, SUMMARY_RESULT_LIMIT, Store, StoreClock, StoreError, connect,
    listing::{self, Where},
    steps::step,
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
use connections::{Connection, Connections, Transaction};
use notify::Notifier;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");

/// The longest any verb may take; after that the caller is told and may try again.
const DEADLINE: Duration = Duration::from_secs(5);

/// A page of jobs: where to look, and what to do there.
macro_rules! jobs {
    ($place:literal) => {
        concat!(
            include_str!(concat!("../sql/postgres/jobs/", $place, ".sql")),
            include_str!("../sql/postgres/jobs.sql")
        )
    };
}

/// A store on PostgreSQL.
pub struct PostgresStore {
    pool: Connections,
    clock: StoreClock,
    /// Of tenants for which nothing else was set.
    allowance: Allowance,
    rules: Rules,
    wakes: Wakes,
    notifier: Notifier,
    /// Tenants known to have a row, and since when, to spare the question.
    tenants: Mutex<HashMap<String, Instant>>,
    /// Workers this process registered: one that is gone by its next heartbeat was taken for lost.
    registered: Mutex<HashSet<WorkerId>>,
}

impl PostgresStore {
    pub(super) async fn connect(options: ConnectOptions) -> Result<Self, ConnectError> {
        let address = parsed(&options.url, options.application)?;
        let pool = Connections::open(address, options.pool_mode, options.max_connections).await?;
        let found = schema_version(&pool).await.map_err(connect::unreachable)?;
        connect::check_version(found, &MIGRATIONS)?;
        let wakes = Wakes::default();
        let notifier = Notifier::start(&pool, wakes.clone());
        Ok(Self {
            pool,
            clock: options.clock,
            allowance: options.allowance,
            rules: options.governance,
            wakes,
            notifier,
            tenants: Mutex::default(),
            registered: Mutex::default(),
        })
    }

    fn now(&self) -> Option<DateTime<Utc>> {
        self.clock.held()
    }

    /// Gives a verb its deadline, and another try where it lost a deadlock.
    async fn in_time<T, F, Fut>(&self, verb: F) -> Result<T, StoreError>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, sqlx::Error>> + Send,
    {
        let tries = async {
            let mut tries_left = 3;
            loop {
                tries_left -= 1;
                match verb().await {
                    Err(error) if tries_left > 0 && lost_a_deadlock(&error) => {}
                    result => return result.map_err(rows::classify),
                }
            }
        };
        tokio::time::timeout(DEADLINE, tries)
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable(format!("no answer within {DEADLINE:?}"))))
    }

    async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        self.pool.begin().await
    }

    /// Something changed that somebody may be watching, here or in another process.
    fn stir(&self) {
        self.wakes.stir();
        self.notifier.stir();
    }

    /// Wakes whoever has work now, here and in other processes.
    fn wake(&self, roles: impl IntoIterator<Item = Role>) {
        for role in roles {
            self.wakes.wake(role);
            self.notifier.wake(role);
            self.stir();
        }
    }
}

/// Brings the schema up to date. Answers its version.
///
/// One transaction for all that is missing, so that it holds behind a pooler as well: a lock of its own and no session's,
/// and no statement stays prepared.
pub(super) async fn migrate(url: &str) -> Result<i64, ConnectError> {
    let failed = |error: sqlx::Error| ConnectError::Migration(error.to_string());
    let pool = Connections::open(parsed(url, "golden migrate")?, PoolMode::Transaction, 1).await?;
    let mut tx = pool.begin().await.map_err(failed)?;
    // An index on a large table takes as long as it takes.
    sqlx::raw_sql("SET LOCAL statement_timeout = 0").execute(&mut *tx).await.map_err(failed)?;
    sqlx::raw_sql("SELECT pg_advisory_xact_lock(hashtext('golden.migrate'))")
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
    let migrated = apply(tx.session()).await;
    if migrated.is_ok() {
        tx.commit().await.map_err(failed)?;
    }
    pool.close().await;
    migrated?;
    Ok(connect::needed_version(&MIGRATIONS))
}

async fn apply(connection: &mut PgConnection) -> Result<(), ConnectError> {
    let mut migrations = Migrator { migrations: MIGRATIONS.migrations.clone(), ..Migrator::DEFAULT };
    let migrated = migrations.set_locking(false).run(&mut *connection).await;
    let cleared = connection.clear_cached_statements().await;
    migrated.map_err(|error| ConnectError::Migration(error.to_string()))?;
    cleared.map_err(|error| ConnectError::Migration(error.to_string()))
}

/// Says what server this is, with which schema, and whether it is reached straight.
pub(super) async fn inspect(url: &str) -> Result<Inspection, ConnectError> {
    let address = parsed(url, "golden doctor")?;
    let pool = Connections::open(address.clone(), PoolMode::Transaction, 1).await?;
    let schema = schema_version(&pool).await.map_err(connect::unreachable)?;
    let version: String =
        sqlx::query_scalar("SHOW server_version").fetch_one(&pool).await.map_err(connect::unreachable)?;
    pool.close().await;
    connect::check_version(schema, &MIGRATIONS)?;
    let pooled = !connections::has_sessions(address).await?;
    Ok(Inspection { product: format!("PostgreSQL {version}"), schema, folder: None, pooled })
}

/// The newest migration that was applied; 0 for an empty database.
async fn schema_version(pool: &Connections) -> Result<i64, sqlx::Error> {
    let migrated: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(pool).await?;
    if !migrated {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT COALESCE(max(version), 0) FROM _sqlx_migrations WHERE success").fetch_one(pool).await
}

fn parsed(url: &str, application: &str) -> Result<PgConnectOptions, ConnectError> {
    let options: PgConnectOptions = url.parse().map_err(connect::unreachable)?;
    Ok(options.application_name(application))
}

/// Reads jobs without what may be large, on its own or within a transaction.
async fn summaries_of(executor: impl PgExecutor<'_>, jobs: &[JobId]) -> Result<Vec<JobSummary>, sqlx::Error> {
    let rows = sqlx::query(include_str!("../sql/postgres/summaries.sql"))
        .bind(ids(jobs))
        .bind(i64::from(SUMMARY_RESULT_LIMIT))
        .fetch_all(executor)
        .await?;
    rows.iter().map(rows::summary).collect()
}

fn lost_a_deadlock(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "40P01" || code == "40001")
}

fn role_names() -> Vec<&'static str> {
    Role::ALL.into_iter().map(Role::as_str).collect()
}

fn ids(jobs: &[JobId]) -> Vec<Uuid> {
    jobs.iter().map(|id| id.0).collect()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[async_trait]
impl Store for PostgresStore {
    async fn insert(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>, StoreError> {
        self.insert_jobs(jobs).await
    }

    async fn claim(&self, role: Role, limit: u32, worker: WorkerId) -> Result<Vec<Claimed>, StoreError> {
        self.claim_jobs(role, i64::from(limit), worker, None).await
    }

    async fn finish(&self, ends: Vec<RunEnd>) -> Result<Vec<Run>, StoreError> {
        self.finish_runs(ends).await
    }

    async fn report(&self, reports: Vec<Report>) -> Result<Vec<Run>, StoreError> {
        let (ids, leases): (Vec<Uuid>, Vec<i64>) = reports.iter().map(|r| (r.run.id.0, r.run.lease)).unzip();
        let (progress, checkpoints): (Vec<_>, Vec<_>) = reports
            .iter()
            .map(|r| (r.progress.as_ref().map(|p| p.get()), r.checkpoint.as_ref().map(|c| c.get())))
            .unzip();
        let written: HashSet<i64> = self
            .in_time(|| {
                sqlx::query_scalar(include_str!("../sql/postgres/report.sql"))
                    .bind(&ids)
                    .bind(&leases)
                    .bind(&progress)
                    .bind(&checkpoints)
                    .fetch_all(&self.pool)
            })
            .await?
            .into_iter()
            .collect();
        if !written.is_empty() {
            self.stir();
        }
        Ok(reports.into_iter().map(|r| r.run).filter(|run| !written.contains(&run.lease)).collect())
    }

    async fn promote(&self, limit: u32) -> Result<Promoted, StoreError> {
        let row = self
            .in_time(|| {
                sqlx::query(include_str!("../sql/postgres/promote.sql"))
                    .bind(i64::from(limit))
                    .bind(role_names())
                    .bind(self.now())
                    .fetch_one(&self.pool)
            })
            .await?;
        let mut promoted = rows::promoted(&row, limit).map_err(rows::classify)?;
        if rows::lapsed(&row).map_err(rows::classify)? {
            promoted.ready.extend(self.lapse(limit).await?);
            promoted.ready.sort_unstable();
            promoted.ready.dedup();
            promoted.next_due = Some(Duration::ZERO);
            self.stir();
        }
        self.look_after(rows::gated(&row).map_err(rows::classify)?).await;
        promoted.ready.iter().for_each(|role| self.wakes.wake(*role));
        if promoted.moved > 0 {
            self.stir();
        }
        Ok(promoted)
    }

    async fn cancel(&self, tenant: &str, job: JobId, by: &Actor) -> Result<Option<bool>, StoreError> {
        self.cancel_tree(tenant, job, by).await
    }

    async fn retry(&self, tenant: &str, job: JobId, by: &Actor) -> Result<Retried, StoreError> {
        self.retry_job(tenant, job, by).await
    }

    async fn job(&self, tenant: &str, job: JobId) -> Result<Option<JobRecord>, StoreError> {
        self.in_time(|| async {
            let row = sqlx::query(include_str!("../sql/postgres/job.sql"))
                .bind(tenant)
                .bind(job.0)
                .fetch_optional(&self.pool)
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
        self.in_time(|| async {
            let rows = sqlx::query(statement)
                .bind(&filter.tenant_id)
                .bind(&filter.kind)
                .bind(filter.role.map(Role::as_str))
                .bind(filter.state.map(|state| state.as_str()))
                .bind(filter.created_after)
                .bind(filter.created_before)
                .bind(from)
                .bind(until)
                .bind(i64::from(page.limit))
                .bind(i64::from(LOOK))
                .bind(&metadata)
                .bind(filter.parent_id.map(|parent| parent.0))
                .fetch_all(&self.pool)
                .await?;
            rows::job_page(&rows)
        })
        .await
    }

    async fn knows(&self, tenant: &str, idempotency: &Idempotency) -> Result<bool, StoreError> {
        self.in_time(|| {
            sqlx::query_scalar(include_str!("../sql/postgres/knows.sql"))
                .bind(tenant)
                .bind(&idempotency.route)
                .bind(&idempotency.key)
                .bind(i64::try_from(IDEMPOTENCY_WINDOW.as_secs()).unwrap_or(i64::MAX))
                .bind(self.now())
                .fetch_one(&self.pool)
        })
        .await
    }

    async fn ended(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        let ended: Vec<Uuid> = self
            .in_time(|| {
                sqlx::query_scalar(include_str!("../sql/postgres/ended.sql")).bind(ids(jobs)).fetch_all(&self.pool)
            })
            .await?;
        Ok(ended.into_iter().map(JobId).collect())
    }

    async fn summaries(&self, jobs: &[JobId]) -> Result<Vec<JobSummary>, StoreError> {
        self.in_time(|| async { summaries_of(&self.pool, jobs).await }).await
    }

    async fn children(&self, parent: JobId) -> Result<Vec<JobRecord>, StoreError> {
        self.in_time(|| async {
            let rows =
                sqlx::query(include_str!("../sql/postgres/children.sql")).bind(parent.0).fetch_all(&self.pool).await?;
            rows.iter().map(rows::job).collect()
        })
        .await
    }

    async fn attempts(&self, job: JobId) -> Result<Vec<Attempt>, StoreError> {
        self.in_time(|| async {
            let rows =
                sqlx::query(include_str!("../sql/postgres/attempts.sql")).bind(job.0).fetch_all(&self.pool).await?;
            rows.iter().map(rows::attempt).collect()
        })
        .await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: Page<DeadLetterId>,
    ) -> Result<DeadLetterPage, StoreError> {
        self.list_dead_letters(filter, page).await
    }

    async fn count_dead_letters(&self, filter: &DeadLetterFilter) -> Result<u64, StoreError> {
        self.count_open_dead_letters(filter).await
    }

    async fn replay(&self, replay: &Replay, limit: u32) -> Result<Vec<JobId>, StoreError> {
        self.replay_dead_letters(replay, limit).await
    }

    async fn purge(&self, filter: &DeadLetterFilter, by: &Actor, limit: u32) -> Result<u64, StoreError> {
        self.purge_dead_letters(filter, by, limit).await
    }

    async fn depths(&self) -> Result<Depths, StoreError> {
        self.read_depths().await
    }

    async fn time(&self) -> Result<DateTime<Utc>, StoreError> {
        self.in_time(|| sqlx::query_scalar("SELECT COALESCE($1, now())").bind(self.now()).fetch_one(&self.pool)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.in_time(|| sqlx::query("SELECT 1").execute(&self.pool)).await?;
        Ok(())
    }

    fn wakes(&self) -> &Wakes {
        &self.wakes
    }
}
