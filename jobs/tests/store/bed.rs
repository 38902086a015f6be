//! A store put to the test: a database of its own, and a clock that stands still.

use std::{
    ops::Deref,
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use futures_util::FutureExt;
use golden_jobs::{
    JobId, Role, State, WorkerId,
    outcome::Verdict,
    record::JobRecord,
    store::{
        Claimed, ConnectOptions, Inserted, NewJob, PoolMode, Run, RunEnd, SharedStore, Store, StoreClock,
        clock::HeldClock, connect, migrate,
    },
};
use sha2::{Digest, Sha256};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection, Error, PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgConnection},
};
use uuid::Uuid;

use crate::{given::TENANT, pgbouncer::PgBouncer};

/// More than any case has.
pub(crate) const ALL: u32 = 10_000;

/// A store and what a case needs beside its verbs, which [`Deref`] lends.
#[derive(Clone)]
pub(crate) struct Bed {
    pub(crate) store: SharedStore,
    pub(crate) clock: HeldClock,
    pub(crate) url: String,
    pub(crate) sql: Sql,
    /// A worker that has never sent a heartbeat.
    pub(crate) worker: WorkerId,
    /// Whether the store hears what other processes hint at.
    pub(crate) hears: bool,
}

impl Deref for Bed {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl Bed {
    async fn open(options: ConnectOptions, url: String, sql: Sql) -> Self {
        let hears = matches!(sql, Sql::Postgres(_)) && options.pool_mode == PoolMode::Session;
        let clock = HeldClock::at("2026-01-02T03:04:05Z".parse().unwrap());
        let options = ConnectOptions { clock: StoreClock::Held(clock.clone()), ..options };
        Self { store: connect(options).await.unwrap(), clock, url, sql, worker: WorkerId::new(), hears }
    }

    /// Records one job that was not there before.
    pub(crate) async fn submit(&self, job: NewJob) -> JobId {
        let inserted = self.insert(vec![job]).await.unwrap();
        match inserted[..] {
            [Inserted::New { id, .. }] => id,
            _ => panic!("{inserted:?}"),
        }
    }

    /// Claims the one ready job of its role, and shows that there is but one.
    pub(crate) async fn claim_one(&self, role: Role) -> Claimed {
        let mut claimed = self.claim(role, ALL, self.worker).await.unwrap();
        assert_eq!(claimed.len(), 1, "{claimed:?}");
        claimed.remove(0)
    }

    /// Records a job and claims it.
    pub(crate) async fn start(&self, job: NewJob) -> Claimed {
        let role = job.role;
        let id = self.submit(job).await;
        let claimed = self.claim_one(role).await;
        assert_eq!(claimed.run.id, id);
        claimed
    }

    /// Ends a run that holds its lease.
    pub(crate) async fn end(&self, claimed: &Claimed, verdict: Verdict) {
        assert_eq!(self.try_end(claimed, verdict).await, []);
    }

    /// Ends a run; gives it back if its lease was lost.
    pub(crate) async fn try_end(&self, claimed: &Claimed, verdict: Verdict) -> Vec<Run> {
        let end = RunEnd { run: claimed.run, role: claimed.role, verdict };
        self.finish(vec![end]).await.unwrap()
    }

    /// Runs a job from its submission to the end of its first run.
    pub(crate) async fn through(&self, job: NewJob, verdict: Verdict) -> JobId {
        let run = self.start(job).await;
        self.end(&run, verdict).await;
        // Letters and events sort by the millisecond of the database's clock, which no test holds.
        tokio::time::sleep(Duration::from_millis(2)).await;
        run.run.id
    }

    /// Lets time pass, and what has become due be ready.
    pub(crate) async fn later(&self, by: Duration) {
        self.clock.advance(by);
        self.promote(ALL).await.unwrap();
    }

