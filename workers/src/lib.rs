//! Worker pools: claim jobs, run them, report.
//!
//! One apalis worker per role over our own apalis `Backend` on the store. A pool holds no
//! state that matters: whatever a process was doing when it died is in the store, under a
//! lease that runs out.
//!
//! | module | holds |
//! |---|---|
//! | [`attempt`] | the layers round one run: panic, timeout, stop, outcome, span |
//! | `pool` | a role's apalis worker |
//! | `source` | the apalis `Backend` that claims from the store |
//! | `runs` | the runs under way, and how they are told to stop |
//! | `recorder` | ends of runs on their way to the store, in batches |
//! | `heartbeat` | the process's sign of life; the rescue of those who fell silent |
//! | `clockwork` | what is due, what was cancelled, what went astray |
//! | [`outbound`] | HTTP to addresses that users name, guarded |

pub mod attempt;
mod clockwork;
mod heartbeat;
pub mod outbound;
mod pool;
mod recorder;
mod runs;
mod source;

use std::{sync::Arc, time::Duration};

use golden_jobs::{
    Registry, Role,
    context::Ports,
    store::{LOST_AFTER, StoreError},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{heartbeat::Heartbeat, recorder::Recorder, runs::Runs};

/// What a worker process is told to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The pools to run, each with how many runs it does at once.
    pub pools: Vec<(Role, usize)>,
    /// How long runs may go on after a shutdown was asked for.
    pub drain_timeout: Duration,
    /// How long a worker may be silent before its jobs are taken from it.
    pub lost_after: Duration,
}

impl Options {
    /// The given pools, with the usual patience.
    pub fn new(pools: Vec<(Role, usize)>) -> Self {
        Self { pools, drain_timeout: Duration::from_secs(30), lost_after: LOST_AFTER }
    }
}

/// Why a worker process could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the worker could not be registered: {0}")]
    Register(#[from] StoreError),
}

/// Runs the pools until `shutdown`, then drains: stops claiming, lets runs finish for
/// `drain_timeout`, gives the rest back without spending an attempt, and returns.
pub async fn run(
    options: Options,
    registry: Arc<Registry>,
    ports: Ports,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let store = Arc::clone(&ports.store);
    let runs = Arc::new(Runs::default());
    let heartbeat = Arc::new(Heartbeat::new(&options, Arc::clone(&store), Arc::clone(&runs)));
    heartbeat.beat().await?;
    let recorder = Recorder::start(Arc::clone(&store));

    // What keeps the process's house in order; its loops end with it.
    let mut keepers = JoinSet::new();
    keepers.spawn(Arc::clone(&heartbeat).keep_beating());
    keepers.spawn(Arc::clone(&heartbeat).keep_rescuing());
    keepers.spawn(clockwork::keep_promoting(Arc::clone(&store)));
    keepers.spawn(clockwork::keep_reconciling(Arc::clone(&store), Arc::clone(&heartbeat), Arc::clone(&runs)));

    let mut pools = JoinSet::new();
    for (role, concurrency) in &options.pools {
        pools.spawn(pool::run(pool::Pool {
            role: *role,
            concurrency: (*concurrency).max(1),
            registry: Arc::clone(&registry),
            ports: ports.clone(),
            heartbeat: Arc::clone(&heartbeat),
            runs: Arc::clone(&runs),
            recorder: recorder.sender(),
            shutdown: shutdown.clone(),
        }));
    }
    tracing::info!(worker = %heartbeat.worker(), pools = ?options.pools, "worker started");

    shutdown.cancelled().await;
    let drain = async { while pools.join_next().await.is_some() {} };
    tokio::pin!(drain);
    if tokio::time::timeout(options.drain_timeout, &mut drain).await.is_err() {
        tracing::info!(left = runs.len(), "drain timeout: giving back what still runs");
        runs.stop_all(runs::Stop::Drained);
        drain.await;
    }
    recorder.close().await;
    keepers.shutdown().await;
    if let Err(error) = store.retire(heartbeat.worker()).await {
        tracing::warn!(%error, "the worker's row stays until it is found silent");
    }
    tracing::info!("worker drained");
    Ok(())
}
