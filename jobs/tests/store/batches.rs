//! Jobs that come in together, all or none.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use golden_jobs::{
    JobId, Role,
    store::{Due, Idempotency, InsertedBatch, NewBatch, NewJob, Quota, StoreError},
};

use crate::{
    bed::{ALL, Bed, Sql, on_postgres},
    both_stores,
    given::{MINUTE, SECOND, TENANT, any_job, by, everything, job, keyed},
};

both_stores! {
    a_batch_is_recorded_as_a_whole
    a_batch_that_comes_again_is_the_first_one
    a_key_used_for_another_batch_is_refused
    a_batchs_key_is_forgotten_after_a_day
    many_concurrent_batches_with_one_key_are_one
    a_batch_with_a_job_that_is_refused_is_refused
    a_batch_with_a_job_on_record_is_refused
    a_batch_that_its_queue_has_no_room_for_is_refused_as_a_whole
    a_batch_may_be_empty
}

/// So many jobs whose ids follow each other.
fn batch(jobs: usize) -> NewBatch {
    let ids = JobId::new_series().series().take(jobs);
    NewBatch { jobs: ids.map(|id| NewJob { id, ..job() }).collect(), idempotency: None }
}

fn keyed_batch(jobs: usize, key: &str, fingerprint: u8) -> NewBatch {
    NewBatch { idempotency: keyed(key, fingerprint).idempotency, ..batch(jobs) }
}

fn first(batch: &NewBatch) -> JobId {
    batch.jobs[0].id
}

async fn count(store: &Bed) -> usize {
    store.jobs(&any_job(), everything()).await.unwrap().jobs.len()
}

async fn a_batch_is_recorded_as_a_whole(store: Bed) {
    let mut batch = batch(3);
    batch.jobs[1].due = Due::In(MINUTE);
    batch.jobs[2].role = Role::Sandbox;
    let ids: Vec<_> = batch.jobs.iter().map(|job| job.id).collect();

    let inserted = store.insert_batch(batch).await.unwrap();

    let now = store.clock.now();
    assert_eq!(inserted, InsertedBatch::New(vec![(now, now), (now + MINUTE, now), (now, now)]));
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, ids[0]);
    assert_eq!(store.claim_one(Role::Sandbox).await.run.id, ids[2]);
    store.later(MINUTE).await;
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, ids[1]);
}

async fn a_batch_that_comes_again_is_the_first_one(store: Bed) {
    let first_time = keyed_batch(3, "k", 1);
    let first = first(&first_time);
    store.insert_batch(first_time).await.unwrap();
    store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap();

    let again = store.insert_batch(keyed_batch(3, "k", 1)).await.unwrap();

    assert_eq!(again, InsertedBatch::Replayed { first });
    assert_eq!(count(&store).await, 3);
    assert!(store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().is_empty());
    for id in first.series().take(3) {
        store.record(id).await;
    }
}

async fn a_key_used_for_another_batch_is_refused(store: Bed) {
    store.insert_batch(keyed_batch(2, "k", 1)).await.unwrap();

    assert_eq!(store.insert_batch(keyed_batch(5, "k", 2)).await.unwrap(), InsertedBatch::KeyReused);
    assert_eq!(count(&store).await, 2);

    let elsewhere = Idempotency { route: "POST /elsewhere".into(), ..keyed("k", 2).idempotency.unwrap() };
    let other = NewBatch { idempotency: Some(elsewhere), ..batch(1) };
    assert!(matches!(store.insert_batch(other).await.unwrap(), InsertedBatch::New(_)));
}

async fn a_batchs_key_is_forgotten_after_a_day(store: Bed) {
    store.insert_batch(keyed_batch(2, "k", 1)).await.unwrap();
    store.clock.advance(MINUTE * 60 * 24 + SECOND);

    let inserted = store.insert_batch(keyed_batch(2, "k", 2)).await.unwrap();

    assert!(matches!(inserted, InsertedBatch::New(_)), "{inserted:?}");
}

