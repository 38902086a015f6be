//! A job waits for a decision, or for no longer than it said.

use std::time::Duration;

use golden_jobs::{
    JobId, Role, State,
    outcome::Verdict,
    store::{Claimed, Family, NewJob},
};

use crate::{
    bed::Bed,
    both_stores,
    given::{MINUTE, SECOND, TENANT, await_all, by, child_of, job, json, succeeded},
};

both_stores! {
    a_wait_ends_when_its_time_is_over
    a_wait_ends_when_somebody_says_so
    a_wait_ends_with_the_last_child_if_that_is_sooner
    a_child_that_was_left_does_not_count_until_it_is_awaited_again
    a_child_that_was_left_ends_beside_one_that_is_awaited
    an_earlier_wait_does_not_shorten_a_later_one
    a_wait_for_children_that_have_ended_is_none
    who_does_not_wait_is_not_resumed
    a_wait_can_be_cancelled
    the_promoter_knows_when_the_next_wait_is_over
    a_familys_levels_and_children_are_counted
}

fn wait(children: Vec<NewJob>, until: Duration) -> Verdict {
    Verdict::Await { children, checkpoint: Some(json("1")), until: Some(until) }
}

/// A job of the sandbox, so that claims tell it from its parent.
fn child(parent: &Claimed) -> NewJob {
    NewJob { role: Role::Sandbox, ..child_of(parent) }
}

async fn a_wait_ends_when_its_time_is_over(store: Bed) {
    let run = store.start(NewJob { max_attempts: 1, ..job() }).await;
    store.end(&run, wait(vec![], MINUTE)).await;
    store.later(MINUTE - SECOND).await;
    assert_eq!(store.state(run.run.id).await, State::Waiting);

    store.later(SECOND).await;
    let again = store.claim_one(Role::Orchestrator).await;
    assert_eq!((again.run.id, again.attempt), (run.run.id, 1), "waiting spends no attempt");
    assert_eq!(again.checkpoint.as_deref().unwrap().get(), "1");
    assert_eq!(again.run_at, store.clock.now());
}

async fn a_wait_ends_when_somebody_says_so(store: Bed) {
    let run = store.start(job()).await;
    store.end(&run, wait(vec![child(&run)], MINUTE)).await;
    assert_eq!(store.resume_jobs(&[run.run.id, JobId::new()]).await.unwrap(), [run.run.id]);
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, run.run.id);
    assert_eq!(store.claim_one(Role::Sandbox).await.parent_id, Some(run.run.id), "its child runs on");
    assert_eq!(store.resume_jobs(&[]).await.unwrap(), []);
}

async fn a_wait_ends_with_the_last_child_if_that_is_sooner(store: Bed) {
    let run = store.start(job()).await;
    store.end(&run, wait(vec![child(&run)], MINUTE)).await;
    let below = store.claim_one(Role::Sandbox).await;
    store.end(&below, succeeded()).await;
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, run.run.id);
}

async fn a_child_that_was_left_does_not_count_until_it_is_awaited_again(store: Bed) {
    let run = store.start(job()).await;
    let (first, second) = (child(&run), child(&run));
    store.end(&run, wait(vec![first.clone(), second.clone()], MINUTE)).await;
    let below = store.claim(Role::Sandbox, 2, store.worker).await.unwrap();
    store.later(MINUTE).await;

    // It waits for both again: one has ended meanwhile, which says nothing to a run under way.
    let again = store.claim_one(Role::Orchestrator).await;
    store.end(&below[0], succeeded()).await;
    store.end(&again, wait(vec![first, second], MINUTE)).await;
    assert_eq!(store.state(run.run.id).await, State::Waiting);
    store.end(&below[1], succeeded()).await;
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, run.run.id);
}

async fn a_child_that_was_left_ends_beside_one_that_is_awaited(store: Bed) {
    let run = store.start(job()).await;
    store.end(&run, wait(vec![child(&run)], MINUTE)).await;
    let left = store.claim_one(Role::Sandbox).await;
    store.later(MINUTE).await;
    let again = store.claim_one(Role::Orchestrator).await;
    store.end(&again, await_all(vec![child(&run)])).await;
    let awaited = store.claim_one(Role::Sandbox).await;

    store.end(&left, succeeded()).await;
    assert_eq!(store.state(run.run.id).await, State::Waiting);
    store.end(&awaited, succeeded()).await;
    assert_eq!(store.state(run.run.id).await, State::Queued);
}

