//! Golden with NATS: what happens goes out, and jobs come in.

use std::{collections::HashSet, time::Duration};

use async_nats::{
    HeaderMap,
    jetstream::{self, Context, consumer::pull},
};
use serde_json::{Value, json};

use crate::support::{Golden, TestStore};

#[path = "../../workers/nats/tests/nats/server.rs"]
mod server;

use server::{Server, until};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn submit(nats: &Context, subject: &str, id: Option<&str>, body: &str) {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", TRACEPARENT);
    if let Some(id) = id {
        headers.insert("Idempotency-Key", id);
    }
    nats.publish_with_headers(subject.to_owned(), headers, body.to_owned().into()).await.unwrap().await.unwrap();
}

/// Waits until nothing is left to be done in the stream of submissions.
async fn taken(nats: &Context) {
    until("all submissions are dealt with", async || {
        nats.get_stream("GOLDEN_SUBMIT").await.is_ok_and(|stream| stream.cached_info().state.messages == 0)
    })
    .await;
}

async fn listed(golden: &Golden, path: &str) -> Vec<Value> {
    golden.call("GET", path, None).await.1["data"].as_array().unwrap().clone()
}

/// What `/readyz` says: the status, and why NATS is not ready.
async fn ready(golden: &Golden) -> (u16, Value, Value) {
    let (code, body) = golden.call("GET", "/readyz", None).await;
    let nats = body["parts"].as_array().unwrap().iter().find(|part| part["name"] == "nats").unwrap();
    (code, body["status"].clone(), nats["ready"].clone())
}

/// A whole way: jobs come in over NATS, run, and what became of them goes out over NATS.
#[tokio::test]
async fn jobs_come_in_over_nats_once_and_what_cannot_be_one_is_a_dead_letter() {
    let mut server = Server::start();
    let golden = Golden::start(TestStore::sqlite(), "dev", &[("NATS_URL", &server.url())]).await;
    let nats = server.client().await;
    until("NATS is there", async || ready(&golden).await == (200, json!("ready"), json!(true))).await;

    for number in 0..30 {
        let body = format!(r#"{{"payload": {{"output": {number}}}}}"#);
        // Twice: repetitions of one key are one job, even where they are two messages.
        for _ in 0..2 {
            submit(&nats, "golden.submit.acme.noop", Some(&format!("key-{number}")), &body).await;
        }
    }
    submit(&nats, "golden.submit.acme.noop", None, "{oops").await;
    submit(&nats, "golden.submit.acme.nothing", None, "{}").await;
    taken(&nats).await;
    until("all have ended", async || listed(&golden, "/v1/jobs?state=succeeded&limit=100").await.len() == 30).await;
    assert_eq!(listed(&golden, "/v1/jobs?limit=100").await.len(), 30);

    let letters = listed(&golden, "/v1/dlq").await;
    let said: HashSet<_> = letters
        .iter()
        .map(|letter| ["original_subject", "payload"].map(|field| letter[field].clone()))
        .chain(letters.iter().map(|letter| ["error", "code"].map(|_| letter["error"]["code"].clone())))
        .map(|pair| pair.map(|value| value.to_string()))
        .collect();
    let expected = [
        [json!("golden.submit.acme.noop"), json!("{oops")],
        [json!("golden.submit.acme.nothing"), json!({})],
        [json!("malformed-request"), json!("malformed-request")],
        [json!("unknown-kind"), json!("unknown-kind")],
    ];
    assert_eq!(said, expected.map(|pair| pair.map(|value| value.to_string())).into());
    let mended = letters.iter().find(|letter| letter["kind"] == "noop").unwrap()["id"].clone();
    let replay = json!({"ids": [mended], "payload": {"payload": {"output": "mended"}}});
    assert_eq!(golden.call("POST", "/v1/dlq/replay", Some(replay)).await.1["remaining"], 0);
    until("it runs", async || listed(&golden, "/v1/jobs?state=succeeded&limit=100").await.len() == 31).await;

    until("all ends are told", async || {
        let stream = nats.get_stream("GOLDEN_EVENTS").await.unwrap();
        stream.cached_info().state.messages == 31
    })
    .await;

    // Away and wiped: jobs go on over HTTP, and NATS is told of them once it is back.
    server.wipe();
    until("NATS is missed", async || ready(&golden).await == (200, json!("degraded"), json!(false))).await;
    let (code, job) =
        golden.call_with("POST", "/v1/jobs", Some(json!({"kind": "noop"})), &[("prefer", "wait=10")]).await;
    assert_eq!((code, &job["state"]), (200, &json!("succeeded")));
    server.start_again();
    until("NATS is back", async || ready(&golden).await == (200, json!("ready"), json!(true))).await;
    let nats = server.client().await;
    let stream = nats.get_stream("GOLDEN_EVENTS").await.unwrap();
    let consumer = stream.create_consumer(pull::Config::default()).await.unwrap();
    let (event, untraced) = next(&consumer).await;
    assert_eq!((&event["subject"], &event["type"], untraced), (&job["id"], &json!("job.succeeded"), None));
    submit(&nats, "golden.submit.acme.noop", None, "{}").await;
    taken(&nats).await;
    let (event, trace) = next(&consumer).await;
    assert_eq!((&event["type"], trace.as_deref()), (&json!("job.succeeded"), Some(TRACEPARENT)));
}

/// An event, and what its readers are to go on from.
async fn next(consumer: &jetstream::consumer::PullConsumer) -> (Value, Option<String>) {
    use futures_util::StreamExt;
    let mut messages = consumer.fetch().max_messages(1).expires(Duration::from_secs(20)).messages().await.unwrap();
    let message = messages.next().await.unwrap().unwrap();
    message.ack().await.unwrap();
    let trace = message.headers.as_ref().and_then(|headers| headers.get("traceparent")).map(ToString::to_string);
    (serde_json::from_slice(&message.payload).unwrap(), trace)
}

/// A message for which there is no room is delivered again, and one that is out of deliveries is not lost.
#[tokio::test]
async fn a_message_that_is_never_accepted_is_a_dead_letter_in_the_end() {
    let server = Server::start();
    let settings = [("NATS_URL", &*server.url()), ("GOLDEN_NATS_STREAMS", "deliveries=2")];
    let golden = Golden::start(TestStore::sqlite(), "dev", &settings).await;
    let nats = server.client().await;
    until("NATS is there", async || ready(&golden).await.2 == true).await;
    golden.call("POST", "/v1/tenants", Some(json!({"id": "globex"}))).await;
    let suspended = golden.call("POST", "/v1/tenants/globex/suspend", None).await;
    assert_eq!(suspended.0, 200, "{}", suspended.1);

    submit(&nats, "golden.submit.globex.noop", None, r#"{"payload": {"output": 1}}"#).await;
    taken(&nats).await;

    golden.call("POST", "/v1/tenants/globex/resume", None).await;
    let bearer = format!("Bearer {}", golden.mint("admin", "globex"));
    let letters = golden.call_with("GET", "/v1/dlq", None, &[("authorization", &bearer)]).await.1;
    let letter = &letters["data"][0];
    assert_eq!((&letter["error"]["code"], &letter["attempts"]), (&json!("deliveries-used-up"), &json!(2)), "{letters}");
    assert_eq!(letter["payload"], json!({"payload": {"output": 1}}));
}
