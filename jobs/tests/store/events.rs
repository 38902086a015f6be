//! The outbox, webhook secrets and deliveries.

use std::collections::HashSet;

use golden_jobs::{
    JobId, MessageId, Role,
    outcome::Verdict,
    store::{Delivery, NewJob, RunEnd},
};

use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{SECOND, TENANT, await_all, dead, job, job_with_callback, retry_in, succeeded},
};

both_stores! {
    every_end_is_told_once_and_only_to_those_who_listen
    what_is_not_an_end_is_not_told
    an_event_is_kept_until_it_was_passed_on
    events_come_oldest_first_up_to_a_limit
    every_end_of_a_job_is_an_event_of_its_own
    a_secret_is_made_once_for_each_tenant
    a_secret_asked_for_by_many_at_once_is_one
    deliveries_are_on_record_oldest_first
    a_replayed_delivery_keeps_the_attempts_before_it
    an_answer_of_any_bytes_is_kept
}

async fn every_end_is_told_once_and_only_to_those_who_listen(store: Bed) {
    let verdicts =
        || [succeeded(), dead(), Verdict::Cancelled, Verdict::Lost { dead: true }, Verdict::Lost { dead: false }];
    let jobs: Vec<_> = verdicts().iter().flat_map(|_| [job_with_callback(), job()]).collect();
    store.insert(jobs.clone()).await.unwrap();
    let runs = store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap();
    let ends = runs
        .iter()
        .zip(verdicts().into_iter().zip(verdicts()).flat_map(|(a, b)| [a, b]))
        .map(|(run, verdict)| RunEnd { run: run.run, role: run.role, verdict });

    assert_eq!(store.finish(ends.collect()).await.unwrap(), []);

    let told: HashSet<_> = store.events().await.into_iter().collect();
    let expected = ["job.succeeded", "job.dead", "job.cancelled", "job.dead"];
    let expected: HashSet<_> =
        jobs.iter().step_by(2).zip(expected).map(|(job, event)| (job.id, event.to_owned())).collect();
    assert_eq!(told, expected);
    assert_eq!(store.outbox(ALL).await.unwrap().len(), 4);
    assert!(store.outbox(ALL).await.unwrap().iter().all(|event| event.tenant_id == TENANT));
}

async fn what_is_not_an_end_is_not_told(store: Bed) {
    for verdict in [retry_in(SECOND), Verdict::Snooze { delay: SECOND }, Verdict::Release, await_all(vec![])] {
        let run = store.start(job_with_callback()).await;
        assert_eq!(store.events().await, []);
        store.end(&run, verdict).await;
        assert_eq!(store.events().await, []);
        store.later(SECOND).await;
        store.claim_one(Role::Orchestrator).await;
    }
}

async fn an_event_is_kept_until_it_was_passed_on(store: Bed) {
    let first = store.through(job_with_callback(), succeeded()).await;
    let second = store.through(job_with_callback(), dead()).await;
    let events = store.outbox(ALL).await.unwrap();
    assert_eq!(store.outbox(ALL).await.unwrap(), events, "reading takes nothing away");
    assert_eq!((events[0].job_id, events[1].job_id), (first, second));
    assert_eq!(events[0].created_at, store.clock.now());

    store.passed_on(&[events[0].id, MessageId::new()]).await.unwrap();
    store.passed_on(&[events[0].id]).await.unwrap();

    assert_eq!(store.outbox(ALL).await.unwrap(), events[1..]);
}

async fn events_come_oldest_first_up_to_a_limit(store: Bed) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(store.through(job_with_callback(), succeeded()).await);
        store.clock.advance(SECOND);
    }

    let first = store.outbox(2).await.unwrap();
    assert_eq!(first.iter().map(|event| event.job_id).collect::<Vec<_>>(), ids[..2]);
    store.passed_on(&first.iter().map(|event| event.id).collect::<Vec<_>>()).await.unwrap();
    let rest = store.outbox(ALL).await.unwrap();
    assert_eq!(rest.iter().map(|event| event.job_id).collect::<Vec<_>>(), ids[2..]);
}

