//! What a tenant may have is its own matter, and changes within a second.

use std::time::Duration;

use axum::http::Method;
use golden_api::CallerRole::Developer;
use golden_jobs::store::Terms;
use serde_json::{Value, json};

use crate::harness::{Answer, Golden, request, token};

async fn submit(golden: &Golden, tenant: &str, payload: Value) -> Answer {
    let job = json!({"kind": "noop", "payload": payload});
    golden.send(request(Method::POST, "/v1/jobs").token(Some(token(tenant, Developer))).json(&job)).await
}

#[tokio::test]
async fn a_suspended_tenant_is_refused_until_it_is_not() {
    let golden = Golden::start().await;
    let suspended = Terms { suspended: true, ..Terms::default() };
    golden.store.create_tenant("out", &suspended, &golden_jobs::audit::Actor::golden()).await.unwrap();

    assert_eq!(submit(&golden, "out", json!({})).await.problem(), (403, "tenant-suspended"));
    assert_eq!(submit(&golden, "in", json!({})).await.status, 202);
    let kinds = request(Method::GET, "/v1/kinds").token(Some(token("out", Developer)));
    assert_eq!(golden.send(kinds.empty()).await.status, 200, "what anybody may read, they may");

    golden.store.set_terms("out", &Terms::default().into(), &golden_jobs::audit::Actor::golden()).await.unwrap();
    for _ in 0..100 {
        let answer = submit(&golden, "out", json!({})).await;
        if answer.status == 202 {
            return;
        }
        assert_eq!(answer.problem(), (403, "tenant-suspended"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the tenant is served again, and is refused all the same");
}

#[tokio::test]
async fn a_payload_is_as_long_as_its_tenant_may_have() {
    let golden = Golden::start().await;
    let terms = |bytes| Terms { max_payload: Some(bytes), ..Terms::default() };
    golden.store.create_tenant("small", &terms(100), &golden_jobs::audit::Actor::golden()).await.unwrap();
    golden.store.create_tenant("large", &terms(500_000), &golden_jobs::audit::Actor::golden()).await.unwrap();
    let of = |bytes: usize| json!({"output": "x".repeat(bytes - r#"{"output":""}"#.len())});

    assert_eq!(submit(&golden, "small", of(100)).await.status, 202);
    let refused = submit(&golden, "small", of(101)).await;
    assert_eq!(refused.problem(), (413, "too-large"));
    assert!(refused.body["detail"].as_str().unwrap().contains("at most 100 bytes"), "{}", refused.text);
    assert_eq!(submit(&golden, "large", of(500_000)).await.status, 202);
    assert_eq!(submit(&golden, "usual", of(256 * 1024)).await.status, 202);
    assert_eq!(submit(&golden, "usual", of(256 * 1024 + 1)).await.problem(), (413, "too-large"));
}
