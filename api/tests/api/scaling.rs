//! What decides how many workers there are.

use std::sync::Arc;

use axum::http::Method;
use golden_api::{CallerRole::Observer, Quotas, RateLimits};
use golden_jobs::{
    Role,
    store::{QueueName, SharedStore},
};
use serde_json::{Value, json};

use crate::{
    down::Down,
    harness::{Golden, request, token, worker},
};

async fn roles(golden: &Golden) -> Value {
    let answer = golden.send(request(Method::GET, "/v1/scaling").token(Some(token("acme", Observer))).empty()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["roles"].clone()
}

/// What an API says that asked the store just now, as another replica would.
async fn roles_in(store: &SharedStore) -> Value {
    roles(&Golden::on(SharedStore::clone(store)).await).await
}

#[tokio::test]
async fn scaling_says_what_waits_and_what_is_held_in_every_role() {
    let golden = Golden::start().await;
    for _ in 0..3 {
        golden.submit(json!({"kind": "noop"})).await;
    }
    golden.submit(json!({"kind": "noop", "delay": 60})).await;
    golden.claim(Role::Orchestrator).await;

    let told = roles(&golden).await;
    let names: Vec<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["orchestrator", "peer-hub", "sandbox", "supervisor", "webhook"]);
    let figures = ["load", "queued", "running", "capacity", "at_least"].map(|name| told["orchestrator"][name].clone());
    assert_eq!(figures, [json!(3), json!(2), json!(1), json!(4), json!(false)], "{told}");
    assert!(told["orchestrator"]["oldest_wait_seconds"].is_f64());
    assert_eq!(told["supervisor"]["escalations"], 0);
    assert_eq!(
        ["consensus_open", "consensus_oldest_open_seconds", "consensus_time_p95"].map(|name| &told["peer-hub"][name]),
        [&json!(0), &json!(0.0), &json!(0.0)]
    );
    assert_eq!(told["orchestrator"]["escalations"], Value::Null, "only the roles that it is about have it");
    assert_eq!(roles_in(&golden.store).await["orchestrator"]["load"], 3, "every replica says the same");
}

#[tokio::test]
async fn workers_lend_capacity_and_a_paused_tenant_no_load() {
    let golden = Golden::start().await;
    for _ in 0..2 {
        golden.store.heartbeat(&worker(Role::Sandbox)).await.unwrap();
    }
    golden.submit(json!({"kind": "noop"})).await;
    let queue = QueueName { role: Role::Orchestrator, tenant_id: Some("acme".into()) };
    golden.store.pause(&queue, &golden_jobs::audit::Actor::golden()).await.unwrap();
    golden.store.promote(10).await.unwrap();

    let told = roles(&golden).await;
    assert_eq!((&told["sandbox"]["capacity"], &told["orchestrator"]["load"]), (&json!(8), &json!(0)), "{told}");
}

/// It is asked for every role four times a minute, by one subject.
#[tokio::test]
async fn asking_what_to_scale_on_is_not_counted() {
    let quotas = Quotas { observer: 1, ..Quotas::default() };
    let golden = Golden::with(|api| api.options.rate_limits = RateLimits::PerMinute(quotas)).await;
    for _ in 0..10 {
        roles(&golden).await;
    }
    for refused in [None, Some("x.y.z".to_owned())] {
        let answer = golden.send(request(Method::GET, "/v1/scaling").token(refused).empty()).await;
        assert_eq!(answer.problem(), (401, "unauthenticated"));
    }
}

#[tokio::test]
async fn nothing_is_made_up_while_the_store_is_away() {
    let metrics = Golden::start().await;
    metrics.get("/metrics").await;
    let shared = metrics.metrics.clone();
    let down = Golden::with(|api| {
        api.store = Arc::new(Down::default());
        api.metrics = shared;
    })
    .await;
    assert_eq!(down.get("/v1/scaling").await.problem(), (503, "store-unavailable"));
    let scrape = down.get("/metrics").await;
    assert_eq!(scrape.status, 200);
    assert!(!scrape.text.contains("golden_active_jobs{"), "{}", scrape.text);
}
