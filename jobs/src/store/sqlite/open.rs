//! From a URL to connections, and to a schema.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection, SqliteConnection,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::store::{ConnectError, Inspection, connect};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

/// How long a connection waits for another process to end its transaction. Shorter than the
/// deadline of a verb, so that the caller is told why.
const BUSY: Duration = Duration::from_secs(4);

/// Opens the connection that writes, on a schema that is new enough.
pub(super) async fn open(options: &SqliteConnectOptions) -> Result<SqliteConnection, ConnectError> {
    if !options.get_filename().exists() {
        return Err(ConnectError::OldSchema { found: 0, needed: connect::needed_version(&MIGRATIONS) });
    }
    let mut connection = options.connect().await.map_err(connect::unreachable)?;
    let found = schema_version(&mut connection).await.map_err(connect::unreachable)?;
    connect::check_version(found, &MIGRATIONS)?;
    Ok(connection)
}

/// Brings the schema up to date, making the file and its folder where there is none.
/// Answers its version.
pub(in crate::store) async fn migrate(url: &str) -> Result<i64, ConnectError> {
    let options = connect_options(url)?.create_if_missing(true);
    if let Some(folder) = options.get_filename().parent().filter(|folder| *folder != Path::new("")) {
        tokio::fs::create_dir_all(folder)
            .await
            .map_err(|error| ConnectError::Unreachable(format!("{}: {error}", folder.display())))?;
    }
    let _turn = turn(options.get_filename()).await.map_err(|error| ConnectError::Unreachable(error.to_string()))?;
    let mut connection = options.connect().await.map_err(connect::unreachable)?;
    let migrated = MIGRATIONS.run(&mut connection).await;
    // The schema is in the file already; closing only folds the log into it.
    let _ = connection.close().await;
    migrated.map_err(|error| ConnectError::Migration(error.to_string()))?;
    Ok(connect::needed_version(&MIGRATIONS))
}

/// Says which SQLite this binary has, with which schema the file is, and where.
pub(in crate::store) async fn inspect(url: &str) -> Result<Inspection, ConnectError> {
    let options = connect_options(url)?;
    let mut connection = open(&options).await?;
    let schema = schema_version(&mut connection).await.map_err(connect::unreachable)?;
    let version: String =
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await.map_err(connect::unreachable)?;
    // Nothing was written; closing only folds the log into the file.
    let _ = connection.close().await;
    let folder = options.get_filename().parent().map(|folder| match folder {
        here if here == Path::new("") => PathBuf::from("."),
        folder => folder.to_owned(),
    });
    Ok(Inspection { product: format!("SQLite {version}"), schema, folder, pooled: false })
}

/// Waits until no other process migrates a database in the folder of `file`, and keeps others
/// waiting until the answer is dropped.
///
/// The migrator takes no lock of its own on SQLite, so two of them would both create the first
/// table. The folder is locked and not the file: closing a second handle to a SQLite file
/// drops the locks that SQLite itself holds on it.
async fn turn(file: &Path) -> Result<File, io::Error> {
    let folder = file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let folder = File::open(folder)?;
    tokio::task::spawn_blocking(move || folder.lock().map(|()| folder)).await.map_err(io::Error::other)?
}

/// The newest migration that was applied; 0 for an empty database.
async fn schema_version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let migrated: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')")
            .fetch_one(&mut *connection)
            .await?;
    if !migrated {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT COALESCE(max(version), 0) FROM _sqlx_migrations WHERE success")
        .fetch_one(connection)
        .await
}

/// With a write-ahead log, readers and the writer do not wait for each other; FULL syncs it
/// at every commit, so that what was accepted survives a power cut.
pub(super) fn connect_options(url: &str) -> Result<SqliteConnectOptions, ConnectError> {
    let options = SqliteConnectOptions::from_str(url).map_err(connect::unreachable)?;
    Ok(options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // Only macOS knows it: there, a plain fsync stops short of the disk.
        .pragma("fullfsync", "ON")
        .foreign_keys(false)
        .busy_timeout(BUSY)
        .pragma("temp_store", "memory")
        // 16 MiB (negative numbers are KiB): the hot pages of the tables that churn.
        .pragma("cache_size", "-16384")
        // Folding the log back every 1,000 pages (the default) rewrites hot pages too often.
        .pragma("wal_autocheckpoint", "4000")
        .row_buffer_size(1024))
}

/// Readers come in number and go through much that they need once: 2 MiB each will do.
pub(super) fn to_read(to_write: &SqliteConnectOptions) -> SqliteConnectOptions {
    to_write.clone().read_only(true).pragma("cache_size", "-2048")
}
