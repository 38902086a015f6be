//! The stream of all that goes on with a tenant's jobs.

use axum::http::Method;
use golden_api::CallerRole;
use golden_jobs::{
    Job, Role,
    kinds::WebhookDeliver,
    outcome::{JobError, Verdict},
    webhooks::relay_once,
};
use serde_json::{Value, json};

use crate::{
    harness::{Golden, request, succeeded, text, token},
    stream::{Event, Events},
};

async fn listen(golden: &Golden, query: &str) -> Events {
    golden.open(request(Method::GET, &format!("/v1/events{query}")).empty()).await
}

/// Runs a job of a tenant to its end, and has its event logged.
async fn end(golden: &Golden, tenant: &str, verdict: Verdict) -> Value {
    let sent = request(Method::POST, "/v1/jobs").token(Some(token(tenant, CallerRole::Developer)));
    let job = golden.send(sent.json(&json!({"kind": "noop", "metadata": {"k": "v"}}))).await.body;
    let run = golden.claim(Role::Orchestrator).await;
    golden.finish(&run, verdict).await;
    relay_once(&*golden.store, WebhookDeliver::POLICY, 1000).await.unwrap();
    job
}

fn dead() -> Verdict {
    Verdict::Dead { error: JobError::new("test", "it failed") }
}

fn ids(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.id.parse().unwrap()).collect()
}

async fn take(events: &mut Events, count: usize) -> Vec<Event> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(events.next().await.unwrap());
    }
    taken
}

#[tokio::test]
async fn every_end_of_a_tenants_jobs_is_told_as_webhooks_tell_it() {
    let golden = Golden::start().await;
    end(&golden, "acme", succeeded("1")).await;
    let mut events = listen(&golden, "").await;
    let open = events.expect("open").await;
    assert_eq!((open.id.as_str(), &open.data), ("0", &json!({"sequence": 0})), "nobody listened before");

    let job = end(&golden, "acme", succeeded("[7]")).await;
    end(&golden, "other", succeeded("1")).await;
    end(&golden, "acme", dead()).await;

    let told = events.expect("job.succeeded").await;
    assert_eq!(told.id, "1");
    assert_eq!((&told.data["type"], &told.data["sequence"]), (&json!("job.succeeded"), &json!(1)));
    let data = &told.data["data"];
    assert_eq!((&data["id"], &data["result"], &data["metadata"]), (&job["id"], &json!([7]), &json!({"k": "v"})));
    let told = events.expect("job.dead").await;
    assert_eq!((told.id.as_str(), text(&told.data["data"]["error"]["message"]).as_str()), ("2", "it failed"));
}

#[tokio::test]
async fn a_stream_that_broke_goes_on_after_the_event_it_saw_last() {
    let golden = Golden::start().await;
    let mut events = listen(&golden, "").await;
    events.expect("open").await;
    for _ in 0..3 {
        end(&golden, "acme", succeeded("1")).await;
    }
    let seen = take(&mut events, 2).await;
    drop(events);
    // More than is kept at hand for those who listen.
    for _ in 0..300 {
        end(&golden, "acme", succeeded("1")).await;
    }

    let sent = request(Method::GET, "/v1/events").header("last-event-id", &seen[1].id);
    let mut resumed = golden.open(sent.empty()).await;
    assert_eq!(resumed.expect("open").await.id, "2");
    end(&golden, "acme", succeeded("1")).await;
    let rest = take(&mut resumed, 302).await;
    assert_eq!(ids(&rest), (3..=304).collect::<Vec<_>>());

    let mut all = listen(&golden, "?last_event_id=0").await;
    all.expect("open").await;
    assert_eq!(ids(&take(&mut all, 304).await), (1..=304).collect::<Vec<_>>());
    // Who begins now is told of what comes from now on.
    assert_eq!(listen(&golden, "").await.expect("open").await.data, json!({"sequence": 304}));
}

#[tokio::test]
async fn a_stream_is_about_what_was_chosen() {
    let golden = Golden::start().await;
    let mut failures = listen(&golden, "?type=job.dead,job.cancelled").await;
    let mut calls = listen(&golden, "?kind=http.call").await;
    let mut all = listen(&golden, "?type=job.*&kind=noop,http.call").await;
    for verdict in [succeeded("1"), Verdict::Cancelled, succeeded("1"), dead()] {
        end(&golden, "acme", verdict).await;
    }
    let call = golden.submit(json!({"kind": "http.call", "payload": {"url": "https://example.com"}})).await;
    golden
        .store
        .cancel("acme", text(&call["id"]).parse().unwrap(), &golden_jobs::audit::Actor::golden())
        .await
        .unwrap();
    relay_once(&*golden.store, WebhookDeliver::POLICY, 1000).await.unwrap();

    assert_eq!(ids(&take(&mut failures, 4).await), [0, 2, 4, 5]);
    assert_eq!(ids(&take(&mut calls, 2).await), [0, 5]);
    assert_eq!(ids(&take(&mut all, 6).await), [0, 1, 2, 3, 4, 5]);
    for bad in ["?type=jobs.*", "?type=", "?last_event_id=x", "?tenant=other"] {
        assert_eq!(golden.get(&format!("/v1/events{bad}")).await.problem(), (400, "malformed-request"), "{bad}");
    }
    let sent = request(Method::GET, "/v1/events").header("last-event-id", "1-2-3");
    assert_eq!(golden.send(sent.empty()).await.problem(), (400, "malformed-request"));
}

#[tokio::test]
async fn who_comes_back_too_late_is_told_of_the_gap() {
    let golden = Golden::start().await;
    // Nobody has listened until now, so that what happened became no event.
    let mut late = listen(&golden, "?last_event_id=0").await;
    assert_eq!(late.expect("open").await.id, "0");
    assert_eq!(late.expect("gap").await.data, json!({"after": 0}));
    end(&golden, "acme", succeeded("1")).await;
    late.expect("job.succeeded").await;

    // Of another database, perhaps.
    let mut lost = listen(&golden, "?last_event_id=99").await;
    assert_eq!(lost.expect("open").await.id, "1");
    assert_eq!(lost.expect("gap").await.id, "1");
    let mut in_time = listen(&golden, "?last_event_id=0").await;
    in_time.expect("open").await;
    in_time.expect("job.succeeded").await;
}
