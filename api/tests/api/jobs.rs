//! `/v1/jobs`: read, list, cancel, retry, and whose they are.

use axum::http::{Method, StatusCode};
use golden_api::CallerRole;
use golden_jobs::{
    Role,
    outcome::{JobError, Verdict},
};
use serde_json::{Value, json};

use crate::harness::{Golden, id, request, succeeded, text, token};

#[tokio::test]
async fn a_run_is_told_from_its_start_to_its_end() {
    let golden = Golden::start().await;
    let path = format!("/v1/jobs/{}", text(&golden.submit(json!({"kind": "noop"})).await["id"]));
    let claimed = golden.claim(Role::Orchestrator).await;
    let running = golden.get(&path).await.body;
    assert_eq!((&running["state"], &running["attempt"]), (&json!("running"), &json!(1)));
    assert!(running["started_at"].is_string());

    let error = JobError::new("broken", "it broke");
    golden.finish(&claimed, Verdict::Retry { delay: std::time::Duration::ZERO, error }).await;
    golden.store.promote(10).await.unwrap();
    let claimed = golden.claim(Role::Orchestrator).await;
    golden.finish(&claimed, succeeded(r#"{"answer":42}"#)).await;

    let done = golden.get(&path).await.body;
    assert_eq!((&done["state"], &done["attempt"]), (&json!("succeeded"), &json!(2)));
    assert_eq!(done["result"], json!({"answer": 42}));
    assert!(done["finished_at"].is_string());
    let attempts = golden.get(&format!("{path}/attempts")).await.body;
    assert_eq!(attempts["next_cursor"], Value::Null);
    let attempts = attempts["data"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert_eq!((&attempts[0]["outcome"], &attempts[0]["error"]["code"]), (&json!("retry"), &json!("broken")));
    assert_eq!((&attempts[1]["outcome"], &attempts[1]["attempt"]), (&json!("succeeded"), &json!(2)));
}

#[tokio::test]
async fn a_list_is_newest_first_and_comes_in_pages() {
    let golden = Golden::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, text(&golden.submit(json!({"kind": "noop"})).await["id"]));
    }
    let mut seen = Vec::new();
    let mut path = "/v1/jobs?limit=2".to_owned();
    loop {
        let page = golden.get(&path).await;
        assert!(page.ids().len() <= 2);
        seen.extend(page.ids());
        match page.body["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/jobs?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn a_list_is_filtered() {
    let golden = Golden::start().await;
    let noop = golden.submit(json!({"kind": "noop"})).await;
    let picky = golden.submit(json!({"kind": "picky", "payload": {"count": 1}, "delay": 60})).await;
    for (filter, expected) in [
        ("kind=noop", vec![&noop]),
        ("kind=other", vec![]),
        ("role=orchestrator", vec![&picky, &noop]),
        ("role=sandbox", vec![]),
        ("state=scheduled", vec![&picky]),
        ("state=queued&kind=noop", vec![&noop]),
        ("created_after=2001-01-01T00:00:00Z", vec![&picky, &noop]),
        ("created_before=2001-01-01T00:00:00Z", vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|job| text(&job["id"])).collect();
        assert_eq!(golden.get(&format!("/v1/jobs?{filter}")).await.ids(), expected, "{filter}");
    }
}

#[tokio::test]
async fn jobs_are_found_by_their_metadata() {
    let golden = Golden::start().await;
    let both = golden.submit(json!({"kind": "noop", "metadata": {"team": "core", "caf\u{e9} #1": "a&b=c+d"}})).await;
    let one = golden.submit(json!({"kind": "noop", "metadata": {"team": "core"}})).await;
    golden.submit(json!({"kind": "noop"})).await;
    for (filter, expected) in [
        ("metadata.team=core", vec![&one, &both]),
        ("metadata.team=core&limit=1", vec![&one]),
        ("metadata.team=core&metadata.cafe%CC%81+%231=a%26b%3Dc%2Bd", vec![&both]),
        ("kind=noop&metadata.team=Core", vec![]),
        ("metadata.team=", vec![]),
        ("kind=other&metadata.team=core", vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|job| text(&job["id"])).collect();
        assert_eq!(golden.get(&format!("/v1/jobs?{filter}")).await.ids(), expected, "{filter}");
    }
    for (query, detail) in [
        ("metadata.a%3Bb=x", "`metadata.a;b`: a name is"),
        ("metadata.=x", "`metadata.`: a name is"),
        ("metadata.a=x&metadata.a=y", "`metadata.a` is there twice"),
        ("metadata=x", "unknown field `metadata`"),
        ("metadata.a=x&limit=no", "limit"),
    ] {
        let answer = golden.get(&format!("/v1/jobs?{query}")).await;
        assert_eq!(answer.problem(), (400, "malformed-request"), "{query}");
        assert!(text(&answer.body["detail"]).contains(detail), "{query}: {}", answer.text);
    }
}

#[tokio::test]
async fn jobs_are_found_by_what_made_them() {
    let golden = Golden::start().await;
    let job = golden.submit(json!({"kind": "noop"})).await;
    let path = format!("/v1/jobs?parent_id={}", text(&job["id"]));
    assert_eq!(golden.get(&path).await.body, json!({"data": [], "next_cursor": null}));
    assert_eq!(golden.get("/v1/jobs?parent_id=x").await.problem(), (400, "malformed-request"));
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused() {
    let golden = Golden::start().await;
    for query in
        ["limit=0", "limit=101", "limit=x", "cursor=zzz", "state=odd", "role=x", "created_after=today", "stat=queued"]
    {
        let answer = golden.get(&format!("/v1/jobs?{query}")).await;
        assert_eq!(answer.problem(), (400, "malformed-request"), "{query}");
    }
}

#[tokio::test]
async fn another_tenants_jobs_are_not_there() {
    let golden = Golden::start().await;
    let dead = golden.dead("x").await;
    let letter = golden.get("/v1/dlq").await.ids().remove(0);
    let theirs = || Some(token("other", CallerRole::Admin));
    for (method, path) in [
        (Method::GET, format!("/v1/jobs/{dead}")),
        (Method::GET, format!("/v1/jobs/{dead}/attempts")),
        (Method::POST, format!("/v1/jobs/{dead}/cancel")),
        (Method::POST, format!("/v1/jobs/{dead}/retry")),
        (Method::GET, format!("/v1/webhooks/deliveries?job={dead}")),
        (Method::GET, format!("/v1/dlq/{letter}")),
        (Method::POST, format!("/v1/dlq/{letter}/replay")),
    ] {
        let answer = golden.send(request(method, &path).token(theirs()).empty()).await;
        assert_eq!(answer.problem(), (404, "not-found"), "{path}");
    }
    for path in ["/v1/jobs", "/v1/dlq"] {
        assert!(golden.send(request(Method::GET, path).token(theirs()).empty()).await.ids().is_empty());
    }
    for path in ["/v1/dlq/replay", "/v1/dlq/purge"] {
        for body in [json!({"all": true}), json!({"ids": [letter]})] {
            let answer = golden.send(request(Method::POST, path).token(theirs()).json(&body)).await;
            assert_eq!((answer.status, &answer.body["matched"]), (StatusCode::OK, &json!(0)), "{path}");
        }
    }
    assert_eq!(golden.get(&format!("/v1/jobs/{dead}")).await.body["state"], "dead");
    assert_eq!(golden.get("/v1/dlq").await.ids(), [letter]);
}

#[tokio::test]
async fn what_is_no_id_names_nothing() {
    let golden = Golden::start().await;
    let unknown = golden_jobs::JobId::new();
    for id in ["1", "job_1", "dlq_01890000-0000-7000-8000-000000000000", "%00", &unknown.to_string()] {
        assert_eq!(golden.get(&format!("/v1/jobs/{id}")).await.problem(), (404, "not-found"), "{id}");
    }
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_and_again_is_harmless() {
    let golden = Golden::start().await;
    let job = golden.submit(json!({"kind": "noop"})).await;
    let path = format!("/v1/jobs/{}/cancel", text(&job["id"]));
    for _ in 0..2 {
        let answer = golden.send(request(Method::POST, &path).empty()).await;
        assert_eq!((answer.status, &answer.body["state"]), (StatusCode::OK, &json!("cancelled")));
    }
}

#[tokio::test]
async fn a_running_job_is_asked_to_stop() {
    let golden = Golden::start().await;
    let job = golden.submit(json!({"kind": "noop"})).await;
    let claimed = golden.claim(Role::Orchestrator).await;
    let path = format!("/v1/jobs/{}/cancel", text(&job["id"]));
    for _ in 0..2 {
        let answer = golden.send(request(Method::POST, &path).empty()).await;
        assert_eq!((answer.status, &answer.body["state"]), (StatusCode::ACCEPTED, &json!("running")));
    }
    assert!(golden.store.job("acme", id(&job)).await.unwrap().unwrap().cancel_requested);
    golden.finish(&claimed, Verdict::Cancelled).await;
    assert_eq!(golden.send(request(Method::POST, &path).empty()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_ended_job_is_not_cancelled() {
    let golden = Golden::start().await;
    let dead = golden.dead("x").await;
    let answer = golden.send(request(Method::POST, &format!("/v1/jobs/{dead}/cancel")).empty()).await;
    assert_eq!(answer.problem(), (409, "conflict"));
    assert!(text(&answer.body["detail"]).contains("dead"));
}

#[tokio::test]
async fn a_dead_job_is_retried_with_fresh_attempts() {
    let golden = Golden::start().await;
    let dead = golden.dead("x").await;
    let path = format!("/v1/jobs/{dead}/retry");
    let answer = golden.send(request(Method::POST, &path).empty()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!((&answer.body["state"], &answer.body["attempt"]), (&json!("queued"), &json!(0)));
    assert!(golden.get("/v1/dlq").await.ids().is_empty());

    let again = golden.send(request(Method::POST, &path).empty()).await;
    assert_eq!(again.problem(), (409, "conflict"));
    assert!(text(&again.body["detail"]).contains("queued"));
}
