//! A job waits for others.

use golden_jobs::{
    JobId, Role, State,
    outcome::Verdict,
    store::{Claimed, Due, NewJob, Retried, RunEnd},
};

use crate::{
    bed::{ALL, Bed, Sql},
    behind_pgbouncer, both_stores,
    given::{
        MINUTE, TENANT, any_letter, await_all, by, child_of, dead, job, job_of, json, keyed, replay, retry_in,
        succeeded,
    },
};

both_stores! {
    a_parent_goes_on_from_its_checkpoint_when_the_last_child_ends
    a_child_that_dies_or_is_cancelled_has_ended_too
    a_child_that_fails_and_is_tried_again_has_not_ended
    children_that_end_together_resume_their_parent_once
    children_that_end_at_the_same_time_resume_their_parent_once
    a_parent_without_children_goes_on_at_once
    a_child_need_not_name_its_parent
    a_child_named_twice_counts_once
    awaiting_jobs_that_ended_before_does_not_wait_for_ever
    a_child_may_be_due_later
    a_child_may_wait_for_children_of_its_own
    a_job_may_wait_more_than_once
    children_are_listed_oldest_first
    a_replayed_child_does_not_count_again
    a_child_of_an_earlier_life_does_not_count
    a_retried_parent_is_not_resumed_by_its_former_children
    children_are_told_apart_by_their_ids_alone
    a_job_of_nobody_is_adopted
    a_job_of_another_is_not_waited_for
    a_job_does_not_wait_for_itself
    jobs_that_wait_for_each_other_can_be_cancelled
    a_child_that_ends_while_it_is_adopted_does_not_leave_its_parent_waiting
    batches_that_share_parents_do_not_lock_each_other_out
}

behind_pgbouncer! {
    children_that_end_at_the_same_time_resume_their_parent_once
}

/// A job that waits for `count` children, all claimed: the parent's id and the children's runs.
async fn family(store: &Bed, count: usize) -> (JobId, Vec<Claimed>) {
    let parent = store.start(job()).await;
    let children = (0..count).map(|_| NewJob { role: Role::Sandbox, ..child_of(&parent) }).collect();
    store.end(&parent, await_all(children)).await;
    let runs = store.claim(Role::Sandbox, ALL, store.worker).await.unwrap();
    assert_eq!(runs.len(), count);
    (parent.run.id, runs)
}

