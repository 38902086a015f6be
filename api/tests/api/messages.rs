//! Jobs that come in as messages, and those that cannot be jobs.

use axum::http::Method;
use futures_util::future::join_all;
use golden_jobs::{
    DeadLetterId, JobId, Role,
    intake::{Intake, Message, Refused},
    store::{Quota, messages::MessageLetter},
};
use serde_json::{Value, json};

use crate::harness::{Golden, request, text};

fn message(kind: &str, body: &str) -> Message {
    Message {
        id: JobId::new().0,
        tenant_id: "acme".to_owned(),
        kind: kind.to_owned(),
        body: body.as_bytes().to_vec(),
        key: None,
        trace: None,
    }
}

async fn code(golden: &Golden, message: &Message) -> String {
    match golden.service.submit(message).await {
        Err(Refused::Invalid { code, message }) => {
            assert!(!message.is_empty());
            code
        }
        other => panic!("{other:?}"),
    }
}

/// The letter of a message on `golden.submit.acme.noop`.
async fn buried(golden: &Golden, body: &str) -> DeadLetterId {
    let letter = MessageLetter {
        id: DeadLetterId::new(),
        tenant_id: "acme".to_owned(),
        original_subject: "golden.submit.acme.noop".to_owned(),
        kind: "noop".to_owned(),
        payload: serde_json::from_str(body).unwrap(),
        error_code: "validation-failed".to_owned(),
        error: "it was wrong then".to_owned(),
        attempts: 1,
    };
    golden.store.bury_message(&letter).await.unwrap();
    letter.id
}

