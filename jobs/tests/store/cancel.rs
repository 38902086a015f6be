//! What users call off.

use std::time::Duration;

use golden_jobs::{
    JobId, Role, State,
    outcome::Verdict,
    store::{Due, NewJob},
};

use crate::{
    bed::{ALL, Bed, Sql},
    behind_pgbouncer, both_stores,
    given::{
        MINUTE, SECOND, TENANT, any_letter, await_all, by, child_of, dead, job, job_with_callback, retry_in, succeeded,
    },
};

both_stores! {
    what_waits_for_its_time_ends_at_once
    a_waiting_parent_ends_with_its_children
    what_a_parent_makes_while_it_is_cancelled_ends_with_it
    a_running_job_is_asked_to_stop
    a_run_asked_to_stop_ends_cancelled_whatever_else_it_wanted
    a_run_that_succeeds_or_dies_anyway_has_done_so
    a_run_asked_to_stop_starts_no_children
    a_cancelled_child_lets_its_parent_go_on
    what_is_over_stays_as_it_is
    a_job_that_does_not_exist_is_nobodys
    only_the_worker_of_a_run_is_told
}

behind_pgbouncer! {
    a_waiting_parent_ends_with_its_children
}

async fn assert_cancelled_at_once(store: &Bed, id: JobId) {
    assert_eq!(store.cancel(TENANT, id, &by("ops")).await.unwrap(), Some(true));

    let read = store.record(id).await;
    assert_eq!((read.state, read.finished_at), (State::Cancelled, Some(store.clock.now())));
    assert_eq!(store.events_of(id).await, ["job.cancelled"]);
    store.later(MINUTE * 60).await;
    assert!(store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().is_empty());
}

async fn what_waits_for_its_time_ends_at_once(store: Bed) {
    let queued = store.submit(job_with_callback()).await;
    assert_cancelled_at_once(&store, queued).await;

    let scheduled = store.submit(NewJob { due: Due::In(MINUTE), ..job_with_callback() }).await;
    assert_cancelled_at_once(&store, scheduled).await;

    let due = store.submit(NewJob { due: Due::In(MINUTE), ..job_with_callback() }).await;
    store.later(MINUTE).await;
    assert_cancelled_at_once(&store, due).await;

    let retrying = store.through(job_with_callback(), retry_in(MINUTE)).await;
    assert_cancelled_at_once(&store, retrying).await;
    assert_eq!(store.record(retrying).await.attempt, 1);
}

async fn a_waiting_parent_ends_with_its_children(store: Bed) {
    let parent = store.start(job_with_callback()).await;
    let child = || NewJob { role: Role::Sandbox, ..child_of(&parent) };
    let later = NewJob { due: Due::In(MINUTE), ..child() };
    let [later_id, first, second, third] = [later.id, JobId::new(), JobId::new(), JobId::new()];
    let children = [first, second, third].map(|id| NewJob { id, ..child() });
    store.end(&parent, await_all(children.into_iter().chain([later]).collect())).await;
    // One has ended, one waits for a child of its own, one runs, one is due later.
    let runs = store.claim(Role::Sandbox, ALL, store.worker).await.unwrap();
    let run_of = |id| runs.iter().find(|run| run.run.id == id).unwrap();
    store.end(run_of(first), succeeded()).await;
    let grandchild = NewJob { parent_id: Some(second), ..job() };
    let grandchild_id = grandchild.id;
    store.end(run_of(second), await_all(vec![grandchild])).await;

    assert_eq!(store.cancel(TENANT, parent.run.id, &by("ops")).await.unwrap(), Some(true));

    for id in [parent.run.id, second, later_id, grandchild_id] {
        assert_eq!(store.state(id).await, State::Cancelled);
    }
    assert_eq!(store.state(first).await, State::Succeeded);
    let read = store.record(third).await;
    assert_eq!((read.state, read.cancel_requested), (State::Running, true));
    store.end(run_of(third), Verdict::Release).await;
    assert_eq!(store.state(third).await, State::Cancelled);
    assert_eq!(store.state(parent.run.id).await, State::Cancelled, "it is not resumed by its last child");
    assert_eq!(store.events().await, [(parent.run.id, "job.cancelled".to_owned())]);
}

/// It may be let go on, run and wait for others, all while its cancellation waits for somebody who has a child's row.
async fn what_a_parent_makes_while_it_is_cancelled_ends_with_it(store: Bed) {
    let parent = store.start(job()).await;
    let (id, first, second) = (parent.run.id, child_of(&parent), child_of(&parent));
    store.end(&parent, await_all(vec![NewJob { role: Role::Sandbox, ..first.clone() }])).await;
    let hold = match &store.sql {
        Sql::Postgres(pool) => {
            let mut hold = pool.begin().await.unwrap();
            let lock = sqlx::query("SELECT 1 FROM ready WHERE id = $1 FOR UPDATE").bind(first.id.0);
            assert_eq!(lock.execute(&mut *hold).await.unwrap().rows_affected(), 1);
            Some(hold)
        }
        Sql::Sqlite(_) => None,
    };
    let cancels = {
        let store = store.clone();
        tokio::spawn(async move { store.cancel(TENANT, id, &by("ops")).await.unwrap() })
    };
    if let Some(hold) = hold {
        store.waiting_for_locks(1).await;
        assert_eq!(store.resume_jobs(&[id]).await.unwrap(), [id]);
        let again = store.claim_one(Role::Orchestrator).await;
        store.end(&again, await_all(vec![second])).await;
        hold.rollback().await.unwrap();
    }
    assert_eq!(cancels.await.unwrap(), Some(true));
    assert_eq!((store.state(id).await, store.state(first.id).await), (State::Cancelled, State::Cancelled));
    assert!(store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().is_empty(), "nothing of it goes on");
}

