//! A role's apalis worker.

use std::sync::Arc;

use apalis_core::{error::WorkerError, worker::builder::WorkerBuilder};
use golden_jobs::{Registry, Role, context::Ports};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower::limit::ConcurrencyLimit;

use crate::{attempt::Attempts, heartbeat::Heartbeat, recorder::Ended, runs::Runs, source::store::Claimer};

/// Everything that a pool needs.
pub(crate) struct Pool {
    pub(crate) role: Role,
    pub(crate) concurrency: usize,
    pub(crate) registry: Arc<Registry>,
    pub(crate) ports: Ports,
    pub(crate) heartbeat: Arc<Heartbeat>,
    pub(crate) runs: Arc<Runs>,
    pub(crate) recorder: mpsc::Sender<Ended>,
    pub(crate) shutdown: CancellationToken,
}

/// Runs a pool until its shutdown, and then until its last run has ended.
pub(crate) async fn run(pool: Pool) {
    let capacity = i64::try_from(pool.concurrency).unwrap_or(i64::MAX);
    pool.ports.metrics.worker_capacity.with_label_values(&[pool.role.as_str()]).set(capacity);
    // A loop that fails is started again: what it held is still leased to this process, and
    // is given back when its handles are dropped.
    while let Err(error) = run_once(&pool).await {
        tracing::error!(role = %pool.role, %error, "the pool's loop failed: starting it again");
    }
}

async fn run_once(pool: &Pool) -> Result<(), WorkerError> {
    let (source, claimer) = Claimer {
        role: pool.role,
        slots: pool.concurrency,
        store: Arc::clone(&pool.ports.store),
        heartbeat: Arc::clone(&pool.heartbeat),
        runs: Arc::clone(&pool.runs),
        recorder: pool.recorder.clone(),
        shutdown: pool.shutdown.clone(),
    }
    .start();
    let attempts = Attempts::new(Arc::clone(&pool.registry), pool.ports.clone(), pool.recorder.clone());
    let worker =
        WorkerBuilder::new(pool.role.as_str()).backend(source).build(ConcurrencyLimit::new(attempts, pool.concurrency));
    let shutdown = pool.shutdown.clone();
    let stop = async move {
        shutdown.cancelled().await;
        Ok::<(), WorkerError>(())
    };
    let ended = worker.run_until(stop).await;
    if ended.is_ok() {
        // A claim that was under way at the shutdown gives its jobs back before it ends.
        if let Err(error) = claimer.await {
            tracing::error!(role = %pool.role, %error, "the claimer failed");
        }
    } else {
        claimer.abort();
    }
    ended
}
