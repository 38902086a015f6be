//! Connections to PostgreSQL: through a pooler, and within their bounds.

use std::{collections::HashMap, sync::Arc};

use serde_json::json;

use crate::{
    api::{a_running_job_is_cancelled_within_two_seconds, a_webhook_is_tried_again_until_it_is_taken},
    support::{Golden, TestStore},
};

#[path = "../../jobs/tests/store/pgbouncer.rs"]
mod pgbouncer;

use pgbouncer::PgBouncer;

/// Three processes share three sessions, and none of them can listen.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_jobs_run_and_stop_and_are_told_of() {
    let store = TestStore::postgres().await;
    let pooler = PgBouncer::by_transaction(&std::env::var("TEST_DATABASE_URL").unwrap()).await;
    let url = pooler.url(store.url.rsplit_once('/').unwrap().1);
    let pooled = [("DATABASE_URL", url.as_str()), ("GOLDEN_DATABASE_POOL_MODE", "transaction")];
    let golden = Arc::new(Golden::start(store, "api", &pooled).await);
    let _workers = [golden.worker("orchestrator"), golden.worker("orchestrator,webhook")];

    tokio::join!(
        a_running_job_is_cancelled_within_two_seconds(Arc::clone(&golden)),
        a_job_is_followed_to_its_end(&golden),
        a_webhook_is_tried_again_until_it_is_taken(Arc::clone(&golden)),
    );
    let most = most_connections(&golden, 300).await;

    // A session goes by the name of whoever has it at the moment.
    assert!(!most.is_empty() && most.values().all(|sessions| *sessions <= 3), "{most:?}");
}

/// What changes is seen at every look, about once a second, instead of at once; nothing is missed for it.
async fn a_job_is_followed_to_its_end(golden: &Golden) {
    let id = golden.submit("noop", json!({"steps": 10, "sleep_ms": 2000})).await;
    let mut events = golden.stream(&format!("/v1/jobs/{id}/events")).await;
    let (mut lines, mut states) = (Vec::new(), Vec::new());
    while let Some((name, data)) = events.next().await {
        match name.as_str() {
            "log" => lines.push(data["text"].as_str().unwrap().to_owned()),
            "state" => states.push(data["state"].as_str().unwrap().to_owned()),
            _ => {}
        }
    }
    assert_eq!(lines, (1..=10).map(|step| format!("step {step} of 10")).collect::<Vec<_>>());
    assert!(states.contains(&"running".to_owned()) && states.last().unwrap() == "succeeded", "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_holds_more_connections_than_it_may() {
    let (golden, _worker) = Golden::production().await;

    let most = most_connections(&Arc::new(golden), 1000).await;

    assert!((3..=10).contains(&most["golden api"]), "{most:?}");
    assert!((2..=4).contains(&most["golden worker"]), "{most:?}");
}

/// Has so many jobs submitted and run, and says how many connections there were meanwhile at most, by what they said
/// they are.
async fn most_connections(golden: &Arc<Golden>, jobs: usize) -> HashMap<String, u32> {
    let load = {
        let golden = Arc::clone(golden);
        tokio::spawn(async move {
            let ids = golden.submit_many(vec![json!({"kind": "noop", "payload": {"fail": 1}}); jobs]).await;
            let readers: Vec<_> = ids
                .into_iter()
                .map(|id| {
                    let golden = Arc::clone(&golden);
                    tokio::spawn(async move { assert_eq!(golden.ended(&id).await["state"], "succeeded") })
                })
                .collect();
            for reader in readers {
                reader.await.unwrap();
            }
        })
    };
    let mut most = HashMap::new();
    while !load.is_finished() {
        let seen = golden.store.column(
            "SELECT application_name || ': ' || count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name LIKE 'golden %' GROUP BY application_name",
        );
        for seen in seen.await {
            let (name, number) = seen.split_once(": ").unwrap();
            let known = most.entry(name.to_owned()).or_insert(0);
            *known = number.parse::<u32>().unwrap().max(*known);
        }
    }
    load.await.unwrap();
    most
}
