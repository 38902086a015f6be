//! Every documented error, produced; and what all answers have in common.

use std::{collections::HashSet, io, sync::Arc, time::Duration};

use axum::{body::Body, http::Method};
use futures_util::stream;
use golden_api::{
    Auth, CallerRole, Quotas, RateLimits, StreamLimits,
    auth::{Expected, Pace, SourceError},
    problem::Code,
};
use golden_jobs::{
    Role,
    store::{Quota, Terms, endpoints::ENDPOINTS_LIMIT},
};
use serde_json::json;

use crate::{
    budgets,
    down::Down,
    escalations,
    harness::{Answer, Golden, request, token},
    issuer::Published,
    policies, reviews,
    schedules::stored,
    tenants,
};

#[tokio::test]
async fn every_documented_problem_can_happen_and_has_a_page() {
    let golden = Golden::with(|api| api.sandbox_missing = Some("there is no Docker".into())).await;
    let down = Golden::with(|api| api.store = Arc::new(Down::default())).await;
    let nowhere = Published::new(Err(SourceError::Unreachable("down".into())), Pace::NETWORK);
    let nowhere = Auth::jwks(nowhere, Expected::default()).await.unwrap();
    let keyless = Golden::with(|api| api.auth = nowhere).await;
    let hurried = Golden::with(|api| api.options.body_timeout = Duration::from_millis(10)).await;
    let never = stream::pending::<io::Result<Vec<u8>>>();
    let limited = Golden::with(|api| {
        api.options.rate_limits = RateLimits::PerMinute(Quotas { anonymous: 1, ..Quotas::default() });
    })
    .await;
    limited.send(request(Method::GET, "/v1/kinds").token(None).empty()).await;
    let dead = golden.dead("x").await;
    let streamless = async |limits| {
        let golden = Golden::with(|api| api.options.streams = limits).await;
        let job = golden.submit(json!({"kind": "noop"})).await;
        golden.get(job["links"]["events"].as_str().unwrap()).await
    };
    let submit = || request(Method::POST, "/v1/jobs");
    let noop = json!({"kind": "noop"});
    let sandbox = json!({"kind": "sandbox.run", "payload": {"language": "python", "source": "1"}});
    golden.send(submit().header("idempotency-key", "k").json(&noop)).await;
    let crowded = Golden::start().await;
    let names: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    futures_util::future::join_all(names.iter().map(|name| stored(&crowded, name, "{}"))).await;
    stored(&golden, "taken", "{}").await;
    let schedule = |name: &str| json!({"name": name, "cron": "@daily", "job": noop});

    let answers = [
        golden.send(submit().header("content-type", "application/json").body("{")).await,
        golden.send(submit().header("idempotency-key", "a b").json(&noop)).await,
        golden.send(submit().token(None).json(&noop)).await,
        golden.send(submit().token(Some(token("acme", CallerRole::Observer))).json(&noop)).await,
        budgets::broke(&golden).await,
        reviews::decided_by_its_author(&golden).await,
        suspended(&golden).await,
        golden.get("/nowhere").await,
        golden.send(request(Method::DELETE, "/v1/jobs").empty()).await,
        golden.send(request(Method::POST, &format!("/v1/jobs/{dead}/cancel")).empty()).await,
        escalations::about_a_review(&golden).await,
        one_endpoint_too_many(&golden).await,
        golden.send(submit().header("content-type", "application/json").body(vec![b' '; 2_000_000])).await,
        hurried.send(submit().header("content-type", "application/json").body(Body::from_stream(never))).await,
        golden.send(submit().body("{}")).await,
        golden.send(submit().json(&json!({"kind": "noop", "priority": 11}))).await,
        golden.send(submit().json(&json!({"kind": "nope"}))).await,
        golden.send(submit().header("idempotency-key", "k").json(&json!({"kind": "noop", "priority": 1}))).await,
        limited.send(request(Method::GET, "/v1/kinds").token(None).empty()).await,
        streamless(StreamLimits { tenant: 0, process: 1 }).await,
        golden.send(submit().json(&json!({"kind": "panics"}))).await,
        down.send(submit().json(&noop)).await,
        keyless.send(submit().json(&noop)).await,
        golden.send(submit().json(&sandbox)).await,
        full_queue(&golden).await,
        tenants::elsewhere().await,
        streamless(StreamLimits { tenant: 1, process: 0 }).await,
        golden.post("/v1/schedules", schedule("taken")).await,
        crowded.post("/v1/schedules", schedule("one more")).await,
    ];
    let mut seen = HashSet::new();
    for answer in answers.iter().chain(&policies::refusals(&golden).await) {
        let (status, code) = answer.problem();
        let documented = Code::ALL.iter().find(|known| known.as_str() == code).unwrap();
        assert_eq!(documented.status(), status);
        seen.insert(*documented);
        for leak in ["secret text", "SELECT", "sqlite", "panicked", ".rs:"] {
            assert!(!answer.text.contains(leak), "{leak}: {}", answer.text);
        }
        let page = golden.send(request(Method::GET, answer.body["type"].as_str().unwrap()).token(None).empty()).await;
        assert_eq!((&page.body["code"], &page.body["remedy"]), (&json!(code), &json!(documented.remedy())));
    }
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for name in ["nope", "%ff"] {
        assert_eq!(golden.get(&format!("/docs/problems/{name}")).await.problem(), (404, "not-found"));
    }
    let all = golden.get("/docs/problems").await;
    assert_eq!(all.body["data"].as_array().unwrap().len(), Code::ALL.len());
}

