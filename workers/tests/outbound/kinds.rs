//! The kinds that call out.

use std::time::Duration;

use golden_jobs::{
    Failure, JobId, MessageId, Role,
    kinds::{Answer, HttpCall, WebhookDeliver},
    outbound::Outbound,
    outcome::JobError,
    store::{Claimed, Run, endpoints::Format},
    trace::{self, TraceContext},
    webhooks::{Secret, sign},
};
use serde_json::{Value, json, value::to_raw_value};

use crate::{
    dev,
    server::{Server, answer},
};

fn claimed() -> Claimed {
    let then = "2026-01-02T03:04:05Z".parse().unwrap();
    Claimed {
        run: Run { id: JobId::new(), lease: 1 },
        tenant_id: "acme".to_owned(),
        kind: "http.call".to_owned(),
        role: Role::Orchestrator,
        priority: 5,
        attempt: 2,
        max_attempts: 5,
        timeout: Duration::from_secs(10),
        payload: to_raw_value(&json!({})).unwrap(),
        checkpoint: None,
        parent_id: None,
        trace: None,
        run_at: then,
        claimed_at: then,
    }
}

/// One run of `http.call` against a server that answers as told.
async fn call(mut payload: Value, answer: Vec<u8>) -> (Result<Answer, Failure>, String) {
    let server = Server::answering(answer).await;
    payload["url"] = json!(server.url("/endpoint"));
    let call: HttpCall = serde_json::from_value(payload).unwrap();
    let response = dev().send(call.request(&claimed(), "key".to_owned()).unwrap()).await.unwrap();
    let outcome = call.judge(response, "2026-01-02T03:04:05Z".parse().unwrap());
    let request = server.requests().remove(0);
    (outcome, request)
}

#[tokio::test]
async fn who_is_called_is_told_of_the_trace_unless_the_call_says_something_else() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let from = TraceContext::read(PARENT, Some("a=b"));
    let traced = async |payload| {
        trace::within(tracing::Span::none(), from.clone(), call(payload, answer("200 OK", "", ""))).await.1
    };
    let request = traced(json!({})).await;
    assert!(request.contains(&format!("\r\ntraceparent: {PARENT}\r\n")), "{request}");
    assert!(request.contains("\r\ntracestate: a=b\r\n"), "{request}");
    let request = traced(json!({"headers": {"TraceParent": "mine"}})).await;
    assert!(request.contains("\r\ntraceparent: mine\r\n") && !request.contains("tracestate"), "{request}");
    let (_, untraced) = call(json!({}), answer("200 OK", "", "")).await;
    assert!(!untraced.contains("traceparent"), "{untraced}");
}

#[tokio::test]
async fn http_call_keeps_what_the_endpoint_answers() {
    let headers = "Content-Type: application/json\r\nX-A: 1\r\n";
    let (outcome, request) = call(json!({"body": {"n": 1}}), answer("201 Created", headers, r#"{"ok":true}"#)).await;
    let kept = serde_json::to_value(outcome.unwrap()).unwrap();
    assert_eq!((&kept["status"], &kept["body"]), (&json!(201), &json!(r#"{"ok":true}"#)));
    assert_eq!((&kept["headers"]["x-a"], &kept["encoding"]), (&json!("1"), &json!("text")));
    assert!(request.starts_with("POST /endpoint HTTP/1.1\r\n") && request.ends_with("\r\n\r\n{\"n\":1}"), "{request}");
    for header in ["content-type: application/json", "golden-attempt: 2", "idempotency-key: key", "golden-job-id: job_"]
    {
        assert!(request.contains(header), "{header} is missing in {request}");
    }
}

#[tokio::test]
async fn http_call_decides_by_status_as_a_task_queue_does() {
    let waits = |failure: Failure| match failure {
        Failure::Retry { after, .. } => after.map(|wait| wait.as_secs()),
        fatal => panic!("{fatal:?}"),
    };
    for (status, headers, wait) in [
        ("429 Too Many", "Retry-After: 7\r\n", Some(7)),
        ("503 Unavailable", "Retry-After: Fri, 02 Jan 2026 03:05:05 GMT\r\n", Some(60)),
        ("503 Unavailable", "Retry-After: 999999\r\n", Some(3600)),
        ("500 Oops", "", None),
        ("408 Slow", "", None),
    ] {
        let (outcome, _) = call(json!({}), answer(status, headers, "")).await;
        assert_eq!(waits(outcome.unwrap_err()), wait, "{status} {headers}");
    }
    for status in ["302 Found", "400 Bad", "404 Missing", "410 Gone"] {
        let (outcome, _) = call(json!({}), answer(status, "", "")).await;
        assert!(matches!(outcome, Err(Failure::Fatal(_))), "{status}");
    }
    let (outcome, _) = call(json!({"expect": [404]}), answer("404 Missing", "", "")).await;
    assert!(outcome.is_ok());
}

#[tokio::test]
async fn a_webhook_arrives_byte_for_byte_with_a_signature_over_it() {
    let server = Server::answering(answer("204 No Content", "", "")).await;
    let body = r#"{"type":"job.succeeded","data":{"name":"grüße"}}"#;
    let webhook = WebhookDeliver {
        url: None,
        endpoint_id: None,
        event: "job.succeeded".to_owned(),
        format: Format::Standard,
        body: body.to_owned(),
        source_job_id: Some(JobId::new()),
    };
    let (id, now) = (MessageId::new(), "2026-01-02T03:04:05Z".parse().unwrap());
    let secrets = [Secret::from([7; 32])];
    dev().send(webhook.request(id, &server.url("/hook"), &secrets, now)).await.unwrap();

    let request = server.requests().remove(0);
    let (head, received) = request.split_once("\r\n\r\n").unwrap();
    let signature = sign(&secrets, &id.to_string(), now.timestamp(), received.as_bytes());
    assert_eq!(received, body);
    for header in [
        format!("webhook-id: {id}"),
        format!("webhook-timestamp: {}", now.timestamp()),
        format!("webhook-signature: {signature}"),
    ] {
        assert!(head.contains(&header), "{header} is missing in {head}");
    }
}

#[tokio::test]
async fn http_call_to_a_forbidden_address_is_dead_at_once() {
    let call: HttpCall = serde_json::from_value(json!({"url": "https://169.254.169.254/latest/meta-data/"})).unwrap();
    let error = dev().send(call.request(&claimed(), "key".to_owned()).unwrap()).await.unwrap_err();
    assert!(matches!(Failure::from(error), Failure::Fatal(JobError { code, .. }) if code == "address_refused"));
}
