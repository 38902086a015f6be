//! Queues are paused and bounded.

use std::collections::BTreeMap;

use golden_jobs::{
    JobId, Role, State,
    outcome::Verdict,
    store::{Due, Inserted, LOOKED_AT, NewJob, Pause, Queue, QueueName, Quota},
};

use crate::{
    bed::{ALL, Bed},
    behind_pgbouncer, both_stores,
    fairness::{ROLE, claim, jobs_of, share, shares},
    given::{
        MINUTE, SECOND, TENANT, any_letter, await_all, by, child_of, dead, job, job_of, keyed, replay, retry_in,
        succeeded,
    },
};

both_stores! {
    a_paused_role_takes_jobs_and_gives_none_out
    a_paused_tenant_is_held_back_alone
    however_a_job_becomes_ready_it_is_held_back
    what_was_let_through_is_held_back_by_the_next_pause
    what_was_held_back_does_not_overtake
    pausing_twice_keeps_who_was_first
    a_job_held_back_is_queued_and_can_be_cancelled
    no_more_runs_than_the_quota
    a_quota_on_runs_lets_the_most_urgent_through_first
    a_quota_on_runs_holds_for_what_was_let_through_before
    what_a_closing_gate_missed_is_found_however_late
    a_quota_on_runs_can_be_lifted
    a_full_queue_refuses_and_stores_nothing
    a_key_is_forgotten_in_a_bounded_queue_as_well
    what_was_accepted_before_is_answered_though_the_queue_is_full
    jobs_due_later_count_as_queued
    what_was_queued_before_a_quota_counts_too
    a_child_is_never_refused
    a_full_queue_takes_jobs_again_once_some_are_gone
    queues_say_what_is_in_them
    queues_say_who_holds_them_back
    a_queue_is_counted_so_far_and_no_further
}

behind_pgbouncer! {
    no_more_runs_than_the_quota
}

fn queue_of(tenant: &str) -> QueueName {
    QueueName { role: ROLE, tenant_id: Some(tenant.into()) }
}

fn whole_role() -> QueueName {
    QueueName { role: ROLE, tenant_id: None }
}

async fn a_paused_role_takes_jobs_and_gives_none_out(store: Bed) {
    let running = store.start(job()).await;
    store.pause(&whole_role(), &by("ops")).await.unwrap();

    store.submit(job()).await;
    assert!(claim(&store, 10).await.is_empty());
    let elsewhere = store.submit(NewJob { role: Role::Sandbox, ..job() }).await;
    assert_eq!(store.claim_one(Role::Sandbox).await.run.id, elsewhere);
    store.end(&running, succeeded()).await;

    store.resume(&whole_role(), &by("ops")).await.unwrap();
    assert_eq!(claim(&store, 10).await.len(), 1);
}

async fn a_paused_tenant_is_held_back_alone(store: Bed) {
    store.insert(jobs_of("held", 3)).await.unwrap();
    store.pause(&queue_of("held"), &by("ops")).await.unwrap();
    store.insert(jobs_of("held", 3)).await.unwrap();
    store.insert(jobs_of("free", 2)).await.unwrap();

    assert_eq!(shares(&store, 10).await, BTreeMap::from([("free".into(), 2)]));
    store.resume(&queue_of("held"), &by("ops")).await.unwrap();
    assert_eq!(shares(&store, 10).await, BTreeMap::from([("held".into(), 6)]));

    store.insert(jobs_of("held", 1)).await.unwrap();
    assert_eq!(claim(&store, 10).await.len(), 1, "the gate is open again");
}

async fn however_a_job_becomes_ready_it_is_held_back(store: Bed) {
    store.insert((0..6).map(|_| job()).collect()).await.unwrap();
    let runs = claim(&store, 6).await;
    store.submit(NewJob { due: Due::In(MINUTE), ..job() }).await;
    let hastened = store.submit(NewJob { due: Due::In(100 * MINUTE), ..job() }).await;
    store.pause(&queue_of(TENANT), &by("ops")).await.unwrap();

    store.end(&runs[0], Verdict::Release).await;
    store.end(&runs[1], retry_in(SECOND)).await;
    store.end(&runs[2], dead()).await;
    store.end(&runs[3], await_all(vec![NewJob { tenant_id: "other".into(), ..child_of(&runs[3]) }])).await;
    store.replay(&replay(any_letter()), ALL).await.unwrap();
    store.retry(TENANT, hastened, &by("ops")).await.unwrap();
    store.later(MINUTE).await;
    store.promote(ALL).await.unwrap();
    let child = claim(&store, 10).await;
    assert_eq!(child.len(), 1, "the other tenant's");
    store.end(&child[0], succeeded()).await;

    assert!(claim(&store, 10).await.is_empty());
    store.resume(&queue_of(TENANT), &by("ops")).await.unwrap();
    assert_eq!(claim(&store, 10).await.len(), 6);
}

