//! Who is woken by what. Hints may be lost between processes; within one they are not.

use std::{sync::Arc, time::Duration};

use golden_jobs::{
    Role,
    outcome::Verdict,
    store::{ConnectOptions, Due, LogAppend, LogStream, NewJob, NewLine, Report, Store, connect, events::Telling},
    wake::Hint,
};
use tokio::time::timeout;

use crate::{
    bed::{ALL, Bed, on_postgres},
    both_stores,
    given::{
        MINUTE, SECOND, TENANT, any_letter, await_all, by, child_of, dead, delivery, job, job_with_callback, json,
        replay, retry_in, succeeded,
    },
};

both_stores! {
    an_insert_wakes_the_role_of_the_job
    an_insert_for_later_says_when
    promoting_wakes_the_roles_that_have_work
    what_was_given_back_wakes_its_role
    a_retry_or_snooze_says_when
    children_are_woken_for_and_their_end_wakes_the_parents_role
    children_due_later_say_when
    a_parent_that_need_not_wait_wakes_its_role
    putting_a_job_back_wakes_its_role
    a_cancelled_run_is_hinted_at
    an_end_is_told_to_those_who_wait_for_it
    an_event_wakes_the_relay
    what_was_logged_is_told_to_those_who_read
    what_can_be_seen_to_change_stirs_those_who_watch
    a_change_stirs_other_processes_while_they_watch
}

/// Beside NOTIFY, for those who cannot LISTEN.
#[tokio::test]
async fn hints_for_other_processes_may_be_carried_on_another_way() {
    on_postgres(async |store| {
        let mut carried = store.wakes().watch_carried();
        let run = store.start(job()).await;
        assert_eq!(timeout(SOON, carried.recv()).await.unwrap(), Ok(Hint::Wake(Role::Orchestrator)));
        store.cancel(TENANT, run.run.id, &by("ops")).await.unwrap();
        assert_eq!(timeout(SOON, carried.recv()).await.unwrap(), Ok(Hint::Cancel(run.run.id)));
    })
    .await;
}

/// How long a hint may take on a busy machine; a test that passes does not wait for it.
const SOON: Duration = Duration::from_secs(10);

async fn woken(store: &Bed, role: Role) {
    timeout(SOON, store.wakes().woken(role)).await.expect("the role is woken");
}

/// Takes the hints given so far, as a pool that has looked for work would have.
async fn settle(store: &Bed) {
    for role in Role::ALL {
        let _ = timeout(Duration::from_millis(50), store.wakes().woken(role)).await;
    }
}

async fn next_due(store: &Bed) -> Duration {
    timeout(SOON, store.wakes().next_due()).await.expect("the promoter is told when to look")
}

async fn an_insert_wakes_the_role_of_the_job(store: Bed) {
    store.insert(vec![job(), NewJob { role: Role::Sandbox, ..job() }]).await.unwrap();

    woken(&store, Role::Orchestrator).await;
    woken(&store, Role::Sandbox).await;
}

async fn an_insert_for_later_says_when(store: Bed) {
    let later = |seconds| NewJob { due: Due::In(SECOND * seconds), ..job() };
    store.insert(vec![later(90), later(30), later(60)]).await.unwrap();
    assert_eq!(next_due(&store).await, SECOND * 30);

    store.submit(NewJob { due: Due::At(store.clock.now() + MINUTE), ..job() }).await;
    assert_eq!(next_due(&store).await, MINUTE);
}

async fn promoting_wakes_the_roles_that_have_work(store: Bed) {
    store.submit(NewJob { due: Due::In(SECOND), ..job() }).await;
    settle(&store).await;

    store.later(SECOND).await;

    woken(&store, Role::Orchestrator).await;
}

async fn what_was_given_back_wakes_its_role(store: Bed) {
    for verdict in [Verdict::Release, Verdict::Lost { dead: false }] {
        let run = store.start(NewJob { role: Role::Supervisor, ..job() }).await;
        settle(&store).await;
        store.end(&run, verdict).await;
        woken(&store, Role::Supervisor).await;
        store.claim_one(Role::Supervisor).await;
    }
}

async fn a_retry_or_snooze_says_when(store: Bed) {
    store.through(job(), retry_in(MINUTE)).await;
    assert_eq!(next_due(&store).await, MINUTE);

    store.through(job(), Verdict::Snooze { delay: SECOND }).await;
    assert_eq!(next_due(&store).await, SECOND);
}

async fn children_are_woken_for_and_their_end_wakes_the_parents_role(store: Bed) {
    for verdict in [succeeded(), dead(), Verdict::Cancelled, Verdict::Release] {
        let parent = store.start(job()).await;
        settle(&store).await;
        store.end(&parent, await_all(vec![NewJob { role: Role::Sandbox, ..child_of(&parent) }])).await;
        woken(&store, Role::Sandbox).await;

        let child = store.claim_one(Role::Sandbox).await;
        store.end(&child, verdict).await;
        if !store.state(child.run.id).await.is_terminal() {
            store.cancel(TENANT, child.run.id, &by("ops")).await.unwrap();
        }
        woken(&store, Role::Orchestrator).await;
        store.claim_one(Role::Orchestrator).await;
    }
}

async fn children_due_later_say_when(store: Bed) {
    let parent = store.start(job()).await;

    let child = NewJob { due: Due::In(MINUTE), ..child_of(&parent) };
    store.end(&parent, await_all(vec![child])).await;

    assert_eq!(next_due(&store).await, MINUTE);
}

