//! The life of the server itself, over real connections.

use std::time::Duration;

use golden_api::{ApiOptions, CallerRole};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::harness::{Dir, api, token};

struct Server {
    port: u16,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
    _dir: Dir,
}

async fn serve(change: impl FnOnce(&mut ApiOptions)) -> Server {
    let dir = Dir::new();
    let mut api = api(dir.store().await);
    change(&mut api.options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(golden_api::serve(listener, api, shutdown.clone()));
    Server { port, shutdown, serving, _dir: dir }
}

/// A request whose body of 100 bytes is begun and never ended.
fn unfinished() -> String {
    format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: golden\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
        token("acme", CallerRole::Developer),
    )
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
    let server = serve(|_| {}).await;
    assert!(server.get("/metrics", "").await.starts_with("HTTP/1.1 200"));
    assert!(server.get("/metrics", "x-forwarded-for: 203.0.113.9\r\n").await.starts_with("HTTP/1.1 401"));
    assert!(server.get("/v1/jobs", "").await.starts_with("HTTP/1.1 401"));
}

#[tokio::test]
async fn a_stop_answers_those_who_wait_and_ends() {
    let server = serve(|options| options.drain_timeout = Duration::from_secs(30)).await;
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
    let ended = timeout(Duration::from_secs(10), server.serving).await;
    ended.expect("serve ends once nobody waits").unwrap();
    assert!(rest(waiting).await.starts_with("HTTP/1.1 202"));
    assert!(TcpStream::connect(("127.0.0.1", server.port)).await.is_err());
}

#[tokio::test]
async fn a_client_that_never_ends_its_request_does_not_hold_up_the_end() {
    let server = serve(|options| options.drain_timeout = Duration::from_millis(200)).await;
    let _slow = server.send(&unfinished()).await;
    server.get("/livez", "").await;
    server.shutdown.cancel();
    timeout(Duration::from_secs(10), server.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let server = serve(|options| options.body_timeout = Duration::from_millis(100)).await;
    let answer = timeout(Duration::from_secs(10), rest(server.send(&unfinished()).await)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains(r#""code":"request-timeout""#), "{answer}");
}

/// Each of these would hold a connection of `axum::serve` for ever.
#[tokio::test]
async fn a_connection_that_never_asks_is_let_go() {
    let server = serve(|options| options.silence = Duration::from_millis(200)).await;
    for begun in ["", "P", "PRI * HT", "GET /livez HTT", "GET /livez HTTP/1.1\r\nhost: golden\r\nx-slow: "] {
        let silent = server.send(begun).await;
        let left = timeout(Duration::from_secs(10), rest(silent)).await;
        assert_eq!(left.expect("the connection ends"), "", "{begun}");
    }
    // Between requests too.
    let kept = server.send("GET /livez HTTP/1.1\r\nhost: golden\r\n\r\n").await;
    let answer = timeout(Duration::from_secs(10), rest(kept)).await.expect("the connection ends");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_request_under_way_is_no_silence() {
    let server = serve(|options| options.silence = Duration::from_millis(200)).await;
    let body = r#"{"kind":"noop"}"#;
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: golden\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         prefer: wait=1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        token("acme", CallerRole::Developer),
        body.len(),
    );
    assert!(rest(server.send(&head).await).await.starts_with("HTTP/1.1 202"));
}

#[tokio::test]
async fn http_2_is_spoken_without_tls() {
    let server = serve(|_| {}).await;
    // The preface and empty settings: the server answers with its own.
    let mut stream = server.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let mut head = [0; 9];
    timeout(Duration::from_secs(10), stream.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!(head[3], 4, "a SETTINGS frame");
}
