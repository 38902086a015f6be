//! The process's sign of life, and the rescue of those who fell silent.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::DateTime;
use golden_jobs::{
    Role, WorkerId,
    guards::Guard,
    metrics::Metrics,
    outcome::{Verdict, lost_is_dead},
    store::{Heard, Pool, RunEnd, SharedStore, StoreError, WorkerInfo},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Options,
    clockwork::jittered,
    runs::{Runs, Stop},
};

/// Runs taken from lost workers in one go.
const RESCUE_BATCH: u32 = 1000;

/// Who this process is to the store. The id is new at every start, and again whenever the
/// store has taken the process for lost.
pub(crate) struct Heartbeat {
    store: SharedStore,
    runs: Arc<Runs>,
    pools: Vec<Pool>,
    metrics: Metrics,
    lost_after: Duration,
    /// Cancelled once the store asks this process to drain. That is for good, whatever becomes of its row.
    draining: CancellationToken,
    state: Mutex<State>,
}

struct State {
    worker: WorkerId,
    /// Since when every heartbeat has reached the store, and the last of them.
    unbroken: Option<(Instant, Instant)>,
}

impl Heartbeat {
    pub(crate) fn new(options: &Options, store: SharedStore, runs: Arc<Runs>, metrics: Metrics) -> Self {
        Self {
            store,
            runs,
            pools: options.pools.iter().map(|(role, runs)| pool(*role, *runs)).collect(),
            metrics,
            lost_after: options.lost_after,
            draining: CancellationToken::new(),
            state: Mutex::new(State { worker: WorkerId::new(), unbroken: None }),
        }
    }

    pub(crate) fn worker(&self) -> WorkerId {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).worker
    }

    /// Waits until the store asks this process to drain.
    pub(crate) async fn asked_to_drain(&self) {
        self.draining.cancelled().await;
    }

    /// One heartbeat. A process that had been taken for lost goes on under a new id.
    pub(crate) async fn beat(&self) -> Result<Heard, StoreError> {
        let heard = self.store.heartbeat(&self.info()).await;
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match &heard {
                Ok(Heard::Alive | Heard::Draining) => {
                    let now = Instant::now();
                    // A process that was stopped for a while has not been heard throughout either.
                    let since = state.unbroken.filter(|(_, last)| now - *last < self.lost_after / 2);
                    state.unbroken = Some((since.map_or(now, |(since, _)| since), now));
                }
                Ok(Heard::Lost) => *state = State { worker: WorkerId::new(), unbroken: None },
                Err(_) => state.unbroken = None,
            }
        }
        match heard {
            Ok(Heard::Lost) => {
                tracing::warn!("this process was taken for lost: dropping its runs, going on under a new id");
                self.runs.stop_all(Stop::Lost);
                self.store.heartbeat(&self.info()).await?;
            }
            Ok(Heard::Draining) if !self.draining.is_cancelled() => {
                tracing::info!("asked to drain: claiming nothing more, ending once nothing runs");
                self.draining.cancel();
            }
            _ => {}
        }
        heard
    }

    fn heard_throughout(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.unbroken.is_some_and(|(since, _)| since.elapsed() >= self.lost_after)
    }

    /// Beats, and puts the runs of those who do not back to work.
    pub(crate) async fn keep_beating(self: Arc<Self>) {
        loop {
            tokio::time::sleep(jittered(self.lost_after / 4)).await;
            match self.beat().await {
                // After an outage everybody looks silent, and all but the dead will beat again:
                // only who has been heard throughout may judge others.
                Ok(Heard::Alive | Heard::Draining) if self.heard_throughout() => {}
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(%error, "heartbeat failed");
                    continue;
                }
            }
            if let Err(error) = self.rescue().await {
                tracing::warn!(%error, "lost runs were not looked for");
            }
        }
    }

    async fn rescue(&self) -> Result<(), StoreError> {
        let lost = self.store.lost(self.lost_after, RESCUE_BATCH).await?;
        if lost.is_empty() {
            return Ok(());
        }
        tracing::warn!(runs = lost.len(), "putting the runs of silent workers back to work");
        let ends = lost
            .into_iter()
            .map(|lost| {
                let dead = lost_is_dead(lost.attempt, lost.max_attempts, lost.lost_before);
                RunEnd { run: lost.run, role: lost.role, verdict: Verdict::Lost { dead } }
            })
            .collect();
        // Whoever else is rescuing them got there first: the lease decides.
        let rescued = self.store.finish(ends).await;
        self.metrics.guarded(Guard::LostWorkers, rescued.is_ok());
        rescued.map(|_| ())
    }

    fn info(&self) -> WorkerInfo {
        WorkerInfo {
            id: self.worker(),
            host: host(),
            pid: std::process::id(),
            pools: self.pools.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: DateTime::UNIX_EPOCH,
            heartbeat_at: DateTime::UNIX_EPOCH,
            draining_since: None,
        }
    }
}

fn pool(role: Role, runs: usize) -> Pool {
    Pool { role, capacity: u32::try_from(runs).unwrap_or(u32::MAX) }
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "unknown".into(), |name| name.trim().into())
}
