//! Who gets which job.

use std::collections::HashSet;

use golden_jobs::{
    Role, State, WorkerId,
    outcome::Verdict,
    store::{Due, NewJob},
};

use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{MINUTE, SECOND, job, json, succeeded},
};

both_stores! {
    the_most_urgent_come_first_then_the_oldest
    a_claim_takes_no_more_than_its_limit
    a_claim_leaves_other_roles_alone
    a_claim_says_all_that_the_run_needs
    a_claimed_job_shows_as_running
    every_claim_takes_a_greater_lease
    many_claimers_never_share_a_job
}

async fn the_most_urgent_come_first_then_the_oldest(store: Bed) {
    let mut jobs: Vec<_> = [5, 0, 9, 5, 0, 1].map(|priority| NewJob { priority, ..job() }).into();
    store.insert(jobs.clone()).await.unwrap();

    let mut claimed = Vec::new();
    for _ in 0..3 {
        claimed.extend(store.claim(Role::Orchestrator, 2, store.worker).await.unwrap());
    }

    jobs.sort_by_key(|job| (job.priority, job.id));
    let expected: Vec<_> = jobs.into_iter().map(|job| job.id).collect();
    let order: Vec<_> = claimed.into_iter().map(|claimed| claimed.run.id).collect();
    assert_eq!(order, expected);
}

async fn a_claim_takes_no_more_than_its_limit(store: Bed) {
    store.insert((0..5).map(|_| job()).collect()).await.unwrap();

    for expected in [2, 2, 1, 0] {
        assert_eq!(store.claim(Role::Orchestrator, 2, store.worker).await.unwrap().len(), expected);
    }
}

async fn a_claim_leaves_other_roles_alone(store: Bed) {
    for role in Role::ALL {
        store.submit(NewJob { role, ..job() }).await;
    }
    for role in Role::ALL {
        assert_eq!(store.claim_one(role).await.role, role);
    }
}

async fn a_claim_says_all_that_the_run_needs(store: Bed) {
    let parent = store.submit(NewJob { role: Role::Webhook, ..job() }).await;
    let given = NewJob {
        tenant_id: "globex".into(),
        kind: "sandbox.run".into(),
        role: Role::Sandbox,
        payload: json(r#"{"n":1}"#),
        max_attempts: 3,
        timeout: MINUTE * 2,
        due: Due::In(MINUTE),
        parent_id: Some(parent),
        ..job()
    };
    store.submit(given.clone()).await;
    let due = store.clock.now() + MINUTE;
    store.later(MINUTE + SECOND).await;

    let run = store.claim_one(Role::Sandbox).await;

    assert_eq!((run.run.id, run.tenant_id.as_str(), run.kind.as_str()), (given.id, "globex", "sandbox.run"));
    assert_eq!((run.role, run.attempt, run.max_attempts), (Role::Sandbox, 1, 3));
    assert_eq!((run.timeout, run.payload.get()), (MINUTE * 2, r#"{"n":1}"#));
    assert_eq!(run.parent_id, Some(parent));
    assert!(run.checkpoint.is_none());
    assert_eq!((run.run_at, run.claimed_at), (due, store.clock.now()));
}

async fn a_claimed_job_shows_as_running(store: Bed) {
    let id = store.submit(job()).await;
    store.clock.advance(SECOND);
    store.claim_one(Role::Orchestrator).await;

    let read = store.record(id).await;
    assert_eq!((read.state, read.attempt), (State::Running, 1));
    assert_eq!(read.worker_id, Some(store.worker));
    assert_eq!(read.started_at, Some(store.clock.now()));
    assert_eq!(store.outcomes(id).await, ["running"]);
}

async fn every_claim_takes_a_greater_lease(store: Bed) {
    let mut last = store.start(job()).await;
    for _ in 0..5 {
        store.end(&last, Verdict::Release).await;
        let next = store.claim_one(Role::Orchestrator).await;
        assert!(next.run.lease > last.run.lease);
        last = next;
    }
    store.end(&last, succeeded()).await;
}

async fn many_claimers_never_share_a_job(store: Bed) {
    const JOBS: usize = 400;
    store.insert((0..JOBS).map(|_| job()).collect()).await.unwrap();

    let claimers: Vec<_> = (0..8)
        .map(|_| {
            let (store, worker) = (store.clone(), WorkerId::new());
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claimed = store.claim(Role::Orchestrator, 7, worker).await.unwrap();
                    if claimed.is_empty() {
                        return mine;
                    }
                    mine.extend(claimed.into_iter().map(|claimed| claimed.run));
                }
            })
        })
        .collect();
    let mut runs = Vec::new();
    for claimer in claimers {
        runs.extend(claimer.await.unwrap());
    }

    // A claimer may step over rows that another one is taking: what is left is nobody's.
    let left = store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap();
    runs.extend(left.into_iter().map(|claimed| claimed.run));
    assert_eq!(runs.len(), JOBS);
    assert_eq!(runs.iter().map(|run| run.id).collect::<HashSet<_>>().len(), JOBS);
    assert_eq!(runs.iter().map(|run| run.lease).collect::<HashSet<_>>().len(), JOBS);
}