async fn many_concurrent_batches_with_one_key_are_one(store: Bed) {
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.insert_batch(keyed_batch(10, "k", 1)).await.unwrap() })
        })
        .collect();
    let mut replayed = 0;
    for request in requests {
        replayed += u32::from(matches!(request.await.unwrap(), InsertedBatch::Replayed { .. }));
    }

    assert_eq!((replayed, count(&store).await), (19, 10));
}

async fn a_batch_with_a_job_that_is_refused_is_refused(store: Bed) {
    let mut odd = keyed_batch(3, "k", 1);
    odd.jobs[2].priority = 10;

    let inserted = store.insert_batch(odd).await;

    assert!(matches!(inserted, Err(StoreError::Rejected(_))), "{inserted:?}");
    assert_eq!(count(&store).await, 0);
    // Its key is as free as before.
    assert!(matches!(store.insert_batch(keyed_batch(1, "k", 2)).await.unwrap(), InsertedBatch::New(_)));
}

async fn a_batch_with_a_job_on_record_is_refused(store: Bed) {
    let known = store.submit(job()).await;
    let mut twice = batch(2);
    twice.jobs[1].id = known;

    let inserted = store.insert_batch(twice).await;

    assert!(matches!(inserted, Err(StoreError::Rejected(_))), "{inserted:?}");
    assert_eq!(count(&store).await, 1);
}

async fn a_batch_that_its_queue_has_no_room_for_is_refused_as_a_whole(store: Bed) {
    let quota = Quota { max_queued: Some(3), max_running: None };
    store.limit(Role::Orchestrator, TENANT, quota, &by("ops")).await.unwrap();
    let mut wide = keyed_batch(5, "k", 1);
    wide.jobs[0].role = Role::Sandbox;
    wide.jobs[4].due = Due::In(MINUTE);

    assert_eq!(store.insert_batch(wide.clone()).await.unwrap(), InsertedBatch::QueueFull { max_queued: 3 });
    assert_eq!(count(&store).await, 0);

    wide.jobs.remove(1);
    assert!(matches!(store.insert_batch(wide).await.unwrap(), InsertedBatch::New(_)));
    assert_eq!(count(&store).await, 4);
    assert_eq!(store.insert_batch(batch(1)).await.unwrap(), InsertedBatch::QueueFull { max_queued: 3 });
    // The request came before: it needs no more room.
    assert!(matches!(store.insert_batch(keyed_batch(4, "k", 1)).await.unwrap(), InsertedBatch::Replayed { .. }));
}

async fn a_batch_may_be_empty(store: Bed) {
    assert_eq!(store.insert_batch(batch(0)).await.unwrap(), InsertedBatch::New(vec![]));
}

/// Whoever goes away while a transaction begins, by a deadline or by hanging up, leaves no connection within one: what
/// was recorded on it next would not be committed, and its 202 be a lie.
#[tokio::test]
async fn postgres_connections_are_left_in_no_transaction_by_those_who_go_away() {
    on_postgres(async |store: Bed| {
        store.submit(job()).await;
        let Sql::Postgres(pool) = &store.sql else { unreachable!("a bed on PostgreSQL") };
        let within = "SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        for patience in (0..4_000).step_by(20) {
            // So that a connection is there, and the time does not go into making one.
            store.ping().await.unwrap();
            let begun = Instant::now();
            {
                let mut submission = pin!(store.insert_batch(batch(1)));
                while begun.elapsed() < Duration::from_micros(patience) && (&mut submission).now_or_never().is_none() {
                    tokio::task::yield_now().await;
                }
            }
            // At once, since whatever comes next on the connection may hide it.
            while sqlx::query_scalar::<_, i64>(within).fetch_one(pool).await.unwrap() > 0 {
                assert!(begun.elapsed() < Duration::from_secs(5), "a connection is idle within a transaction");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    })
    .await;
}
