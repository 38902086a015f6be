//! Workers fall silent, jobs do not.

use golden_jobs::{
    Role, State, WorkerId,
    outcome::{POISON_AFTER, Verdict, lost_is_dead},
    store::{
        Claimed, ConnectOptions, DRAIN_KEPT, Heard, LOST_AFTER, LostRun, NewJob, RunEnd, RunUnderWay, StoreClock,
        WorkerInfo, connect,
    },
};

use crate::{
    bed::{ALL, Bed},
    behind_pgbouncer, both_stores,
    given::{SECOND, TENANT, any_letter, by, everything, job, job_of, retry_in, succeeded, worker},
};

both_stores! {
    a_heartbeat_makes_a_worker_known
    a_dead_workers_job_runs_again
    a_live_workers_runs_are_its_own
    runs_of_an_unknown_worker_are_lost
    a_worker_taken_for_lost_is_told_so
    a_worker_registered_by_a_call_without_an_answer_is_told_so_too
    a_silent_worker_without_runs_is_forgotten
    a_retired_worker_is_gone_and_what_it_left_is_lost
    lost_runs_are_reported_up_to_a_limit
    a_job_that_kills_three_workers_is_poison
    a_run_that_ends_breaks_the_row_of_losses
    a_worker_lost_in_the_last_attempt_ends_the_job
    a_worker_asked_to_drain_learns_of_it
    a_worker_that_comes_back_drains_still
    what_workers_run_is_seen_by_worker_and_by_tenant
}

behind_pgbouncer! {
    a_dead_workers_job_runs_again
}

/// What the rescue of lost runs does, in all: finds them, decides, ends them.
async fn rescue(store: &Bed) -> Vec<LostRun> {
    let lost = store.lost(LOST_AFTER, ALL).await.unwrap();
    let ends = lost.iter().map(|lost| RunEnd {
        run: lost.run,
        role: lost.role,
        verdict: Verdict::Lost { dead: lost_is_dead(lost.attempt, lost.max_attempts, lost.lost_before) },
    });
    assert_eq!(store.finish(ends.collect()).await.unwrap(), []);
    lost
}

async fn claim_as(store: &Bed, worker: &WorkerInfo) -> Vec<Claimed> {
    store.claim(Role::Orchestrator, ALL, worker.id).await.unwrap()
}

async fn a_heartbeat_makes_a_worker_known(store: Bed) {
    let given = worker();
    assert_eq!(store.heartbeat(&given).await.unwrap(), Heard::Alive);
    let started = store.clock.now();
    store.clock.advance(SECOND);
    assert_eq!(store.heartbeat(&given).await.unwrap(), Heard::Alive);

    let expected = WorkerInfo { started_at: started, heartbeat_at: store.clock.now(), ..given };
    assert_eq!(store.workers().await.unwrap(), [expected]);
}

async fn a_dead_workers_job_runs_again(store: Bed) {
    let (dead, live) = (worker(), worker());
    store.heartbeat(&dead).await.unwrap();
    let id = store.submit(job()).await;
    let late = claim_as(&store, &dead).await.remove(0);

    store.clock.advance(LOST_AFTER + SECOND);
    store.heartbeat(&live).await.unwrap();
    let lost = rescue(&store).await;

    let role = Role::Orchestrator;
    assert_eq!(lost, [LostRun { run: late.run, role, attempt: 1, max_attempts: 5, lost_before: 0 }]);
    let read = store.record(id).await;
    assert_eq!((read.state, read.attempt), (State::Queued, 1));
    assert_eq!(read.error.unwrap().code, "worker_lost");
    assert_eq!(store.outcomes(id).await, ["lost"]);
    let again = claim_as(&store, &live).await.remove(0);
    assert_eq!((again.run.id, again.attempt), (id, 2));
    assert_eq!(store.try_end(&late, succeeded()).await, [late.run]);
    store.end(&again, succeeded()).await;
}

async fn a_live_workers_runs_are_its_own(store: Bed) {
    let live = worker();
    store.heartbeat(&live).await.unwrap();
    store.submit(job()).await;
    let run = claim_as(&store, &live).await.remove(0);

    for _ in 0..3 {
        store.clock.advance(LOST_AFTER - SECOND);
        assert_eq!(store.lost(LOST_AFTER, ALL).await.unwrap(), []);
        assert_eq!(store.heartbeat(&live).await.unwrap(), Heard::Alive);
    }

    store.end(&run, succeeded()).await;
}

