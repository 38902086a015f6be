//! From the end of a job to its webhook, on the embedded store.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use golden_jobs::{
    Context, EndpointId, Failure, Job, JobId, MessageId, Role, WorkerId,
    breakers::{self, Board, Dependency},
    context::Ports,
    functions::KnownFunctions,
    journal::Journal,
    kinds::{WebhookDeliver, registry},
    metrics::Metrics,
    outcome::{End, Verdict},
    registry::RawOutcome,
    store::{
        ConnectOptions, Due, NewJob, RunEnd, SharedStore, connect,
        deliveries::NewDelivery,
        endpoints::{DisabledReason, EndpointChange, EndpointSettings, Format},
        migrate,
    },
    webhooks::{Secret, relay, relay_once, sign, test_delivery},
};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use tokio_util::sync::CancellationToken;

use crate::{
    dev,
    server::{Server, answer},
};

/// A store in a folder of its own, which goes away with it.
pub(crate) struct Fresh {
    pub(crate) store: SharedStore,
    folder: PathBuf,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Fresh {
    pub(crate) async fn open() -> Self {
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
            max_cost: None,
            trace: None,
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
        self.deliver_among(Board::new(breakers::Options::default(), Metrics::new())).await
    }

    /// The same while others deliver.
    async fn deliver_among(&self, breakers: Board) -> (MessageId, RawOutcome) {
        let claimed = self.store.claim(Role::Webhook, 10, WorkerId::new()).await.unwrap();
        assert_eq!(claimed.len(), 1);
        let claimed = Arc::new(claimed.into_iter().next().unwrap());
        let ports = Ports {
            store: Arc::clone(&self.store),
            metrics: Metrics::new(),
            outbound: Arc::new(dev()),
            executor: Err("not here".to_owned()),
            models: Err("no model here".to_owned()),
            breakers,
            functions: KnownFunctions::new(Arc::clone(&self.store)),
        };
        let kinds = registry();
        let kind = kinds.get(&claimed.kind).unwrap();
        let journal = Journal::unread(claimed.run, claimed.attempt);
        let outcome = kind.run(claimed.payload.clone(), Context::new(Arc::clone(&claimed), ports, journal)).await;
        (claimed.run.id.into(), outcome)
    }

    /// An endpoint that takes every event.
    async fn endpoint(&self, url: String, format: Format) -> EndpointId {
        let (description, events, kinds) = (String::new(), vec!["*".to_owned()], Vec::new());
        let settings = EndpointSettings { url, description, events, kinds, format, thin: false };
        self.store
            .add_endpoint("acme", &settings, [1; 32], &golden_jobs::audit::Actor::golden())
            .await
            .unwrap()
            .unwrap()
            .id
    }

    /// A message to it, on its way.
    async fn told(&self, endpoint: EndpointId) {
        let endpoint = self.store.endpoint("acme", endpoint).await.unwrap().unwrap();
        let delivery = test_delivery(&endpoint, &WebhookDeliver::POLICY, chrono::DateTime::UNIX_EPOCH).unwrap();
        // As an event would be: a test is delivered even where nothing else is.
        let payload = delivery.job.payload.get().replace("webhook.test", "job.dead");
        let job = NewJob { payload: RawValue::from_string(payload).unwrap(), ..delivery.job };
        self.store.add_deliveries(vec![NewDelivery { job, ..delivery }]).await.unwrap();
    }
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap()
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
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| header(&request, name);
    let secret = Secret::from(fresh.store.callback_secrets("acme").await.unwrap().newest);
    let timestamp = header("webhook-timestamp").parse().unwrap();
    assert_eq!(header("webhook-id"), message.to_string());
    assert_eq!(header("webhook-signature"), sign(&[secret], &message.to_string(), timestamp, body.as_bytes()));
    let told: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&told["type"], &told["data"]["id"]), (&json!("job.succeeded"), &json!(job)));
    assert_eq!(told["data"]["result"], json!({"sum": 3}));
    assert!(!body.contains("not for receivers"));

    let attempts = fresh.store.delivery_attempts(message).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].status, attempts[0].answer.as_deref()), (Some(200), Some("thanks\u{fffd}")));
    let delivery = fresh.store.delivery("acme", message).await.unwrap().unwrap();
    assert_eq!((delivery.job_id, delivery.url), (Some(job), server.url("/hook")));
}

