//! Ends of runs on their way to the store, in batches.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use golden_jobs::{
    batch,
    journal::{Desk, Journal},
    outcome::{JobError, Verdict},
    store::{RunEnd, SharedStore, Store, StoreError},
};
use serde_json::value::RawValue;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};

use crate::{journals, runs::RunHandle};

/// Ends recorded in one statement at most. Larger batches gain little and wait longer.
const BATCH: usize = 1000;
/// And so many bytes of results: a statement must keep its deadline.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Ends that may wait; whoever brings more waits with them.
const WAITING: usize = 4 * BATCH;
/// Batches on their way at once: one fills while the other commits.
const IN_FLIGHT: u32 = 2;
/// A try that took this long failed for its size, perhaps: smaller ones may pass.
const SLOW: Duration = Duration::from_secs(2);

/// An end on its way, with the run's place among those of the process: it is held until the
/// end is recorded.
pub(crate) struct Ended {
    pub(crate) end: RunEnd,
    pub(crate) handle: RunHandle,
    /// What the run wrote, where not all of it is on record: it goes first, so that the log of a
    /// job that has ended is complete.
    pub(crate) journal: Option<Arc<Journal>>,
}

/// Records ends as they come: at once when idle, together under load. A slot is free for
/// the next run as soon as its end is handed over here.
pub(crate) struct Recorder {
    ends: mpsc::Sender<Ended>,
    task: JoinHandle<()>,
}

impl Recorder {
    pub(crate) fn start(store: SharedStore, desk: Arc<Desk>) -> Self {
        let (ends, queue) = mpsc::channel(WAITING);
        Self { ends, task: tokio::spawn(record_all(store, desk, queue)) }
    }

    pub(crate) fn sender(&self) -> mpsc::Sender<Ended> {
        self.ends.clone()
    }

    /// Records what is left, once every other sender is gone, but takes no longer than `within`.
    pub(crate) async fn close(self, within: Duration) {
        drop(self.ends);
        match tokio::time::timeout(within, self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the recorder failed: its runs will be found lost and run again"),
            Err(_) => {
                tracing::error!("the store is away: ends of runs are not recorded, and these jobs will run again")
            }
        }
    }
}

async fn record_all(store: SharedStore, desk: Arc<Desk>, mut queue: mpsc::Receiver<Ended>) {
    let flights = Arc::new(Semaphore::new(IN_FLIGHT as usize));
    while let Ok(place) = Arc::clone(&flights).acquire_owned().await {
        let batch = batch::take(&mut queue, BATCH, BATCH_BYTES, |ended| weight(&ended.end)).await;
        if batch.is_empty() {
            drop(place);
            break;
        }
        let (store, desk) = (Arc::clone(&store), Arc::clone(&desk));
        tokio::spawn(async move {
            let (mut ends, mut held, mut unwritten) = (Vec::new(), Vec::new(), Vec::new());
            for Ended { end, handle, journal } in batch {
                ends.push(end);
                held.push(handle);
                unwritten.extend(journal);
            }
            // Of those whose lease is lost the record of their end will tell.
            let _ = journals::write(&*store, &desk, unwritten).await;
            record(&*store, ends).await;
            drop(held);
            drop(place);
        });
    }
    // All places free again means that every batch has landed.
    let _landed = flights.acquire_many(IN_FLIGHT).await;
}

/// Bytes that an end brings to its statement.
fn weight(end: &RunEnd) -> usize {
    let text = |json: &Option<Box<RawValue>>| json.as_ref().map_or(0, |json| json.get().len());
    match &end.verdict {
        Verdict::Succeeded { result } => text(result),
        Verdict::Await { children, checkpoint, .. } => {
            text(checkpoint) + children.iter().map(|child| child.payload.get().len()).sum::<usize>()
        }
        _ => 0,
    }
}

/// Records ends, however long the store is away: what ran must not run again for it. Leases
/// fence the write, so that trying again cannot do harm.
///
/// Ends that the store refuses are found by halving: one bad row fails alone.
async fn record(store: &dyn Store, ends: Vec<RunEnd>) {
    let mut pause = Duration::from_millis(50);
    let mut todo = vec![ends];
    while let Some(mut ends) = todo.pop() {
        let begun = Instant::now();
        match store.finish(ends.iter().map(again).collect()).await {
            Ok(lost) => {
                for run in lost {
                    tracing::warn!(job.id = %run.id, run.lease, "the run ended after its lease was lost: nothing changed");
                }
            }
            Err(StoreError::Rejected(_)) if ends.len() > 1 => {
                let half = ends.split_off(ends.len() / 2);
                todo.extend([half, ends]);
            }
            Err(StoreError::Rejected(reason)) => {
                for end in &mut ends {
                    tracing::error!(job.id = %end.run.id, %reason, "the store refuses the end of this run");
                }
                todo.extend(refused(ends));
            }
            Err(error) => {
                tracing::warn!(%error, runs = ends.len(), "ends of runs are not recorded yet: trying again");
                if ends.len() > 1 && begun.elapsed() >= SLOW {
                    todo.push(ends.split_off(ends.len() / 2));
                }
                todo.push(ends);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
        }
    }
}

/// What to record instead of an end that the store refuses: a death that says so. Nothing
/// when it refuses that as well; the lease is then found and given back.
fn refused(ends: Vec<RunEnd>) -> Option<Vec<RunEnd>> {
    const CODE: &str = "result_refused";
    let dead = |end: RunEnd| match &end.verdict {
        Verdict::Dead { error } if error.code == CODE => None,
        _ => {
            let error = JobError::new(CODE, "the store refused the result of this run");
            Some(RunEnd { verdict: Verdict::Dead { error }, ..end })
        }
    };
    ends.into_iter().map(dead).collect()
}

/// An end to offer again should the store be away.
fn again(end: &RunEnd) -> RunEnd {
    RunEnd { run: end.run, role: end.role, verdict: end.verdict.clone() }
}