async fn what_was_let_through_is_held_back_by_the_next_pause(store: Bed) {
    store.pause(&queue_of(TENANT), &by("ops")).await.unwrap();
    store.submit(job()).await;
    store.resume(&queue_of(TENANT), &by("ops")).await.unwrap();
    store.pause(&queue_of(TENANT), &by("ops")).await.unwrap();
    assert!(claim(&store, 10).await.is_empty());
    store.resume(&queue_of(TENANT), &by("ops")).await.unwrap();
    assert_eq!(claim(&store, 10).await.len(), 1);

    limit(&store, running(1)).await;
    store.insert(jobs_of(TENANT, 2)).await.unwrap();
    store.pause(&queue_of(TENANT), &by("ops")).await.unwrap();
    assert!(claim(&store, 10).await.is_empty());
}

async fn what_was_held_back_does_not_overtake(store: Bed) {
    store.pause(&queue_of("held"), &by("ops")).await.unwrap();
    store.insert(jobs_of("held", 100)).await.unwrap();
    store.insert(jobs_of("free", 300)).await.unwrap();
    assert_eq!(claim(&store, 200).await.len(), 200);

    store.resume(&queue_of("held"), &by("ops")).await.unwrap();

    let first = shares(&store, 40).await;
    assert!((19..=21).contains(&share(&first, "free")), "{first:?}");
}

async fn pausing_twice_keeps_who_was_first(store: Bed) {
    store.pause(&queue_of(TENANT), &by("first")).await.unwrap();
    store.later(MINUTE).await;
    store.pause(&queue_of(TENANT), &by("second")).await.unwrap();

    let pause = queue(&store, TENANT).await.pause.unwrap();
    assert_eq!(pause.by.as_deref(), Some("first"));
    store.resume(&queue_of(TENANT), &by("ops")).await.unwrap();
    assert_eq!(queue(&store, TENANT).await.pause, None);
}

async fn a_job_held_back_is_queued_and_can_be_cancelled(store: Bed) {
    store.pause(&queue_of(TENANT), &by("ops")).await.unwrap();
    let id = store.submit(job()).await;

    assert_eq!(store.state(id).await, State::Queued);
    assert_eq!(store.cancel(TENANT, id, &by("ops")).await.unwrap(), Some(true));
    store.resume(&queue_of(TENANT), &by("ops")).await.unwrap();
    assert!(claim(&store, 10).await.is_empty());
}

async fn limit(store: &Bed, quota: Quota) {
    store.limit(ROLE, TENANT, quota, &by("ops")).await.unwrap();
}

fn running(most: u32) -> Quota {
    Quota { max_running: Some(most), ..Quota::default() }
}

fn queued(most: u64) -> Quota {
    Quota { max_queued: Some(most), ..Quota::default() }
}

async fn no_more_runs_than_the_quota(store: Bed) {
    store.insert(jobs_of(TENANT, 3)).await.unwrap();
    let before = claim(&store, 1).await;
    limit(&store, running(2)).await;
    store.insert(jobs_of(TENANT, 3)).await.unwrap();
    store.insert(jobs_of("other", 3)).await.unwrap();

    let runs = claim(&store, 10).await;
    let own: Vec<_> = runs.iter().filter(|run| run.tenant_id == TENANT).collect();
    assert_eq!((own.len(), runs.len()), (1, 4), "one ran already");
    assert!(claim(&store, 10).await.is_empty());

    store.end(&before[0], succeeded()).await;
    assert_eq!(claim(&store, 10).await.len(), 1);
    store.end(own[0], retry_in(MINUTE)).await;
    assert_eq!(claim(&store, 10).await.len(), 1);
    assert!(claim(&store, 10).await.is_empty());
}

async fn a_quota_on_runs_lets_the_most_urgent_through_first(store: Bed) {
    limit(&store, running(1)).await;
    let first = store.submit(job()).await;
    store.submit(NewJob { priority: 9, ..job() }).await;
    let urgent = store.submit(NewJob { priority: 0, ..job() }).await;

    let run = claim(&store, 10).await.remove(0);
    assert_eq!(run.run.id, first, "it was let through before the others came");
    store.end(&run, succeeded()).await;
    assert_eq!(claim(&store, 10).await[0].run.id, urgent);
}

