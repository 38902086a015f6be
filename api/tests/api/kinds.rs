//! `/v1/kinds`.

use axum::http::Method;
use serde_json::json;

use crate::harness::{Golden, request};

#[tokio::test]
async fn anybody_sees_what_may_be_submitted() {
    let golden = Golden::start().await;
    let list = golden.send(request(Method::GET, "/v1/kinds").token(None).empty()).await;
    let kinds = list.body["data"].as_array().unwrap();
    let noop = kinds.iter().find(|kind| kind["name"] == "noop").unwrap();
    assert_eq!(noop["role"], "orchestrator");
    assert_eq!((&noop["policy"]["max_attempts"], &noop["policy"]["timeout"]), (&json!(5), &json!(300.0)));
    assert_eq!(noop["schema"]["properties"]["sleep_ms"]["type"], json!(["integer", "null"]));
    assert!(kinds.iter().all(|kind| kind["name"] != "internal"));

    assert_eq!(&golden.get("/v1/kinds/noop").await.body, noop);
    for kind in ["nope", "internal", "%ff"] {
        assert_eq!(golden.get(&format!("/v1/kinds/{kind}")).await.problem(), (404, "not-found"));
    }
}
