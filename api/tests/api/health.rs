//! Health, metrics, and the life of the server itself.

use std::time::Duration;

use axum::http::Method;
use golden_api::{ApiOptions, CallerRole, Part};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::harness::{Dir, Golden, api, request, token};

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

struct Server {
    port: u16,
    shutdown: CancellationToken,
    serving: JoinHandle<Result<(), golden_api::ServeError>>,
    _dir: Dir,
}

async fn serve(drain_timeout: Duration) -> Server {
    let dir = Dir::new();
    let mut api = api(dir.store().await);
    api.options = ApiOptions { drain_timeout, ..api.options };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(golden_api::serve(listener, api, shutdown.clone()));
    Server { port, shutdown, serving, _dir: dir }
}

impl Server {
    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn get(&self, path: &str, headers: &str) -> String {
        let head = format!("GET {path} HTTP/1.1\r\nhost: golden\r\nconnection: close\r\n{headers}\r\n");
        rest(self.send(&head).await).await
    }
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn metrics_are_open_to_this_machine_but_not_through_its_proxy() {
    let server = serve(Duration::from_secs(5)).await;
    assert!(server.get("/metrics", "").await.starts_with("HTTP/1.1 200"));
    assert!(server.get("/metrics", "x-forwarded-for: 203.0.113.9\r\n").await.starts_with("HTTP/1.1 401"));
    assert!(server.get("/v1/jobs", "").await.starts_with("HTTP/1.1 401"));
}

#[tokio::test]
async fn a_stop_answers_those_who_wait_and_ends() {
    let server = serve(Duration::from_secs(30)).await;
    let body = r#"{"kind":"noop"}"#;
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: golden\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         prefer: wait=30\r\ncontent-length: {}\r\n\r\n{body}",
        token("acme", CallerRole::Developer),
        body.len(),
    );
    let waiting = server.send(&head).await;
    // The job is recorded once another client sees it.
    let bearer = format!("authorization: Bearer {}\r\n", token("acme", CallerRole::Observer));
    while !server.get("/v1/jobs", &bearer).await.contains("job_") {}

    server.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), server.serving).await;
    ended.expect("serve ends once nobody waits").unwrap().unwrap();
    assert!(rest(waiting).await.starts_with("HTTP/1.1 202"));
    assert!(TcpStream::connect(("127.0.0.1", server.port)).await.is_err());
}

#[tokio::test]
async fn a_client_that_never_ends_its_request_does_not_hold_up_the_end() {
    let server = serve(Duration::from_millis(200)).await;
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: golden\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
        token("acme", CallerRole::Developer),
    );
    let _slow = server.send(&head).await;
    server.get("/livez", "").await;
    server.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), server.serving).await.unwrap().unwrap().unwrap();
}
