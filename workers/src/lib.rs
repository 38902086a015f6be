//! Worker pools: claim jobs, run them, report.
//!
//! One apalis worker per role over our own apalis `Backend` on the store. A pool holds no
//! state that matters: whatever a process was doing when it died is in the store, under a
//! lease that runs out.
//!
//! | module | holds |
//! |---|---|
//! | [`attempt`] | the layers round one run: timeout, cancel, panic, outcome, span |
//! | `pool` | a role's apalis worker |
//! | `source` | the apalis `Backend` of claimed jobs |
//! | `runs` | the runs under way, and how they are told to stop |
//! | `recorder` | ends of runs on their way to the store, in batches |
//! | `journals` | what runs show of themselves while they go, likewise |
//! | `heartbeat` | the process's sign of life; the rescue of those who fell silent |
//! | `schedules` | jobs that come back by the clock |
//! | `clocks` | whether this process's clock and the store's agree |
//! | `clockwork` | what is due, what was cancelled, what went astray |
//! | `budgets` | what waits for money, and money that nobody settles |
//! | `guards` | what is wrong with the installation, where this is a supervisor |
//! | `retention` | what is past its time is removed |
//! | [`outbound`] | HTTP to addresses that users name, guarded |
//! | [`models`] | language models over HTTP, at an address that the operator names |

pub mod attempt;
mod budgets;
mod clocks;
mod clockwork;
mod guards;
mod heartbeat;
mod journals;
pub mod models;
pub mod outbound;
mod pool;
mod recorder;
mod retention;
mod runs;
mod schedules;
mod source;

use std::{sync::Arc, time::Duration};

use golden_jobs::{
    Registry, Role, WorkerId,
    breakers::keep_sharing,
    context::Ports,
    dispatch::{Dispatch, FromStore},
    journal::Desk,
    outcome::Verdict,
    store::{Keep, LOST_AFTER, RunEnd, Store, StoreClock, StoreError},
    terms::KnownTerms,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{clocks::Clocks, heartbeat::Heartbeat, recorder::Recorder, runs::Runs, schedules::Firer};

/// What a worker process is told to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The pools to run, each with how many runs it does at once, at least one.
    pub pools: Vec<(Role, usize)>,
    /// How long runs may go on after a shutdown was asked for.
    pub drain_timeout: Duration,
    /// How long a worker may be silent before its jobs are taken from it.
    pub lost_after: Duration,
    /// How long jobs stay on record after they ended.
    pub keep: Keep,
    /// Drains and returns once nothing has run for so long; never, where absent.
    pub exit_when_idle: Option<Duration>,
    /// Where pools learn which jobs to claim; from the store itself, where absent.
    pub dispatch: Option<Arc<dyn Dispatch>>,
    /// This process's own clock, which nothing goes by but whether it agrees with the store's.
    pub clock: StoreClock,
}

impl Options {
    /// The given pools, with 30 s to drain, [`LOST_AFTER`] of silence, and the usual retention.
    pub fn new(pools: Vec<(Role, usize)>) -> Self {
        Self {
            pools,
            drain_timeout: Duration::from_secs(30),
            lost_after: LOST_AFTER,
            keep: Keep::default(),
            exit_when_idle: None,
            dispatch: None,
            clock: StoreClock::Own,
        }
    }
}

/// Why a worker process could not start, or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the worker could not be registered: {0}")]
    Register(#[from] StoreError),
    #[error("a part of the worker ended before it was told to: see the log above")]
    PartFailed,
}

/// How soon a run keeps to a tenant's new limits.
const TERMS_KNOWN: Duration = Duration::from_secs(10);

/// How long giving back what is left may take, should the store be away.
const GIVE_BACK: Duration = Duration::from_secs(10);

