//! What comes due, what was cancelled, what went astray: the loops that look.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use golden_jobs::{
    outcome::Verdict,
    store::{HeldRun, Run, RunEnd, SharedStore},
};
use rand::Rng;

use crate::{
    heartbeat::Heartbeat,
    runs::{Runs, Stop},
};

/// The poll under all hints. One statement a process, whatever its roles.
const IDLE_POLL: Duration = Duration::from_millis(900);
/// How often to look at the leases of this process while anything runs: the net under the
/// cancel hints.
const BUSY_LOOK: Duration = Duration::from_secs(1);
/// And while nothing does.
const IDLE_LOOK: Duration = Duration::from_secs(5);
/// How long a lease may be unknown here before it is given back: twice as long as a claim can
/// be under way.
const STRAY_AFTER: Duration = Duration::from_secs(10);
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

/// Compares the leases that this process holds in the store with the runs it knows of: stops
/// those whose jobs were cancelled, and gives back those that nobody here is running.
///
/// A lease can be unknown here when the answer to its claim was lost on the way. The process
/// lives, so nobody else would ever take such a job from it.
pub(crate) async fn keep_reconciling(store: SharedStore, heartbeat: Arc<Heartbeat>, runs: Arc<Runs>) {
    let mut strays: HashMap<Run, Instant> = HashMap::new();
    let mut looked = Instant::now();
    loop {
        tokio::select! {
            () = store.wakes().cancelled() => {}
            () = tokio::time::sleep(jittered(BUSY_LOOK)) => {
                // Asked each time: what has just begun may be cancelled, and nobody here be told.
                let idle = runs.len() == 0 && strays.is_empty();
                if idle && looked.elapsed() < IDLE_LOOK {
                    continue;
                }
            }
        }
        looked = Instant::now();
        let held = match store.held(heartbeat.worker()).await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(%error, "the leases of this process were not looked at");
                continue;
            }
        };
        let unknown: HashMap<Run, HeldRun> =
            held.iter().filter(|held| !runs.knows(held.run)).map(|held| (held.run, *held)).collect();
        held.iter().filter(|held| held.cancel).for_each(|held| runs.stop(held.run, Stop::Cancelled));
        strays.retain(|run, _| unknown.contains_key(run));
        unknown.keys().for_each(|run| _ = strays.entry(*run).or_insert_with(Instant::now));

        let stray = |held: &&HeldRun| strays.get(&held.run).is_some_and(|since| since.elapsed() > STRAY_AFTER);
        let ends: Vec<RunEnd> = unknown
            .values()
            .filter(stray)
            .map(|held| RunEnd { run: held.run, role: held.role, verdict: Verdict::Release })
            .collect();
        if ends.is_empty() {
            continue;
        }
        tracing::warn!(runs = ends.len(), "giving back leases whose claim this process never heard the answer to");
        if let Err(error) = store.finish(ends).await {
            tracing::warn!(%error, "leases were not given back yet");
        }
    }
}
