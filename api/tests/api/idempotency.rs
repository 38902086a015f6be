//! `Idempotency-Key`: a request that is sent twice is done once.

use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use golden_api::CallerRole;
use golden_jobs::{Role, outcome::Verdict};
use serde_json::{Value, json};

use crate::harness::{Answer, Golden, request, succeeded, text, token};

async fn with_key(golden: &Golden, key: &str, body: &Value) -> Answer {
    golden.send(request(Method::POST, "/v1/jobs").header("idempotency-key", key).json(body)).await
}

#[tokio::test]
async fn two_hundred_requests_with_one_key_make_one_job() {
    let golden = Golden::start().await;
    let body = json!({"kind": "noop", "payload": {"output": 1}});
    let answers = join_all((0..200).map(|_| with_key(&golden, "one", &body))).await;
    let first = &answers[0].body;
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        assert_eq!(&answer.body, first);
    }
    let replayed = answers.iter().filter(|answer| answer.header("idempotent-replayed") == "true").count();
    assert_eq!(replayed, 199);
    assert_eq!(golden.metrics.idempotency_hits.get(), 199);
    assert_eq!(golden.get("/v1/jobs").await.ids(), [text(&first["id"])]);
}

#[tokio::test]
async fn the_first_answer_comes_again_whatever_became_of_the_job() {
    let golden = Golden::start().await;
    let body = json!({"kind": "noop", "priority": 2, "timeout": 20});
    let first = with_key(&golden, "k", &body).await;
    let claimed = golden.claim(Role::Orchestrator).await;
    assert_eq!(with_key(&golden, "k", &body).await.body, first.body);
    golden.finish(&claimed, succeeded("1")).await;

    let again = with_key(&golden, "k", &body).await;
    assert_eq!((again.status, &again.body), (StatusCode::ACCEPTED, &first.body));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(golden.get(first.header("location")).await.body["state"], "succeeded");
}

#[tokio::test]
async fn a_scheduled_job_is_shown_as_it_was_scheduled() {
    let golden = Golden::start().await;
    let body = json!({"kind": "noop", "delay": 3600});
    let first = with_key(&golden, "k", &body).await;
    assert_eq!(first.body["state"], "scheduled");
    golden.post(&format!("{}/retry", first.header("location")), json!({})).await;
    assert_eq!(with_key(&golden, "k", &body).await.body, first.body);
}

#[tokio::test]
async fn the_same_request_in_another_spelling_is_the_same() {
    let golden = Golden::start().await;
    let first = with_key(&golden, "k", &json!({"kind": "noop", "payload": {"output": 100}})).await;
    let other = r#"{ "payload": {"output": 1e2}, "kind": "n\u006fop" }"#;
    let sent = request(Method::POST, "/v1/jobs").header("content-type", "application/json");
    let again = golden.send(sent.header("idempotency-key", "\"k\"").body(other)).await;
    assert_eq!(again.body["id"], first.body["id"], "{}", again.text);
}

#[tokio::test]
async fn a_key_stands_for_one_request() {
    let golden = Golden::start().await;
    with_key(&golden, "k", &json!({"kind": "noop"})).await;
    let other = with_key(&golden, "k", &json!({"kind": "noop", "payload": {"sleep_ms": 1}})).await;
    assert_eq!(other.problem(), (422, "idempotency-key-reused"));
    assert_eq!(golden.get("/v1/jobs").await.ids().len(), 1);
}

#[tokio::test]
async fn keys_are_each_tenants_own() {
    let golden = Golden::start().await;
    let body = json!({"kind": "noop"});
    let ours = with_key(&golden, "k", &body).await;
    let sent = request(Method::POST, "/v1/jobs").token(Some(token("other", CallerRole::Developer)));
    let theirs = golden.send(sent.header("idempotency-key", "k").json(&body)).await;
    assert_eq!(theirs.status, StatusCode::ACCEPTED);
    assert_ne!(theirs.body["id"], ours.body["id"]);
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_key() {
    let golden = Golden::start().await;
    assert_eq!(with_key(&golden, "k", &json!({"kind": "nope"})).await.status, 422);
    assert_eq!(with_key(&golden, "k", &json!({"kind": "noop"})).await.status, 202);
}

#[tokio::test]
async fn a_key_is_visible_ascii() {
    let golden = Golden::start().await;
    let body = json!({"kind": "noop"});
    for good in ["x", "\"quoted\"", &"x".repeat(255)] {
        assert_eq!(with_key(&golden, good, &body).await.status, 202, "{good}");
    }
    for bad in ["", "\"\"", "a b", &"x".repeat(256), "é"] {
        assert_eq!(with_key(&golden, bad, &body).await.problem(), (400, "malformed-idempotency-key"), "{bad}");
    }
    let twice = request(Method::POST, "/v1/jobs").header("idempotency-key", "a").header("idempotency-key", "b");
    assert_eq!(golden.send(twice.json(&body)).await.problem(), (400, "malformed-idempotency-key"));
}

#[tokio::test]
async fn a_replay_that_waits_gets_the_finished_job() {
    let golden = Golden::start().await;
    let body = json!({"kind": "noop"});
    with_key(&golden, "k", &body).await;
    let claimed = golden.claim(Role::Orchestrator).await;
    let waiting = request(Method::POST, "/v1/jobs").header("idempotency-key", "k").header("prefer", "wait=20");
    let (answer, ()) = tokio::join!(golden.send(waiting.json(&body)), golden.finish(&claimed, Verdict::Cancelled));
    assert_eq!((answer.status, &answer.body["state"]), (StatusCode::OK, &json!("cancelled")));
    assert_eq!(answer.header("idempotent-replayed"), "true");

    let waiting = request(Method::POST, "/v1/jobs").header("idempotency-key", "k").header("prefer", "wait=20");
    assert_eq!(golden.send(waiting.json(&body)).await.status, StatusCode::OK);
}