async fn a_parent_goes_on_from_its_checkpoint_when_the_last_child_ends(store: Bed) {
    let parent = store.start(NewJob { max_attempts: 1, ..job() }).await;
    let children = vec![child_of(&parent), child_of(&parent)];
    store.end(&parent, Verdict::Await { children, checkpoint: Some(json(r#"{"step":2}"#)), until: None }).await;
    let read = store.record(parent.run.id).await;
    assert_eq!((read.state, read.attempt), (State::Waiting, 0));

    let children = store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap();
    assert_eq!(children.len(), 2, "the parent holds no worker and is not claimable");
    assert!(children.iter().all(|child| child.parent_id == Some(parent.run.id)));
    store.end(&children[0], succeeded()).await;
    assert_eq!(store.state(parent.run.id).await, State::Waiting);
    store.clock.advance(MINUTE);
    store.end(&children[1], succeeded()).await;

    let resumed = store.claim_one(Role::Orchestrator).await;
    assert_eq!((resumed.run.id, resumed.attempt), (parent.run.id, 1));
    assert_eq!(resumed.checkpoint.as_deref().unwrap().get(), r#"{"step":2}"#);
    assert_eq!(resumed.run_at, store.clock.now());
    store.end(&resumed, succeeded()).await;
    assert_eq!(store.state(parent.run.id).await, State::Succeeded);
}

async fn a_child_that_dies_or_is_cancelled_has_ended_too(store: Bed) {
    let (parent, runs) = family(&store, 5).await;
    store.end(&runs[0], dead()).await;
    store.end(&runs[1], Verdict::Lost { dead: true }).await;
    store.end(&runs[2], Verdict::Cancelled).await;
    store.end(&runs[3], Verdict::Release).await;
    assert_eq!(store.state(parent).await, State::Waiting);

    store.cancel(TENANT, runs[3].run.id, &by("ops")).await.unwrap();
    store.cancel(TENANT, runs[4].run.id, &by("ops")).await.unwrap();
    assert_eq!(store.state(parent).await, State::Waiting, "the last one still runs");
    store.end(&runs[4], retry_in(MINUTE)).await;

    assert_eq!(store.state(parent).await, State::Queued);
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, parent);
}

async fn a_child_that_fails_and_is_tried_again_has_not_ended(store: Bed) {
    let (parent, runs) = family(&store, 1).await;
    store.end(&runs[0], retry_in(MINUTE)).await;
    assert_eq!(store.state(parent).await, State::Waiting);

    store.later(MINUTE).await;
    let run = store.claim_one(Role::Sandbox).await;
    store.end(&run, Verdict::Lost { dead: false }).await;
    assert_eq!(store.state(parent).await, State::Waiting);

    let run = store.claim_one(Role::Sandbox).await;
    store.end(&run, succeeded()).await;
    assert_eq!(store.state(parent).await, State::Queued);
}

async fn children_that_end_together_resume_their_parent_once(store: Bed) {
    let (parent, runs) = family(&store, 4).await;
    let verdicts = [succeeded(), dead(), succeeded(), Verdict::Cancelled];

    let ends = runs.iter().zip(verdicts).map(|(run, verdict)| RunEnd { run: run.run, role: run.role, verdict });
    assert_eq!(store.finish(ends.collect()).await.unwrap(), []);

    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, parent);
}

async fn children_that_end_at_the_same_time_resume_their_parent_once(store: Bed) {
    let (parent, runs) = family(&store, 20).await;

    let ends: Vec<_> = runs
        .into_iter()
        .enumerate()
        .map(|(n, run)| {
            let store = store.clone();
            tokio::spawn(async move { store.end(&run, if n % 2 == 0 { succeeded() } else { dead() }).await })
        })
        .collect();
    for end in ends {
        end.await.unwrap();
    }

    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, parent);
}

async fn a_parent_without_children_goes_on_at_once(store: Bed) {
    let run = store.start(job()).await;

    store.end(&run, Verdict::Await { children: vec![], checkpoint: Some(json("7")), until: None }).await;

    let resumed = store.claim_one(Role::Orchestrator).await;
    assert_eq!((resumed.run.id, resumed.attempt), (run.run.id, 1));
    assert_eq!(resumed.checkpoint.unwrap().get(), "7");
}

async fn a_child_need_not_name_its_parent(store: Bed) {
    let parent = store.start(job()).await;
    let child = NewJob { role: Role::Sandbox, ..job() };
    store.end(&parent, await_all(vec![child.clone()])).await;

    let run = store.claim_one(Role::Sandbox).await;
    assert_eq!(run.parent_id, Some(parent.run.id));
    store.end(&run, succeeded()).await;

    assert_eq!(store.children(parent.run.id).await.unwrap().len(), 1);
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, parent.run.id);
}

async fn a_child_named_twice_counts_once(store: Bed) {
    let parent = store.start(job()).await;
    let child = NewJob { role: Role::Sandbox, ..child_of(&parent) };
    store.end(&parent, await_all(vec![child.clone(), child])).await;

    let run = store.claim_one(Role::Sandbox).await;
    store.end(&run, succeeded()).await;

    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, parent.run.id);
}

/// A handler that names its children itself may name them again in a later run.
async fn awaiting_jobs_that_ended_before_does_not_wait_for_ever(store: Bed) {
    let parent = store.start(job()).await;
    let child = NewJob { role: Role::Sandbox, ..child_of(&parent) };
    store.end(&parent, await_all(vec![child.clone()])).await;
    let run = store.claim_one(Role::Sandbox).await;
    store.end(&run, succeeded()).await;
    let parent = store.claim_one(Role::Orchestrator).await;

    store.end(&parent, await_all(vec![child.clone()])).await;

    assert_eq!(store.state(child.id).await, State::Succeeded);
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, parent.run.id);
}

async fn a_child_may_be_due_later(store: Bed) {
    let parent = store.start(job()).await;
    let child = NewJob { due: Due::In(MINUTE), ..child_of(&parent) };
    let id = child.id;
    store.end(&parent, await_all(vec![child])).await;
    assert_eq!(store.state(id).await, State::Scheduled);

    store.later(MINUTE).await;
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, succeeded()).await;

    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, parent.run.id);
}

async fn a_child_may_wait_for_children_of_its_own(store: Bed) {
    let (parent, runs) = family(&store, 1).await;
    let grandchild = NewJob { role: Role::Webhook, ..child_of(&runs[0]) };
    store.end(&runs[0], await_all(vec![grandchild])).await;
    let run = store.claim_one(Role::Webhook).await;
    store.end(&run, succeeded()).await;
    assert_eq!(store.state(parent).await, State::Waiting);

    let child = store.claim_one(Role::Sandbox).await;
    store.end(&child, succeeded()).await;

    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, parent);
}