async fn an_earlier_wait_does_not_shorten_a_later_one(store: Bed) {
    let run = store.start(job()).await;
    store.end(&run, wait(vec![], MINUTE)).await;
    store.later(SECOND).await;
    store.resume_jobs(&[run.run.id]).await.unwrap();
    let again = store.claim_one(Role::Orchestrator).await;
    store.end(&again, await_all(vec![child(&again)])).await;

    store.later(MINUTE).await;
    assert_eq!(store.state(run.run.id).await, State::Waiting, "for its child, however long that takes");
}

async fn a_wait_for_children_that_have_ended_is_none(store: Bed) {
    let run = store.start(job()).await;
    let below = child(&run);
    store.end(&run, wait(vec![below.clone()], MINUTE)).await;
    store.later(MINUTE).await;
    let again = store.claim_one(Role::Orchestrator).await;
    let ended = store.claim_one(Role::Sandbox).await;
    store.end(&ended, succeeded()).await;
    store.end(&again, wait(vec![below], MINUTE)).await;

    let third = store.claim_one(Role::Orchestrator).await;
    assert_eq!((third.run.id, third.run_at), (run.run.id, store.clock.now()));
    store.later(MINUTE).await;
    assert_eq!(store.state(run.run.id).await, State::Running, "that wait's time says nothing any more");
}

async fn who_does_not_wait_is_not_resumed(store: Bed) {
    let (ready, running) = (store.start(job()).await, store.start(job()).await);
    store.end(&ready, Verdict::Release).await;
    let ended = store.start(NewJob { role: Role::Sandbox, ..job() }).await;
    store.end(&ended, succeeded()).await;
    let all = [ready.run.id, running.run.id, ended.run.id];
    assert_eq!(store.resume_jobs(&all).await.unwrap(), []);
    assert_eq!(store.state(ended.run.id).await, State::Succeeded);
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, ready.run.id);
}

async fn a_wait_can_be_cancelled(store: Bed) {
    let run = store.start(job()).await;
    store.end(&run, wait(vec![child(&run)], MINUTE)).await;
    assert_eq!(store.cancel(TENANT, run.run.id, &by("ops")).await.unwrap(), Some(true));
    store.later(MINUTE).await;
    assert_eq!(store.state(run.run.id).await, State::Cancelled);
}

async fn the_promoter_knows_when_the_next_wait_is_over(store: Bed) {
    let run = store.start(job()).await;
    store.end(&run, wait(vec![], MINUTE)).await;
    assert_eq!(store.promote(10).await.unwrap().next_due, Some(MINUTE));
    store.clock.advance(MINUTE);
    let promoted = store.promote(10).await.unwrap();
    assert_eq!((promoted.moved, promoted.ready), (0, vec![Role::Orchestrator]));
    assert_eq!(store.promote(10).await.unwrap().next_due, None);
}

async fn a_familys_levels_and_children_are_counted(store: Bed) {
    let top = store.start(job()).await;
    let children = vec![child(&top), child(&top)];
    let mut ids: Vec<JobId> = children.iter().map(|child| child.id).collect();
    store.end(&top, await_all(children)).await;
    let mut family = store.family(top.run.id).await.unwrap();
    family.children.sort_unstable();
    ids.sort_unstable();
    assert_eq!(family, Family { depth: 0, children: ids });

    let mut run = store.claim(Role::Sandbox, 1, store.worker).await.unwrap().remove(0);
    for depth in 1..=6 {
        let family = store.family(run.run.id).await.unwrap();
        assert_eq!(family, Family { depth: depth.min(4), children: vec![] });
        let below = NewJob { role: Role::Supervisor, ..child_of(&run) };
        store.end(&run, await_all(vec![below])).await;
        run = store.claim_one(Role::Supervisor).await;
    }
    assert_eq!(store.family(JobId::new()).await.unwrap(), Family::default());
}