async fn a_running_job_is_asked_to_stop(store: Bed) {
    let run = store.start(job_with_callback()).await;

    assert_eq!(store.cancel(TENANT, run.run.id, &by("ops")).await.unwrap(), Some(true));
    assert_eq!(store.cancel(TENANT, run.run.id, &by("ops")).await.unwrap(), Some(true), "asking again does no harm");

    let read = store.record(run.run.id).await;
    assert_eq!((read.state, read.cancel_requested), (State::Running, true));
    assert_eq!(asked_to_stop(&store, store.worker).await, [run.run]);
    assert_eq!(store.events().await, []);
    store.end(&run, Verdict::Cancelled).await;
    let read = store.record(run.run.id).await;
    assert_eq!((read.state, read.cancel_requested), (State::Cancelled, false));
    assert_eq!(asked_to_stop(&store, store.worker).await, []);
    assert_eq!(store.events().await, [(run.run.id, "job.cancelled".to_owned())]);
}

async fn a_run_asked_to_stop_ends_cancelled_whatever_else_it_wanted(store: Bed) {
    let verdicts = [
        retry_in(Duration::ZERO),
        retry_in(SECOND),
        Verdict::Snooze { delay: SECOND },
        Verdict::Release,
        await_all(vec![]),
        Verdict::Lost { dead: false },
    ];
    for verdict in verdicts {
        let asked = format!("{verdict:?}");
        let run = store.start(job_with_callback()).await;
        store.cancel(TENANT, run.run.id, &by("ops")).await.unwrap();

        store.end(&run, verdict).await;

        assert_eq!(store.state(run.run.id).await, State::Cancelled, "{asked}");
        assert_eq!(store.outcomes(run.run.id).await, ["cancelled"], "{asked}");
        store.later(MINUTE).await;
        assert!(store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().is_empty(), "{asked}");
        assert_eq!(store.events_of(run.run.id).await, ["job.cancelled"], "{asked}");
    }
}

async fn a_run_that_succeeds_or_dies_anyway_has_done_so(store: Bed) {
    let expected = [State::Succeeded, State::Dead, State::Dead];
    for (verdict, expected) in [succeeded(), dead(), Verdict::Lost { dead: true }].into_iter().zip(expected) {
        let run = store.start(job_with_callback()).await;
        store.cancel(TENANT, run.run.id, &by("ops")).await.unwrap();

        store.end(&run, verdict).await;

        let read = store.record(run.run.id).await;
        assert_eq!((read.state, read.cancel_requested), (expected, false));
        assert_eq!(store.events_of(run.run.id).await, [format!("job.{expected}")]);
    }
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 2);
}

async fn a_run_asked_to_stop_starts_no_children(store: Bed) {
    let run = store.start(job()).await;
    store.cancel(TENANT, run.run.id, &by("ops")).await.unwrap();

    store.end(&run, await_all(vec![child_of(&run), child_of(&run)])).await;

    assert_eq!(store.state(run.run.id).await, State::Cancelled);
    assert!(store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().is_empty());
}

async fn a_cancelled_child_lets_its_parent_go_on(store: Bed) {
    let parent = store.start(job()).await;
    let child = NewJob { role: Role::Sandbox, ..child_of(&parent) };
    let id = child.id;
    store.end(&parent, await_all(vec![child])).await;

    assert_eq!(store.cancel(TENANT, id, &by("ops")).await.unwrap(), Some(true));

    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, parent.run.id);
}

async fn what_is_over_stays_as_it_is(store: Bed) {
    let expected = [State::Succeeded, State::Dead, State::Cancelled];
    for (verdict, expected) in [succeeded(), dead(), Verdict::Cancelled].into_iter().zip(expected) {
        let id = store.through(job_with_callback(), verdict).await;
        assert_eq!(store.cancel(TENANT, id, &by("ops")).await.unwrap(), Some(false));
        assert_eq!(store.state(id).await, expected);
    }
    assert_eq!(store.events().await.len(), 3);
}

async fn a_job_that_does_not_exist_is_nobodys(store: Bed) {
    assert_eq!(store.cancel(TENANT, JobId::new(), &by("ops")).await.unwrap(), None);
}

async fn only_the_worker_of_a_run_is_told(store: Bed) {
    let run = store.start(job()).await;
    let other = golden_jobs::WorkerId::new();
    store.submit(job()).await;
    let others = store.claim(Role::Orchestrator, ALL, other).await.unwrap();

    store.cancel(TENANT, others[0].run.id, &by("ops")).await.unwrap();

    assert_eq!(asked_to_stop(&store, store.worker).await, []);
    assert_eq!(asked_to_stop(&store, other).await, [others[0].run]);
    store.end(&run, succeeded()).await;
}

/// The runs of a worker whose jobs were cancelled.
async fn asked_to_stop(store: &Bed, worker: golden_jobs::WorkerId) -> Vec<golden_jobs::store::Run> {
    let held = store.held(worker).await.unwrap();
    held.into_iter().filter(|held| held.cancel).map(|held| held.run).collect()
}