#[tokio::test]
async fn a_delivery_that_fails_is_on_record_and_tried_again() {
    let server = Server::answering(answer("503 Later", "Retry-After: 9\r\n", "busy")).await;
    let fresh = Fresh::open().await;
    fresh.finished_job(server.url("/hook")).await;
    relay_once(&*fresh.store, WebhookDeliver::POLICY, 10).await.unwrap();

    let (message, outcome) = fresh.deliver().await;

    assert!(matches!(outcome, Err(Failure::Retry { after: Some(wait), .. }) if wait == Duration::from_secs(9)));
    let attempt = fresh.store.delivery_attempts(message).await.unwrap().remove(0);
    assert_eq!((attempt.status, attempt.attempt, attempt.answer.as_deref()), (Some(503), 1, Some("busy")));
    assert_eq!(attempt.error.as_deref(), Some("rejected: the receiver answered 503"));
}

#[tokio::test]
async fn an_endpoint_is_told_in_its_format_and_signed_with_both_secrets_while_one_rotates() {
    let server = Server::answering(answer("200 OK", "", "")).await;
    let fresh = Fresh::open().await;
    let endpoint = fresh.endpoint(server.url("/events"), Format::CloudEvents).await;
    fresh.told(endpoint).await;
    fresh
        .store
        .rotate_secret("acme", endpoint, [2; 32], Duration::from_secs(60), &golden_jobs::audit::Actor::golden())
        .await
        .unwrap();

    let (message, outcome) = fresh.deliver().await;

    assert!(matches!(outcome, Ok(End::Done(_))), "{outcome:?}");
    let request = server.requests().remove(0);
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(header(&request, "content-type"), "application/cloudevents+json; charset=utf-8");
    let secrets = [Secret::from([2; 32]), Secret::from([1; 32])];
    let timestamp = header(&request, "webhook-timestamp").parse().unwrap();
    let signature = sign(&secrets, &message.to_string(), timestamp, body.as_bytes());
    assert_eq!(header(&request, "webhook-signature"), signature);
    assert_eq!(signature.split(' ').count(), 2);
}

#[tokio::test]
async fn nothing_is_sent_to_an_endpoint_that_is_disabled_or_deleted() {
    let server = Server::answering(answer("200 OK", "", "")).await;
    let fresh = Fresh::open().await;
    let endpoint = fresh.endpoint(server.url("/events"), Format::Standard).await;
    fresh.told(endpoint).await;
    let disable = EndpointChange { enabled: Some(false), ..Default::default() };
    fresh.store.change_endpoint("acme", endpoint, &disable, &golden_jobs::audit::Actor::golden()).await.unwrap();

    let (message, outcome) = fresh.deliver().await;
    assert!(matches!(outcome, Err(Failure::Fatal(error)) if error.code == "endpoint_disabled"));
    assert_eq!(fresh.store.delivery_attempts(message).await.unwrap(), []);

    fresh.told(endpoint).await;
    fresh.store.remove_endpoint("acme", endpoint, &golden_jobs::audit::Actor::golden()).await.unwrap();
    let (_, outcome) = fresh.deliver().await;
    assert!(matches!(outcome, Err(Failure::Fatal(error)) if error.code == "endpoint_deleted"));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_disabled() {
    let server = Server::answering(answer("410 Gone", "", "no more")).await;
    let fresh = Fresh::open().await;
    let endpoint = fresh.endpoint(server.url("/events"), Format::Standard).await;
    fresh.told(endpoint).await;

    let (_, outcome) = fresh.deliver().await;

    assert!(matches!(outcome, Err(Failure::Fatal(error)) if error.code == "gone"));
    let disabled = fresh.store.endpoint("acme", endpoint).await.unwrap().unwrap().disabled.unwrap();
    assert_eq!(disabled.reason, DisabledReason::Gone);
}

#[tokio::test]
async fn a_delivery_to_a_busy_host_comes_back_and_spends_no_attempt() {
    let server = Server::answering(answer("200 OK", "", "")).await;
    let fresh = Fresh::open().await;
    fresh.told(fresh.endpoint(server.url("/events"), Format::Standard).await).await;
    let one = breakers::Options { webhooks_per_host: NonZeroUsize::MIN, ..breakers::Options::default() };
    let board = Board::new(one, Metrics::new());
    let host = Dependency::Webhook(server.address.to_string());
    let place = board.call(&host, Duration::from_secs(1)).ok().unwrap();

    let (_, outcome) = fresh.deliver_among(board).await;

    assert!(matches!(outcome, Err(Failure::Later(_))), "{outcome:?}");
    assert!(server.requests().is_empty());
    drop(place);
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
