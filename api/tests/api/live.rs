//! Logs, and streams of what goes on with a job.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::{Method, StatusCode};
use golden_api::{CallerRole, StreamLimits};
use golden_jobs::{
    JobId, Role,
    outcome::{JobError, Verdict},
    store::{Claimed, LogAppend, LogStream, NewLine, Report},
};
use serde_json::{Value, json, value::RawValue};

use crate::{
    harness::{Golden, SECRET, id, request, succeeded, text, token},
    stream::{Event, Events},
};

/// Lines that a run writes, numbered on from `before`.
async fn write(golden: &Golden, run: &Claimed, before: u64, count: u64) {
    let line = |n: u64| NewLine {
        n,
        from: n - 1,
        upto: n,
        stream: LogStream::Stdout,
        age: Duration::ZERO,
        text: format!("line {n}"),
    };
    let lines = (before + 1..=before + count).map(line).collect();
    let append = LogAppend { run: run.run, attempt: run.attempt, begin: None, lines };
    assert_eq!(golden.store.append_logs(vec![append]).await.unwrap().len(), 1);
}

async fn progress(golden: &Golden, run: &Claimed, progress: &str) {
    let progress = RawValue::from_string(progress.to_owned()).unwrap();
    let report = Report { run: run.run, progress: Some(progress), checkpoint: None };
    assert!(golden.store.report(vec![report]).await.unwrap().is_empty());
}

fn path(job: &Value, of: &str) -> String {
    text(&job["links"][of])
}

async fn follow(golden: &Golden, job: &Value) -> Events {
    golden.open(request(Method::GET, &path(job, "events")).empty()).await
}

async fn go_on(golden: &Golden, job: &Value, after: &Event) -> Events {
    golden.open(request(Method::GET, &path(job, "events")).header("last-event-id", &after.id).empty()).await
}

fn retry() -> Verdict {
    Verdict::Retry { delay: Duration::from_secs(3600), error: JobError::new("test", "not yet") }
}

/// What events say, in short: states by name, lines by number.
fn told(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event.name.as_str() {
            "state" => text(&event.data["state"]),
            "log" => event.data["seq"].to_string(),
            "end" => format!("end {}", text(&event.data["state"])),
            other => format!("{other} {}", event.data),
        })
        .collect()
}

