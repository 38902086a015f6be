//! `POST /v1/jobs`: what is accepted, and how everything else is refused.

use axum::http::{Method, StatusCode};
use golden_jobs::Role;
use serde_json::{Value, json};

use crate::harness::{Golden, request, text};

/// Nothing that was refused may leave a trace.
async fn assert_nothing_recorded(golden: &Golden) {
    assert_eq!(golden.get("/v1/jobs").await.body["data"], json!([]));
}

#[tokio::test]
async fn a_job_is_accepted_and_can_be_read() {
    let golden = Golden::start().await;
    let answer = golden.post("/v1/jobs", json!({"kind": "noop", "payload": {"output": 7}})).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let id = text(&answer.body["id"]);
    assert!(id.starts_with("job_"));
    assert_eq!(answer.header("location"), format!("/v1/jobs/{id}"));
    assert_eq!(golden.get(answer.header("location")).await.body, answer.body);
    let mut job = answer.body.as_object().unwrap().clone();
    for (name, expected) in [
        ("kind", json!("noop")),
        ("role", json!("orchestrator")),
        ("tenant", json!("acme")),
        ("state", json!("queued")),
        ("priority", json!(5)),
        ("attempt", json!(0)),
        ("max_attempts", json!(5)),
        ("timeout", json!(300)),
        ("payload", json!({"output": 7})),
        ("result", Value::Null),
        ("error", Value::Null),
        ("progress", Value::Null),
        ("metadata", Value::Null),
        ("parent_id", Value::Null),
        ("started_at", Value::Null),
        ("finished_at", Value::Null),
        ("callback_url", Value::Null),
        ("cost_micros", json!(0)),
        ("max_cost", json!(null)),
    ] {
        assert_eq!(job.remove(name), Some(expected), "{name}");
    }
    assert_eq!(job.remove("run_at"), job.remove("created_at"));
    assert_eq!(job.remove("links").unwrap()["self"], format!("/v1/jobs/{id}"));
    job.remove("id");
    assert!(job.is_empty(), "{job:?}");
}

#[tokio::test]
async fn a_submission_says_how_its_job_is_run() {
    let golden = Golden::start().await;
    let job = golden
        .submit(json!({
            "kind": "noop", "priority": 0, "max_attempts": 1, "timeout": 1.5, "delay": 60,
            "callback_url": "http://127.0.0.1:9/hook",
            "metadata": {"team": "a\u{202E}b", "note": "test; DROP TABLE users;"},
        }))
        .await;
    assert_eq!((&job["priority"], &job["max_attempts"], &job["timeout"]), (&json!(0), &json!(1), &json!(1.5)));
    assert_eq!((&job["state"], &job["payload"]), (&json!("scheduled"), &json!({})));
    assert_eq!(job["metadata"], json!({"team": "ab", "note": "test; DROP TABLE users;"}));
    assert_eq!(job["callback_url"], "http://127.0.0.1:9/hook");
    assert_eq!(golden.get(&format!("/v1/jobs/{}", text(&job["id"]))).await.body, job);
}

#[tokio::test]
async fn a_trace_goes_on_and_one_that_cannot_be_read_is_none() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let golden = Golden::start().await;
    let claimed = async |path: &str, body: Value, headers: &[(&str, &str)]| {
        let request =
            headers.iter().fold(request(Method::POST, path), |request, (name, value)| request.header(name, value));
        let answer = golden.send(request.json(&body)).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        golden.claim(Role::Orchestrator).await.trace
    };
    let noop = json!({"kind": "noop"});
    let headers = [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")];
    for (path, body) in [("/v1/jobs", noop.clone()), ("/v1/jobs/batch", json!([noop]))] {
        let trace = claimed(path, body, &headers).await.unwrap();
        assert_eq!((trace.traceparent().as_str(), trace.tracestate()), (PARENT, Some("a=1,b=2")));
    }
    let wrong = [("traceparent", "00-xyz"), ("tracestate", "a=1")];
    let twice = [("traceparent", PARENT), ("traceparent", PARENT)];
    for headers in [&[][..], &wrong, &twice] {
        assert_eq!(claimed("/v1/jobs", noop.clone(), headers).await, None, "{headers:?}");
    }
}

#[tokio::test]
async fn a_time_past_is_now_and_a_time_to_come_is_kept() {
    let golden = Golden::start().await;
    let past = golden.submit(json!({"kind": "noop", "run_at": "2001-02-03T04:05:06Z"})).await;
    assert_eq!((&past["state"], &past["run_at"]), (&json!("queued"), &past["created_at"]));

    let soon = chrono::DateTime::parse_from_rfc3339(past["created_at"].as_str().unwrap()).unwrap();
    let soon = soon + chrono::TimeDelta::days(1);
    let later = golden.submit(json!({"kind": "noop", "run_at": soon.to_rfc3339()})).await;
    assert_eq!(later["state"], "scheduled");
    assert_eq!(chrono::DateTime::parse_from_rfc3339(later["run_at"].as_str().unwrap()).unwrap(), soon);
}

