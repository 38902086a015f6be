//! A host that goes away and comes back, before real pools.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use golden_jobs::{
    JobId, Role, State, breakers,
    breakers::Dependency,
    outbound::{Outbound, OutboundError, OutboundRequest, OutboundResponse},
    store::{Breakers, NewJob, SharedStore},
};

use crate::{Pools, both_dispatches, job};

both_dispatches! {
    jobs_wait_for_a_host_that_went_away_and_spend_no_attempt
}

/// A host that answers while it is up. Another, `other.example`, always does.
#[derive(Default)]
struct Host {
    up: AtomicBool,
    calls: AtomicUsize,
}

#[async_trait]
impl Outbound for Host {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        if !request.url.contains("other.example") {
            self.calls.fetch_add(1, Ordering::SeqCst);
            if !self.up.load(Ordering::SeqCst) {
                return Err(OutboundError::Connection("connection refused".to_owned()));
            }
        }
        let (status, headers, body, latency) = (200, Vec::new(), Bytes::new(), Duration::ZERO);
        Ok(OutboundResponse { status, headers, body, truncated: false, latency })
    }
}

fn call(host: &str) -> NewJob {
    let payload = format!(r#"{{"url":"https://{host}/"}}"#);
    NewJob { max_attempts: 2, ..job("http.call", &payload) }
}

async fn submitted(pools: &Pools, jobs: Vec<NewJob>) -> Vec<JobId> {
    let ids = jobs.iter().map(|job| job.id).collect();
    pools.store.insert(jobs).await.unwrap();
    ids
}

/// What everybody is told of a breaker: votes, and whether it is open still.
async fn votes(store: &SharedStore, name: &str) -> Option<u64> {
    let dependency: Dependency = name.parse().unwrap();
    let shared = Breakers::breakers(&**store, None).await.unwrap();
    shared.breakers.into_iter().find(|breaker| breaker.dependency == dependency).map(|breaker| breaker.votes)
}

/// The runbook's test: five failures open it, what comes then waits and spends no attempt, and when the host is
/// back it closes by itself.
async fn jobs_wait_for_a_host_that_went_away_and_spend_no_attempt() {
    let host = Arc::new(Host::default());
    let open = breakers::Options { open: Duration::from_secs(2), ..breakers::Options::default() };
    let pools = Pools::start_with((Role::Orchestrator, 4), Arc::clone(&host) as Arc<dyn Outbound>, open).await;

    let failed = submitted(&pools, (0..5).map(|_| NewJob { max_attempts: 1, ..call("down.example") }).collect()).await;
    for id in failed {
        assert_eq!(pools.ended(id).await.state, State::Dead);
    }
    let waiting = submitted(&pools, (0..20).map(|_| call("down.example")).collect()).await;
    let elsewhere = submitted(&pools, vec![call("other.example")]).await;
    assert_eq!(pools.ended(elsewhere[0]).await.state, State::Succeeded, "nobody waits who need not");
    while votes(&pools.store, "http:down.example").await != Some(1) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let first = loop {
        let first = pools.store.job("acme", waiting[0]).await.unwrap().unwrap();
        if first.state == State::Scheduled {
            break first;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!((first.attempt, &first.error) == (0, &None) && first.run_at > first.created_at, "{first:?}");
    assert_eq!(host.calls.load(Ordering::SeqCst), 5, "it is left alone");

    host.up.store(true, Ordering::SeqCst);
    for id in waiting {
        let job = pools.ended(id).await;
        assert_eq!((job.state, job.attempt), (State::Succeeded, 1), "{job:?}");
    }
    while votes(&pools.store, "http:down.example").await.is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    pools.stop().await;
}