async fn a_job_may_wait_more_than_once(store: Bed) {
    let mut parent = store.start(job()).await;
    for _ in 0..3 {
        store.end(&parent, await_all(vec![NewJob { role: Role::Sandbox, ..child_of(&parent) }])).await;
        let child = store.claim_one(Role::Sandbox).await;
        store.end(&child, succeeded()).await;
        parent = store.claim_one(Role::Orchestrator).await;
        assert_eq!(parent.attempt, 1);
    }
    assert_eq!(store.children(parent.run.id).await.unwrap().len(), 3);
}

async fn children_are_listed_oldest_first(store: Bed) {
    let parent = store.start(job()).await;
    let children: Vec<_> = [3, 9, 0].map(|priority| NewJob { priority, ..child_of(&parent) }).into();
    let ids: Vec<_> = children.iter().map(|child| child.id).collect();
    store.end(&parent, await_all(children)).await;
    let runs = store.claim(Role::Orchestrator, 1, store.worker).await.unwrap();
    store.end(&runs[0], Verdict::Succeeded { result: Some(json("1")) }).await;

    let listed = store.children(parent.run.id).await.unwrap();

    assert_eq!(listed.iter().map(|child| child.id).collect::<Vec<_>>(), ids);
    assert_eq!(listed[2].result.as_ref().unwrap().get(), "1");
    assert!(store.children(ids[0]).await.unwrap().is_empty());
}

async fn a_replayed_child_does_not_count_again(store: Bed) {
    let (parent, runs) = family(&store, 2).await;
    store.end(&runs[0], dead()).await;
    assert_eq!(store.replay(&replay(any_letter()), ALL).await.unwrap(), [runs[0].run.id]);

    let again = store.claim_one(Role::Sandbox).await;
    store.end(&again, succeeded()).await;
    assert_eq!(store.state(parent).await, State::Waiting, "the other child has not ended");

    store.end(&runs[1], succeeded()).await;
    assert_eq!(store.state(parent).await, State::Queued);
}

/// A child that was asked to stop may end after its parent was put back to work.
async fn a_child_of_an_earlier_life_does_not_count(store: Bed) {
    let (parent, former) = family(&store, 1).await;
    store.cancel(TENANT, parent, &by("ops")).await.unwrap();
    assert_eq!(store.state(parent).await, State::Cancelled);
    assert_eq!(store.retry(TENANT, parent, &by("ops")).await.unwrap(), Retried::Requeued);
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, await_all(vec![NewJob { role: Role::Webhook, ..child_of(&run) }])).await;

    store.end(&former[0], Verdict::Cancelled).await;
    assert_eq!(store.state(parent).await, State::Waiting, "its new child has not ended");

    let child = store.claim_one(Role::Webhook).await;
    store.end(&child, succeeded()).await;
    assert_eq!(store.state(parent).await, State::Queued);
}

async fn a_retried_parent_is_not_resumed_by_its_former_children(store: Bed) {
    let (parent, former) = family(&store, 1).await;
    store.cancel(TENANT, parent, &by("ops")).await.unwrap();
    assert_eq!(store.retry(TENANT, parent, &by("ops")).await.unwrap(), Retried::Requeued);

    store.end(&former[0], Verdict::Cancelled).await;

    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, parent);
}

/// An idempotency key makes a submission safe to repeat; the end of a run cannot be repeated.
async fn children_are_told_apart_by_their_ids_alone(store: Bed) {
    let parent = store.start(job()).await;
    let child = || NewJob { role: Role::Sandbox, parent_id: Some(parent.run.id), ..keyed("k", 1) };
    store.end(&parent, await_all(vec![child(), child()])).await;

    let runs = store.claim(Role::Sandbox, ALL, store.worker).await.unwrap();
    assert_eq!(runs.len(), 2);
    store.end(&runs[0], succeeded()).await;
    assert_eq!(store.state(parent.run.id).await, State::Waiting);
    store.end(&runs[1], succeeded()).await;
    assert_eq!(store.state(parent.run.id).await, State::Queued);
    store.submit(keyed("k", 2)).await;
}

async fn a_job_of_nobody_is_adopted(store: Bed) {
    let known = NewJob { role: Role::Sandbox, ..job() };
    store.submit(known.clone()).await;
    let parent = store.start(job()).await;
    let fresh = NewJob { role: Role::Webhook, ..child_of(&parent) };
    store.end(&parent, await_all(vec![known.clone(), fresh.clone(), known.clone()])).await;
    assert_eq!(store.record(known.id).await.parent_id, Some(parent.run.id));

    let run = store.claim_one(Role::Sandbox).await;
    store.end(&run, succeeded()).await;
    assert_eq!(store.state(parent.run.id).await, State::Waiting, "the other child has not ended");

    let run = store.claim_one(Role::Webhook).await;
    store.end(&run, succeeded()).await;
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, parent.run.id);
}