async fn runs_of_an_unknown_worker_are_lost(store: Bed) {
    let run = store.start(job()).await;

    let lost = rescue(&store).await;

    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].run, run.run);
    assert_eq!(store.state(run.run.id).await, State::Queued);
}

/// It may have been stopped and gone on: its runs are not its own any more.
async fn a_worker_taken_for_lost_is_told_so(store: Bed) {
    let silent = worker();
    store.heartbeat(&silent).await.unwrap();
    store.submit(job()).await;
    claim_as(&store, &silent).await;
    store.clock.advance(LOST_AFTER + SECOND);
    rescue(&store).await;
    assert!(rescue(&store).await.is_empty());

    assert_eq!(store.heartbeat(&silent).await.unwrap(), Heard::Lost);
    assert!(store.workers().await.unwrap().is_empty());
    // It goes on under a new id.
    assert_eq!(store.heartbeat(&WorkerInfo { id: WorkerId::new(), ..silent }).await.unwrap(), Heard::Alive);
    assert_eq!(store.workers().await.unwrap().len(), 1);
}

/// Its first heartbeat was recorded, but the answer was lost on the way.
async fn a_worker_registered_by_a_call_without_an_answer_is_told_so_too(store: Bed) {
    let silent = worker();
    let url = store.url.clone();
    let other = ConnectOptions { clock: StoreClock::Held(store.clock.clone()), ..ConnectOptions::new(url) };
    connect(other).await.unwrap().heartbeat(&silent).await.unwrap();
    assert_eq!(store.heartbeat(&silent).await.unwrap(), Heard::Alive);
    store.clock.advance(LOST_AFTER + SECOND);
    assert!(rescue(&store).await.is_empty());

    assert_eq!(store.heartbeat(&silent).await.unwrap(), Heard::Lost);
}

async fn a_silent_worker_without_runs_is_forgotten(store: Bed) {
    let (silent, live) = (worker(), worker());
    store.heartbeat(&silent).await.unwrap();
    store.clock.advance(LOST_AFTER + SECOND);
    store.heartbeat(&live).await.unwrap();

    assert!(rescue(&store).await.is_empty());

    let known: Vec<_> = store.workers().await.unwrap().into_iter().map(|worker| worker.id).collect();
    assert_eq!(known, [live.id]);
    assert_eq!(store.heartbeat(&silent).await.unwrap(), Heard::Lost);
}

async fn a_retired_worker_is_gone_and_what_it_left_is_lost(store: Bed) {
    let retired = worker();
    store.heartbeat(&retired).await.unwrap();
    store.submit(job()).await;
    let left = claim_as(&store, &retired).await.remove(0);

    store.retire(retired.id).await.unwrap();

    assert!(store.workers().await.unwrap().is_empty());
    let lost = rescue(&store).await;
    assert_eq!(lost.iter().map(|lost| lost.run).collect::<Vec<_>>(), [left.run]);
}

async fn lost_runs_are_reported_up_to_a_limit(store: Bed) {
    store.insert((0..5).map(|_| job()).collect()).await.unwrap();
    store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap();

    assert_eq!(store.lost(LOST_AFTER, 3).await.unwrap().len(), 3);
    assert_eq!(store.lost(LOST_AFTER, ALL).await.unwrap().len(), 5);
}

async fn a_job_that_kills_three_workers_is_poison(store: Bed) {
    let id = store.submit(NewJob { max_attempts: 100, ..job() }).await;
    for lost_before in 0..POISON_AFTER {
        store.claim_one(Role::Orchestrator).await;
        store.clock.advance(SECOND);
        let lost = rescue(&store).await;
        assert_eq!((lost[0].attempt, lost[0].lost_before), (lost_before + 1, lost_before));
    }

    let read = store.record(id).await;
    assert_eq!((read.state, read.attempt), (State::Dead, 3));
    assert_eq!(store.outcomes(id).await, ["lost", "lost", "lost"]);
    let letters = store.dead_letters(&any_letter(), everything()).await.unwrap().letters;
    assert_eq!((letters[0].job_id, letters[0].attempts), (Some(id), 3));
    assert_eq!(letters[0].error_code, "worker_lost");
}

