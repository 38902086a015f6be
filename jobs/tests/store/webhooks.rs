//! What webhooks are signed with, and what became of them.

use std::collections::HashSet;

use golden_jobs::{
    JobId, MessageId,
    store::{Delivery, NewJob},
};

use crate::{
    bed::Bed,
    both_stores,
    given::{SECOND, TENANT, job, job_with_callback, succeeded},
};

both_stores! {
    a_secret_is_made_once_for_each_tenant
    a_secret_asked_for_by_many_at_once_is_one
    deliveries_are_on_record_oldest_first
    a_replayed_delivery_keeps_the_attempts_before_it
    an_answer_of_any_bytes_is_kept
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
    let message = MessageId::new();
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
