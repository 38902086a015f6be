//! What of a span leaves the process, and under which names.
//!
//! In the code, spans are named and described with Golden's own words. Here they get the names of OpenTelemetry's
//! semantic conventions for [HTTP](https://opentelemetry.io/docs/specs/semconv/http/http-spans/)
//! [messaging](https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/) and
//! [generative AI](https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/). It is a closed list: a field
//! that is not in it goes nowhere, so that nothing gets out because somebody logged it. Paths and queries of
//! URLs are not in it, though the conventions would have them: both may hold what only the receiver should know.

use opentelemetry::{
    Array, Key, KeyValue, Value,
    trace::{SpanKind, Status},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents};

/// Asked every few seconds for as long as the process lives, and never of interest.
const PROBES: [&str; 4] = ["/livez", "/readyz", "/health", "/metrics"];

/// Fields that keep their names, whatever span has them.
const KEPT: [&str; 11] = [
    "attempt",
    "cause",
    "container.id",
    "image",
    "job.id",
    "job.kind",
    "outcome",
    "request_id",
    "role",
    "tenant",
    "waited_ms",
];

/// Fields that have a name in the conventions, by the span that has them.
const RENAMED: [(&str, &str, &str); 22] = [
    ("request", "method", "http.request.method"),
    ("request", "route", "http.route"),
    ("request", "status", "http.response.status_code"),
    ("send", "role", "messaging.destination.name"),
    ("send", "job.id", "messaging.message.id"),
    ("send_batch", "jobs", "messaging.batch.message_count"),
    ("run", "role", "messaging.destination.name"),
    ("run", "job.id", "messaging.message.id"),
    ("run", "error.code", "error.type"),
    ("chat", "model", "gen_ai.request.model"),
    ("chat", "max_tokens", "gen_ai.request.max_tokens"),
    ("chat", "temperature", "gen_ai.request.temperature"),
    ("chat", "answered_by", "gen_ai.response.model"),
    ("chat", "finish", "gen_ai.response.finish_reasons"),
    ("chat", "input_tokens", "gen_ai.usage.input_tokens"),
    ("chat", "output_tokens", "gen_ai.usage.output_tokens"),
    ("chat", "host", "server.address"),
    ("chat", "port", "server.port"),
    ("call", "method", "http.request.method"),
    ("call", "host", "server.address"),
    ("call", "port", "server.port"),
    ("call", "status", "http.response.status_code"),
];

/// What is said of every span of a name.
const ALWAYS: [(&str, &str, &str); 13] = [
    ("send", "messaging.system", "golden"),
    ("send", "messaging.operation.name", "send"),
    ("send", "messaging.operation.type", "send"),
    ("send_batch", "messaging.system", "golden"),
    ("send_batch", "messaging.operation.name", "send"),
    ("send_batch", "messaging.operation.type", "send"),
    ("run", "messaging.system", "golden"),
    ("run", "messaging.operation.name", "process"),
    ("run", "messaging.operation.type", "process"),
    ("chat", "gen_ai.operation.name", "chat"),
    // Whoever it is, this is the API it speaks.
    ("chat", "gen_ai.provider.name", "openai"),
    ("message", "messaging.system", "nats"),
    ("message", "messaging.operation.type", "process"),
];

/// The span as others see it; `None` where nobody needs to.
pub(super) fn spoken(mut span: SpanData) -> Option<SpanData> {
    let name = std::mem::take(&mut span.name);
    let told = std::mem::take(&mut span.attributes);
    // Recorded twice, a field has its last value.
    let field = |name: &str| told.iter().rev().find(|told| told.key.as_str() == name).map(|told| &told.value);
    let text = |name: &str| field(name).map(|value| value.to_string());
    let number = |name: &str| text(name).and_then(|text| text.parse::<u16>().ok());

    let route = text("route").unwrap_or_default();
    if name == "request" && PROBES.contains(&route.as_str()) {
        return None;
    }
    let (role, method) = (text("role").unwrap_or_default(), text("method").unwrap_or_default());
    let (kind, said) = match &*name {
        // The conventions name a request without a route by its method alone.
        "request" if route == "none" => (SpanKind::Server, method),
        "request" => (SpanKind::Server, format!("{method} {route}")),
        "send" => (SpanKind::Producer, format!("send {role}")),
        "send_batch" => (SpanKind::Producer, "send".to_owned()),
        "message" => (SpanKind::Consumer, "process golden.submit".to_owned()),
        "run" => (SpanKind::Consumer, format!("process {role}")),
        "call" => (SpanKind::Client, method),
        "chat" => (SpanKind::Client, format!("chat {}", text("model").unwrap_or_default())),
        other => (SpanKind::Internal, other.replace('_', " ")),
    };
    let failure = match &*name {
        "request" => number("status").filter(|status| *status >= 500).map(|status| status.to_string()),
        "call" => {
            let refused = number("status").filter(|status| *status >= 400).map(|status| status.to_string());
            text("error.code").or(refused)
        }
        "chat" => text("error.code"),
        "run" => text("error.code").or_else(|| text("outcome").filter(|outcome| outcome == "lost")),
        _ => None,
    };

    let kept = KEPT.iter().filter_map(|name| Some(KeyValue::new(*name, field(name)?.clone())));
    let renamed = RENAMED.iter().filter(|(span, ..)| *span == name);
    let renamed = renamed.filter_map(|(_, from, to)| Some(KeyValue::new(*to, conventional(to, field(from)?)?)));
    let always = ALWAYS.iter().filter(|(span, ..)| *span == name);
    let always = always.map(|(_, name, value)| KeyValue::new(*name, *value));
    let mut attributes: Vec<KeyValue> = kept.chain(renamed).chain(always).collect();
    let typed = attributes.iter().any(|attribute| attribute.key.as_str() == "error.type");
    if let Some(failure) = failure {
        if !typed {
            attributes.push(KeyValue::new(Key::from_static_str("error.type"), failure));
        }
        // Without a description: what failed in which way is in the log, for those who may read it.
        span.status = Status::error("");
    }
    (span.name, span.span_kind, span.attributes) = (said.into(), kind, attributes);
    (span.events, span.dropped_attributes_count) = (SpanEvents::default(), 0);
    Some(span)
}