#[tokio::test]
async fn a_message_becomes_one_job_however_often_it_comes() {
    let golden = Golden::start().await;
    let first = message("noop", r#"{"payload": {"output": 1}, "priority": 2, "metadata": {"a": "b"}}"#);
    let ids = join_all((0..20).map(|_| golden.service.submit(&first))).await;
    assert!(ids.iter().all(|id| *id == Ok(JobId(first.id))), "{ids:?}");
    let job = golden.get(&format!("/v1/jobs/{}", JobId(first.id))).await.body;
    assert_eq!((&job["kind"], &job["priority"], &job["tenant"]), (&json!("noop"), &json!(2), &json!("acme")));
    assert_eq!((&job["payload"], &job["metadata"]), (&json!({"output": 1}), &json!({"a": "b"})));

    let keyed = |body: &str| Message { key: Some("k".to_owned()), ..message("noop", body) };
    let (one, again) = (keyed(r#"{"payload": {"output": 2}}"#), keyed(r#"{"kind": "noop", "payload": {"output": 2}}"#));
    assert_eq!(golden.service.submit(&one).await, Ok(JobId(one.id)));
    assert_eq!(golden.service.submit(&again).await, Ok(JobId(one.id)), "it is the same request");
    assert_eq!(code(&golden, &keyed("{}")).await, "idempotency-key-reused");
    assert_eq!(golden.get("/v1/jobs").await.ids().len(), 2);
}

#[tokio::test]
async fn a_message_is_held_to_the_rules_of_a_request() {
    let golden = Golden::start().await;
    let long = format!(r#"{{"payload": {{"output": "{}"}}}}"#, "x".repeat(300_000));
    for (kind, body, expected) in [
        ("noop", "{", "malformed-request"),
        ("noop", "[]", "malformed-request"),
        ("noop", r#"{"a": 1, "a": 2}"#, "malformed-request"),
        ("noop", r#"{"payload": {"output": 1}, "prio": 1}"#, "validation-failed"),
        ("noop", r#"{"payload": {"no": 1}}"#, "validation-failed"),
        ("noop", r#"{"kind": "http.call"}"#, "validation-failed"),
        ("nothing", "{}", "unknown-kind"),
        ("webhook.deliver", "{}", "unknown-kind"),
        ("noop", &long, "too-large"),
    ] {
        assert_eq!(code(&golden, &message(kind, body)).await, expected, "{kind} {body:.60}");
    }
    let raw = Message { body: b"\xff".to_vec(), ..message("noop", "") };
    assert_eq!(code(&golden, &raw).await, "malformed-request");
    let keyed = Message { key: Some("a b".to_owned()), ..message("noop", "{}") };
    assert_eq!(code(&golden, &keyed).await, "malformed-idempotency-key");
    assert_eq!(golden.get("/v1/jobs").await.ids().len(), 0);
}

#[tokio::test]
async fn what_may_be_accepted_later_is_not_refused_for_good() {
    let golden = Golden::start().await;
    golden.submit(json!({"kind": "noop"})).await;
    let quota = Quota { max_queued: Some(1), max_running: None };
    golden.store.limit(Role::Orchestrator, "acme", quota, &golden_jobs::audit::Actor::golden()).await.unwrap();
    let full = golden.service.submit(&message("noop", "{}")).await;
    assert!(matches!(full, Err(Refused::Later(_))), "{full:?}");

    let suspend = request(Method::POST, "/v1/tenants/globex/suspend").empty();
    golden.post("/v1/tenants", json!({"id": "globex"})).await;
    assert_eq!(golden.send(suspend).await.status, 200);
    let suspended = Message { tenant_id: "globex".to_owned(), ..message("noop", "{}") };
    let answer = golden.service.submit(&suspended).await;
    assert!(matches!(answer, Err(Refused::Later(_))), "{answer:?}");
}

#[tokio::test]
async fn the_letter_of_a_message_is_replayed_as_one_job() {
    let golden = Golden::start().await;
    let letter = buried(&golden, r#"{"payload": {"output": 1}}"#).await;
    let path = format!("/v1/dlq/{letter}");
    let shown = golden.get(&path).await.body;
    assert_eq!((&shown["job_id"], &shown["role"]), (&Value::Null, &Value::Null));
    assert_eq!(shown["original_subject"], "golden.submit.acme.noop");

    let replay = format!("{path}/replay");
    let answers = join_all((0..5).map(|_| golden.send(request(Method::POST, &replay).empty()))).await;
    let jobs: Vec<_> = answers.iter().map(|answer| (answer.status.as_u16(), text(&answer.body["job_id"]))).collect();
    assert_eq!(jobs, vec![(200, JobId(letter.0).to_string()); 5]);
    assert_eq!(golden.get("/v1/jobs").await.ids(), [JobId(letter.0).to_string()]);
    let resolved = golden.get(&path).await.body;
    assert_eq!((&resolved["resolved"], &resolved["resolution"]), (&json!(true), &json!("replayed")));
}

#[tokio::test]
async fn letters_of_messages_are_replayed_in_numbers_and_with_another_message() {
    let golden = Golden::start().await;
    let dead = golden.dead("x").await;
    let good = buried(&golden, r#"{"payload": {"output": 1}}"#).await;
    let bad = buried(&golden, r#""no JSON""#).await;
    let alone = golden.send(request(Method::POST, &format!("/v1/dlq/{bad}/replay")).empty()).await;
    assert_eq!(alone.problem(), (409, "conflict"), "{}", alone.text);

    let all = golden.post("/v1/dlq/replay", json!({"all": true})).await.body;
    assert_eq!((&all["matched"], &all["remaining"]), (&json!(3), &json!(1)));
    assert_eq!(all["replayed"], json!([dead, JobId(good.0)]));

    let instead = |message: Value| json!({"ids": [bad], "payload": message});
    let wrong = golden.post("/v1/dlq/replay", instead(json!({"payload": 7}))).await;
    assert_eq!(
        (wrong.problem(), &wrong.body["errors"][0]["pointer"]),
        ((422, "validation-failed"), &json!("/payload"))
    );
    let mended = golden.post("/v1/dlq/replay", instead(json!({"payload": {"output": 7}}))).await.body;
    assert_eq!(mended["replayed"], json!([JobId(bad.0)]));
    let job = golden.get(&format!("/v1/jobs/{}", JobId(bad.0))).await.body;
    assert_eq!(job["payload"], json!({"output": 7}));
}

#[tokio::test]
async fn the_letter_of_a_message_is_purged_as_any_other() {
    let golden = Golden::start().await;
    let letter = buried(&golden, "{}").await;
    assert_eq!(golden.post("/v1/dlq/purge", json!({"ids": [letter]})).await.body["purged"], 1);
    let replayed = golden.send(request(Method::POST, &format!("/v1/dlq/{letter}/replay")).empty()).await;
    assert_eq!(replayed.problem(), (409, "conflict"));
    assert_eq!(golden.get("/v1/jobs").await.ids().len(), 0);
}
