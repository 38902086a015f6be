//! A submission may be repeated.

use golden_jobs::store::{IDEMPOTENCY_WINDOW, Idempotency, Inserted, NewJob, StoreError};

use crate::{
    bed::Bed,
    behind_pgbouncer, both_stores,
    given::{SECOND, any_job, everything, keyed, succeeded},
};

both_stores! {
    the_same_request_again_is_answered_with_its_job
    a_key_used_for_another_request_is_refused
    a_key_belongs_to_one_tenant_and_one_route
    a_key_is_forgotten_after_a_day
    a_key_outlives_its_job
    one_key_twice_in_a_batch_is_one_job
    many_concurrent_requests_with_one_key_make_one_job
    a_key_that_a_database_cannot_take_is_refused_for_good
}

behind_pgbouncer! {
    many_concurrent_requests_with_one_key_make_one_job
}

async fn the_same_request_again_is_answered_with_its_job(store: Bed) {
    let first = store.submit(keyed("k", 1)).await;

    assert_eq!(store.insert(vec![keyed("k", 1)]).await.unwrap(), [Inserted::Replayed { id: first }]);
    assert_eq!(store.jobs(&any_job(), everything()).await.unwrap().jobs.len(), 1);
}

async fn a_key_used_for_another_request_is_refused(store: Bed) {
    store.submit(keyed("k", 1)).await;

    assert_eq!(store.insert(vec![keyed("k", 2)]).await.unwrap(), [Inserted::KeyReused]);
    assert_eq!(store.jobs(&any_job(), everything()).await.unwrap().jobs.len(), 1);
}

async fn a_key_belongs_to_one_tenant_and_one_route(store: Bed) {
    let used = keyed("k", 1).idempotency.unwrap();
    assert!(!store.knows("acme", &used).await.unwrap());
    store.submit(keyed("k", 1)).await;
    assert!(store.knows("acme", &used).await.unwrap());
    assert!(!store.knows("globex", &used).await.unwrap());
    assert!(!store.knows("acme", &Idempotency { route: "POST /tasks".into(), ..used.clone() }).await.unwrap());
    assert!(!store.knows("acme", &Idempotency { key: "K".into(), ..used }).await.unwrap());

    store.submit(NewJob { tenant_id: "globex".into(), ..keyed("k", 2) }).await;
    let elsewhere = Idempotency { route: "POST /tasks".into(), ..keyed("k", 3).idempotency.unwrap() };
    store.submit(NewJob { idempotency: Some(elsewhere), ..keyed("k", 3) }).await;
    store.submit(keyed("K", 4)).await;
}

async fn a_key_is_forgotten_after_a_day(store: Bed) {
    let first = store.submit(keyed("k", 1)).await;

    store.clock.advance(IDEMPOTENCY_WINDOW - SECOND);
    assert!(store.knows("acme", &keyed("k", 1).idempotency.unwrap()).await.unwrap());
    assert_eq!(store.insert(vec![keyed("k", 1)]).await.unwrap(), [Inserted::Replayed { id: first }]);

    // From the first request on: a repetition does not make the key live longer.
    store.clock.advance(SECOND * 2);
    assert!(!store.knows("acme", &keyed("k", 1).idempotency.unwrap()).await.unwrap());
    let second = store.submit(keyed("k", 2)).await;
    assert_eq!(store.insert(vec![keyed("k", 2)]).await.unwrap(), [Inserted::Replayed { id: second }]);
}

async fn a_key_outlives_its_job(store: Bed) {
    let first = store.through(keyed("k", 1), succeeded()).await;

    assert_eq!(store.insert(vec![keyed("k", 1)]).await.unwrap(), [Inserted::Replayed { id: first }]);
}

async fn one_key_twice_in_a_batch_is_one_job(store: Bed) {
    let [a, b, c, d] = [keyed("k", 1), keyed("k", 1), keyed("k", 2), keyed("l", 1)];
    let (first, other) = (a.id, d.id);

    let inserted = store.insert(vec![a, b, c, d]).await.unwrap();

    assert!(matches!(inserted[0], Inserted::New { id, .. } if id == first), "{inserted:?}");
    assert_eq!(inserted[1], Inserted::Replayed { id: first });
    assert_eq!(inserted[2], Inserted::KeyReused);
    assert!(matches!(inserted[3], Inserted::New { id, .. } if id == other), "{inserted:?}");
    assert_eq!(store.jobs(&any_job(), everything()).await.unwrap().jobs.len(), 2);
}

async fn many_concurrent_requests_with_one_key_make_one_job(store: Bed) {
    let requests: Vec<_> = (0..200)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.insert(vec![keyed("k", 1)]).await.unwrap().remove(0) })
        })
        .collect();
    let mut answers = Vec::new();
    for request in requests {
        answers.push(request.await.unwrap());
    }

    let jobs = store.jobs(&any_job(), everything()).await.unwrap().jobs;
    assert_eq!(jobs.len(), 1);
    let new = answers.iter().filter(|answer| matches!(answer, Inserted::New { id, .. } if *id == jobs[0].id));
    assert_eq!(new.count(), 1);
    let replayed = answers.iter().filter(|answer| **answer == Inserted::Replayed { id: jobs[0].id });
    assert_eq!(replayed.count(), 199);
}

/// PostgreSQL's indexes hold no more than a third of a page. Trying again does not help.
async fn a_key_that_a_database_cannot_take_is_refused_for_good(store: Bed) {
    // Hex of random bytes, so that no compression makes it fit.
    let key: String = (0..600).map(|_| uuid::Uuid::from_u128(rand::random()).simple().to_string()).collect();

    let inserted = store.insert(vec![keyed(&key, 1)]).await;

    assert!(matches!(inserted, Ok(_) | Err(StoreError::Rejected(_))), "{inserted:?}");
}