/// The value as the conventions have it.
fn conventional(name: &str, value: &Value) -> Option<Value> {
    match (name, &*value.as_str()) {
        ("http.route", "none") => None,
        ("http.request.method", "other") => Some("_OTHER".into()),
        // There is one for each answer, and one answer.
        ("gen_ai.response.finish_reasons", finish) => Some(Value::Array(Array::String(vec![finish.to_owned().into()]))),
        // What is unsigned comes as a text.
        (
            "http.response.status_code"
            | "server.port"
            | "messaging.batch.message_count"
            | "gen_ai.request.max_tokens"
            | "gen_ai.usage.input_tokens"
            | "gen_ai.usage.output_tokens",
            number,
        ) => Some(number.parse::<i64>().map_or_else(|_| value.clone(), Value::from)),
        _ => Some(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use opentelemetry::{
        InstrumentationScope,
        trace::{Event, SpanContext, SpanId},
    };
    use opentelemetry_sdk::trace::SpanLinks;

    use super::*;

    fn span(name: &'static str, fields: &[(&'static str, Value)]) -> SpanData {
        let mut events = SpanEvents::default();
        events.events.push(Event::with_name("a line of the log"));
        SpanData {
            span_context: SpanContext::NONE,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: fields.iter().map(|(name, value)| KeyValue::new(*name, value.clone())).collect(),
            dropped_attributes_count: 0,
            events,
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    fn said(span: &SpanData) -> Vec<String> {
        let mut said: Vec<_> = span.attributes.iter().map(|kv| format!("{}={}", kv.key, kv.value)).collect();
        said.sort();
        said
    }

    #[test]
    fn what_is_not_on_the_list_goes_nowhere() {
        let told = span("run", &[("role", "sandbox".into()), ("payload", "secret".into()), ("trace_id", "1".into())]);
        let told = spoken(told).unwrap();
        assert_eq!((&*told.name, &told.span_kind), ("process sandbox", &SpanKind::Consumer));
        let system =
            ["messaging.operation.name=process", "messaging.operation.type=process", "messaging.system=golden"];
        let all: Vec<_> =
            ["messaging.destination.name=sandbox"].into_iter().chain(system).chain(["role=sandbox"]).collect();
        assert_eq!(said(&told), all);
        assert!(told.events.is_empty() && told.status == Status::Unset);
        let unknown = spoken(span("something_new", &[("payload", "secret".into())])).unwrap();
        assert_eq!((&*unknown.name, unknown.attributes.len()), ("something new", 0));
    }

    #[test]
    fn requests_are_named_by_their_route_and_probes_are_left_out() {
        let request = |route: &'static str, status: i64| {
            spoken(span("request", &[("method", "POST".into()), ("route", route.into()), ("status", status.into())]))
        };
        let told = request("/v1/jobs", 202).unwrap();
        assert_eq!((&*told.name, &told.status), ("POST /v1/jobs", &Status::Unset));
        assert_eq!(said(&told), ["http.request.method=POST", "http.response.status_code=202", "http.route=/v1/jobs"]);
        assert_eq!(&*request("none", 404).unwrap().name, "POST");
        let failed = request("/v1/jobs", 503).unwrap();
        assert_eq!(failed.status, Status::error(""));
        assert!(said(&failed).contains(&"error.type=503".to_owned()));
        for probe in PROBES {
            assert_eq!(request(probe, 200), None);
        }
    }

    #[test]
    fn what_failed_says_so_and_how() {
        let call = span(
            "call",
            &[("method", "POST".into()), ("host", "example.com".into()), ("error.code", "timeout".into())],
        );
        let told = spoken(call).unwrap();
        assert_eq!((&*told.name, &told.span_kind, &told.status), ("POST", &SpanKind::Client, &Status::error("")));
        assert_eq!(said(&told), ["error.type=timeout", "http.request.method=POST", "server.address=example.com"]);
        let chat = span("chat", &[("model", "m".into()), ("finish", "stop".into()), ("prompt", "secret".into())]);
        let told = spoken(chat).unwrap();
        assert_eq!((&*told.name, &told.span_kind, &told.status), ("chat m", &SpanKind::Client, &Status::Unset));
        assert!(said(&told).contains(&"gen_ai.response.finish_reasons=[\"stop\"]".to_owned()), "{:?}", said(&told));
        assert!(!said(&told).iter().any(|said| said.contains("secret")));
        let run = spoken(span("run", &[("outcome", "dead".into()), ("error.code", "oom".into())])).unwrap();
        assert_eq!(said(&run).iter().filter(|said| said.starts_with("error.type")).count(), 1);
        assert_eq!(run.status, Status::error(""));
    }
}
