//! What it costs that a million jobs have ended and are still on record.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use golden_jobs::{
    Role, WorkerId,
    outcome::Verdict,
    store::{JobFilter, Keep, Page, RunEnd, SharedStore},
};

use crate::{load, stores::Fresh, table::Table};

const ENDED: usize = 1_000_000;
const JOBS: usize = 50_000;
/// Whatever has ended may go at once.
const NOTHING: Keep = Keep { succeeded: Some(Duration::ZERO), cancelled: None, dead: None, ledger: None };

pub(crate) async fn measure(fresh: &Fresh, table: &mut Table) -> anyhow::Result<()> {
    let name = fresh.name();
    let (store, _kept) = fresh.open().await?;
    for _ in 0..ENDED / JOBS {
        load::insert(&store, JOBS, 500).await?;
        end_all(&store).await?;
    }

    load::insert(&store, JOBS, 500).await?;
    let (rate, _) = load::drain(&store, None, JOBS, Keep::default()).await?;
    table.row(name, "1 M ended: drain 50k no-op jobs", rate, "jobs/s");
    let (first, none) = (list(&store, None).await?, list(&store, Some("nobody")).await?);
    table.row(name, "1 M ended: a page of a list, p99", first, "ms");
    table.row(name, "1 M ended: a page that nothing matches, p99", none, "ms");

    load::insert(&store, JOBS, 500).await?;
    let (rate, pruned) = load::drain(&store, None, JOBS, NOTHING).await?;
    table.row(name, "1 M ended: drain 50k while they are pruned", rate, "jobs/s");
    table.row(name, "1 M ended: pruned meanwhile", pruned, "jobs/s");
    Ok(())
}

/// Ends what is ready by the store's verbs alone, two batches under way at once.
async fn end_all(store: &SharedStore) -> anyhow::Result<()> {
    let enders: Vec<_> = (0..2)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let worker = WorkerId::new();
                loop {
                    let claimed = store.claim(Role::Orchestrator, 1000, worker).await?;
                    if claimed.is_empty() {
                        return anyhow::Ok(());
                    }
                    let verdict = || Verdict::Succeeded { result: None };
                    let end = |run| RunEnd { run, role: Role::Orchestrator, verdict: verdict() };
                    store.finish(claimed.iter().map(|claimed| end(claimed.run)).collect()).await?;
                }
            })
        })
        .collect();
    for ender in enders {
        ender.await??;
    }
    Ok(())
}

/// The p99 of the time that a page takes, in ms.
async fn list(store: &SharedStore, team: Option<&str>) -> anyhow::Result<f64> {
    let metadata = team.map(|team| ("team".to_owned(), team.to_owned())).into_iter().collect::<BTreeMap<_, _>>();
    let filter = JobFilter { tenant_id: "bench".to_owned(), metadata, ..JobFilter::default() };
    let mut before = None;
    let mut times = Vec::new();
    for _ in 0..50 {
        let begun = Instant::now();
        let page = store.jobs(&filter, Page { before, limit: 21 }).await?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        before = page.looked_to.or(page.jobs.last().map(|job| job.id));
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok(load::quantile(&times, 0.99))
}
