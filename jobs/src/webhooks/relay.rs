//! Passes events on: into the log, to those who are called back, and to what waits for a broker.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{deliveries::deliveries, publications::publications};
use crate::{
    job::Policy,
    store::{
        SharedStore, Store, StoreError,
        events::{Outgoing, Telling, Told},
    },
};

/// Events passed on in one go, at most. With all the endpoints that a tenant may have and bodies as long as they
/// may be, the messages of so many fill 40 MB.
const BATCH: u32 = 100;

/// The longest time between two looks at the outbox; hints make it shorter.
const NET: Duration = Duration::from_secs(5);

/// Events forgotten in one go.
const FORGET_BATCH: u32 = 1000;

/// Between two batches to forget, and once there is nothing left to forget.
const FORGET_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(60)];

/// Passes events on until told to stop, and forgets those that are past their time. Any number
/// of processes may do so; they take turns.
///
/// `policy` is that of `webhook.deliver` in this process's registry.
pub async fn relay(store: SharedStore, policy: Policy, shutdown: CancellationToken) {
    let run = async { tokio::join!(pass_on(&*store, policy), forget(&*store)) };
    // Stopping between any two steps is as harmless as a crash there.
    let _: Option<(Infallible, Infallible)> = shutdown.run_until_cancelled(run).await;
}

async fn pass_on(store: &dyn Store, policy: Policy) -> Infallible {
    let (mut size, mut failing) = (BATCH, false);
    loop {
        match relay_once(store, policy, size).await {
            Ok(passed) => {
                failing = false;
                let full = passed >= size as usize;
                size = size.saturating_mul(2).min(BATCH);
                // A full batch means that more is waiting.
                if full {
                    continue;
                }
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "events wait: they cannot be passed on, trying again");
                }
                failing = true;
                // Less may pass where that much took too long.
                size = (size / 2).max(1);
            }
        }
        // Several relays that began together must not go on looking together.
        let net = NET.mul_f64(rand::random_range(0.6..1.0));
        let hint = async {
            // A failing store is given the whole pause, however often it hints.
            if failing { std::future::pending().await } else { store.wakes().told().await }
        };
        let _ = tokio::time::timeout(net, hint).await;
    }
}

async fn forget(store: &dyn Store) -> Infallible {
    let [soon, later] = FORGET_PAUSES;
    loop {
        let pause = match store.forget_events(FORGET_BATCH).await {
            Ok(forgotten) if forgotten >= u64::from(FORGET_BATCH) => soon,
            Ok(_) => later,
            Err(error) => {
                tracing::warn!(%error, "old events were not forgotten yet");
                later
            }
        };
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.9..1.1))).await;
    }
}

/// Passes on up to `limit` events, oldest first, and answers how many.
///
/// Webhooks that the store refuses are found one by one, and dropped: they must not hold up all
/// that come after them.
pub async fn relay_once(store: &dyn Store, policy: Policy, limit: u32) -> Result<usize, StoreError> {
    let told: Telling = Arc::new(move |outgoing| Told {
        deliveries: deliveries(outgoing, &policy),
        publications: publications(outgoing),
    });
    match store.pass_on(limit, &told).await {
        Err(StoreError::Rejected(_)) => {}
        other => return other,
    }
    let untold: Telling = Arc::new(dropped);
    let mut passed = 0;
    while passed < limit as usize {
        passed += match store.pass_on(1, &told).await {
            Ok(0) => break,
            Err(StoreError::Rejected(error)) => {
                tracing::error!(%error, "the store refuses to deliver an event");
                store.pass_on(1, &untold).await?
            }
            other => other?,
        };
    }
    Ok(passed)
}

fn dropped(outgoing: &Outgoing) -> Told {
    for event in &outgoing.events {
        tracing::error!(event.id = %event.id, event.event, tenant = event.tenant_id, "its webhooks were dropped");
    }
    Told { deliveries: Vec::new(), publications: publications(outgoing) }
}
