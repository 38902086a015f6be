//! Jobs that wait for money go on when it is there, and what nobody settles is settled: by one process for all.

use std::{sync::Arc, time::Duration};

use golden_jobs::{
    guards::Guard,
    metrics::Metrics,
    store::{Chore, SharedStore, StoreError, budgets::UNSETTLED_FOR},
};

use crate::{clockwork::jittered, heartbeat::Heartbeat};

/// For how long one process is the one that does it. Another takes over should it be gone.
const TURN: Duration = Duration::from_secs(60);
/// Between two looks at who waits. A limit may be raised by a statement that tells nobody, and a period turns by itself.
const LOOK: Duration = Duration::from_secs(3);
/// Looks within a turn, of which the last leaves time to renew it.
const LOOKS: u32 = 10;
/// Jobs put back to work, or reservations seen to, in one go.
const BATCH: u32 = 1000;

/// Does so for as long as the process lives.
pub(crate) async fn keep_funding(store: SharedStore, heartbeat: Arc<Heartbeat>, metrics: Metrics) {
    loop {
        match turn(&store, &heartbeat, &metrics).await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(jittered(TURN)).await,
            Err(error) => {
                tracing::warn!(%error, "jobs that wait for money were not looked for");
                tokio::time::sleep(jittered(LOOK)).await;
            }
        }
    }
}

/// A turn, if it is this process's. Answers whether it was.
async fn turn(store: &SharedStore, heartbeat: &Heartbeat, metrics: &Metrics) -> Result<bool, StoreError> {
    if !store.take_turn(Chore::Budgets, heartbeat.worker(), TURN).await? {
        return Ok(false);
    }
    let reaped = store.reap_reservations(UNSETTLED_FOR, BATCH).await;
    let reaped = reaped.inspect_err(|_| metrics.guarded(Guard::Reservations, false))?;
    if reaped.released + reaped.settled > 0 {
        let (released, settled) = (reaped.released, reaped.settled);
        metrics.guarded(Guard::Reservations, true);
        tracing::warn!(released, settled, "reservations of runs that are gone were seen to");
    }
    for _ in 0..LOOKS {
        let funded = store.fund(BATCH).await?;
        if funded > 0 {
            tracing::info!(jobs = funded, "there is money for jobs that waited for it");
        }
        tokio::time::sleep(jittered(LOOK)).await;
    }
    Ok(true)
}
