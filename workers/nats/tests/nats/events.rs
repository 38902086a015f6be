//! Events and dead letters out.

use std::{collections::HashSet, time::Duration};

use async_nats::jetstream::{self, consumer::pull};
use futures_util::TryStreamExt;
use golden_jobs::{
    JobId,
    breakers::{Dependency, State, Word},
    broker::Broker,
    id::MessageId,
    store::{
        breakers::{Said, SharedBreaker, SharedBreakers},
        publications::{Publication, Published},
    },
    trace::TraceContext,
};
use golden_nats::StreamLimits;
use serde_json::{Value, json};

use crate::{
    golden::Golden,
    server::{Server, until},
};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Everything a stream holds: subject, id and body of each message.
async fn everything(jetstream: &jetstream::Context, stream: &str) -> Vec<(String, String, Value)> {
    let mut stream = jetstream.get_stream(stream).await.unwrap();
    let held = usize::try_from(stream.info().await.unwrap().state.messages).unwrap();
    let consumer = stream.create_consumer(pull::Config::default()).await.unwrap();
    let mut messages = consumer.fetch().max_messages(held + 1).messages().await.unwrap();
    let mut all = Vec::new();
    while let Some(message) = messages.try_next().await.unwrap() {
        let headers = message.headers.clone().unwrap();
        let id = headers.get("Nats-Msg-Id").unwrap().to_string();
        all.push((message.subject.to_string(), id, serde_json::from_slice(&message.payload).unwrap()));
    }
    assert_eq!(all.len(), held);
    all
}

/// The jobs that messages are about, each once.
fn jobs(messages: &[(String, String, Value)], pointer: &str) -> HashSet<JobId> {
    let jobs: HashSet<_> =
        messages.iter().map(|(_, _, body)| body.pointer(pointer).unwrap().as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(jobs.len(), messages.len(), "a job was told of twice");
    jobs
}

/// What an operator says of NATS.
fn forced_open() -> SharedBreakers {
    let left = Duration::from_secs(600);
    let said = Said { word: Word::ForcedOpen, left, reason: "maintenance".to_owned(), by: "somebody".to_owned() };
    let breaker = SharedBreaker {
        dependency: Dependency::Nats,
        votes: 0,
        mine: false,
        opened: 0,
        open_for: Duration::ZERO,
        said: Some(said),
        tried_by_other: None,
    };
    SharedBreakers { breakers: vec![breaker], alive: Vec::new() }
}

#[tokio::test]
async fn every_end_arrives_once_though_the_server_dies() {
    let mut server = Server::start();
    let golden = Golden::on(&server, StreamLimits::default()).await;
    let mut ended = golden.end_jobs("acme", 300).await;
    golden.published().await;
    assert_eq!(golden.nats.ready(), Ok(()));

    server.kill();
    ended.extend(golden.end_jobs("acme", 60).await);
    until("NATS is missed", async || golden.nats.ready().is_err()).await;
    ended.extend(golden.end_jobs("a.b c", 60).await);
    until("the relay is done", async || golden.store.depths().await.unwrap().outbox == 0).await;
    assert!(golden.store.depths().await.unwrap().unpublished >= 60, "what happens waits");
    until("it is left alone", async || golden.board.state(&Dependency::Nats) == State::Open).await;
    // Long before its time is over.
    server.start_again();
    golden.published().await;

    golden.board.hear(&forced_open());
    ended.extend(golden.end_jobs("acme", 3).await);
    until("the relay is done", async || golden.store.depths().await.unwrap().outbox == 0).await;
    assert!(golden.store.depths().await.unwrap().unpublished >= 3, "what an operator says is heeded");
    golden.board.hear(&SharedBreakers::default());
    golden.published().await;

    let client = server.client().await;
    let events = everything(&client, "GOLDEN_EVENTS").await;
    assert_eq!(jobs(&events, "/data/id"), ended.into_iter().collect());
    let subjects: HashSet<_> = events.iter().map(|(subject, ..)| subject.as_str()).collect();
    let expected = ["golden.events.acme.noop.", "golden.events.a%2Eb%20c.noop."];
    let expected = expected.map(|start| ["succeeded", "dead"].map(|state| format!("{start}{state}")));
    assert_eq!(subjects, expected.iter().flatten().map(String::as_str).collect());
    for (_, id, body) in &events {
        assert_eq!((&json!(id), &body["specversion"]), (&body["id"], &json!("1.0")));
    }
    let letters = everything(&client, "GOLDEN_DLQ").await;
    assert_eq!(jobs(&letters, "/job_id").len(), 141);
    assert_eq!((letters[0].0.as_str(), &letters[0].2["payload"]), ("golden.dlq.acme.noop", &json!({"output": 1})));
    assert_eq!(json!(letters[0].1), letters[0].2["id"]);
}

#[tokio::test]
async fn repetitions_are_dropped_and_a_wiped_server_gets_its_streams_again() {
    let mut server = Server::start();
    let limits = StreamLimits { bytes: Some(1 << 20), ..StreamLimits::default() };
    let golden = Golden::on(&server, limits).await;
    golden.nats.reconcile().await.unwrap();
    let publication = Publication {
        what: Published::Event { id: MessageId::new(), state: "succeeded".to_owned() },
        tenant_id: "acme".to_owned(),
        kind: "noop".to_owned(),
        job_id: None,
        body: "{}".to_owned(),
        trace: TraceContext::read(TRACEPARENT, Some("a=b")),
    };
    let client = server.client().await;
    for _ in 0..3 {
        assert_eq!(golden.nats.publish(&[publication.clone(), publication.clone()]).await, [Ok(()), Ok(())]);
    }
    assert_eq!(everything(&client, "GOLDEN_EVENTS").await.len(), 1);
    let first = client.get_stream("GOLDEN_EVENTS").await.unwrap().get_raw_message(1).await.unwrap();
    let header = |name: &str| first.headers.get(name).map(ToString::to_string);
    assert_eq!((header("traceparent").as_deref(), header("tracestate").as_deref()), (Some(TRACEPARENT), Some("a=b")));

    // What its operator changed is put right, and what is no setting of ours stays.
    let mut config = client.get_stream("GOLDEN_EVENTS").await.unwrap().cached_info().config.clone();
    (config.max_bytes, config.description) = (1 << 22, Some("ours".to_owned()));
    client.update_stream(config).await.unwrap();
    golden.nats.reconcile().await.unwrap();
    let config = client.get_stream("GOLDEN_EVENTS").await.unwrap().cached_info().config.clone();
    assert_eq!((config.max_bytes, config.description.as_deref()), (1 << 20, Some("ours")));

    client.delete_stream("GOLDEN_DLQ").await.unwrap();
    golden.end_jobs("acme", 3).await;
    golden.published().await;
    assert_eq!(everything(&client, "GOLDEN_DLQ").await.len(), 1, "what finds its stream gone has it made");

    server.wipe();
    golden.end_jobs("acme", 30).await;
    server.start_again();
    golden.published().await;
    let client = server.client().await;
    assert_eq!(everything(&client, "GOLDEN_EVENTS").await.len(), 30);
    assert_eq!(everything(&client, "GOLDEN_DLQ").await.len(), 10);
}
