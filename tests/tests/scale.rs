//! Much queued, and many who wait for it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Golden, TestStore};

/// Jobs of one request, at most.
const BATCH: usize = 1_000;

/// What one tenant queues beside the ten jobs of each of nine others.
const BACKLOG: usize = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn ten_tenants_share_a_role_though_one_has_100_000_jobs_queued_on_postgresql() {
    let golden = Golden::api_only().await;
    queue_up(&golden).await;
    let _worker = golden.worker("orchestrator");
    the_small_ones_are_not_held_up(&golden).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_tenants_share_a_role_though_one_has_100_000_jobs_queued_on_sqlite() {
    let golden = Golden::start(TestStore::sqlite(), "api", &[]).await;
    queue_up(&golden).await;
    let _worker = golden.worker("orchestrator");
    the_small_ones_are_not_held_up(&golden).await;
}

async fn queue_up(golden: &Golden) {
    let big = golden.mint("developer", "big");
    for _ in 0..BACKLOG / BATCH {
        submit(golden, &big, BATCH).await;
    }
    for n in 0..9 {
        submit(golden, &golden.mint("developer", &format!("small-{n}")), 10).await;
    }
}

async fn submit(golden: &Golden, token: &str, count: usize) {
    let jobs: Vec<Value> = (0..count).map(|_| json!({"kind": "noop"})).collect();
    let token = format!("Bearer {token}");
    let (status, answer) =
        golden.call_with("POST", "/v1/jobs/batch", Some(Value::Array(jobs)), &[("authorization", &token)]).await;
    assert_eq!(status, 202, "{answer}");
}

/// All ninety jobs of the nine start before a few hundred of the hundred thousand have.
async fn the_small_ones_are_not_held_up(golden: &Golden) {
    let count = async |sql| golden.store.column(sql).await[0].parse::<usize>().unwrap();
    let ended = "SELECT CAST(count(*) AS text) FROM jobs WHERE tenant_id <> 'big' AND state = 'succeeded'";
    while count(ended).await < 90 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let before = count(
        "SELECT CAST(count(*) AS text) FROM jobs WHERE tenant_id = 'big' AND state = 'succeeded'
         AND started_at < (SELECT max(started_at) FROM jobs WHERE tenant_id <> 'big')",
    )
    .await;
    assert!(before < 500, "{before} jobs of the backlog began before the last of the others");
}
