//! A role's apalis worker.

use std::{sync::Arc, time::Duration};

use apalis_core::{error::WorkerError, worker::builder::WorkerBuilder};
use golden_jobs::{Registry, Role, context::Ports, dispatch::Dispatch, journal::Desk, terms::KnownTerms};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower::limit::ConcurrencyLimit;

use crate::{attempt::Attempts, clocks::Clocks, heartbeat::Heartbeat, recorder::Ended, runs::Runs, source::Claimer};

/// Before a loop that failed is started again.
const RESTART: Duration = Duration::from_secs(1);

/// Everything that a pool needs.
pub(crate) struct Pool {
    pub(crate) role: Role,
    pub(crate) concurrency: usize,
    pub(crate) registry: Arc<Registry>,
    pub(crate) ports: Ports,
    pub(crate) dispatch: Arc<dyn Dispatch>,
    pub(crate) heartbeat: Arc<Heartbeat>,
    pub(crate) clocks: Arc<Clocks>,
    pub(crate) runs: Arc<Runs>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) terms: Arc<KnownTerms>,
    pub(crate) recorder: mpsc::Sender<Ended>,
    pub(crate) shutdown: CancellationToken,
}

/// Runs a pool until its shutdown, and then until its last run has ended.
pub(crate) async fn run(pool: Pool) {
    let capacity = i64::try_from(pool.concurrency).unwrap_or(i64::MAX);
    pool.ports.metrics.worker_capacity.with_label_values(&[pool.role.as_str()]).set(capacity);
    while let Err(error) = run_once(&pool).await {
        tracing::error!(role = %pool.role, %error, "the pool's loop failed: starting it again");
        tokio::time::sleep(RESTART).await;
    }
}

async fn run_once(pool: &Pool) -> Result<(), WorkerError> {
    // Ends with the pool's shutdown, or with this loop.
    let ending = pool.shutdown.child_token();
    let (source, claimer) = Claimer {
        role: pool.role,
        slots: pool.concurrency,
        dispatch: Arc::clone(&pool.dispatch),
        heartbeat: Arc::clone(&pool.heartbeat),
        clocks: Arc::clone(&pool.clocks),
        runs: Arc::clone(&pool.runs),
        recorder: pool.recorder.clone(),
        shutdown: ending.clone(),
    }
    .start();
    let attempts = Attempts::new(
        Arc::clone(&pool.registry),
        pool.ports.clone(),
        Arc::clone(&pool.desk),
        Arc::clone(&pool.terms),
        pool.recorder.clone(),
    );
    let worker =
        WorkerBuilder::new(pool.role.as_str()).backend(source).build(ConcurrencyLimit::new(attempts, pool.concurrency));
    let stop = {
        let ending = ending.clone();
        async move {
            ending.cancelled().await;
            Ok::<(), WorkerError>(())
        }
    };
    let ended = worker.run_until(stop).await;
    // The claimer gives back what was never started before it ends.
    ending.cancel();
    if let Err(error) = claimer.await {
        tracing::error!(role = %pool.role, %error, "the claimer failed: what it held is given back later");
    }
    ended
}