    /// Waits until so many sessions of this PostgreSQL database wait for a lock.
    pub(crate) async fn waiting_for_locks(&self, sessions: i64) {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        let waited = async {
            while self.sql.number(waiting).await < sessions {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // Less than a verb's deadline, after which nobody would wait any more.
        tokio::time::timeout(Duration::from_secs(4), waited).await.expect("so many sessions wait");
    }

    pub(crate) async fn record(&self, id: JobId) -> JobRecord {
        self.job(TENANT, id).await.unwrap().expect("the job is recorded")
    }

    pub(crate) async fn state(&self, id: JobId) -> State {
        self.record(id).await.state
    }

    /// How the runs of a job went, oldest first.
    pub(crate) async fn outcomes(&self, id: JobId) -> Vec<String> {
        self.attempts(id).await.unwrap().into_iter().map(|attempt| attempt.outcome).collect()
    }

    /// The events of the outbox, oldest first.
    pub(crate) async fn events(&self) -> Vec<(JobId, String)> {
        self.sql.outbox().await
    }

    /// The events of one job, oldest first.
    pub(crate) async fn events_of(&self, id: JobId) -> Vec<String> {
        self.events().await.into_iter().filter(|(of, _)| *of == id).map(|(_, event)| event).collect()
    }
}

/// Raw statements, for what the verbs do not show.
#[derive(Clone)]
pub(crate) enum Sql {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Sql {
    /// Gives the number of rows a statement changed.
    pub(crate) async fn execute(&self, statement: &'static str) -> Result<u64, Error> {
        Ok(match self {
            Self::Sqlite(pool) => sqlx::query(statement).execute(pool).await?.rows_affected(),
            Self::Postgres(pool) => sqlx::query(statement).execute(pool).await?.rows_affected(),
        })
    }

    /// Gives the number of rows that a query answers.
    pub(crate) async fn rows(&self, query: &'static str) -> Result<usize, Error> {
        Ok(match self {
            Self::Sqlite(pool) => sqlx::query(query).fetch_all(pool).await?.len(),
            Self::Postgres(pool) => sqlx::query(query).fetch_all(pool).await?.len(),
        })
    }

    /// The jobs of the outbox with their events, oldest first.
    async fn outbox(&self) -> Vec<(JobId, String)> {
        const OUTBOX: &str = "SELECT job_id, event FROM outbox WHERE job_id IS NOT NULL ORDER BY id";
        let rows: Vec<(Uuid, String)> = match self {
            Self::Sqlite(pool) => sqlx::query_as(OUTBOX).fetch_all(pool).await,
            Self::Postgres(pool) => sqlx::query_as(OUTBOX).fetch_all(pool).await,
        }
        .unwrap();
        rows.into_iter().map(|(job, event)| (JobId(job), event)).collect()
    }

    /// Gives the one number that a query answers.
    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(query).fetch_one(pool).await,
            Self::Postgres(pool) => sqlx::query_scalar(query).fetch_one(pool).await,
        }
        .unwrap()
    }
}

/// Runs a case on a SQLite file in a directory of its own.
pub(crate) async fn on_sqlite<F: Future<Output = ()>>(case: impl FnOnce(Bed) -> F) {
    let directory = Directory::new();
    let url = format!("sqlite://{}", directory.0.join("golden.db").display());
    migrate(&url).await.unwrap();
    let sql = Sql::Sqlite(SqlitePool::connect(&url).await.unwrap());
    case(Bed::open(ConnectOptions::new(url.clone()), url, sql).await).await;
}

/// A directory that goes with its test, however that ends.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("golden_test_{}", Uuid::now_v7().simple()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left is in the directory for temporary files; the test has its answer.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a case on a new database of the server that `TEST_DATABASE_URL` names; all of them behind a PgBouncer where
/// `TEST_POOL_MODE` is `transaction`.
pub(crate) async fn on_postgres<F: Future<Output = ()>>(case: impl FnOnce(Bed) -> F) {
    match std::env::var("TEST_POOL_MODE") {
        Ok(mode) if mode == "transaction" => on_pgbouncer(case).await,
        _ => on_database(PoolMode::Session, case).await,
    }
}

/// The same through a PgBouncer that lends three sessions, each for a transaction at a time. The store has more
/// connections than that, so that they do meet. [`Bed::url`] leads straight to the server.
pub(crate) async fn on_pgbouncer<F: Future<Output = ()>>(case: impl FnOnce(Bed) -> F) {
    on_database(PoolMode::Transaction, case).await;
}

async fn on_database<F: Future<Output = ()>>(pool_mode: PoolMode, case: impl FnOnce(Bed) -> F) {
    let address =
        std::env::var("TEST_DATABASE_URL").expect("run `make test`, or `make services` and export TEST_DATABASE_URL");
    let server = PgConnectOptions::from_str(&address).expect("TEST_DATABASE_URL is a PostgreSQL URL");
    let mut admin = PgConnection::connect_with(&server).await.expect("the server of TEST_DATABASE_URL answers");

    let template = template(&server, &mut admin).await;
    let name = format!("golden_test_{}", Uuid::now_v7().simple());
    statement(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    let database = server.database(&name);
    let sql = Sql::Postgres(PgPool::connect_with(database.clone()).await.unwrap());
    let url: String = database.to_url_lossy().into();
    let pooler = match pool_mode {
        PoolMode::Session => None,
        PoolMode::Transaction => Some(PgBouncer::by_transaction(&address).await),
    };
    let options = match &pooler {
        Some(pooler) => ConnectOptions { pool_mode, ..ConnectOptions::new(pooler.url(&name)) },
        None => ConnectOptions::new(url.clone()),
    };
    let bed = Bed::open(options, url, sql).await;

    // A case that panics leaves no database behind either.
    let outcome = AssertUnwindSafe(case(bed)).catch_unwind().await;
    statement(&mut admin, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// A migrated database to copy. Made once a server for each text of the migrations: a copy takes
/// a tenth of the time that migrating does.
async fn template(server: &PgConnectOptions, admin: &mut PgConnection) -> String {
    let name = format!("golden_template_{}", migrations_digest());
    // Tests are processes: the first one makes it while the others wait.
    sqlx::query("SELECT pg_advisory_lock(hashtext('golden_template'))").execute(&mut *admin).await.unwrap();
    let made: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut *admin)
        .await
        .unwrap();
    if !made {
        // Under its name only when whole, should this process be ended half-way.
        let draft = format!("{name}_draft");
        statement(admin, format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)")).await;
        statement(admin, format!("CREATE DATABASE {draft}")).await;
        migrate(server.clone().database(&draft).to_url_lossy().as_str()).await.unwrap();
        statement(admin, format!("ALTER DATABASE {draft} RENAME TO {name}")).await;
    }
    sqlx::query("SELECT pg_advisory_unlock(hashtext('golden_template'))").execute(&mut *admin).await.unwrap();
    name
}

/// Says which text of the migrations a template was made from.
fn migrations_digest() -> String {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/postgres");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let digest = files.iter().fold(Sha256::new(), |digest, file| digest.chain_update(std::fs::read(file).unwrap()));
    digest.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Names of databases cannot be bound; those here are of this file's making.
async fn statement(admin: &mut PgConnection, text: String) {
    sqlx::query(AssertSqlSafe(text)).execute(admin).await.unwrap();
}