async fn every_end_of_a_job_is_an_event_of_its_own(store: Bed) {
    let id = store.through(job_with_callback(), Verdict::Cancelled).await;
    store.retry(TENANT, id, "ops").await.unwrap();
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, succeeded()).await;

    let events = store.outbox(ALL).await.unwrap();
    assert_eq!(events.len(), 2);
    assert_ne!(events[0].id, events[1].id);
}

async fn a_secret_is_made_once_for_each_tenant(store: Bed) {
    let first = store.callback_secret(TENANT).await.unwrap();
    assert_ne!(first, [0; 32]);
    assert_eq!(store.callback_secret(TENANT).await.unwrap(), first);

    store.through(job_with_callback(), succeeded()).await;
    assert_eq!(store.callback_secret(TENANT).await.unwrap(), first, "jobs do not change it");
    assert_ne!(store.callback_secret("globex").await.unwrap(), first);
}

async fn a_secret_asked_for_by_many_at_once_is_one(store: Bed) {
    let asked: Vec<_> = (0..10)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                if n % 2 == 0 {
                    store.submit(NewJob { tenant_id: "globex".into(), ..job() }).await;
                }
                store.callback_secret("globex").await.unwrap()
            })
        })
        .collect();
    let mut secrets = HashSet::new();
    for secret in asked {
        secrets.insert(secret.await.unwrap());
    }
    assert_eq!(secrets.len(), 1);
}

fn delivery(job_id: JobId, message_id: MessageId, attempt: u32) -> Delivery {
    Delivery {
        message_id,
        // Runs number leases, and attempts until a replay.
        run_lease: i64::from(attempt),
        attempt,
        tenant_id: TENANT.into(),
        job_id,
        event: "job.succeeded".into(),
        url: "https://example.com/hook".into(),
        status: Some(503),
        latency_ms: 12,
        answer: Some("busy".into()),
        error: None,
        at: Default::default(),
    }
}

async fn deliveries_are_on_record_oldest_first(store: Bed) {
    let id = store.through(job_with_callback(), succeeded()).await;
    let message = store.outbox(ALL).await.unwrap()[0].id;
    let first = delivery(id, message, 1);
    let second = Delivery { status: None, answer: None, error: Some("refused".into()), ..delivery(id, message, 2) };
    store.record_delivery(&first).await.unwrap();
    let at = store.clock.now();
    store.clock.advance(SECOND);
    store.record_delivery(&second).await.unwrap();
    // The run that recorded it may have been lost right after: it is recorded again.
    store.record_delivery(&second).await.unwrap();
    store.record_delivery(&delivery(JobId::new(), MessageId::new(), 1)).await.unwrap();

    let expected = [Delivery { at, ..first }, Delivery { at: store.clock.now(), ..second }];
    assert_eq!(store.deliveries(TENANT, id).await.unwrap(), expected);
}

/// Attempts are numbered from 1 again then.
async fn a_replayed_delivery_keeps_the_attempts_before_it(store: Bed) {
    let (id, message) = (JobId::new(), MessageId::new());
    let before = delivery(id, message, 1);
    let after = Delivery { run_lease: 7, status: Some(200), ..delivery(id, message, 1) };
    store.record_delivery(&before).await.unwrap();
    store.record_delivery(&after).await.unwrap();

    let kept = store.deliveries(TENANT, id).await.unwrap();

    let told: Vec<_> = kept.iter().map(|delivery| (delivery.attempt, delivery.status)).collect();
    assert_eq!(told, [(1, Some(503)), (1, Some(200))]);
}

async fn an_answer_of_any_bytes_is_kept(store: Bed) {
    let id = JobId::new();
    let odd = Some("a\u{0}b".to_owned());
    let given = Delivery { answer: odd.clone(), error: odd, ..delivery(id, MessageId::new(), 1) };

    store.record_delivery(&given).await.unwrap();

    let kept = store.deliveries(TENANT, id).await.unwrap().remove(0);
    for text in [kept.answer.unwrap(), kept.error.unwrap()] {
        assert!(text.starts_with('a') && text.ends_with('b'), "{text:?}");
    }
}
