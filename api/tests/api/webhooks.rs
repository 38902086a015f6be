//! `/v1/webhooks`.

use golden_jobs::{JobId, MessageId, store::Delivery};
use serde_json::json;

use crate::harness::{Golden, text};

#[tokio::test]
async fn a_tenant_has_one_secret() {
    let golden = Golden::start().await;
    let secret = golden.get("/v1/webhooks/secret").await;
    let value = text(&secret.body["secret"]);
    assert!(value.starts_with("whsec_") && value.len() == 6 + 44, "{value}");
    assert_eq!(secret.header("cache-control"), "no-store");
    assert_eq!(golden.get("/v1/webhooks/secret").await.body, secret.body);
}

#[tokio::test]
async fn every_attempt_to_call_back_is_shown() {
    let golden = Golden::start().await;
    let job = text(&golden.submit(json!({"kind": "noop"})).await["id"]);
    let delivery = Delivery {
        message_id: MessageId::new(),
        run_lease: 1,
        attempt: 1,
        tenant_id: "acme".into(),
        job_id: job.parse::<JobId>().unwrap(),
        event: "job.succeeded".into(),
        url: "https://example.com/".into(),
        status: Some(500),
        latency_ms: 12,
        answer: Some("oops".into()),
        error: None,
        at: chrono::DateTime::UNIX_EPOCH,
    };
    golden.store.record_delivery(&delivery).await.unwrap();
    let list = golden.get(&format!("/v1/webhooks/deliveries?job={job}")).await;
    assert_eq!(list.body["data"][0]["status"], 500, "{}", list.text);
    assert_eq!(list.body["data"][0]["message_id"], delivery.message_id.to_string());
    assert!(!list.text.contains("tenant"));

    for query in ["", "?job=1"] {
        let answer = golden.get(&format!("/v1/webhooks/deliveries{query}")).await;
        assert_eq!(answer.problem(), (400, "malformed-request"));
    }
}
