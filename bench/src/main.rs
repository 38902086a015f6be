//! `make bench`: how fast Golden is on this machine, as one table.
//!
//! With the argument `sandbox`, as `make bench-sandbox` has it, how fast sandboxes are instead; with another, the
//! stores whose name contains it.
//!
//! Every row runs on a fresh store. PostgreSQL rows need `BENCH_DATABASE_URL` (or
//! `TEST_DATABASE_URL`, as `make bench` sets it) to name a server that may make databases.

mod aged;
mod http;
mod load;
mod redis;
mod sandbox;
mod stores;
mod table;

use std::time::Duration;

use anyhow::Context;
use golden_jobs::store::{Keep, SharedStore};

use crate::{stores::Fresh, table::Table};

const JOBS: usize = 100_000;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| name.contains(only));
    if only.as_deref() == Some("sandbox") {
        let mut table = Table::by("sandbox");
        sandbox::measure(&mut table).await?;
        table.print();
        return Ok(());
    }
    let mut table = Table::by("store");
    for fresh in Fresh::all()? {
        if wanted(fresh.name()) {
            measure(&fresh, &mut table).await.with_context(|| format!("on {}", fresh.name()))?;
        }
    }
    table.print();
    Ok(())
}

async fn measure(fresh: &Fresh, table: &mut Table) -> anyhow::Result<()> {
    let name = fresh.name();

    let (store, _kept) = fresh.open().await?;
    let rate = load::insert(&store, JOBS, 500).await?;
    table.row(name, "insert, 500 a batch", rate, "jobs/s");
    table.row(name, "what to scale on, 100k jobs queued, p50", load::depths(&store, 50).await?, "ms");
    let before = fresh.wal_position().await?;
    let (rate, _) = load::drain(&store, None, JOBS, Keep::default()).await?;
    table.row(name, "drain 100k no-op jobs, one worker", rate, "jobs/s");
    if let (Some(before), Some(after)) = (before, fresh.wal_position().await?) {
        table.row(name, "WAL a job, claim to end", (after - before) as f64 / JOBS as f64, "bytes");
    }
    drop(store);
    let by_store = rate;

    let redis = redis::Server::start().await?;
    let (store, _kept) = fresh.open().await?;
    load::insert(&store, JOBS, 500).await?;
    let (rate, _) = load::drain(&store, Some(redis.dispatch(&store)), JOBS, Keep::default()).await?;
    table.row(name, "drain 100k no-op jobs, one worker, through Redis", rate, "jobs/s");
    table.row(name, "that as a share of the store's own dispatch", 100.0 * rate / by_store, "%");
    drop(store);

    let (store, _kept) = fresh.open().await?;
    for connections in [64, 256] {
        let (rate, latency) = http::intake(&store, connections, Duration::from_secs(5)).await?;
        table.row(name, &format!("POST /v1/jobs, {connections} connections"), rate, "jobs/s");
        table.row(name, &format!("POST /v1/jobs, {connections} connections, p99"), latency, "ms");
    }
    drop(store);

    let (store, _kept) = fresh.open().await?;
    for (by, how) in [(None, ""), (Some(redis.dispatch(&store)), " through Redis")] {
        let (p50, p99) = load::wait_of_idle_workers(&store, by, 1000, Duration::from_secs(5)).await?;
        table.row(name, &format!("accept to run, 1,000 jobs/s{how}, p50"), p50, "ms");
        table.row(name, &format!("accept to run, 1,000 jobs/s{how}, p99"), p99, "ms");
    }
    settle(&store).await;
    drop(store);
    aged::measure(fresh, table).await
}

/// Lets a store's background work end before the next row.
async fn settle(store: &SharedStore) {
    let _ = store.ping().await;
}
