//! What tenants may have, kept by real pools.

use std::time::Duration;

use golden_jobs::{
    Context, Job, Outcome, Role, State, done,
    job::Policy,
    store::{NewJob, Quota, Terms},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Pools, both_dispatches, job};

both_dispatches! {
    a_result_is_as_long_as_its_tenant_may_have
    a_quota_on_runs_is_kept_while_all_are_run
}

/// Answers with so many bytes, quotes included.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Big {
    bytes: usize,
}

impl Job for Big {
    const KIND: &'static str = "big";
    const ROLE: Role = Role::Orchestrator;
    const POLICY: Policy = Policy::DEFAULT;
    type Output = String;

    async fn run(self, _: &Context) -> Outcome<String> {
        done("x".repeat(self.bytes - 2))
    }
}

async fn a_result_is_as_long_as_its_tenant_may_have() {
    let pools = Pools::start(4).await;
    let terms = Terms { max_result: Some(5_000), ..Terms::default() };
    pools.store.create_tenant("acme", &terms, &golden_jobs::audit::Actor::golden()).await.unwrap();
    let jobs = [5_000, 5_001].map(|bytes| job("big", &format!("{{\"bytes\":{bytes}}}")));
    let ids = jobs.each_ref().map(|job| job.id);
    pools.store.insert(jobs.to_vec()).await.unwrap();

    assert_eq!(pools.ended(ids[0]).await.state, State::Succeeded);
    let refused = pools.ended(ids[1]).await;
    assert_eq!(refused.state, State::Dead);
    let error = refused.error.unwrap();
    assert_eq!(error.code, "result_too_large");
    assert!(error.message.contains("5001") && error.message.contains("5000"), "{}", error.message);
    pools.stop().await;
}

/// Each end lets the next one through: the quota bounds how many run, not whether they do.
async fn a_quota_on_runs_is_kept_while_all_are_run() {
    let pools = Pools::start(8).await;
    let quota = Quota { max_running: Some(2), max_queued: None };
    pools.store.limit(Role::Orchestrator, "acme", quota, &golden_jobs::audit::Actor::golden()).await.unwrap();
    let jobs: Vec<NewJob> = (0..30).map(|_| job("noop", r#"{"sleep_ms":20}"#)).collect();
    let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
    pools.store.insert(jobs).await.unwrap();

    let mut most = 0;
    loop {
        let queues = pools.store.queues("acme").await.unwrap();
        let queue = queues.iter().find(|queue| queue.role == Role::Orchestrator).unwrap();
        most = most.max(queue.running);
        if pools.store.ended(&ids).await.unwrap().len() == ids.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(most, 2);
    pools.stop().await;
}
