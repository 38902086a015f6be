//! Health and metrics.

use axum::http::Method;
use golden_api::Part;
use serde_json::json;

use crate::harness::{Golden, request};

#[tokio::test]
async fn ready_names_each_part_and_what_is_wrong_with_it() {
    let golden = Golden::with(|api| {
        api.parts.push(Part::new("redis", || async { Err("connection refused: is it running?".into()) }));
        api.sandbox_missing = Some("there is no Docker".into());
    })
    .await;
    let ready = golden.send(request(Method::GET, "/readyz").token(None).empty()).await;
    assert_eq!(ready.status, 503);
    let parts = json!([
        {"name": "store", "ready": true},
        {"name": "redis", "ready": false, "reason": "connection refused: is it running?"},
    ]);
    assert_eq!(ready.body, json!({"status": "not ready", "parts": parts}));

    let health = golden.send(request(Method::GET, "/health").token(None).empty()).await;
    assert_eq!((health.status.as_u16(), &health.body["status"]), (200, &json!("degraded")));
    assert_eq!(health.body["off"], json!([{"role": "sandbox", "reason": "there is no Docker"}]));
    assert_eq!(golden.get("/livez").await.body, json!({"status": "ok"}));
}

#[tokio::test]
async fn a_part_that_is_not_needed_degrades_and_no_more() {
    let golden =
        Golden::with(|api| api.parts.push(Part::new("nats", || async { Err("not connected".into()) }).optional()))
            .await;
    let ready = golden.send(request(Method::GET, "/readyz").token(None).empty()).await;
    assert_eq!((ready.status.as_u16(), &ready.body["status"]), (200, &json!("degraded")));
    assert_eq!(
        ready.body["parts"][1],
        json!({"name": "nats", "ready": false, "reason": "not connected", "needed": false})
    );
}

#[tokio::test]
async fn all_is_well_on_a_fresh_store() {
    let golden = Golden::start().await;
    assert_eq!(golden.get("/readyz").await.status, 200);
    assert_eq!(golden.get("/health").await.body["status"], "ok");
}

#[tokio::test]
async fn metrics_say_how_much_waits_and_how_much_is_dead() {
    let golden = Golden::start().await;
    golden.dead("x").await;
    golden.submit(json!({"kind": "noop"})).await;
    golden.submit(json!({"kind": "noop", "delay": 60})).await;
    let scrape = golden.get("/metrics").await;
    assert!(scrape.header("content-type").starts_with("text/plain"));
    for line in [
        "dlq_message_count 1",
        r#"golden_queue_depth{role="orchestrator",state="queued"} 1"#,
        r#"golden_queue_depth{role="orchestrator",state="scheduled"} 1"#,
        r#"golden_active_jobs{role="orchestrator"} 1"#,
    ] {
        assert!(scrape.text.contains(line), "{line}\n{}", scrape.text);
    }
}
