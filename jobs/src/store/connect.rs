//! From a database URL to a store.

use std::{path::PathBuf, sync::Arc};

use sqlx::migrate::Migrator;

use super::{SharedStore, StoreClock, postgres::PostgresStore, sqlite::SqliteStore};
use crate::{budgets::Allowance, governance::rules::Rules};

/// How to reach the store.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// `sqlite://path` or `postgres://…`.
    pub url: String,
    /// What the connections say they are; PostgreSQL only.
    pub application: &'static str,
    /// Connections of this process at most, one of them to listen for hints where it can; PostgreSQL only.
    pub max_connections: u32,
    /// PostgreSQL only.
    pub pool_mode: PoolMode,
    /// [`StoreClock::Own`], except in tests.
    pub clock: StoreClock,
    /// What a tenant may spend for which nothing else was set: the same for every process.
    pub allowance: Allowance,
    /// How often agents' policies may change, and who approves: the same for every process.
    pub governance: Rules,
}

impl ConnectOptions {
    /// At most eight connections, straight to the server, the store's own clock, and the default allowance and rules.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            application: "golden",
            max_connections: 8,
            pool_mode: PoolMode::Session,
            clock: StoreClock::Own,
            allowance: Allowance::default(),
            governance: Rules::default(),
        }
    }
}

/// For how long a connection has one session of PostgreSQL to itself. The words are PgBouncer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// As long as it lasts, as without a pooler.
    Session,
    /// For a transaction at a time, of a pooler: nothing is listened to, nothing stays prepared, and every transaction
    /// says itself what it is set to.
    Transaction,
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("DATABASE_URL `{0}` is not understood: use sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE")]
    /// Repeats the scheme alone where there is one: what follows may hold a password.
    UnknownScheme(String),
    #[error("cannot reach the database: {0}")]
    Unreachable(String),
    #[error("the database schema is at version {found}, this binary needs {needed}: run `golden migrate`")]
    /// Both are numbers of migrations.
    OldSchema { found: i64, needed: i64 },
    #[error(
        "a pooler, such as PgBouncer, answers for PostgreSQL and does not pass on what sessions are set to: \
         set GOLDEN_DATABASE_POOL_MODE=transaction"
    )]
    /// [`PoolMode::Session`] was asked for.
    Pooled,
    #[error("migration failed: {0}")]
    Migration(String),
}

/// Opens the store. Refuses a schema older than this binary's.
pub async fn connect(options: ConnectOptions) -> Result<SharedStore, ConnectError> {
    match scheme(&options.url)? {
        Dialect::Postgres => Ok(Arc::new(PostgresStore::connect(options).await?)),
        Dialect::Sqlite => Ok(Arc::new(SqliteStore::connect(options).await?)),
    }
}

/// What answers at a database URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The product and its version, for example `PostgreSQL 17.5`.
    pub product: String,
    /// The number of the newest migration that was applied.
    pub schema: i64,
    /// The folder that its file is in, where it is one.
    pub folder: Option<PathBuf>,
    /// Whether a pooler is in between, which does not pass on what sessions are set to.
    pub pooled: bool,
}

/// Looks at a database without working in it. Refuses a schema older than this binary's, as [`connect`] does.
pub async fn inspect(url: &str) -> Result<Inspection, ConnectError> {
    match scheme(url)? {
        Dialect::Postgres => super::postgres::inspect(url).await,
        Dialect::Sqlite => super::sqlite::inspect(url).await,
    }
}

/// Brings the schema up to this binary's version. Answers the version.
pub async fn migrate(url: &str) -> Result<i64, ConnectError> {
    match scheme(url)? {
        Dialect::Postgres => super::postgres::migrate(url).await,
        Dialect::Sqlite => super::sqlite::migrate(url).await,
    }
}

enum Dialect {
    Postgres,
    Sqlite,
}

fn scheme(url: &str) -> Result<Dialect, ConnectError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => Ok(Dialect::Postgres),
        Some("sqlite") => Ok(Dialect::Sqlite),
        // Without what follows the scheme: it may hold a password.
        Some(other) => Err(ConnectError::UnknownScheme(format!("{other}:…"))),
        None => Err(ConnectError::UnknownScheme(url.to_owned())),
    }
}

/// What a database or the way there says, without the words of the driver and the lines of the server's source.
pub(super) fn unreachable(error: sqlx::Error) -> ConnectError {
    ConnectError::Unreachable(match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Database(answer) => answer.message().to_owned(),
        error => error.to_string(),
    })
}

/// The version of the newest migration in this binary.
pub(super) fn needed_version(migrations: &Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Refuses a schema that is older than this binary.
pub(super) fn check_version(found: i64, migrations: &Migrator) -> Result<(), ConnectError> {
    let needed = needed_version(migrations);
    if found < needed { Err(ConnectError::OldSchema { found, needed }) } else { Ok(()) }
}
