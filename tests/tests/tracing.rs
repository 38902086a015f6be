//! One trace from the request to the webhook, through processes of their own; and what must never be in one.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value},
    trace::v1::span::SpanKind,
};
use prost::Message;
use serde_json::{Value, json};

use crate::support::{Golden, PATIENCE, Receiver, TestStore};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
/// What must stay between those whom it concerns.
const CANARY: &str = "canary-5f1c9a";

/// A span as the collector got it.
#[derive(Debug)]
struct Span {
    service: String,
    name: String,
    kind: SpanKind,
    trace: String,
    id: String,
    parent: String,
    attributes: Vec<(String, String)>,
}

impl Span {
    fn says(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |value: any_value::Value| match value {
        any_value::Value::StringValue(text) => text,
        any_value::Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value = |one: &KeyValue| one.value.clone().and_then(|value| value.value).map(text).unwrap_or_default();
    attributes.iter().map(|one| (one.key.clone(), value(one))).collect()
}

/// Everything that a collector got.
fn spans(collector: &Receiver) -> Vec<Span> {
    let mut spans = Vec::new();
    for request in collector.received() {
        assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
        assert_eq!(request.header("x-key"), Some("collectors"));
        let request = ExportTraceServiceRequest::decode(&*request.body).unwrap();
        for resource in request.resource_spans {
            let about = texts(&resource.resource.unwrap().attributes);
            let service = about.iter().find(|(name, _)| name == "service.name").unwrap().1.clone();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                assert!(span.events.is_empty() && span.links.is_empty(), "{span:?}");
                spans.push(Span {
                    service: service.clone(),
                    kind: span.kind(),
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    attributes: texts(&span.attributes),
                    name: span.name,
                });
            }
        }
    }
    spans
}

/// Waits for a request to have come, and gives its `traceparent`.
async fn called(receiver: &Receiver) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(request) = receiver.received().first() {
            return request.header("traceparent").unwrap().to_owned();
        }
        assert!(Instant::now() < until, "nobody called");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The lines of a log that are about something.
fn lines_about(log: &str, field: &str, value: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line[field] == value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_request_to_the_webhook_and_holds_no_secret() {
    let (collector, hook, endpoint) = (
        Receiver::answering(|_| "200 OK").await,
        Receiver::answering(|_| "200 OK").await,
        Receiver::answering(|_| "503 Service Unavailable").await,
    );
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.trim_end_matches("/hook")),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=collectors"),
        // What arrives is what was handed over at the end.
        ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
        ("GOLDEN_LOG", "info,golden=trace"),
        ("GOLDEN_LOG_FORMAT", "json"),
    ];
    let golden = Golden::start(TestStore::postgres().await, "api", &settings).await;
    let worker = golden.worker("orchestrator,sandbox,webhook");
    let (_, secret) = golden.call("GET", "/v1/webhooks/secret", None).await;
    let secret = secret["secret"].as_str().unwrap().to_owned();

    let token = golden.mint("admin", "acme");
    let bearer = format!("Bearer {token}");
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let headers = [("authorization", &*bearer), ("traceparent", &*parent), ("tracestate", "vendor=1")];
    let program = json!({
        "kind": "sandbox.run",
        "payload": {
            "language": "python",
            "source": "import os, sys\nprint(os.environ['TRACEPARENT'], os.environ['TRACESTATE'], sys.stdin.read())",
            "stdin": CANARY,
            "env": {"KEY": CANARY},
        },
        "metadata": {"note": CANARY},
        "callback_url": format!("{}?key={CANARY}", hook.url),
    });
    let (status, job) = golden.call_with("POST", "/v1/jobs", Some(program), &headers).await;
    assert_eq!(status, 202, "{job}");
    let id = job["id"].as_str().unwrap();
    // One that comes without a trace begins one, and fails.
    let call = json!({"url": format!("{}?key={CANARY}", endpoint.url), "headers": {"x-key": CANARY}, "body": CANARY});
    let failing = golden.submit_with(json!({"kind": "http.call", "payload": call, "max_attempts": 1})).await;

    let ended = golden.ended(id).await;
    let printed = ended["result"]["stdout"].as_str().unwrap_or_else(|| panic!("{ended}"));
    assert_eq!(golden.ended(&failing).await["state"], "dead");
    let (told, called) = (called(&hook).await, called(&endpoint).await);
    let logs = [golden.api.log(), worker.log()];
    assert_eq!(worker.terminate().await, Some(0));
    assert_eq!(golden.api.terminate().await, Some(0));

