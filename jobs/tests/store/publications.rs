//! What waits for a broker.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use golden_jobs::{
    Job as _, WorkerId,
    breakers::{self, Board},
    broker::{self, Broker, BrokerError, LISTEN_LEASE},
    kinds::WebhookDeliver,
    metrics::Metrics,
    store::{
        Chore, NewJob,
        events::EVERYBODY,
        publications::{Publication, Published},
    },
    webhooks::relay_once,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{SECOND, TENANT, by, dead, job, job_of, job_with_callback, succeeded},
};

both_stores! {
    with_a_broker_every_end_waits_for_it
    a_dead_job_leaves_its_letter_too
    without_a_broker_nothing_waits
    who_does_a_chore_does_not_do_another
    a_broker_is_told_once_and_again_until_it_has_taken_it
}

async fn relayed(store: &Bed) -> Vec<Publication> {
    while relay_once(&*store.store, WebhookDeliver::POLICY, ALL).await.unwrap() > 0 {}
    store.unpublished(ALL).await.unwrap()
}

async fn with_a_broker_every_end_waits_for_it(store: Bed) {
    broker::listen(&*store.store).await.unwrap();
    let first = store.through(job(), succeeded()).await;
    let second = store.submit(job_of("globex")).await;
    store.cancel("globex", second, &by("ops")).await.unwrap();
    assert!(store.listen(TENANT, SECOND).await.unwrap(), "whoever listens from now on has missed nothing");

    let waiting = relayed(&store).await;

    let told: Vec<_> = waiting.iter().map(|one| (one.tenant_id.as_str(), one.kind.as_str(), one.job_id)).collect();
    assert_eq!(told, [(TENANT, "noop", Some(first)), ("globex", "noop", Some(second))]);
    let event = store.events_after(TENANT, 0, ALL).await.unwrap().remove(0);
    assert_eq!(waiting[0].what, Published::Event { id: event.id, state: "succeeded".to_owned() });
    let body: Value = serde_json::from_str(&waiting[0].body).unwrap();
    assert_eq!((&body["id"], &body["type"]), (&json!(event.id), &json!("job.succeeded")));

    assert_eq!(store.unpublished(1).await.unwrap(), waiting[..1], "the oldest first");
    store.published(&[waiting[0].what.id()]).await.unwrap();
    assert_eq!(store.unpublished(ALL).await.unwrap(), waiting[1..]);
    assert_eq!(store.depths().await.unwrap().unpublished, 1);
}

async fn a_dead_job_leaves_its_letter_too(store: Bed) {
    broker::listen(&*store.store).await.unwrap();
    let id = store.through(job(), dead()).await;
    store.through(NewJob { kind: "webhook.deliver".into(), ..job() }, dead()).await;

    let waiting = relayed(&store).await;

    let is_letter = |one: &Publication| matches!(one.what, Published::DeadLetter(_));
    let (letters, events): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_letter);
    let ([event], [letter]) = (&events[..], &letters[..]) else { panic!("{events:?} {letters:?}") };
    assert!(matches!(&event.what, Published::Event { state, .. } if state == "dead"), "{event:?}");
    let body: Value = serde_json::from_str(&letter.body).unwrap();
    assert_eq!((&body["job_id"], &body["original_subject"]), (&json!(id), &json!("jobs.orchestrator.noop")));
}

async fn without_a_broker_nothing_waits(store: Bed) {
    store.through(job_with_callback(), dead()).await;
    assert_eq!(relayed(&store).await, []);

    broker::listen(&*store.store).await.unwrap();
    store.clock.advance(LISTEN_LEASE);
    store.through(job(), dead()).await;
    store.through(job_with_callback(), dead()).await;
    assert_eq!(relayed(&store).await, [], "no process has been told of one for a day");
    assert!(!store.listen(EVERYBODY, SECOND).await.unwrap());
}

async fn who_does_a_chore_does_not_do_another(store: Bed) {
    let [one, other] = [WorkerId::new(), WorkerId::new()];
    assert!(store.take_turn(Chore::Publishing, one, SECOND).await.unwrap());
    assert!(store.take_turn(Chore::Retention, other, SECOND).await.unwrap());
    assert!(!store.take_turn(Chore::Publishing, other, SECOND).await.unwrap());
}

/// Takes what it is told from the third time on.
#[derive(Default)]
struct Reluctant(Mutex<Vec<String>>);

#[async_trait]
impl Broker for Reluctant {
    async fn publish(&self, publications: &[Publication]) -> Vec<Result<(), BrokerError>> {
        let mut told = self.0.lock().unwrap();
        let answer = |publication: &Publication| {
            told.push(format!("{}.{}", publication.tenant_id, publication.kind));
            if told.len() > 2 { Ok(()) } else { Err(BrokerError::Unavailable("not now".to_owned())) }
        };
        publications.iter().map(answer).collect()
    }
}

async fn a_broker_is_told_once_and_again_until_it_has_taken_it(store: Bed) {
    let (reluctant, shutdown) = (Arc::new(Reluctant::default()), CancellationToken::new());
    broker::listen(&*store.store).await.unwrap();
    store.through(job(), succeeded()).await;
    relayed(&store).await;
    let board = Board::new(breakers::Options::default(), Metrics::new());
    let publishing = tokio::spawn(broker::publish(
        Arc::clone(&store.store),
        Arc::clone(&reluctant) as Arc<dyn Broker>,
        board,
        Metrics::new(),
        shutdown.clone(),
    ));

    let until_empty = async {
        while !store.unpublished(ALL).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), until_empty).await.unwrap();

    assert_eq!(*reluctant.0.lock().unwrap(), ["acme.noop"; 3]);
    shutdown.cancel();
    publishing.await.unwrap();
}