#[tokio::test]
async fn a_payload_is_kept_character_by_character() {
    let golden = Golden::start().await;
    let payload = r#"{"output": [ 1.50, 1E2, "\u0041",  18446744073709551615 ]}"#;
    let body = format!(r#"{{"payload": {payload}, "kind": "noop"}}"#);
    let sent = request(Method::POST, "/v1/jobs").header("content-type", "application/json").body(body);
    let answer = golden.send(sent).await;
    assert!(answer.text.contains(payload), "{}", answer.text);
    let read = golden.get(answer.header("location")).await;
    assert!(read.text.contains(payload), "{}", read.text);
}

#[tokio::test]
async fn what_cannot_be_read_is_malformed() {
    let golden = Golden::start().await;
    let deep = format!(r#"{{"kind":"noop","payload":{{"output":{}1{}}}}}"#, "[".repeat(63), "]".repeat(63));
    for (body, detail) in [
        (b"{".to_vec(), "EOF"),
        (b"".to_vec(), "EOF"),
        (b"[]".to_vec(), "object"),
        (b"{'kind':'noop'}".to_vec(), "line 1 column 2"),
        (br#"{"kind":"noop","kind":"noop"}"#.to_vec(), "\"kind\" is there twice"),
        (br#"{"kind":"noop","payload":{"output":{"a":1,"a":2}}}"#.to_vec(), "\"a\" is there twice"),
        (b"{\"kind\":\"\xff\"}".to_vec(), "UTF-8 at byte 9"),
        (br#"{"kind":"\ud800"}"#.to_vec(), "hex escape"),
        (br#"{"kind":"noop"} {}"#.to_vec(), "trailing"),
        (deep.into_bytes(), "more than 64 deep"),
    ] {
        let sent = request(Method::POST, "/v1/jobs").header("content-type", "application/json").body(body);
        let answer = golden.send(sent).await;
        assert_eq!(answer.problem(), (400, "malformed-request"), "{}", answer.text);
        assert!(text(&answer.body["detail"]).contains(detail), "{detail}: {}", answer.text);
    }
    assert_nothing_recorded(&golden).await;
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_with_its_place() {
    let golden = Golden::start().await;
    let many: Value = (0..33).map(|i| (i.to_string(), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    for (body, pointer) in [
        (json!({}), "/kind"),
        (json!({"kind": 7}), "/kind"),
        (json!({"kind": "noop", "name": "test; DROP TABLE users;"}), "/name"),
        (json!({"kind": "noop", "a/b~c": 1}), "/a~1b~0c"),
        (json!({"kind": "noop", "payload": {"sleep_ms": "x"}}), "/payload/sleep_ms"),
        (json!({"kind": "noop", "payload": {"sleep_ms": 3_600_001}}), "/payload/sleep_ms"),
        (json!({"kind": "noop", "payload": {"nope": 1}}), "/payload"),
        (json!({"kind": "noop", "payload": []}), "/payload"),
        (json!({"kind": "picky"}), "/payload"),
        (json!({"kind": "picky", "payload": {"count": 13}}), "/payload/count"),
        (json!({"kind": "picky", "payload": {"count": -1}}), "/payload/count"),
        (json!({"kind": "noop", "priority": 10}), "/priority"),
        (json!({"kind": "noop", "priority": -1}), "/priority"),
        (json!({"kind": "noop", "priority": "high"}), "/priority"),
        (json!({"kind": "noop", "max_attempts": 0}), "/max_attempts"),
        (json!({"kind": "noop", "max_attempts": 101}), "/max_attempts"),
        (json!({"kind": "noop", "timeout": 0}), "/timeout"),
        (json!({"kind": "noop", "timeout": 3601}), "/timeout"),
        (json!({"kind": "noop", "timeout": 1e300}), "/timeout"),
        (json!({"kind": "noop", "delay": -1}), "/delay"),
        (json!({"kind": "noop", "delay": "1h"}), "/delay"),
        (json!({"kind": "noop", "delay": 31_536_001}), "/delay"),
        (json!({"kind": "noop", "delay": 1, "run_at": "2026-01-02T03:04:05Z"}), "/delay"),
        (json!({"kind": "noop", "run_at": "tomorrow"}), "/run_at"),
        (json!({"kind": "noop", "run_at": "9999-01-01T00:00:00Z"}), "/run_at"),
        (json!({"kind": "noop", "run_at": 1}), "/run_at"),
        (json!({"kind": "noop", "metadata": []}), "/metadata"),
        (json!({"kind": "noop", "metadata": many}), "/metadata"),
        (json!({"kind": "noop", "metadata": {"a;b": "x"}}), "/metadata"),
        (json!({"kind": "noop", "metadata": {"\u{e9}": "1", "e\u{301}": "2"}}), "/metadata"),
        (json!({"kind": "noop", "metadata": {"a": 1}}), "/metadata/a"),
        (json!({"kind": "noop", "metadata": {"a": "x".repeat(513)}}), "/metadata/a"),
        (json!({"kind": "noop", "callback_url": 1}), "/callback_url"),
        (json!({"kind": "noop", "callback_url": "nonsense"}), "/callback_url"),
        (json!({"kind": "noop", "callback_url": "http://example.com/"}), "/callback_url"),
        (json!({"kind": "noop", "callback_url": "https://user:pw@example.com/"}), "/callback_url"),
        (json!({"kind": "noop", "callback_url": "https://169.254.169.254/latest"}), "/callback_url"),
    ] {
        let answer = golden.post("/v1/jobs", body.clone()).await;
        assert_eq!(answer.problem(), (422, "validation-failed"), "{body} {}", answer.text);
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{}", answer.text);
        assert!(!text(&answer.body["errors"][0]["detail"]).is_empty());
    }
    assert_nothing_recorded(&golden).await;
}

#[tokio::test]
async fn everything_wrong_is_said_at_once() {
    let golden = Golden::start().await;
    let body = json!({"kind": "noop", "payload": {"fail": "x", "panic": 1}, "priority": 99, "timeout": -1, "zzz": 1});
    let answer = golden.post("/v1/jobs", body).await;
    let mut pointers: Vec<_> =
        answer.body["errors"].as_array().unwrap().iter().map(|error| text(&error["pointer"])).collect();
    pointers.sort();
    assert_eq!(pointers, ["/payload/fail", "/payload/panic", "/priority", "/timeout", "/zzz"]);
}

#[tokio::test]
async fn an_error_does_not_quote_at_length() {
    let golden = Golden::start().await;
    let answer = golden.post("/v1/jobs", json!({"kind": "noop", "payload": {"sleep_ms": "x".repeat(100_000)}})).await;
    assert_eq!(answer.problem(), (422, "validation-failed"));
    assert!(answer.text.len() < 3000, "{}", answer.text.len());
}

#[tokio::test]
async fn unknown_and_internal_kinds_are_refused_alike() {
    let golden = Golden::start().await;
    for kind in ["nope", "internal", ""] {
        let answer = golden.post("/v1/jobs", json!({"kind": kind})).await;
        assert_eq!(answer.problem(), (422, "unknown-kind"));
        let detail = text(&answer.body["detail"]);
        assert!(detail.contains("noop, panics, picky") && !detail.contains("internal,"), "{detail}");
    }
}

#[tokio::test]
async fn sizes_have_limits() {
    let golden = Golden::start().await;
    let fits = json!({"kind": "noop", "payload": {"output": "x".repeat(256 * 1024 - 13)}});
    assert_eq!(fits["payload"].to_string().len(), 256 * 1024);
    golden.submit(fits).await;

    let payload = json!({"kind": "noop", "payload": {"output": "x".repeat(256 * 1024 - 12)}});
    assert_eq!(golden.post("/v1/jobs", payload).await.problem(), (413, "too-large"));
    for bytes in [1024 * 1024 + 1, 5 * 1024 * 1024, 40 * 1024 * 1024] {
        let sent = request(Method::POST, "/v1/jobs").header("content-type", "application/json");
        assert_eq!(golden.send(sent.body(vec![b' '; bytes])).await.problem(), (413, "too-large"));
    }
}

#[tokio::test]
async fn the_body_must_say_that_it_is_json() {
    let golden = Golden::start().await;
    let body = r#"{"kind":"noop"}"#;
    for kind in ["application/json", "Application/JSON; charset=UTF-8", "application/vnd.golden+json"] {
        let sent = request(Method::POST, "/v1/jobs").header("content-type", kind).body(body);
        assert_eq!(golden.send(sent).await.status, StatusCode::ACCEPTED, "{kind}");
    }
    for kind in
        ["text/plain", "application/jsonp", "application/x-www-form-urlencoded", "application/json; charset=latin1"]
    {
        let sent = request(Method::POST, "/v1/jobs").header("content-type", kind).body(body);
        assert_eq!(golden.send(sent).await.problem(), (415, "unsupported-media-type"), "{kind}");
    }
    let sent = request(Method::POST, "/v1/jobs").body(body);
    assert_eq!(golden.send(sent).await.problem(), (415, "unsupported-media-type"));
}

#[tokio::test]
async fn a_sandbox_that_is_missing_is_said_before_the_job_is_taken() {
    let golden = Golden::with(|api| api.sandbox_missing = Some("Docker does not answer".into())).await;
    let body = json!({"kind": "sandbox.run", "payload": {"language": "python", "source": "print(1)"}});
    let answer = golden.post("/v1/jobs", body).await;
    assert_eq!(answer.problem(), (503, "sandbox-unavailable"));
    assert_eq!(answer.body["detail"], "Docker does not answer");
    assert_nothing_recorded(&golden).await;
    golden.submit(json!({"kind": "noop"})).await;
}
