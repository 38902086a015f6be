//! A late run changes nothing.

use golden_jobs::{
    Role, State,
    outcome::Verdict,
    store::{NewJob, Report, Run, RunEnd},
};

use crate::{
    bed::{Bed, Sql},
    both_stores,
    given::{
        SECOND, any_job, any_letter, await_all, by, child_of, dead, everything, job_with_callback, json, retry_in,
        succeeded,
    },
};

both_stores! {
    a_late_run_changes_nothing_and_is_named
    a_late_run_is_told_from_the_live_one_in_one_batch
    a_run_ends_once
    a_lease_that_was_never_given_is_refused
    a_cancelled_jobs_lease_is_gone
    a_report_does_not_slip_in_behind_the_end
}

async fn a_late_run_changes_nothing_and_is_named(store: Bed) {
    let late = store.start(job_with_callback()).await;
    store.end(&late, Verdict::Release).await;
    let live = store.claim_one(Role::Orchestrator).await;

    let verdicts = [
        succeeded(),
        retry_in(SECOND),
        dead(),
        Verdict::Snooze { delay: SECOND },
        Verdict::Release,
        await_all(vec![NewJob { role: Role::Sandbox, ..child_of(&late) }]),
        Verdict::Cancelled,
        Verdict::Lost { dead: false },
        Verdict::Lost { dead: true },
    ];
    for verdict in verdicts {
        let asked = format!("{verdict:?}");
        assert_eq!(store.try_end(&late, verdict).await, [late.run], "{asked}");
        assert_eq!(store.state(late.run.id).await, State::Running, "{asked}");
    }
    let report = Report { run: late.run, progress: Some(json("1")), checkpoint: Some(json("1")) };
    assert_eq!(store.report(vec![report]).await.unwrap(), [late.run]);

    assert!(store.record(late.run.id).await.progress.is_none());
    assert_eq!(store.jobs(&any_job(), everything()).await.unwrap().jobs.len(), 1, "no child was made");
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 0);
    assert_eq!(store.events().await, []);
    store.end(&live, retry_in(SECOND)).await;
    store.later(SECOND).await;
    assert!(store.claim_one(Role::Orchestrator).await.checkpoint.is_none());
}

/// One process may hold both: it gave the job back, or lost it, and claimed it again.
async fn a_late_run_is_told_from_the_live_one_in_one_batch(store: Bed) {
    let late = store.start(job_with_callback()).await;
    store.end(&late, Verdict::Release).await;
    let live = store.claim_one(Role::Orchestrator).await;

    let report = |run, progress: &str| Report { run, progress: Some(json(progress)), checkpoint: None };
    let reports = vec![report(late.run, "\"late\""), report(live.run, "\"live\"")];
    assert_eq!(store.report(reports).await.unwrap(), [late.run]);
    assert_eq!(store.record(live.run.id).await.progress.unwrap().get(), "\"live\"");

    let end = |run, verdict| RunEnd { run, role: live.role, verdict };
    let ends = vec![end(late.run, dead()), end(live.run, retry_in(SECOND))];
    assert_eq!(store.finish(ends).await.unwrap(), [late.run]);
    assert_eq!(store.state(live.run.id).await, State::Retrying);

    store.later(SECOND).await;
    let live = store.claim_one(Role::Orchestrator).await;
    let ends = vec![end(live.run, succeeded()), end(late.run, succeeded())];
    assert_eq!(store.finish(ends).await.unwrap(), [late.run]);
    assert_eq!(store.state(live.run.id).await, State::Succeeded);
}

async fn a_run_ends_once(store: Bed) {
    let run = store.start(job_with_callback()).await;
    store.end(&run, succeeded()).await;

    for verdict in [succeeded(), dead(), Verdict::Release] {
        assert_eq!(store.try_end(&run, verdict).await, [run.run]);
    }

    assert_eq!(store.state(run.run.id).await, State::Succeeded);
    assert_eq!(store.events().await.len(), 1);
}

async fn a_lease_that_was_never_given_is_refused(store: Bed) {
    let mut run = store.start(job_with_callback()).await;
    for lease in [0, run.run.lease + 1, -run.run.lease, i64::MAX] {
        run.run = Run { lease, ..run.run };
        assert_eq!(store.try_end(&run, succeeded()).await, [run.run]);
    }
    assert_eq!(store.state(run.run.id).await, State::Running);
}

/// The answer to a cancel that reached the run, and then to a second one that did not.
async fn a_cancelled_jobs_lease_is_gone(store: Bed) {
    let run = store.start(job_with_callback()).await;
    store.cancel(&run.tenant_id, run.run.id, &by("ops")).await.unwrap();
    store.end(&run, Verdict::Cancelled).await;

    assert_eq!(store.try_end(&run, succeeded()).await, [run.run]);
    assert_eq!(store.state(run.run.id).await, State::Cancelled);
}

/// A report that waits for the job's row while its run ends is late when it gets there.
async fn a_report_does_not_slip_in_behind_the_end(store: Bed) {
    let run = store.start(job_with_callback()).await;
    let id = run.run.id;
    let hold = match &store.sql {
        Sql::Postgres(pool) => {
            let mut hold = pool.begin().await.unwrap();
            sqlx::query("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE").bind(id.0).execute(&mut *hold).await.unwrap();
            Some(hold)
        }
        Sql::Sqlite(_) => None,
    };
    let ends = {
        let (store, run) = (store.clone(), run.clone());
        tokio::spawn(async move { store.end(&run, succeeded()).await })
    };
    if hold.is_some() {
        store.waiting_for_locks(1).await;
    } else {
        tokio::task::yield_now().await;
    }
    let reports = {
        let (store, run) = (store.clone(), run.run);
        tokio::spawn(
            async move { store.report(vec![Report { run, progress: Some(json("9")), checkpoint: None }]).await },
        )
    };
    if let Some(hold) = hold {
        store.waiting_for_locks(2).await;
        hold.rollback().await.unwrap();
    }
    ends.await.unwrap();
    let lost = reports.await.unwrap().unwrap();

    // Whoever came first: what was refused is not there.
    assert_eq!(store.record(id).await.progress.is_some(), lost.is_empty());
    if matches!(store.sql, Sql::Postgres(_)) {
        assert_eq!(lost, [run.run]);
    }
}