/// The answer to a tenant that is not served.
async fn suspended(golden: &Golden) -> Answer {
    golden
        .store
        .create_tenant("out", &Terms { suspended: true, ..Terms::default() }, &golden_jobs::audit::Actor::golden())
        .await
        .unwrap();
    golden.send(request(Method::GET, "/v1/jobs").token(Some(token("out", CallerRole::Admin))).empty()).await
}

/// The answer to a job that its tenant's quota has no room for.
async fn full_queue(golden: &Golden) -> Answer {
    let quota = Quota { max_queued: Some(1), max_running: None };
    golden.store.limit(Role::Orchestrator, "full", quota, &golden_jobs::audit::Actor::golden()).await.unwrap();
    let submit = || request(Method::POST, "/v1/jobs").token(Some(token("full", CallerRole::Developer)));
    let noop = json!({"kind": "noop", "delay": 3600});
    assert_eq!(golden.send(submit().json(&noop)).await.status, 202);
    golden.send(submit().json(&noop)).await
}

async fn one_endpoint_too_many(golden: &Golden) -> Answer {
    let endpoint = json!({"url": "https://example.com/", "events": ["*"]});
    for _ in 0..ENDPOINTS_LIMIT {
        golden.post("/v1/webhooks/endpoints", endpoint.clone()).await;
    }
    golden.post("/v1/webhooks/endpoints", endpoint).await
}

#[tokio::test]
async fn a_store_that_is_down_says_when_to_try_again() {
    let down = Golden::with(|api| api.store = Arc::new(Down::default())).await;
    for answer in [down.post("/v1/jobs", json!({"kind": "noop"})).await, down.get("/v1/jobs").await] {
        assert_eq!(answer.problem(), (503, "store-unavailable"));
        assert_eq!(answer.header("retry-after"), "1");
        assert!(answer.body["retry_at"].is_string());
        assert!(!answer.text.contains("10.0.0.7"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_method_that_is_not_allowed_names_those_that_are() {
    let golden = Golden::start().await;
    let answer = golden.send(request(Method::DELETE, "/v1/jobs").empty()).await;
    assert_eq!(answer.problem(), (405, "method-not-allowed"));
    let mut allowed: Vec<_> = answer.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
}

#[tokio::test]
async fn a_request_keeps_its_id_if_it_can_be_logged() {
    let golden = Golden::start().await;
    for (given, kept) in [("abc-123", true), ("a b", false), (&*"x".repeat(129), false), ("", false)] {
        let answer = golden.send(request(Method::GET, "/livez").header("x-request-id", given).empty()).await;
        assert_eq!(answer.header("x-request-id") == given, kept, "{given}");
        assert!(!answer.header("x-request-id").is_empty());
    }
}

#[tokio::test]
async fn every_answer_is_counted_by_route_and_guarded_against_sniffing() {
    let golden = Golden::start().await;
    let job = golden.submit(json!({"kind": "noop"})).await;
    let answer = golden.get(job["links"]["self"].as_str().unwrap()).await;
    assert_eq!((answer.header("x-content-type-options"), answer.header("cache-control")), ("nosniff", "no-store"));
    golden.get("/nowhere").await;
    golden.send(request(Method::from_bytes(b"BREW").unwrap(), "/livez").empty()).await;
    let text = golden.metrics.render();
    for line in [
        r#"golden_http_requests_total{method="GET",route="/v1/jobs/{id}",status="200"} 1"#,
        r#"golden_http_requests_total{method="POST",route="/v1/jobs",status="202"} 1"#,
        r#"golden_http_requests_total{method="GET",route="none",status="404"} 1"#,
        r#"golden_http_requests_total{method="other",route="/livez",status="405"} 1"#,
        r#"golden_http_request_duration_seconds_count{route="/v1/jobs"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