/// Runs the pools until `shutdown`, then drains: stops claiming, lets runs finish for
/// `drain_timeout`, gives the rest back without spending an attempt, and returns.
///
/// Drains and returns as well once the store asks this process to ([`Workers::drain`](golden_jobs::store::Workers::drain)),
/// or it has been idle for as long as it should be. Then runs
/// take the time they take, unless `shutdown` comes meanwhile.
///
/// Fails when the worker cannot be registered, and, once drained, when a part of it had ended
/// by itself.
pub async fn run(
    options: Options,
    registry: Arc<Registry>,
    ports: Ports,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let store = Arc::clone(&ports.store);
    let runs = Arc::new(Runs::default());
    let metrics = ports.metrics.clone();
    let heartbeat = Arc::new(Heartbeat::new(&options, Arc::clone(&store), Arc::clone(&runs), metrics.clone()));
    heartbeat.beat().await?;
    let clocks = Arc::new(Clocks::new(options.clock.clone(), metrics.clone()));
    clocks.compare(&*store).await?;
    let desk = Arc::<Desk>::default();
    let recorder = Recorder::start(Arc::clone(&store), Arc::clone(&desk));
    let terms = Arc::new(KnownTerms::new(Arc::clone(&store), TERMS_KNOWN));

    // Ends with the caller's shutdown, when this process is asked to drain, or when a part of it fails.
    let stopping = shutdown.child_token();
    // What keeps the process's house in order; these loops never end by themselves.
    let mut keepers = JoinSet::new();
    keepers.spawn(Arc::clone(&heartbeat).keep_beating());
    keepers.spawn(journals::keep_writing(Arc::clone(&store), Arc::clone(&desk), Arc::clone(&runs)));
    keepers.spawn(clockwork::keep_promoting(Arc::clone(&store)));
    let keep = options.keep;
    keepers.spawn(retention::keep_pruning(Arc::clone(&store), Arc::clone(&heartbeat), keep, metrics.clone()));
    keepers.spawn(budgets::keep_funding(Arc::clone(&store), Arc::clone(&heartbeat), metrics.clone()));
    if options.pools.iter().any(|(role, _)| *role == Role::Supervisor) {
        keepers.spawn(guards::keep_guarding(Arc::clone(&store), Arc::clone(&heartbeat), metrics));
    }
    let (compared, held) = (Arc::clone(&clocks), Arc::clone(&store));
    keepers.spawn(async move { compared.keep_comparing(&*held).await });
    keepers.spawn(clockwork::keep_reconciling(Arc::clone(&store), Arc::clone(&heartbeat), Arc::clone(&runs)));

    let itself = Arc::clone(&heartbeat);
    keepers.spawn(keep_sharing(Arc::clone(&store), move || itself.worker(), ports.breakers.clone()));

    let firer = Firer {
        store: Arc::clone(&store),
        registry: Arc::clone(&registry),
        functions: ports.functions.clone(),
        metrics: ports.metrics.clone(),
    };
    keepers.spawn(firer.keep_firing());

    let dispatch = options.dispatch.clone().unwrap_or_else(|| Arc::new(FromStore(Arc::clone(&store))));
    let (kept, roles) = (Arc::clone(&dispatch), options.pools.iter().map(|(role, _)| *role).collect());
    keepers.spawn(async move { kept.keep(roles).await });

    let mut pools = JoinSet::new();
    for (role, concurrency) in &options.pools {
        pools.spawn(pool::run(pool::Pool {
            role: *role,
            concurrency: (*concurrency).max(1),
            registry: Arc::clone(&registry),
            ports: ports.clone(),
            dispatch: Arc::clone(&dispatch),
            heartbeat: Arc::clone(&heartbeat),
            clocks: Arc::clone(&clocks),
            runs: Arc::clone(&runs),
            desk: Arc::clone(&desk),
            terms: Arc::clone(&terms),
            recorder: recorder.sender(),
            shutdown: stopping.clone(),
        }));
    }
    let pools_of: Vec<String> = options.pools.iter().map(|(role, slots)| format!("{role}={slots}")).collect();
    tracing::info!(worker = %heartbeat.worker(), pools = pools_of.join(" "), "worker started");

    let ended = tokio::select! {
        // First: a pool that ends because of it may be seen to have ended at the same moment.
        biased;
        () = shutdown.cancelled() => Ok(()),
        () = heartbeat.asked_to_drain() => Ok(()),
        () = runs.idle_for(options.exit_when_idle) => Ok(()),
        // A process without its heartbeat or one of its pools is no good to anybody.
        Some(_) = keepers.join_next() => Err(RunError::PartFailed),
        Some(_) = pools.join_next() => Err(RunError::PartFailed),
    };
    stopping.cancel();
    let hurried = shutdown.child_token();
    if ended.is_err() {
        hurried.cancel();
    }
    drain(&options, &runs, pools, &hurried).await;
    recorder.close(GIVE_BACK).await;
    keepers.shutdown().await;
    dispatch.leave().await;
    leave(&*store, heartbeat.worker()).await;
    tracing::info!("worker drained");
    ended
}

/// Lets runs finish, in `drain_timeout` from when it is `hurried`, and stops the rest.
async fn drain(options: &Options, runs: &Runs, mut pools: JoinSet<()>, hurried: &CancellationToken) {
    let mut drained = async || while pools.join_next().await.is_some() {};
    tokio::select! {
        () = drained() => return,
        () = hurried.cancelled() => {}
    }
    if tokio::time::timeout(options.drain_timeout, drained()).await.is_ok() {
        return;
    }
    tracing::info!(left = runs.len(), "drain timeout: giving back what still runs");
    runs.stop_all(runs::Stop::Drained);
    if tokio::time::timeout(GIVE_BACK, drained()).await.is_err() {
        tracing::error!(left = runs.len(), "runs do not stop: leaving them to be found lost");
    }
}

/// Gives back what this process still holds, and takes its row away.
async fn leave(store: &dyn Store, worker: WorkerId) {
    let left = async {
        let held = store.held(worker).await?;
        let ends =
            held.into_iter().map(|held| RunEnd { run: held.run, role: held.role, verdict: Verdict::Release }).collect();
        store.finish(ends).await?;
        store.retire(worker).await
    };
    if let Err(error) = left.await {
        tracing::warn!(%error, "the worker's row stays until it is found silent");
    }
}
