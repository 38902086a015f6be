//! What follows from each verdict.

use std::time::Duration;

use golden_jobs::{
    Role, State,
    outcome::Verdict,
    store::{NewJob, Report, Run, RunEnd},
};

use crate::{
    bed::{ALL, Bed},
    behind_pgbouncer, both_stores,
    given::{
        MINUTE, SECOND, any_letter, await_all, child_of, dead, dead_of, everything, job, json, retry_in, succeeded,
    },
};

both_stores! {
    a_success_keeps_its_result
    a_failed_run_is_tried_again_when_its_delay_is_over
    a_retry_without_delay_needs_no_waiting
    a_success_after_failures_shows_no_error
    a_dead_job_leaves_a_dead_letter
    a_snooze_spends_no_attempt
    a_release_spends_no_attempt_and_is_claimable_at_once
    a_cancelled_run_ends_its_job
    progress_and_checkpoint_outlive_the_run
    verdicts_of_every_kind_go_in_one_batch
    one_lost_lease_in_a_batch_fails_alone
    an_error_text_of_any_bytes_is_kept
}

behind_pgbouncer! {
    verdicts_of_every_kind_go_in_one_batch
}

async fn a_success_keeps_its_result(store: Bed) {
    let run = store.start(job()).await;
    let started = store.clock.now();
    store.clock.advance(SECOND);

    store.end(&run, Verdict::Succeeded { result: Some(json(r#"{"n":1}"#)) }).await;

    let read = store.record(run.run.id).await;
    assert_eq!((read.state, read.attempt), (State::Succeeded, 1));
    assert_eq!(read.result.unwrap().get(), r#"{"n":1}"#);
    assert_eq!((read.started_at, read.finished_at), (Some(started), Some(store.clock.now())));
    assert_eq!(read.worker_id, Some(store.worker));
    assert_eq!(store.outcomes(run.run.id).await, ["succeeded"]);
}

async fn a_failed_run_is_tried_again_when_its_delay_is_over(store: Bed) {
    let run = store.start(job()).await;
    let id = run.run.id;

    store.end(&run, retry_in(MINUTE)).await;

    let read = store.record(id).await;
    assert_eq!((read.state, read.attempt), (State::Retrying, 1));
    assert_eq!((read.run_at, read.finished_at), (store.clock.now() + MINUTE, None));
    let error = read.error.unwrap();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("noop_failed", "it failed as asked"));
    assert_eq!(error.at, store.clock.now());
    let attempts = store.attempts(id).await.unwrap();
    assert_eq!((attempts.len(), attempts[0].attempt, attempts[0].outcome.as_str()), (1, 1, "retry"));
    assert_eq!(attempts[0].error.as_ref(), Some(&error));
    assert_eq!(attempts[0].worker_id, Some(store.worker));

    store.later(MINUTE - SECOND).await;
    assert!(store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().is_empty());
    store.later(SECOND).await;
    assert_eq!(store.claim_one(Role::Orchestrator).await.attempt, 2);
}

async fn a_retry_without_delay_needs_no_waiting(store: Bed) {
    let run = store.start(job()).await;

    store.end(&run, retry_in(Duration::ZERO)).await;
    store.promote(ALL).await.unwrap();

    assert_eq!(store.claim_one(Role::Orchestrator).await.attempt, 2);
}

async fn a_success_after_failures_shows_no_error(store: Bed) {
    let id = store.through(job(), retry_in(SECOND)).await;
    store.later(SECOND).await;
    let run = store.claim_one(Role::Orchestrator).await;
    assert_eq!(store.outcomes(id).await, ["retry", "running"]);

    store.end(&run, succeeded()).await;

    let read = store.record(id).await;
    assert_eq!((read.state, read.attempt, read.error), (State::Succeeded, 2, None));
    assert_eq!(store.outcomes(id).await, ["retry", "succeeded"]);
}

async fn a_dead_job_leaves_a_dead_letter(store: Bed) {
    let given = NewJob { kind: "review".into(), role: Role::PeerHub, payload: json(r#"{"n": 1}"#), ..job() };
    let run = store.start(given.clone()).await;
    store.end(&run, retry_in(SECOND)).await;
    store.later(SECOND).await;
    let run = store.claim_one(Role::PeerHub).await;

    store.end(&run, dead_of("boom", "it broke")).await;

    let read = store.record(given.id).await;
    assert_eq!((read.state, read.attempt), (State::Dead, 2));
    assert_eq!(read.finished_at, Some(store.clock.now()));
    let error = read.error.unwrap();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("boom", "it broke"));
    assert_eq!(store.outcomes(given.id).await, ["retry", "dead"]);

    let letters = store.dead_letters(&any_letter(), everything()).await.unwrap().letters;
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((letter.job_id, letter.original_subject.as_str()), (Some(given.id), "jobs.peer-hub.review"));
    assert_eq!((letter.kind.as_str(), letter.role), ("review", Some(Role::PeerHub)));
    assert_eq!((letter.payload.get(), letter.attempts), (r#"{"n": 1}"#, 2));
    assert_eq!((letter.error_code.as_str(), letter.error.as_str()), ("boom", "it broke"));
    assert_eq!(letter.created_at, store.clock.now());
    assert!(!letter.resolved && letter.resolved_at.is_none());
}

async fn a_snooze_spends_no_attempt(store: Bed) {
    let run = store.start(NewJob { max_attempts: 1, ..job() }).await;
    let id = run.run.id;

    store.end(&run, Verdict::Snooze { delay: MINUTE }).await;

    let read = store.record(id).await;
    assert_eq!((read.state, read.attempt), (State::Scheduled, 0));
    assert_eq!((read.run_at, read.error), (store.clock.now() + MINUTE, None));

    store.later(MINUTE).await;
    assert_eq!(store.claim_one(Role::Orchestrator).await.attempt, 1);
}

async fn a_release_spends_no_attempt_and_is_claimable_at_once(store: Bed) {
    let run = store.start(NewJob { max_attempts: 1, ..job() }).await;

    store.end(&run, Verdict::Release).await;

    let read = store.record(run.run.id).await;
    assert_eq!((read.state, read.attempt, read.error), (State::Queued, 0, None));
    assert_eq!(store.claim_one(Role::Orchestrator).await.attempt, 1);
}

async fn a_cancelled_run_ends_its_job(store: Bed) {
    let run = store.start(job()).await;

    store.end(&run, Verdict::Cancelled).await;

    let read = store.record(run.run.id).await;
    assert_eq!((read.state, read.attempt), (State::Cancelled, 1));
    assert_eq!(read.finished_at, Some(store.clock.now()));
    assert_eq!(store.outcomes(run.run.id).await, ["cancelled"]);
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 0);
}

async fn progress_and_checkpoint_outlive_the_run(store: Bed) {
    let run = store.start(job()).await;
    let report = |progress: Option<&str>, checkpoint: Option<&str>| {
        vec![Report { run: run.run, progress: progress.map(json), checkpoint: checkpoint.map(json) }]
    };
    store.report(report(Some("1"), Some(r#"{"step":1}"#))).await.unwrap();
    store.report(report(Some("2"), None)).await.unwrap();
    store.report(report(None, None)).await.unwrap();
    assert_eq!(store.record(run.run.id).await.progress.unwrap().get(), "2");

    store.end(&run, retry_in(SECOND)).await;
    store.later(SECOND).await;

    let run = store.claim_one(Role::Orchestrator).await;
    assert_eq!(run.checkpoint.unwrap().get(), r#"{"step":1}"#);
    assert_eq!(store.record(run.run.id).await.progress.unwrap().get(), "2");
}

async fn verdicts_of_every_kind_go_in_one_batch(store: Bed) {
    store.insert((0..9).map(|_| job()).collect()).await.unwrap();
    let runs = store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap();
    let child = NewJob { role: Role::Sandbox, ..child_of(&runs[5]) };
    let child_id = child.id;
    let verdicts = [
        succeeded(),
        retry_in(SECOND),
        dead(),
        Verdict::Snooze { delay: SECOND },
        Verdict::Release,
        await_all(vec![child]),
        Verdict::Cancelled,
        Verdict::Lost { dead: false },
        Verdict::Lost { dead: true },
    ];

    let ends = runs.iter().zip(verdicts).map(|(run, verdict)| RunEnd { run: run.run, role: run.role, verdict });
    assert_eq!(store.finish(ends.collect()).await.unwrap(), []);

    let expected = [
        (State::Succeeded, 1),
        (State::Retrying, 1),
        (State::Dead, 1),
        (State::Scheduled, 0),
        (State::Queued, 0),
        (State::Waiting, 0),
        (State::Cancelled, 1),
        (State::Queued, 1),
        (State::Dead, 1),
    ];
    for (run, expected) in runs.iter().zip(expected) {
        let read = store.record(run.run.id).await;
        assert_eq!((read.state, read.attempt), expected);
    }
    assert_eq!(store.state(child_id).await, State::Queued);
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 2);
}

async fn one_lost_lease_in_a_batch_fails_alone(store: Bed) {
    store.insert((0..4).map(|_| job()).collect()).await.unwrap();
    let runs = store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap();
    store.end(&runs[1], Verdict::Release).await;
    store.end(&runs[3], Verdict::Release).await;
    let taken_again = store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap();
    assert_eq!(taken_again.len(), 2);

    let verdicts = [succeeded(), succeeded(), dead(), dead()];
    let ends = runs.iter().zip(verdicts).map(|(run, verdict)| RunEnd { run: run.run, role: run.role, verdict });
    let mut lost = store.finish(ends.collect()).await.unwrap();

    lost.sort_by_key(|run: &Run| run.lease);
    assert_eq!(lost, [runs[1].run, runs[3].run]);
    let expected = [State::Succeeded, State::Running, State::Dead, State::Running];
    for (run, expected) in runs.iter().zip(expected) {
        assert_eq!(store.state(run.run.id).await, expected);
    }
}

/// The text may come from a program's output. One that a database cannot hold must not undo the
/// batch it is in, nor leave its job running for ever.
async fn an_error_text_of_any_bytes_is_kept(store: Bed) {
    store.insert(vec![job(), job(), job()]).await.unwrap();
    let runs = store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap();
    let odd = "a\u{0}b\u{1b}[31m 'c' \u{fffd}";
    let verdicts = [
        succeeded(),
        dead_of("odd", odd),
        Verdict::Retry { delay: SECOND, error: golden_jobs::outcome::JobError::new("odd", odd) },
    ];

    let ends = runs.iter().zip(verdicts).map(|(run, verdict)| RunEnd { run: run.run, role: run.role, verdict });
    assert_eq!(store.finish(ends.collect()).await.unwrap(), []);

    for (run, expected) in runs.iter().zip([State::Succeeded, State::Dead, State::Retrying]) {
        assert_eq!(store.state(run.run.id).await, expected);
    }
    let message = store.record(runs[1].run.id).await.error.unwrap().message;
    assert!(message.starts_with('a') && message.ends_with("b\u{1b}[31m 'c' \u{fffd}"), "{message:?}");
}