async fn a_run_that_ends_breaks_the_row_of_losses(store: Bed) {
    let id = store.submit(NewJob { max_attempts: 100, ..job() }).await;
    for _ in 1..POISON_AFTER {
        store.claim_one(Role::Orchestrator).await;
        rescue(&store).await;
    }
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, retry_in(SECOND)).await;
    store.later(SECOND).await;

    store.claim_one(Role::Orchestrator).await;
    assert_eq!(rescue(&store).await[0].lost_before, 0);
    assert_eq!(store.state(id).await, State::Queued);
}

async fn a_worker_lost_in_the_last_attempt_ends_the_job(store: Bed) {
    let run = store.start(NewJob { max_attempts: 1, ..job() }).await;
    rescue(&store).await;
    assert_eq!(store.state(run.run.id).await, State::Dead);
}

async fn a_worker_asked_to_drain_learns_of_it(store: Bed) {
    let (asked, other) = (worker(), worker());
    for worker in [&asked, &other] {
        store.heartbeat(worker).await.unwrap();
    }
    assert!(!store.drain(WorkerId::new(), &by("ops")).await.unwrap());
    assert!(store.drain(asked.id, &by("ops")).await.unwrap());
    let since = store.clock.now();
    store.clock.advance(SECOND);
    assert!(store.drain(asked.id, &by("ops")).await.unwrap());

    assert_eq!(store.heartbeat(&asked).await.unwrap(), Heard::Draining);
    assert_eq!(store.heartbeat(&other).await.unwrap(), Heard::Alive);
    let draining: Vec<_> = store.workers().await.unwrap().into_iter().map(|w| (w.id, w.draining_since)).collect();
    assert_eq!(draining, [(asked.id, Some(since)), (other.id, None)]);
    store.retire(asked.id).await.unwrap();
    assert_eq!(store.workers().await.unwrap().len(), 1);
}

/// It was cut off, its runs were taken from it, and it was asked to drain meanwhile or before.
async fn a_worker_that_comes_back_drains_still(store: Bed) {
    let silent = worker();
    store.heartbeat(&silent).await.unwrap();
    store.submit(job()).await;
    claim_as(&store, &silent).await;
    store.drain(silent.id, &by("ops")).await.unwrap();
    store.clock.advance(LOST_AFTER + SECOND);
    assert_eq!(rescue(&store).await.len(), 1);
    assert!(rescue(&store).await.is_empty());

    assert_eq!(store.heartbeat(&silent).await.unwrap(), Heard::Draining);
    store.clock.advance(DRAIN_KEPT + SECOND);
    assert!(rescue(&store).await.is_empty());
    assert!(store.workers().await.unwrap().is_empty(), "it is not waited for for ever");
}

async fn what_workers_run_is_seen_by_worker_and_by_tenant(store: Bed) {
    let (one, two) = (worker(), worker());
    store.insert(vec![job(), job_of("other"), job()]).await.unwrap();
    let first = claim_as(&store, &one).await;
    let since = store.clock.now();
    let id = store.submit(job()).await;
    assert_eq!(claim_as(&store, &two).await.len(), 1);
    store.cancel(TENANT, id, &by("ops")).await.unwrap();

    let counts = async |worker, tenant, most| {
        let found = store.under_way(worker, tenant, most).await.unwrap();
        found.into_iter().map(|of| (of.worker, of.count, of.runs.len())).collect::<Vec<_>>()
    };
    assert_eq!(counts(None, None, ALL).await, [(one.id, 3, 3), (two.id, 1, 1)]);
    assert_eq!(counts(None, Some("other"), ALL).await, [(one.id, 1, 1)]);
    assert_eq!(counts(Some(one.id), None, 2).await, [(one.id, 3, 2)]);
    assert_eq!(counts(Some(WorkerId::new()), None, ALL).await, []);

    let of_two = store.under_way(Some(two.id), None, ALL).await.unwrap().remove(0).runs.remove(0);
    let role = Role::Orchestrator;
    let (tenant_id, kind) = (TENANT.to_owned(), "noop".to_owned());
    assert_eq!(of_two, RunUnderWay { job: id, tenant_id, kind, role, attempt: 1, started_at: since, cancel: true });
    let of_one = store.under_way(Some(one.id), None, ALL).await.unwrap().remove(0).runs;
    assert_eq!(
        of_one.iter().map(|run| run.job).collect::<Vec<_>>(),
        first.iter().map(|run| run.run.id).collect::<Vec<_>>()
    );
}