async fn a_job_of_another_is_not_waited_for(store: Bed) {
    let (other_parent, runs) = family(&store, 1).await;
    let others_child = NewJob { id: runs[0].run.id, ..job() };
    let foreign = NewJob { role: Role::Webhook, ..job_of("globex") };
    store.submit(foreign.clone()).await;
    let parent = store.start(job()).await;
    let foreign_by_name = NewJob { role: Role::Webhook, parent_id: Some(parent.run.id), ..job_of("globex") };
    store.submit(foreign_by_name.clone()).await;

    store.end(&parent, await_all(vec![others_child, foreign.clone(), foreign_by_name])).await;

    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, parent.run.id);
    assert_eq!(store.job("globex", foreign.id).await.unwrap().unwrap().parent_id, None);
    assert_eq!(store.record(runs[0].run.id).await.parent_id, Some(other_parent));
    for run in store.claim(Role::Webhook, ALL, store.worker).await.unwrap() {
        store.end(&run, succeeded()).await;
    }
    store.end(&runs[0], succeeded()).await;
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, other_parent);
}

async fn a_job_does_not_wait_for_itself(store: Bed) {
    let run = store.start(job()).await;

    store.end(&run, await_all(vec![NewJob { id: run.run.id, ..job() }])).await;

    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, run.run.id);
    assert_eq!(store.cancel(TENANT, run.run.id, &by("ops")).await.unwrap(), Some(true));
}

/// Nobody but a user can end them.
async fn jobs_that_wait_for_each_other_can_be_cancelled(store: Bed) {
    let (parent, runs) = family(&store, 1).await;
    store.end(&runs[0], await_all(vec![NewJob { id: parent, ..job() }])).await;
    assert_eq!(store.state(runs[0].run.id).await, State::Waiting);

    assert_eq!(store.cancel(TENANT, parent, &by("ops")).await.unwrap(), Some(true));

    for id in [parent, runs[0].run.id] {
        assert_eq!(store.state(id).await, State::Cancelled);
    }
    assert!(store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().is_empty());
}

/// The end waits for the adoption that is under way and must then see all that it did.
async fn a_child_that_ends_while_it_is_adopted_does_not_leave_its_parent_waiting(store: Bed) {
    let children = [(); 2].map(|()| NewJob { role: Role::Sandbox, ..job() });
    store.insert(children.to_vec()).await.unwrap();
    let runs = store.claim(Role::Sandbox, ALL, store.worker).await.unwrap();
    let (first, second) = (runs[0].clone(), runs[1].clone());
    let parent = store.start(job()).await;
    let id = parent.run.id;

    // Rows are adopted in the order of their ids: held by the second, the adoption has the first.
    let hold = match &store.sql {
        Sql::Postgres(pool) => {
            let mut hold = pool.begin().await.unwrap();
            let lock = sqlx::query("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE").bind(second.run.id.0);
            lock.execute(&mut *hold).await.unwrap();
            Some(hold)
        }
        Sql::Sqlite(_) => None,
    };
    let adopts = {
        let store = store.clone();
        tokio::spawn(async move { store.end(&parent, await_all(children.to_vec())).await })
    };
    if hold.is_some() {
        store.waiting_for_locks(1).await;
    }
    let ends = {
        let store = store.clone();
        tokio::spawn(async move { store.end(&first, succeeded()).await })
    };
    if let Some(hold) = hold {
        store.waiting_for_locks(2).await;
        hold.rollback().await.unwrap();
    }
    adopts.await.unwrap();
    ends.await.unwrap();

    assert_eq!(store.state(id).await, State::Waiting);
    store.end(&second, succeeded()).await;
    assert_eq!(store.state(id).await, State::Queued);
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, id);
}

/// Each batch ends a child of both parents, one well and one badly, crosswise.
async fn batches_that_share_parents_do_not_lock_each_other_out(store: Bed) {
    for _ in 0..20 {
        let (one, ones) = family(&store, 2).await;
        let (other, others) = family(&store, 2).await;
        let batches =
            [[(&ones[0], succeeded()), (&others[0], dead())], [(&others[1], succeeded()), (&ones[1], dead())]];
        let finished = batches.map(|batch| {
            let end = |(run, verdict): (&Claimed, Verdict)| RunEnd { run: run.run, role: run.role, verdict };
            let (store, ends) = (store.clone(), batch.map(end).into());
            tokio::spawn(async move { store.finish(ends).await.unwrap() })
        });
        for finished in finished {
            assert_eq!(finished.await.unwrap(), []);
        }
        let mut resumed: Vec<_> =
            store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().iter().map(|run| run.run.id).collect();
        resumed.sort_unstable();
        assert_eq!(resumed, [one, other]);
    }
    if matches!(store.sql, Sql::Postgres(_)) {
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(store.sql.number(deadlocks).await, 0);
    }
}
