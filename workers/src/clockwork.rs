//! What comes due, and what was cancelled: the loops that look.

use std::{sync::Arc, time::Duration};

use golden_jobs::store::SharedStore;
use rand::Rng;

use crate::{
    heartbeat::Heartbeat,
    runs::{Runs, Stop},
};

/// The poll under all hints. One statement a process, whatever its roles.
const IDLE_POLL: Duration = Duration::from_millis(900);
/// The poll under the cancel hints, while anything runs.
const CANCEL_POLL: Duration = Duration::from_secs(1);
/// Jobs made ready in one go.
const PROMOTE_BATCH: u32 = 1000;

/// `duration` ± 10 %, so that processes which started together do not stay in step.
pub(crate) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::rng().random_range(0.9..1.1))
}

/// Makes scheduled jobs ready when they are due, and wakes the pools that have work.
pub(crate) async fn keep_promoting(store: SharedStore) {
    loop {
        let wait = match store.promote(PROMOTE_BATCH).await {
            Ok(promoted) => promoted.next_due.unwrap_or(IDLE_POLL).min(jittered(IDLE_POLL)),
            Err(error) => {
                tracing::warn!(%error, "due jobs were not looked for");
                IDLE_POLL
            }
        };
        sleep_unless_sooner(&store, wait).await;
    }
}

/// Sleeps for `wait`, or less if a job is scheduled meanwhile that is due before.
async fn sleep_unless_sooner(store: &SharedStore, wait: Duration) {
    let until = tokio::time::Instant::now() + wait;
    let sooner = async {
        loop {
            let due = tokio::time::Instant::now() + store.wakes().next_due().await;
            if due < until {
                return tokio::time::sleep_until(due).await;
            }
        }
    };
    tokio::select! {
        () = tokio::time::sleep_until(until) => {}
        () = sooner => {}
    }
}

/// Stops the runs whose jobs were cancelled.
pub(crate) async fn keep_stopping(store: SharedStore, heartbeat: Arc<Heartbeat>, runs: Arc<Runs>) {
    loop {
        tokio::select! {
            () = store.wakes().cancelled() => {}
            () = tokio::time::sleep(jittered(CANCEL_POLL)) => {}
        }
        if runs.len() == 0 {
            continue;
        }
        match store.cancelled(heartbeat.worker()).await {
            Ok(cancelled) => cancelled.into_iter().for_each(|run| runs.stop(run, Stop::Cancelled)),
            Err(error) => tracing::warn!(%error, "cancelled jobs were not looked for"),
        }
    }
}