    let spans = spans(&collector);
    let ours: Vec<&Span> = spans.iter().filter(|span| span.trace == TRACE).collect();
    let one = |name: &str| {
        let named: Vec<&Span> = ours.iter().copied().filter(|span| span.name == name).collect();
        assert_eq!(named.len(), 1, "{name} in {ours:#?}");
        named[0]
    };
    let names = [
        ("POST /v1/jobs", SpanKind::Server, "golden-api"),
        ("send sandbox", SpanKind::Producer, "golden-api"),
        ("process sandbox", SpanKind::Consumer, "golden-worker"),
        ("sandbox start", SpanKind::Internal, "golden-worker"),
        ("sandbox run", SpanKind::Internal, "golden-worker"),
        ("process webhook", SpanKind::Consumer, "golden-worker"),
        ("POST", SpanKind::Client, "golden-worker"),
    ];
    let [request, send, process, start, run, deliver, post] = names.map(|(name, kind, service)| {
        let span = one(name);
        assert_eq!((span.kind, span.service.as_str()), (kind, service), "{span:?}");
        span
    });
    assert_eq!(ours.len(), names.len(), "{ours:#?}");
    for (span, parent) in
        [(send, request), (process, send), (start, process), (run, process), (deliver, send), (post, deliver)]
    {
        assert_eq!(span.parent, parent.id, "{span:?}");
    }
    assert_eq!(request.parent, CALLER);
    assert_eq!(printed, format!("00-{TRACE}-{}-01 vendor=1 {CANARY}\n", process.id));
    assert_eq!(told, format!("00-{TRACE}-{}-01", post.id));
    for (span, name, value) in [
        (request, "http.route", "/v1/jobs"),
        (request, "http.response.status_code", "202"),
        (send, "messaging.message.id", id),
        (process, "messaging.system", "golden"),
        (process, "messaging.destination.name", "sandbox"),
        (process, "job.kind", "sandbox.run"),
        (process, "tenant", "acme"),
        (process, "attempt", "1"),
        (process, "outcome", "succeeded"),
        (run, "cause", "exited"),
        (post, "server.address", "127.0.0.1"),
        (post, "http.response.status_code", "200"),
    ] {
        assert_eq!(span.says(name), Some(value), "{span:?}");
    }
    assert!(process.says("waited_ms").is_some());

    // The other trace is one of its own, from its own request to the endpoint that was called.
    let failed = spans
        .iter()
        .find(|span| span.says("messaging.message.id") == Some(&failing) && span.kind == SpanKind::Consumer);
    let failed = failed.unwrap();
    assert_eq!((failed.says("outcome"), failed.says("error.type")), (Some("dead"), Some("http_status")));
    let client = spans.iter().find(|span| span.parent == failed.id).unwrap();
    assert_eq!((client.kind, client.says("error.type")), (SpanKind::Client, Some("503")));
    assert_eq!(called, format!("00-{}-{}-01", failed.trace, client.id));
    assert!(failed.trace != TRACE && spans.iter().any(|span| span.trace == failed.trace && span.parent.is_empty()));

    let [of_api, of_worker] = &logs;
    let answered = lines_about(of_api, "message", "answered");
    let answered = answered.iter().find(|line| line["trace_id"] == TRACE).unwrap();
    assert_eq!((&answered["tenant"], &answered["status"]), (&json!("acme"), &json!(202)));
    assert!(answered["request_id"].is_string() && answered["span_id"] == *request.id, "{answered}");
    let told = lines_about(of_worker, "job.id", id);
    let told = told.iter().find(|line| line["message"] == "run ended").unwrap();
    for (field, value) in [
        ("trace_id", json!(TRACE)),
        ("span_id", json!(process.id)),
        ("role", json!("sandbox")),
        ("job.kind", json!("sandbox.run")),
        ("tenant", json!("acme")),
        ("attempt", json!(1)),
        ("outcome", json!("succeeded")),
    ] {
        assert_eq!(told[field], value, "{field} in {told}");
    }

    let sent = collector.received().into_iter().map(|request| String::from_utf8_lossy(&request.body).into_owned());
    for said in logs.iter().cloned().chain(sent) {
        for secret in [CANARY, &token, &secret] {
            assert!(!said.contains(secret), "{secret} is in {said}");
        }
    }
}
