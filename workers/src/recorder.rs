//! Ends of runs on their way to the store, in batches.

use std::{sync::Arc, time::Duration};

use golden_jobs::{
    outcome::{JobError, Verdict},
    store::{RunEnd, SharedStore, Store, StoreError},
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};

use crate::runs::RunHandle;

/// Ends recorded in one statement at most. Larger batches gain little and wait longer.
const BATCH: usize = 1000;
/// Ends that may wait; whoever brings more waits with them.
const WAITING: usize = 4 * BATCH;
/// Batches on their way at once: one fills while the other commits.
const IN_FLIGHT: u32 = 2;

/// An end on its way, with the run's place among those of the process: it is held until the
/// end is recorded.
pub(crate) struct Ended {
    pub(crate) end: RunEnd,
    pub(crate) handle: RunHandle,
}

/// Records ends as they come: at once when idle, together under load. A slot is free for
/// the next run as soon as its end is handed over here.
pub(crate) struct Recorder {
    ends: mpsc::Sender<Ended>,
    task: JoinHandle<()>,
}

impl Recorder {
    pub(crate) fn start(store: SharedStore) -> Self {
        let (ends, queue) = mpsc::channel(WAITING);
        Self { ends, task: tokio::spawn(record_all(store, queue)) }
    }

    pub(crate) fn sender(&self) -> mpsc::Sender<Ended> {
        self.ends.clone()
    }

    /// Records what is left, once every other sender is gone.
    pub(crate) async fn close(self) {
        drop(self.ends);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the recorder failed; its runs will be found lost and run again");
        }
    }
}

async fn record_all(store: SharedStore, mut queue: mpsc::Receiver<Ended>) {
    let flights = Arc::new(Semaphore::new(IN_FLIGHT as usize));
    while let Ok(place) = Arc::clone(&flights).acquire_owned().await {
        let mut batch = Vec::new();
        if queue.recv_many(&mut batch, BATCH).await == 0 {
            break;
        }
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            record(&*store, batch).await;
            drop(place);
        });
    }
    // All places free again means that every batch has landed.
    let _landed = flights.acquire_many(IN_FLIGHT).await;
}

/// Records one batch, however long the store is away: what ran must not run again for it.
/// Leases fence the write, so that trying again cannot do harm.
async fn record(store: &dyn Store, batch: Vec<Ended>) {
    let (batch, _held): (Vec<RunEnd>, Vec<RunHandle>) =
        batch.into_iter().map(|ended| (ended.end, ended.handle)).unzip();
    let mut pause = Duration::from_millis(50);
    loop {
        match store.finish(batch.iter().map(again).collect()).await {
            Ok(lost) => {
                for run in lost {
                    tracing::warn!(job.id = %run.id, run.lease, "the run ended after its lease was lost: nothing changed");
                }
                return;
            }
            Err(StoreError::Rejected(_)) => return record_singly(store, batch).await,
            Err(error) => {
                tracing::warn!(%error, runs = batch.len(), "ends of runs are not recorded yet: trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
        }
    }
}

/// Finds the end that the store refuses among those it does not: one bad row fails alone.
async fn record_singly(store: &dyn Store, batch: Vec<RunEnd>) {
    for end in batch {
        let Err(StoreError::Rejected(reason)) = store.finish(vec![again(&end)]).await else { continue };
        tracing::error!(job.id = %end.run.id, %reason, "the store refuses the end of this run");
        let error = JobError::new("result_refused", "the store refused the result of this run");
        let dead = RunEnd { verdict: Verdict::Dead { error }, ..end };
        if let Err(error) = store.finish(vec![dead]).await {
            tracing::error!(%error, "the run will be found lost");
        }
    }
}

/// An end to offer again should the store be away.
fn again(end: &RunEnd) -> RunEnd {
    RunEnd { run: end.run, role: end.role, verdict: end.verdict.clone() }
}
