//! A job that somebody runs again.

use golden_jobs::{
    JobId, Role, State,
    outcome::Verdict,
    store::{Due, NewJob, Retried},
};

use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{MINUTE, TENANT, any_letter, await_all, by, child_of, dead, everything, job, replay, retry_in, succeeded},
};

both_stores! {
    a_dead_job_runs_again_with_fresh_attempts
    a_cancelled_job_runs_again
    what_is_due_later_runs_now
    there_is_nothing_to_retry_in_other_states
    a_job_that_does_not_exist_is_not_retried
    many_at_once_requeue_a_job_once
}

async fn retry(store: &Bed, id: JobId) -> Retried {
    store.retry(TENANT, id, &by("ops@acme")).await.unwrap()
}

async fn a_dead_job_runs_again_with_fresh_attempts(store: Bed) {
    let id = store.through(NewJob { max_attempts: 2, ..job() }, retry_in(MINUTE)).await;
    store.later(MINUTE).await;
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, dead()).await;
    store.clock.advance(MINUTE);

    assert_eq!(retry(&store, id).await, Retried::Requeued);

    let read = store.record(id).await;
    assert_eq!((read.state, read.attempt, read.finished_at), (State::Queued, 0, None));
    assert_eq!(read.run_at, store.clock.now());
    let filter = golden_jobs::store::DeadLetterFilter { include_resolved: true, ..any_letter() };
    let letter = store.dead_letters(&filter, everything()).await.unwrap().letters.remove(0);
    assert_eq!((letter.resolved, letter.resolution.as_deref()), (true, Some("replayed")));
    assert_eq!(letter.resolved_by.as_deref(), Some("ops@acme"));
    assert_eq!(letter.resolved_at, Some(store.clock.now()));
    assert!(store.replay(&replay(any_letter()), ALL).await.unwrap().is_empty());

    let run = store.claim_one(Role::Orchestrator).await;
    assert_eq!((run.attempt, run.max_attempts), (1, 2));
    assert_eq!(store.outcomes(id).await, ["retry", "dead", "running"]);
}

async fn a_cancelled_job_runs_again(store: Bed) {
    let id = store.submit(job()).await;
    store.cancel(TENANT, id, &by("ops")).await.unwrap();

    assert_eq!(retry(&store, id).await, Retried::Requeued);

    let run = store.claim_one(Role::Orchestrator).await;
    assert_eq!((run.run.id, run.attempt), (id, 1));
    assert!(!store.record(id).await.cancel_requested);
    store.end(&run, retry_in(MINUTE)).await;
    assert_eq!(store.state(id).await, State::Retrying);
}

async fn what_is_due_later_runs_now(store: Bed) {
    let scheduled = store.submit(NewJob { due: Due::In(MINUTE), ..job() }).await;
    assert_eq!(retry(&store, scheduled).await, Retried::Requeued);
    assert_eq!(store.record(scheduled).await.run_at, store.clock.now());
    assert_eq!(store.claim_one(Role::Orchestrator).await.attempt, 1);

    let retrying = store.through(job(), retry_in(MINUTE)).await;
    assert_eq!(retry(&store, retrying).await, Retried::Requeued);
    assert_eq!(store.state(retrying).await, State::Queued);
    // It was not dead: its attempts go on counting.
    assert_eq!(store.claim_one(Role::Orchestrator).await.attempt, 2);
}

async fn there_is_nothing_to_retry_in_other_states(store: Bed) {
    let run = store.start(job()).await;
    assert_eq!(retry(&store, run.run.id).await, Retried::NotNow(State::Running));

    store.end(&run, await_all(vec![child_of(&run)])).await;
    assert_eq!(retry(&store, run.run.id).await, Retried::NotNow(State::Waiting));

    let child = store.claim_one(Role::Orchestrator).await;
    store.end(&child, succeeded()).await;
    assert_eq!(retry(&store, child.run.id).await, Retried::NotNow(State::Succeeded));
    assert_eq!(retry(&store, run.run.id).await, Retried::NotNow(State::Queued));

    let due = store.submit(NewJob { due: Due::In(MINUTE), role: Role::Sandbox, ..job() }).await;
    store.later(MINUTE).await;
    assert_eq!(retry(&store, due).await, Retried::NotNow(State::Queued));
    store.claim_one(Role::Sandbox).await;
    store.claim_one(Role::Orchestrator).await;
}

async fn a_job_that_does_not_exist_is_not_retried(store: Bed) {
    assert_eq!(retry(&store, JobId::new()).await, Retried::NoSuchJob);
}

async fn many_at_once_requeue_a_job_once(store: Bed) {
    for verdict in [dead(), Verdict::Cancelled, retry_in(MINUTE)] {
        let id = store.through(job(), verdict).await;
        let asked: Vec<_> = (0..10)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { retry(&store, id).await })
            })
            .collect();
        let mut requeued = 0;
        for answer in asked {
            requeued += usize::from(answer.await.unwrap() == Retried::Requeued);
        }
        assert_eq!(requeued, 1);
        let run = store.claim_one(Role::Orchestrator).await;
        store.end(&run, succeeded()).await;
    }
}
