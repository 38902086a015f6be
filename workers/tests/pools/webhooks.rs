//! Deliveries to receivers of every speed, by real pools.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use golden_jobs::{
    Role, State, breakers,
    outbound::{Outbound, OutboundError, OutboundRequest, OutboundResponse},
    store::NewJob,
};

use crate::{Pools, both_dispatches, job};

both_dispatches! {
    a_receiver_that_never_answers_does_not_hold_up_the_others
}

/// Receivers of which those called `slow` never answer.
#[derive(Default)]
struct Receivers {
    slow: AtomicUsize,
    slow_at_most: AtomicUsize,
}

#[async_trait]
impl Outbound for Receivers {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        if request.url.contains("slow") {
            let now = self.slow.fetch_add(1, Ordering::SeqCst) + 1;
            self.slow_at_most.fetch_max(now, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        let (headers, body, latency) = (Vec::new(), Bytes::new(), Duration::ZERO);
        Ok(OutboundResponse { status: 204, headers, body, truncated: false, latency })
    }
}

fn delivery(host: &str) -> NewJob {
    let payload = format!(r#"{{"url":"https://{host}/hook","event":"job.succeeded","body":"{{}}"}}"#);
    NewJob { role: Role::Webhook, ..job("webhook.deliver", &payload) }
}

async fn a_receiver_that_never_answers_does_not_hold_up_the_others() {
    let receivers = Arc::new(Receivers::default());
    let outbound: Arc<dyn Outbound> = Arc::clone(&receivers) as Arc<dyn Outbound>;
    let two = breakers::Options { webhooks_per_host: NonZeroUsize::new(2).unwrap(), ..breakers::Options::default() };
    let pools = Pools::start_with((Role::Webhook, 4), outbound, two).await;
    let slow: Vec<NewJob> = (0..50).map(|_| delivery("slow.example")).collect();
    let held_back = slow[40].id;
    pools.store.insert(slow).await.unwrap();
    let fast: Vec<NewJob> = (0..20).map(|_| delivery("fast.example")).collect();
    let ids: Vec<_> = fast.iter().map(|job| job.id).collect();
    pools.store.insert(fast).await.unwrap();

    for id in ids {
        let delivered = pools.ended(id).await;
        assert_eq!((delivered.state, delivered.attempt), (State::Succeeded, 1));
    }
    assert_eq!(receivers.slow_at_most.load(Ordering::SeqCst), 2);
    let waiting = pools.store.job("acme", held_back).await.unwrap().unwrap();
    assert!(!waiting.state.is_terminal() && waiting.error.is_none(), "{waiting:?}");
    pools.shutdown.cancel();
    // Not waiting for the slow ones: they are given back when the process ends.
    pools.task.abort();
    let _ = std::fs::remove_dir_all(&pools.folder);
}