#[tokio::test]
async fn a_job_is_followed_from_where_it_is_to_its_end() {
    let golden = Golden::start().await;
    let job = golden.submit(json!({"kind": "noop", "payload": {"output": {"a": 1}}, "metadata": {"k": "v"}})).await;
    let mut events = follow(&golden, &job).await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    assert_eq!(events.headers["x-accel-buffering"], "no");
    let state = events.expect("state").await;
    assert_eq!(state.data, job, "the whole resource");

    let run = golden.claim(Role::Orchestrator).await;
    assert_eq!(events.expect("state").await.data["state"], "running");
    progress(&golden, &run, r#"{"done": 1, "total": 2}"#).await;
    assert_eq!(events.expect("progress").await.data, json!({"done": 1, "total": 2}));
    write(&golden, &run, 0, 1).await;
    let line = events.expect("log").await.data;
    assert_eq!(
        (&line["seq"], &line["attempt"], &line["stream"], &line["text"]),
        (&json!(1), &json!(1), &json!("stdout"), &json!("line 1"))
    );
    // Together: the lines come first all the same.
    write(&golden, &run, 1, 2).await;
    golden.finish(&run, succeeded("[7]")).await;

    let rest = events.rest().await;
    assert_eq!(told(&rest), ["2", "3", "succeeded", "end succeeded"]);
    assert_eq!((&rest[2].data["result"], &rest[2].data["progress"]), (&json!([7]), &json!({"done": 1, "total": 2})));
}

#[tokio::test]
async fn a_stream_that_broke_goes_on_without_loss_or_repetition() {
    let golden = Golden::start().await;
    let job = golden.submit(json!({"kind": "noop"})).await;
    let run = golden.claim(Role::Orchestrator).await;
    // More than is kept at hand for those who read along.
    write(&golden, &run, 0, 700).await;
    let mut seen = Vec::new();
    let mut events = follow(&golden, &job).await;
    for _ in 0..100 {
        seen.push(events.next().await.unwrap());
    }
    drop(events);

    let mut events = go_on(&golden, &job, seen.last().unwrap()).await;
    write(&golden, &run, 700, 100).await;
    for _ in 0..690 {
        seen.push(events.next().await.unwrap());
    }
    drop(events);
    write(&golden, &run, 800, 50).await;
    progress(&golden, &run, "0.5").await;
    golden.finish(&run, retry()).await;
    golden.store.retry("acme", id(&job), &golden_jobs::audit::Actor::golden()).await.unwrap();
    let run = golden.claim(Role::Orchestrator).await;
    write(&golden, &run, 0, 10).await;

    // As a client does that cannot set a header.
    let resumed = format!("{}?last_event_id={}", path(&job, "events"), seen.last().unwrap().id);
    let mut events = golden.open(request(Method::GET, &resumed).empty()).await;
    seen.push(events.next().await.unwrap());
    golden.finish(&run, succeeded("1")).await;
    seen.extend(events.rest().await);

    let lines: Vec<u64> = seen.iter().filter(|e| e.name == "log").map(|e| e.data["seq"].as_u64().unwrap()).collect();
    assert_eq!(lines, (1..=860).collect::<Vec<_>>());
    let others: Vec<String> = told(&seen).into_iter().filter(|told| told.parse::<u64>().is_err()).collect();
    assert_eq!(others, ["running", "running", "succeeded", "end succeeded"]);
}

#[tokio::test]
async fn two_who_follow_a_job_see_the_same() {
    let golden = Golden::start().await;
    let job = golden.submit(json!({"kind": "noop"})).await;
    let run = golden.claim(Role::Orchestrator).await;
    let (one, other) = (follow(&golden, &job).await, follow(&golden, &job).await);

    let happens = async {
        for n in 0..20 {
            write(&golden, &run, n * 30, 30).await;
            progress(&golden, &run, &n.to_string()).await;
        }
        golden.finish(&run, succeeded("1")).await;
    };
    let (one, other, ()) = tokio::join!(one.rest(), other.rest(), happens);

    let lines = |events: &[Event]| told(events).into_iter().filter(|told| told.parse::<u64>().is_ok()).count();
    assert_eq!((lines(&one), lines(&other)), (600, 600));
    assert_eq!(one.last(), other.last());
}

#[tokio::test]
async fn who_has_seen_the_end_is_told_that_there_is_nothing_more() {
    let golden = Golden::start().await;
    let job = golden.submit(json!({"kind": "noop"})).await;
    let run = golden.claim(Role::Orchestrator).await;
    write(&golden, &run, 0, 1).await;
    golden.finish(&run, Verdict::Dead { error: JobError::new("test", "x") }).await;

    let all = follow(&golden, &job).await.rest().await;
    assert_eq!(told(&all), ["dead", "1", "end dead"]);
    assert_eq!(told(&go_on(&golden, &job, &all[0]).await.rest().await), ["1", "end dead"]);
    assert_eq!(told(&go_on(&golden, &job, &all[1]).await.rest().await), ["end dead"]);
    let again = request(Method::GET, &path(&job, "events")).header("last-event-id", &all[2].id);
    assert_eq!(golden.send(again.empty()).await.status, StatusCode::NO_CONTENT);

    // The end was not the end: somebody put the job back to work.
    golden.store.retry("acme", id(&job), &golden_jobs::audit::Actor::golden()).await.unwrap();
    let mut events = go_on(&golden, &job, &all[2]).await;
    assert_eq!(events.expect("state").await.data["state"], "queued");
}

#[tokio::test]
async fn a_log_is_read_in_pages() {
    let golden = Golden::start().await;
    let job = golden.submit(json!({"kind": "noop"})).await;
    let run = golden.claim(Role::Orchestrator).await;
    write(&golden, &run, 0, 120).await;
    golden.finish(&run, retry()).await;
    golden.store.retry("acme", id(&job), &golden_jobs::audit::Actor::golden()).await.unwrap();
    let run = golden.claim(Role::Orchestrator).await;
    write(&golden, &run, 0, 3).await;

    let logs = path(&job, "logs");
    let read = async |query: &str| {
        let page = golden.get(&format!("{logs}{query}")).await.body;
        let numbers = page["data"].as_array().unwrap().iter().map(|line| line["seq"].as_u64().unwrap());
        (numbers.collect::<Vec<_>>(), page["next_cursor"].as_str().map(str::to_owned))
    };
    assert_eq!(read("").await, ((1..=100).collect(), Some("100".to_owned())));
    assert_eq!(read("?cursor=100").await, ((101..=123).collect(), None));
    assert_eq!(read("?after=121&limit=2").await, (vec![122, 123], None));
    assert_eq!(read("?attempt=2&limit=2").await, (vec![121, 122], Some("122".to_owned())));
    assert_eq!(read("?attempt=9").await, (vec![], None));
    let line = golden.get(&format!("{logs}?limit=1")).await.body["data"][0].clone();
    let members: Vec<&String> = line.as_object().unwrap().keys().collect();
    assert_eq!(members, ["at", "attempt", "seq", "stream", "text"]);
    for bad in ["?limit=0", "?limit=1001", "?after=x", "?follow=maybe", "?after=1&cursor=1"] {
        assert_eq!(golden.get(&format!("{logs}{bad}")).await.problem(), (400, "malformed-request"), "{bad}");
    }
}

#[tokio::test]
async fn a_log_is_followed_as_lines_and_as_events() {
    let golden = Golden::start().await;
    let job = golden.submit(json!({"kind": "noop"})).await;
    let run = golden.claim(Role::Orchestrator).await;
    write(&golden, &run, 0, 2).await;
    golden.finish(&run, retry()).await;
    golden.store.retry("acme", id(&job), &golden_jobs::audit::Actor::golden()).await.unwrap();
    let run = golden.claim(Role::Orchestrator).await;

    let logs = path(&job, "logs");
    let follow = |query: &str| request(Method::GET, &format!("{logs}?follow=1{query}"));
    let mut lines = golden.open(follow("&after=1").empty()).await;
    let events = golden.open(follow("").header("accept", "text/event-stream").empty()).await;
    let second = golden.open(follow("&attempt=2").header("accept", "text/event-stream").empty()).await;
    assert_eq!(lines.headers["content-type"], "application/x-ndjson");
    let mut seen = vec![lines.until("\n").await.unwrap()];
    progress(&golden, &run, "1").await;
    write(&golden, &run, 0, 1).await;
    golden.finish(&run, succeeded("1")).await;
    while let Some(line) = lines.until("\n").await {
        seen.push(line);
    }

    let numbers: Vec<Value> =
        seen.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].clone()).collect();
    assert_eq!(numbers, [2, 3]);
    let events = events.rest().await;
    assert_eq!(told(&events), ["1", "2", "3", "end succeeded"]);
    assert_eq!(told(&second.rest().await), ["3", "end succeeded"]);
    let goes_on = follow("").header("accept", "text/event-stream").header("last-event-id", &events[1].id);
    assert_eq!(told(&golden.open(goes_on.empty()).await.rest().await), ["3", "end succeeded"]);
    let done = follow("").header("accept", "text/event-stream").header("last-event-id", &events[3].id);
    assert_eq!(golden.send(done.empty()).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn nobody_follows_anothers_job() {
    let golden = Golden::start().await;
    let job = golden.submit(json!({"kind": "noop"})).await;
    for of in ["logs", "events"] {
        let sent = request(Method::GET, &path(&job, of)).token(Some(token("other", CallerRole::Admin)));
        assert_eq!(golden.send(sent.empty()).await.problem(), (404, "not-found"));
        let none = path(&job, of).replace(&text(&job["id"]), &JobId::new().to_string());
        assert_eq!(golden.get(&none).await.problem(), (404, "not-found"));
    }
    let sent = request(Method::GET, &path(&job, "events")).header("last-event-id", "7");
    assert_eq!(golden.send(sent.empty()).await.problem(), (400, "malformed-request"));
}

#[tokio::test]
async fn streams_are_bounded_by_tenant_and_by_process() {
    let golden = Golden::with(|api| api.options.streams = StreamLimits { tenant: 2, process: 3 }).await;
    let job = golden.submit(json!({"kind": "noop"})).await;
    let other = token("other", CallerRole::Admin);
    let others =
        golden.send(request(Method::POST, "/v1/jobs").token(Some(other.clone())).json(&json!({"kind": "noop"})));
    let others = path(&others.await.body, "events");
    let of_other = || request(Method::GET, &others).token(Some(other.clone())).empty();

    let mut mine = vec![follow(&golden, &job).await, follow(&golden, &job).await];
    let full = golden.get(&path(&job, "events")).await;
    assert_eq!(full.problem(), (429, "too-many-streams"));
    assert!(!full.header("retry-after").is_empty());
    let one = golden.open(of_other()).await;
    assert_eq!(golden.send(of_other()).await.problem(), (503, "streams-full"));
    assert!(golden.metrics.render().contains("golden_http_streams 3"));

    mine.pop();
    let two = golden.open(of_other()).await;
    drop((mine, one, two));
    assert!(golden.metrics.render().contains("golden_http_streams 0"));
}

/// Of a stream the time to its beginning is measured, not how long somebody listened.
#[tokio::test]
async fn a_long_stream_is_no_slow_request() {
    let golden = Golden::start().await;
    let job = golden.submit(json!({"kind": "noop"})).await;
    let mut events = follow(&golden, &job).await;
    events.expect("state").await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    golden.store.cancel("acme", id(&job), &golden_jobs::audit::Actor::golden()).await.unwrap();
    events.rest().await;

    let within_a_second = r#"golden_http_request_duration_seconds_bucket{route="/v1/jobs/{id}/events",le="1"} 1"#;
    let metrics = golden.metrics.render();
    assert!(metrics.contains(within_a_second), "{metrics}");
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let golden = Golden::start().await;
    let job = golden.submit(json!({"kind": "noop"})).await;
    // 30 seconds of leeway are for clocks that differ: two of them are left.
    let exp = jsonwebtoken::get_current_timestamp() - 28;
    let claims = json!({"tenant": "acme", "role": "observer", "exp": exp});
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    let expiring = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let begun = Instant::now();

    let sent = request(Method::GET, &path(&job, "events")).token(Some(expiring));
    let events = golden.open(sent.empty()).await.rest().await;

    assert_eq!(told(&events), ["queued"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// Over a connection, as clients do: the drain is not held up.
#[tokio::test]
async fn streams_end_in_good_order_when_the_server_stops() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let dir = crate::harness::Dir::new();
    let api = crate::harness::api(dir.store().await);
    let store = Arc::clone(&api.store);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let served = tokio::spawn(golden_api::serve(listener, api, shutdown.clone()));
    let golden = Golden::on(store).await;
    let job = golden.submit(json!({"kind": "noop"})).await;

    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET {} HTTP/1.1\r\nhost: golden\r\nauthorization: Bearer {}\r\n\r\n",
        path(&job, "events"),
        token("acme", CallerRole::Observer)
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("event: state") {
        assert_ne!(connection.read_buf(&mut answer).await.unwrap(), 0);
    }
    let begun = Instant::now();
    shutdown.cancel();
    connection.read_to_end(&mut answer).await.unwrap();

    // The last chunk of a chunked body: the stream is whole, not cut off.
    assert!(String::from_utf8_lossy(&answer).ends_with("\r\n0\r\n\r\n"));
    served.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
