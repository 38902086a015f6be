//! `make bench`: how fast Golden is on this machine, as one table.
//!
//! `golden-bench sandbox`, as `make bench-sandbox` has it, is about sandboxes instead. Other words choose: stores
//! (`postgres`, `sqlite`) and parts ([`PARTS`]); without any it is all of them.
//!
//! Every row runs on a fresh store. PostgreSQL rows need `BENCH_DATABASE_URL` (or
//! `TEST_DATABASE_URL`, as `make bench` sets it) to name a server that may make databases. `BENCH_CONNECTIONS=4` is
//! how many connections they have, as `golden worker` has by default; `BENCH_POOLER_URL` is that server behind a pooler
//! by transaction, through which they then go.

mod aged;
mod http;
mod load;
mod redis;
mod sandbox;
mod scaling;
mod stores;
mod table;

use std::time::Duration;

use anyhow::Context;
use golden_jobs::store::Keep;

use crate::{stores::Fresh, table::Table};

const JOBS: usize = 100_000;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

/// What is measured of each store, in this order.
const PARTS: [&str; 5] = ["drain", "intake", "idle", "scaling", "aged"];

async fn run() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words == ["sandbox"] {
        let mut table = Table::by("sandbox");
        sandbox::measure(&mut table).await?;
        table.print();
        return Ok(());
    }
    let stores = Fresh::all()?;
    let names: Vec<&str> = stores.iter().map(Fresh::name).collect();
    let (chosen_stores, chosen_parts): (Vec<&str>, Vec<&str>) =
        words.iter().map(String::as_str).partition(|word| names.contains(word));
    if let Some(unknown) = chosen_parts.iter().find(|word| !PARTS.contains(word)) {
        anyhow::bail!("{unknown} is neither a store ({}) nor a part ({})", names.join(", "), PARTS.join(", "));
    }
    let mut table = Table::by("store");
    for fresh in stores.iter().filter(|fresh| chosen_stores.is_empty() || chosen_stores.contains(&fresh.name())) {
        for part in PARTS.iter().filter(|part| chosen_parts.is_empty() || chosen_parts.contains(part)) {
            measure(part, fresh, &mut table).await.with_context(|| format!("{part} on {}", fresh.name()))?;
        }
    }
    table.print();
    Ok(())
}

async fn measure(part: &str, fresh: &Fresh, table: &mut Table) -> anyhow::Result<()> {
    match part {
        "drain" => drain(fresh, table).await,
        "intake" => intake(fresh, table).await,
        "idle" => idle(fresh, table).await,
        "scaling" => scaling::measure(fresh, table).await,
        _ => aged::measure(fresh, table).await,
    }
}

/// A backlog is made and worked off, by each of the ways that jobs are handed out.
async fn drain(fresh: &Fresh, table: &mut Table) -> anyhow::Result<()> {
    let name = fresh.name();
    let (store, _kept) = fresh.open().await?;
    let rate = load::insert(&store, JOBS, 500).await?;
    table.row(name, "insert, 500 a batch", rate, "jobs/s");
    let before = fresh.wal_position().await?;
    let (by_store, _) = load::drain(&store, None, JOBS, Keep::default()).await?;
    table.row(name, "drain 100k no-op jobs, one worker", by_store, "jobs/s");
    if let (Some(before), Some(after)) = (before, fresh.wal_position().await?) {
        table.row(name, "WAL a job, claim to end", (after - before) as f64 / JOBS as f64, "bytes");
    }
    drop(store);

    let redis = redis::Server::start().await?;
    let (store, _kept) = fresh.open().await?;
    load::insert(&store, JOBS, 500).await?;
    let (rate, _) = load::drain(&store, Some(redis.dispatch(&store)), JOBS, Keep::default()).await?;
    redis.handed_out(JOBS)?;
    table.row(name, "drain 100k no-op jobs, one worker, through Redis", rate, "jobs/s");
    table.row(name, "that as a share of the store's own dispatch", 100.0 * rate / by_store, "%");
    Ok(())
}

async fn intake(fresh: &Fresh, table: &mut Table) -> anyhow::Result<()> {
    let (store, _kept) = fresh.open().await?;
    for connections in [64, 256] {
        let (rate, latency) = http::intake(&store, connections, Duration::from_secs(5)).await?;
        table.row(fresh.name(), &format!("POST /v1/jobs, {connections} connections"), rate, "jobs/s");
        table.row(fresh.name(), &format!("POST /v1/jobs, {connections} connections, p99"), latency, "ms");
    }
    Ok(())
}

/// How soon workers that have nothing to do run what comes in.
async fn idle(fresh: &Fresh, table: &mut Table) -> anyhow::Result<()> {
    let redis = redis::Server::start().await?;
    let (store, _kept) = fresh.open().await?;
    for (by, how) in [(None, ""), (Some(redis.dispatch(&store)), " through Redis")] {
        let (p50, p99) = load::wait_of_idle_workers(&store, by, 1000, Duration::from_secs(5)).await?;
        table.row(fresh.name(), &format!("accept to run, 1,000 jobs/s{how}, p50"), p50, "ms");
        table.row(fresh.name(), &format!("accept to run, 1,000 jobs/s{how}, p99"), p99, "ms");
    }
    redis.handed_out(4000)?;
    Ok(())
}