async fn a_quota_on_runs_holds_for_what_was_let_through_before(store: Bed) {
    store.pause(&queue_of(TENANT), &by("ops")).await.unwrap();
    store.insert(jobs_of(TENANT, 10)).await.unwrap();
    store.resume(&queue_of(TENANT), &by("ops")).await.unwrap();
    limit(&store, running(5)).await;
    limit(&store, running(2)).await;

    assert_eq!(claim(&store, 10).await.len(), 2);
    limit(&store, Quota::default()).await;
    assert_eq!(claim(&store, 10).await.len(), 8);
}

/// Whoever closed the gate died before it could look behind it.
async fn what_a_closing_gate_missed_is_found_however_late(store: Bed) {
    store.insert(jobs_of(TENANT, 3)).await.unwrap();
    store
        .sql
        .execute(
            "INSERT INTO queues (role, tenant_id, max_running, gated, unswept, gate_moved_at)
             SELECT 'orchestrator', 'acme', 2, TRUE, TRUE, min(created_at) FROM jobs",
        )
        .await
        .unwrap();
    store.later(10 * MINUTE).await;

    store.promote(ALL).await.unwrap();
    assert_eq!(claim(&store, 10).await.len(), 2);
}

async fn a_quota_on_runs_can_be_lifted(store: Bed) {
    limit(&store, running(1)).await;
    store.insert(jobs_of(TENANT, 5)).await.unwrap();
    assert_eq!(claim(&store, 10).await.len(), 1);
    limit(&store, running(3)).await;
    assert_eq!(claim(&store, 10).await.len(), 2);

    limit(&store, Quota::default()).await;
    assert_eq!(claim(&store, 10).await.len(), 2);
    store.insert(jobs_of(TENANT, 5)).await.unwrap();
    assert_eq!(claim(&store, 10).await.len(), 5);
}

async fn a_full_queue_refuses_and_stores_nothing(store: Bed) {
    limit(&store, queued(3)).await;
    let jobs = jobs_of(TENANT, 5);
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();

    let inserted = store.insert(jobs).await.unwrap();
    assert!(inserted[..3].iter().all(|inserted| matches!(inserted, Inserted::New { .. })), "{inserted:?}");
    assert_eq!(inserted[3..], [Inserted::QueueFull { max_queued: 3 }, Inserted::QueueFull { max_queued: 3 }]);
    assert!(store.job(TENANT, ids[4]).await.unwrap().is_none());

    let key = keyed("once", 1);
    assert_eq!(store.insert(vec![key]).await.unwrap(), [Inserted::QueueFull { max_queued: 3 }]);
    limit(&store, Quota::default()).await;
    let other = store.insert(vec![keyed("once", 2)]).await.unwrap();
    assert!(matches!(other[0], Inserted::New { .. }), "the refused request did not take the key: {other:?}");
    assert!(matches!(store.insert(jobs_of("other", 1)).await.unwrap()[0], Inserted::New { .. }));
}

async fn a_key_is_forgotten_in_a_bounded_queue_as_well(store: Bed) {
    limit(&store, queued(5)).await;
    store.submit(keyed("daily", 1)).await;
    store.later(25 * 60 * MINUTE).await;

    let other = store.insert(vec![keyed("daily", 2)]).await.unwrap();
    assert!(matches!(other[0], Inserted::New { .. }), "{other:?}");
}

async fn what_was_accepted_before_is_answered_though_the_queue_is_full(store: Bed) {
    limit(&store, queued(1)).await;
    let first = keyed("once", 1);
    let id = first.id;
    store.submit(first.clone()).await;

    let again = store.insert(vec![first, keyed("once", 1), keyed("once", 2), job()]).await.unwrap();
    assert!(matches!(again[0], Inserted::New { id: same, .. } if same == id), "{again:?}");
    assert_eq!(again[1..], [Inserted::Replayed { id }, Inserted::KeyReused, Inserted::QueueFull { max_queued: 1 }]);
}

async fn jobs_due_later_count_as_queued(store: Bed) {
    limit(&store, queued(2)).await;
    store.submit(NewJob { due: Due::In(MINUTE), ..job() }).await;
    store.submit(NewJob { due: Due::In(MINUTE), ..job() }).await;

    assert_eq!(store.insert(vec![job()]).await.unwrap(), [Inserted::QueueFull { max_queued: 2 }]);
}

