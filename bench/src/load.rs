//! Loads on a store and on the pools.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use golden_jobs::{
    JobId, Role,
    breakers::{self, Board},
    context::Ports,
    dispatch::Dispatch,
    functions::KnownFunctions,
    kinds,
    metrics::Metrics,
    outbound::{Outbound, OutboundError, OutboundRequest, OutboundResponse},
    store::{Due, Keep, NewJob, SharedStore},
};
use golden_workers::Options;
use tokio_util::sync::CancellationToken;

/// A no-op job with a payload of about 100 bytes.
pub(crate) fn noop() -> NewJob {
    let payload = format!(r#"{{"output":"{}"}}"#, "x".repeat(86));
    NewJob {
        id: JobId::new(),
        tenant_id: "bench".to_owned(),
        kind: "noop".to_owned(),
        role: Role::Orchestrator,
        priority: 5,
        payload: serde_json::value::RawValue::from_string(payload).expect("valid JSON"),
        max_attempts: 5,
        timeout: Duration::from_secs(60),
        due: Due::Now,
        metadata: None,
        callback_url: None,
        parent_id: None,
        max_cost: None,
        trace: None,
        idempotency: None,
    }
}

/// Inserts `jobs` jobs in batches, two under way at once. Answers jobs a second.
pub(crate) async fn insert(store: &SharedStore, jobs: usize, batch: usize) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let left = Arc::new(AtomicUsize::new(jobs / batch));
    let inserters: Vec<_> = (0..2)
        .map(|_| {
            let (store, left) = (Arc::clone(store), Arc::clone(&left));
            tokio::spawn(async move {
                while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
                    store.insert((0..batch).map(|_| noop()).collect()).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for inserter in inserters {
        inserter.await??;
    }
    Ok(jobs as f64 / begun.elapsed().as_secs_f64())
}

/// Whence workers have their jobs; from the store, where absent.
pub(crate) type By = Option<Arc<dyn Dispatch>>;

/// Works off what is ready with one worker process's pools, which removes what is past its time
/// meanwhile. Answers jobs a second, done and removed.
pub(crate) async fn drain(store: &SharedStore, by: By, jobs: usize, keep: Keep) -> anyhow::Result<(f64, f64)> {
    let begun = Instant::now();
    let (metrics, workers) = start_workers(store, by, keep);
    let done = metrics.jobs.with_label_values(&["orchestrator", "noop", "succeeded"]);
    while done.get() < jobs as u64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Ended is not yet recorded: the store has the last word.
    while store.depths().await?.roles.iter().any(|role| role.load() > 0) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let time = begun.elapsed().as_secs_f64();
    let pruned = metrics.pruned.with_label_values(&["succeeded"]).get();
    workers.stop().await?;
    Ok((jobs as f64 / time, pruned as f64 / time))
}

/// Offers `rate` jobs a second to idle workers. Answers p50 and p99 of the time from the
/// job's insertion to its claim, in ms, by the store's clock.
pub(crate) async fn wait_of_idle_workers(
    store: &SharedStore,
    by: By,
    rate: u32,
    time: Duration,
) -> anyhow::Result<(f64, f64)> {
    let (_, workers) = start_workers(store, by, Keep::default());
    let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
    let mut inserts = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < time {
        tick.tick().await;
        let store = Arc::clone(store);
        inserts.push(tokio::spawn(async move {
            let job = noop();
            let id = job.id;
            store.insert(vec![job]).await.map(|_| id)
        }));
    }
    let mut ids = Vec::new();
    for insert in inserts {
        ids.push(insert.await??);
    }
    while store.depths().await?.roles.iter().any(|role| role.load() > 0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut waits = Vec::new();
    for id in ids {
        let job = store.job("bench", id).await?.ok_or_else(|| anyhow::anyhow!("{id} is gone"))?;
        let started = job.started_at.unwrap_or(job.created_at);
        waits.push((started - job.created_at).num_microseconds().unwrap_or(0) as f64 / 1000.0);
    }
    workers.stop().await?;
    waits.sort_unstable_by(f64::total_cmp);
    Ok((quantile(&waits, 0.5), quantile(&waits, 0.99)))
}

pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted.get(((sorted.len() as f64 * q) as usize).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// Pools under way.
struct Workers {
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), golden_workers::RunError>>,
}

impl Workers {
    async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        Ok(self.task.await??)
    }
}

fn start_workers(store: &SharedStore, dispatch: By, keep: Keep) -> (Metrics, Workers) {
    let metrics = Metrics::new();
    let ports = Ports {
        store: Arc::clone(store),
        metrics: metrics.clone(),
        outbound: Arc::new(NoOutbound),
        executor: Err("benchmarks run no sandbox".to_owned()),
        models: Err("benchmarks ask no model".to_owned()),
        breakers: Board::new(breakers::Options::default(), metrics.clone()),
        functions: KnownFunctions::new(Arc::clone(store)),
    };
    let shutdown = CancellationToken::new();
    let options = Options { keep, dispatch, ..Options::new(vec![(Role::Orchestrator, 256)]) };
    let task = tokio::spawn(golden_workers::run(options, Arc::new(kinds::registry()), ports, shutdown.clone()));
    (metrics, Workers { shutdown, task })
}

/// Benchmarks call nobody.
struct NoOutbound;

#[async_trait]
impl Outbound for NoOutbound {
    async fn send(&self, _: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        Err(OutboundError::Refused("benchmarks call nobody".to_owned()))
    }
}
