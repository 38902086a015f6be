//! Fresh stores to measure on.

use std::path::PathBuf;

use anyhow::Context;
use golden_jobs::store::{ConnectOptions, PoolMode, SharedStore, connect, migrate};
use tokio::process::Command;

/// A kind of store, and how to make a new one.
pub(crate) enum Fresh {
    Sqlite,
    /// The server to make databases in.
    Postgres(String),
}

/// Removes a store's files when its row is done.
pub(crate) struct Kept(Option<PathBuf>);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(folder) = self.0.take() {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

impl Fresh {
    pub(crate) fn all() -> anyhow::Result<Vec<Self>> {
        let server = std::env::var("BENCH_DATABASE_URL").or_else(|_| std::env::var("TEST_DATABASE_URL"));
        let server = server.context("BENCH_DATABASE_URL is not set: `make bench` sets it")?;
        Ok(vec![Self::Postgres(server), Self::Sqlite])
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    pub(crate) async fn open(&self) -> anyhow::Result<(SharedStore, Kept)> {
        let (url, kept) = match self {
            Self::Sqlite => {
                let folder = std::env::temp_dir().join(format!("golden-bench-{}", std::process::id()));
                // What an earlier row left is not this row's to find.
                let _ = std::fs::remove_dir_all(&folder);
                std::fs::create_dir_all(&folder)?;
                (format!("sqlite://{}/golden.db", folder.display()), Kept(Some(folder)))
            }
            Self::Postgres(server) => {
                psql(server, "DROP DATABASE IF EXISTS golden_bench WITH (FORCE)").await?;
                psql(server, "CREATE DATABASE golden_bench").await?;
                psql(server, "CHECKPOINT").await?;
                (database(server), Kept(None))
            }
        };
        migrate(&url).await?;
        let mut options = ConnectOptions::new(url);
        if let Ok(most) = std::env::var("BENCH_CONNECTIONS") {
            options.max_connections = most.parse().context("BENCH_CONNECTIONS")?;
        }
        if let (Self::Postgres(_), Ok(pooler)) = (self, std::env::var("BENCH_POOLER_URL")) {
            options.url = database(&pooler);
            options.pool_mode = PoolMode::Transaction;
        }
        Ok((connect(options).await?, kept))
    }

    /// Bytes of WAL written so far.
    pub(crate) async fn wal_position(&self) -> anyhow::Result<Option<i64>> {
        match self {
            Self::Sqlite => Ok(None),
            Self::Postgres(server) => {
                let position = psql(server, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").await?;
                Ok(Some(position.trim().parse()?))
            }
        }
    }
}

fn database(server: &str) -> String {
    let (base, _) = server.rsplit_once('/').unwrap_or((server, ""));
    format!("{base}/golden_bench")
}

async fn psql(server: &str, sql: &str) -> anyhow::Result<String> {
    let output = Command::new("psql").args([server, "-v", "ON_ERROR_STOP=1", "-Atqc", sql]).output().await?;
    anyhow::ensure!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
