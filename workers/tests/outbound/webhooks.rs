//! From the end of a job to its webhook, on the embedded store.

use std::{path::PathBuf, sync::Arc, time::Duration};

use golden_jobs::{
    Context, Failure, Job, JobId, MessageId, Role, WorkerId,
    context::Ports,
    journal::Journal,
    kinds::{WebhookDeliver, registry},
    metrics::Metrics,
    outcome::{End, Verdict},
    registry::RawOutcome,
    store::{ConnectOptions, Due, NewJob, RunEnd, SharedStore, connect, migrate},
    webhooks::{Secret, relay, relay_once, sign},
};
use serde_json::{Value, json, value::to_raw_value};
use tokio_util::sync::CancellationToken;

use crate::{
    dev,
    server::{Server, answer},
};

/// A store in a folder of its own, which goes away with it.
struct Fresh {
    store: SharedStore,
    folder: PathBuf,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Fresh {
    async fn open() -> Self {
        let folder = std::env::temp_dir().join(format!("golden-outbound-{}", uuid::Uuid::now_v7()));
        let url = format!("sqlite://{}/golden.db", folder.display());
        migrate(&url).await.unwrap();
        Self { store: connect(ConnectOptions::new(url)).await.unwrap(), folder }
    }

    /// A job that asks to be called back and has succeeded.
    async fn finished_job(&self, callback_url: String) -> JobId {
        let id = JobId::new();
        let job = NewJob {
            id,
            tenant_id: "acme".to_owned(),
            kind: "noop".to_owned(),
            role: Role::Orchestrator,
            priority: 5,
            payload: to_raw_value(&json!({"secret": "not for receivers"})).unwrap(),
            max_attempts: 1,
            timeout: Duration::from_secs(1),
            due: Due::Now,
            metadata: None,
            callback_url: Some(callback_url),
            parent_id: None,
            idempotency: None,
        };
        self.store.insert(vec![job]).await.unwrap();
        let claimed = self.store.claim(Role::Orchestrator, 1, WorkerId::new()).await.unwrap().remove(0);
        let verdict = Verdict::Succeeded { result: Some(to_raw_value(&json!({"sum": 3})).unwrap()) };
        let lost = self.store.finish(vec![RunEnd { run: claimed.run, role: claimed.role, verdict }]).await.unwrap();
        assert!(lost.is_empty());
        id
    }

    /// One run of the delivery that the relay made.
    async fn deliver(&self) -> (MessageId, RawOutcome) {
        let claimed = self.store.claim(Role::Webhook, 10, WorkerId::new()).await.unwrap();
        assert_eq!(claimed.len(), 1);
        let claimed = Arc::new(claimed.into_iter().next().unwrap());
        let ports = Ports {
            store: Arc::clone(&self.store),
            metrics: Metrics::new(),
            outbound: Arc::new(dev()),
            executor: Err("not here".to_owned()),
        };
        let kinds = registry();
        let kind = kinds.get(&claimed.kind).unwrap();
        let journal = Journal::unread(claimed.run, claimed.attempt);
        let outcome = kind.run(claimed.payload.clone(), Context::new(Arc::clone(&claimed), ports, journal)).await;
        (claimed.run.id.into(), outcome)
    }
}

#[tokio::test]
async fn a_job_that_ended_is_told_once_signed_and_on_record() {
    let server = Server::answering(answer("200 OK", "", "thanks\0")).await;
    let fresh = Fresh::open().await;
    let job = fresh.finished_job(server.url("/hook")).await;

    assert_eq!(relay_once(&*fresh.store, WebhookDeliver::POLICY, 10).await.unwrap(), 1);
    assert_eq!(relay_once(&*fresh.store, WebhookDeliver::POLICY, 10).await.unwrap(), 0);
    let (message, outcome) = fresh.deliver().await;

    assert!(matches!(outcome, Ok(End::Done(Some(output))) if output.get() == r#"{"status":200}"#));
    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap();
    let secret = Secret::from(fresh.store.callback_secret("acme").await.unwrap());
    let timestamp = header("webhook-timestamp").parse().unwrap();
    assert_eq!(header("webhook-id"), message.to_string());
    assert_eq!(header("webhook-signature"), sign(&[secret], &message.to_string(), timestamp, body.as_bytes()));
    let told: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&told["type"], &told["data"]["id"]), (&json!("job.succeeded"), &json!(job)));
    assert_eq!(told["data"]["result"], json!({"sum": 3}));
    assert!(!body.contains("not for receivers"));

    let deliveries = fresh.store.deliveries("acme", job).await.unwrap();
    assert_eq!(deliveries.len(), 1);
    assert_eq!((deliveries[0].status, deliveries[0].answer.as_deref()), (Some(200), Some("thanks\u{fffd}")));
}

#[tokio::test]
async fn a_delivery_that_fails_is_on_record_and_tried_again() {
    let server = Server::answering(answer("503 Later", "Retry-After: 9\r\n", "busy")).await;
    let fresh = Fresh::open().await;
    let job = fresh.finished_job(server.url("/hook")).await;
    relay_once(&*fresh.store, WebhookDeliver::POLICY, 10).await.unwrap();

    let (_, outcome) = fresh.deliver().await;

    assert!(matches!(outcome, Err(Failure::Retry { after: Some(wait), .. }) if wait == Duration::from_secs(9)));
    let delivery = fresh.store.deliveries("acme", job).await.unwrap().remove(0);
    assert_eq!((delivery.status, delivery.attempt, delivery.answer.as_deref()), (Some(503), 1, Some("busy")));
    assert_eq!(delivery.error.as_deref(), Some("rejected: the receiver answered 503"));
}

#[tokio::test]
async fn the_relay_is_woken_by_the_stores_hint_and_stops_when_told() {
    let fresh = Fresh::open().await;
    let stop = CancellationToken::new();
    let relay = tokio::spawn(relay(Arc::clone(&fresh.store), WebhookDeliver::POLICY, stop.clone()));
    fresh.finished_job("http://127.0.0.1:9/".to_owned()).await;

    // Well under the net of three seconds and more.
    let woken = tokio::time::timeout(Duration::from_secs(2), fresh.store.wakes().woken(Role::Webhook)).await;
    stop.cancel();

    assert!(woken.is_ok());
    relay.await.unwrap();
}