async fn what_was_queued_before_a_quota_counts_too(store: Bed) {
    store.submit(NewJob { due: Due::In(MINUTE), ..job() }).await;
    store.submit(job()).await;
    for quota in [queued(2), queued(3), queued(2)] {
        limit(&store, quota).await;
    }

    assert_eq!(store.insert(vec![job()]).await.unwrap(), [Inserted::QueueFull { max_queued: 2 }]);
    limit(&store, queued(3)).await;
    let inserted = store.insert(vec![job(), job()]).await.unwrap();
    assert!(matches!(inserted[..], [Inserted::New { .. }, Inserted::QueueFull { max_queued: 3 }]), "{inserted:?}");
}

async fn a_child_is_never_refused(store: Bed) {
    let parent = store.start(job()).await;
    limit(&store, queued(1)).await;
    store.submit(job()).await;

    store.end(&parent, await_all(vec![child_of(&parent), child_of(&parent)])).await;
    assert_eq!(claim(&store, 10).await.len(), 3);
}

async fn a_full_queue_takes_jobs_again_once_some_are_gone(store: Bed) {
    limit(&store, queued(2)).await;
    store.insert(jobs_of(TENANT, 2)).await.unwrap();
    assert_eq!(store.insert(vec![job()]).await.unwrap(), [Inserted::QueueFull { max_queued: 2 }]);

    claim(&store, 1).await;
    store.later(2 * SECOND).await;
    let inserted = store.insert(vec![job(), job()]).await.unwrap();
    assert!(matches!(inserted[0], Inserted::New { .. }), "{inserted:?}");
    assert_eq!(inserted[1], Inserted::QueueFull { max_queued: 2 });
}

async fn queue(store: &Bed, tenant: &str) -> Queue {
    let queues = store.queues(tenant).await.unwrap();
    assert_eq!(queues.iter().map(|queue| queue.role).collect::<Vec<_>>(), Role::ALL);
    queues.into_iter().find(|queue| queue.role == ROLE).unwrap()
}

async fn queues_say_what_is_in_them(store: Bed) {
    assert_eq!(queue(&store, "nobody").await.ready, 0);
    store.insert(jobs_of(TENANT, 3)).await.unwrap();
    store.submit(job_of("other")).await;
    store.submit(NewJob { due: Due::In(10 * MINUTE), ..job() }).await;
    claim(&store, 1).await;
    limit(&store, Quota { max_queued: Some(7), max_running: Some(1) }).await;
    store.later(MINUTE).await;

    let own = queue(&store, TENANT).await;
    assert_eq!((own.ready, own.scheduled, own.running, own.at_least), (2, 1, 1, false));
    assert_eq!((own.quota, own.oldest_wait), (Quota { max_queued: Some(7), max_running: Some(1) }, MINUTE));
    assert_eq!((own.tenant_id.as_str(), own.pause, own.role_pause), (TENANT, None, None));
    let other = queue(&store, "other").await;
    assert_eq!((other.ready, other.running, other.quota), (1, 0, Quota::default()));
}

async fn queues_say_who_holds_them_back(store: Bed) {
    store.submit(job()).await;
    store.pause(&queue_of(TENANT), &by("ops@acme")).await.unwrap();
    store.pause(&whole_role(), &by("ops")).await.unwrap();

    let paused = |by: &str| Some(Pause { by: Some(by.into()), at: Some(store.clock.now()) });
    let own = queue(&store, TENANT).await;
    assert_eq!((own.pause, own.role_pause, own.ready), (paused("ops@acme"), paused("ops"), 1));
    let other = queue(&store, "other").await;
    assert_eq!((other.pause, other.role_pause), (None, paused("ops")));
    let elsewhere = store.queues(TENANT).await.unwrap().into_iter().find(|queue| queue.role != ROLE).unwrap();
    assert_eq!((elsewhere.pause, elsewhere.role_pause), (None, None));
}

/// Nor does a backlog hide a tenant that has little: the order of claims puts its jobs first.
async fn a_queue_is_counted_so_far_and_no_further(store: Bed) {
    let most = LOOKED_AT as usize;
    for _ in 0..most / 2_000 {
        store.insert(jobs_of("big", 2_000)).await.unwrap();
    }
    store.insert(jobs_of("small", 3)).await.unwrap();
    store.insert((0..5).map(|_| NewJob { priority: 9, ..job_of("small") }).collect()).await.unwrap();

    let (big, small) = (queue(&store, "big").await, queue(&store, "small").await);
    assert_eq!((big.ready, big.at_least), (most as u64 - 3, true));
    assert_eq!((small.ready, small.at_least), (8, true));

    store.pause(&queue_of("big"), &by("ops")).await.unwrap();
    let (big, small) = (queue(&store, "big").await, queue(&store, "small").await);
    assert_eq!((big.ready, big.at_least, small.ready, small.at_least), (most as u64, true, 8, false));
}