async fn a_parent_that_need_not_wait_wakes_its_role(store: Bed) {
    let run = store.start(job()).await;
    settle(&store).await;

    store.end(&run, await_all(vec![])).await;

    woken(&store, Role::Orchestrator).await;
}

async fn putting_a_job_back_wakes_its_role(store: Bed) {
    let id = store.through(job(), dead()).await;
    settle(&store).await;
    store.retry(TENANT, id, &by("ops")).await.unwrap();
    woken(&store, Role::Orchestrator).await;

    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, retry_in(MINUTE)).await;
    settle(&store).await;
    store.retry(TENANT, id, &by("ops")).await.unwrap();
    woken(&store, Role::Orchestrator).await;

    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, dead()).await;
    settle(&store).await;
    store.replay(&replay(any_letter()), ALL).await.unwrap();
    woken(&store, Role::Orchestrator).await;
}

async fn a_cancelled_run_is_hinted_at(store: Bed) {
    let run = store.start(job()).await;

    store.cancel(TENANT, run.run.id, &by("ops")).await.unwrap();

    timeout(SOON, store.wakes().cancelled()).await.expect("the pools look for runs to stop");
}

async fn an_end_is_told_to_those_who_wait_for_it(store: Bed) {
    let mut ended = store.wakes().watch_ended();
    for verdict in [succeeded(), dead(), Verdict::Cancelled, Verdict::Lost { dead: true }] {
        let id = store.through(job(), verdict).await;
        assert_eq!(timeout(SOON, ended.recv()).await.unwrap().unwrap(), id);
    }

    let id = store.submit(job()).await;
    store.cancel(TENANT, id, &by("ops")).await.unwrap();
    assert_eq!(timeout(SOON, ended.recv()).await.unwrap().unwrap(), id);

    let run = store.start(job()).await;
    store.cancel(TENANT, run.run.id, &by("ops")).await.unwrap();
    store.end(&run, retry_in(SECOND)).await;
    assert_eq!(timeout(SOON, ended.recv()).await.unwrap().unwrap(), run.run.id);
}

async fn an_event_wakes_the_relay(store: Bed) {
    for verdict in [succeeded(), dead(), Verdict::Cancelled] {
        store.through(job_with_callback(), verdict).await;
        timeout(SOON, store.wakes().told()).await.expect("the relay is told");
    }

    let id = store.submit(job_with_callback()).await;
    store.cancel(TENANT, id, &by("ops")).await.unwrap();
    timeout(SOON, store.wakes().told()).await.expect("the relay is told");
}

async fn what_was_logged_is_told_to_those_who_read(store: Bed) {
    let mut logged = store.wakes().watch_logged();
    store.through(job_with_callback(), succeeded()).await;

    let told: Telling = Arc::new(|_| vec![delivery(NewJob { role: Role::Sandbox, ..job() })].into());
    store.pass_on(ALL, &told).await.unwrap();

    assert_eq!(&*timeout(SOON, logged.recv()).await.unwrap().unwrap(), TENANT);
    woken(&store, Role::Sandbox).await;
}

async fn stirred(store: &dyn Store) -> bool {
    timeout(SOON, store.wakes().stirred()).await.is_ok()
}

fn a_line(run: &golden_jobs::store::Claimed) -> LogAppend {
    let line = NewLine { n: 1, from: 0, upto: 1, stream: LogStream::Log, age: Duration::ZERO, text: "x".into() };
    LogAppend { run: run.run, attempt: run.attempt, begin: None, lines: vec![line] }
}

async fn what_can_be_seen_to_change_stirs_those_who_watch(store: Bed) {
    let id = store.submit(job()).await;
    assert!(stirred(&*store).await);

    let run = store.claim_one(Role::Orchestrator).await;
    assert!(stirred(&*store).await, "a claim");
    store.append_logs(vec![a_line(&run)]).await.unwrap();
    assert!(stirred(&*store).await, "a line");
    store.report(vec![Report { run: run.run, progress: Some(json("1")), checkpoint: None }]).await.unwrap();
    assert!(stirred(&*store).await, "progress");
    store.end(&run, retry_in(SECOND)).await;
    assert!(stirred(&*store).await, "a failure");
    store.later(SECOND).await;
    assert!(stirred(&*store).await, "being due");
    store.end(&store.claim_one(Role::Orchestrator).await, dead()).await;
    assert!(stirred(&*store).await, "the end");
    store.retry(TENANT, id, &by("ops")).await.unwrap();
    assert!(stirred(&*store).await, "a retry");
    store.cancel(TENANT, id, &by("ops")).await.unwrap();
    assert!(stirred(&*store).await, "a cancel");
}

async fn a_change_stirs_other_processes_while_they_watch(store: Bed) {
    if !store.hears {
        // Nobody is told that others watch: a poll finds what changed.
        return;
    }
    let other = connect(ConnectOptions::new(store.url.clone())).await.unwrap();
    let run = store.start(job()).await;

    // The word that somebody watches takes a moment to get around.
    let heard = async {
        loop {
            other.glances(&[run.run.id]).await.unwrap();
            store.append_logs(vec![a_line(&run)]).await.unwrap();
            if timeout(Duration::from_millis(100), other.wakes().stirred()).await.is_ok() {
                return;
            }
        }
    };
    timeout(SOON, heard).await.expect("the other process hears of it");
}
