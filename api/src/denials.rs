//! Who tried what their role may not: gathered, and put into the audit log a minute at a time.
//!
//! A refusal waits for nothing and writes nothing, however many there are: it adds one to a number. Of each subject and
//! route one entry a minute is written, with how often it was.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use golden_jobs::{
    audit::{Act, Action, Actor, acts},
    store::{SharedStore, StoreError, audit::ChainName},
};
use tokio_util::sync::CancellationToken;

use crate::auth::Grant;

/// Subjects and routes that are told apart within a minute. What is beyond is counted for its tenant.
const TOLD_APART: usize = 1000;

#[derive(Default)]
pub(crate) struct Denials {
    gathered: Mutex<Gathered>,
    /// Held while what was gathered is on its way, so that whoever records last does not end before it is there.
    recording: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Gathered {
    /// By tenant, since each has a chain of its own.
    times: BTreeMap<(String, Actor, Arc<str>), u64>,
    beyond: BTreeMap<String, u64>,
}

impl Denials {
    /// Begins to record what is gathered, every so often until `closing`.
    pub(crate) fn start(store: SharedStore, every: Duration, closing: CancellationToken) -> Arc<Self> {
        let denials = Arc::new(Self::default());
        let gathered = Arc::clone(&denials);
        tokio::spawn(async move {
            while closing.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
                gathered.record(&store).await;
            }
        });
        denials
    }

    /// Somebody's role was not enough for a route.
    pub(crate) fn note(&self, caller: &Grant, route: &Arc<str>) {
        self.gathered().add((caller.tenant.clone(), caller.actor(), Arc::clone(route)), 1);
    }

    /// Puts what was gathered into the audit log. What cannot be recorded now is kept for the next time.
    pub(crate) async fn record(&self, store: &SharedStore) {
        let _recording = self.recording.lock().await;
        let Gathered { times, beyond } = mem::take(&mut *self.gathered());
        let mut chains: BTreeMap<String, Vec<(Actor, Act)>> = BTreeMap::new();
        for ((tenant, by, route), times) in &times {
            chains.entry(tenant.clone()).or_default().push((by.clone(), acts::denied(route, *times)));
        }
        for (tenant, times) in &beyond {
            let act = Act::of(Action::AccessDenied).with("times", *times);
            chains.entry(tenant.clone()).or_default().push((Actor::golden(), act));
        }
        let mut failed = Vec::new();
        let mut away = false;
        for (tenant, acts) in chains {
            // A store that is away for one tenant is away for the next, and each would wait for it anew.
            if away {
                failed.push(tenant);
            } else if let Err(error) = store.record_acts(&ChainName::of(&tenant), &acts).await {
                tracing::warn!(%error, tenant, "denials are not in the audit log yet");
                away = matches!(error, StoreError::Unavailable(_));
                failed.push(tenant);
            }
        }
        if failed.is_empty() {
            return;
        }
        let mut gathered = self.gathered();
        times.into_iter().filter(|(key, _)| failed.contains(&key.0)).for_each(|(key, times)| gathered.add(key, times));
        for (tenant, times) in beyond.into_iter().filter(|(tenant, _)| failed.contains(tenant)) {
            *gathered.beyond.entry(tenant).or_default() += times;
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathered {
    fn add(&mut self, key: (String, Actor, Arc<str>), times: u64) {
        if self.times.len() >= TOLD_APART && !self.times.contains_key(&key) {
            *self.beyond.entry(key.0).or_default() += times;
        } else {
            *self.times.entry(key).or_default() += times;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::CallerRole;

    #[test]
    fn a_flood_of_denials_is_a_bounded_number_of_entries() {
        let denials = Denials::default();
        let caller = |n: usize| Grant {
            tenant: "acme".into(),
            role: CallerRole::Observer,
            subject: format!("sub-{n}"),
            rate_limit: None,
        };
        let route: Arc<str> = "POST /v1/jobs".into();
        for n in 0..3 * TOLD_APART {
            denials.note(&caller(n), &route);
            denials.note(&caller(0), &route);
        }
        let gathered = denials.gathered();
        assert_eq!((gathered.times.len(), gathered.times.values().max().copied()), (TOLD_APART, Some(3001)));
        assert_eq!(gathered.beyond["acme"], 2000);
    }
}
