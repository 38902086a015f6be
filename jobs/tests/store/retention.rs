//! What has ended is kept for a while, and goes.

use std::time::Duration;

use golden_jobs::{
    JobId, Role, State, WorkerId,
    outcome::Verdict,
    store::{
        Chore, Due, JobFilter, Keep, LogAppend, LogStream, NewJob, NewLine, Next, Pruned, RunEnd,
        deliveries::NewDelivery,
    },
};

use crate::{
    bed::{ALL, Bed, Sql},
    both_stores,
    deliveries::attempt,
    events::nobody,
    given::{
        MINUTE, SECOND, TENANT, any_job, any_letter, await_all, by, child_of, dead, delivery, everything, job, job_of,
        job_with_callback, keyed, replay, retry_in, succeeded,
    },
    schedules,
};

both_stores! {
    ended_jobs_go_when_their_time_is_over
    what_is_open_stays
    everything_stays_where_nothing_is_said
    a_dead_job_stays_until_its_letter_is_resolved_and_a_while_longer
    a_letter_goes_though_its_job_went_on
    a_dead_job_of_a_deleted_tenant_goes_though_its_letter_is_open
    what_hangs_on_a_job_goes_with_it
    what_hangs_on_a_delivery_goes_with_it
    a_job_stays_until_its_end_is_told
    a_schedule_goes_on_without_its_last_job
    a_long_log_goes_in_pieces
    a_job_stays_while_its_children_are_open
    a_child_stays_while_its_parent_may_go_on
    a_walk_goes_on_where_it_ended
    a_walk_ends_where_jobs_are_too_young
    keys_are_forgotten_after_a_day
    one_worker_at_a_time_has_the_turn
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Everything for a day, the dead for three.
const KEEP: Keep = Keep { succeeded: Some(DAY), cancelled: Some(DAY), dead: Some(DAY.saturating_mul(3)), ledger: None };

/// Walks over everything once. Answers how many went: succeeded, dead, cancelled.
async fn prune(store: &Bed, keep: Keep) -> (u64, u64, u64) {
    let mut gone = (0, 0, 0);
    let mut after = None;
    loop {
        let pruned = store.prune_jobs(&keep, after, 3).await.unwrap();
        gone = (gone.0 + pruned.succeeded, gone.1 + pruned.dead, gone.2 + pruned.cancelled);
        match pruned.next {
            Next::After(job) => after = Some(job),
            Next::Again => {}
            Next::Done => return gone,
        }
    }
}

async fn is_there(store: &Bed, job: JobId) -> bool {
    store.job(TENANT, job).await.unwrap().is_some()
}

async fn ended_jobs_go_when_their_time_is_over(store: Bed) {
    let cancelled = store.through(job(), Verdict::Cancelled).await;
    store.clock.advance(MINUTE);
    let succeeded = store.through(job(), succeeded()).await;
    store.through(job_of("globex"), Verdict::Cancelled).await;
    let keep = Keep { succeeded: Some(DAY), cancelled: Some(DAY * 2), dead: None, ledger: None };

    store.clock.advance(DAY);
    assert_eq!(prune(&store, keep).await, (0, 0, 0), "not a day ago, but a day");
    store.clock.advance(SECOND);
    assert_eq!(prune(&store, keep).await, (1, 0, 0));
    assert!(!is_there(&store, succeeded).await && is_there(&store, cancelled).await);
    store.clock.advance(DAY);
    assert_eq!(prune(&store, keep).await, (0, 0, 2), "whoever's they are");
    assert_eq!(store.sql.rows("SELECT id FROM jobs").await.unwrap(), 0);
}

async fn what_is_open_stays(store: Bed) {
    store.through(job(), retry_in(DAY * 900)).await;
    store.submit(NewJob { due: Due::In(DAY * 900), ..job() }).await;
    let parent = store.start(job()).await;
    let child = NewJob { role: Role::Sandbox, ..child_of(&parent) };
    store.end(&parent, await_all(vec![child])).await;
    store.start(job()).await;
    store.submit(NewJob { role: Role::Sandbox, ..job() }).await;
    let states = async || {
        let jobs = store.jobs(&any_job(), everything()).await.unwrap().jobs;
        jobs.into_iter().map(|job| job.state).collect::<Vec<_>>()
    };
    let before = states().await;

    store.clock.advance(DAY * 100);
    assert_eq!(prune(&store, KEEP).await, (0, 0, 0));
    assert_eq!((states().await, before.len()), (before, 6));
}

async fn everything_stays_where_nothing_is_said(store: Bed) {
    store.through(job(), succeeded()).await;
    store.through(job(), dead()).await;
    store.purge(&any_letter(), &by("ops"), ALL).await.unwrap();
    store.clock.advance(DAY * 10_000);

    assert_eq!(store.prune_jobs(&Keep::ALL, None, ALL).await.unwrap(), Pruned::default());
    assert_eq!(store.prune_dead_letters(&Keep::ALL, ALL).await.unwrap(), 0);
    assert_eq!(store.jobs(&any_job(), everything()).await.unwrap().jobs.len(), 2);
}

async fn a_dead_job_stays_until_its_letter_is_resolved_and_a_while_longer(store: Bed) {
    let job = store.through(job(), dead()).await;
    store.clock.advance(DAY * 100);
    assert_eq!(prune(&store, KEEP).await, (0, 0, 0));

    // Replayed, and dead again: only the second letter is open.
    store.replay(&replay(any_letter()), ALL).await.unwrap();
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, dead()).await;
    store.clock.advance(DAY * 4);
    assert_eq!(prune(&store, KEEP).await, (0, 0, 0));
    assert_eq!(store.prune_dead_letters(&KEEP, ALL).await.unwrap(), 0, "they tell of a job that is there");

    store.purge(&any_letter(), &by("ops"), ALL).await.unwrap();
    store.clock.advance(DAY * 3);
    assert_eq!(prune(&store, KEEP).await, (0, 0, 0));
    store.clock.advance(SECOND);
    assert_eq!(prune(&store, KEEP).await, (0, 1, 0));
    assert!(!is_there(&store, job).await);
    assert_eq!(store.sql.rows("SELECT id FROM dlq_messages").await.unwrap(), 0);
}

/// Nobody is left who could resolve it.
async fn a_dead_job_of_a_deleted_tenant_goes_though_its_letter_is_open(store: Bed) {
    store.through(job(), dead()).await;
    store.delete_tenant(TENANT, &by("ops")).await.unwrap();
    store.clock.advance(DAY * 3);
    assert_eq!(prune(&store, KEEP).await, (0, 0, 0));
    store.clock.advance(SECOND);
    assert_eq!(prune(&store, KEEP).await, (0, 1, 0));
    assert_eq!(store.sql.rows("SELECT id FROM dlq_messages").await.unwrap(), 0);
}

async fn a_letter_goes_though_its_job_went_on(store: Bed) {
    let job = store.through(job(), dead()).await;
    store.replay(&replay(any_letter()), ALL).await.unwrap();
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, succeeded()).await;
    let keep = Keep { succeeded: None, ..KEEP };

    store.clock.advance(DAY * 3);
    assert_eq!(store.prune_dead_letters(&keep, ALL).await.unwrap(), 0);
    store.clock.advance(SECOND);
    assert_eq!(store.prune_dead_letters(&keep, ALL).await.unwrap(), 1);
    assert!(is_there(&store, job).await);
}

fn lines(count: u64) -> Vec<NewLine> {
    let line =
        |n| NewLine { n, from: n - 1, upto: n, stream: LogStream::Log, age: Duration::ZERO, text: "x".to_owned() };
    (1..=count).map(line).collect()
}

async fn what_hangs_on_a_job_goes_with_it(store: Bed) {
    for _ in 0..2 {
        let run = store.start(job()).await;
        let append = LogAppend { run: run.run, attempt: 1, begin: None, lines: lines(3) };
        store.append_logs(vec![append]).await.unwrap();
        store.end(&run, dead()).await;
        store.purge(&any_letter(), &by("ops"), ALL).await.unwrap();
        store.clock.advance(DAY * 4);
    }

    assert_eq!(prune(&store, KEEP).await, (0, 2, 0));
    for table in
        ["SELECT 1 FROM jobs", "SELECT 1 FROM job_attempts", "SELECT 1 FROM job_logs", "SELECT 1 FROM dlq_messages"]
    {
        assert_eq!(store.sql.rows(table).await.unwrap(), 0, "{table}");
    }
}

async fn what_hangs_on_a_delivery_goes_with_it(store: Bed) {
    let about = store.through(job(), retry_in(DAY * 900)).await;
    for verdict in [succeeded(), dead()] {
        let delivery = NewDelivery { about: Some(about), ..delivery(job()) };
        let message = delivery.job.id.into();
        store.add_deliveries(vec![delivery]).await.unwrap();
        let run = store.claim_one(Role::Orchestrator).await;
        store.record_attempt(&attempt(message, 1)).await.unwrap();
        store.end(&run, verdict).await;
    }
    let kept = async || {
        (
            store.sql.rows("SELECT 1 FROM webhook_deliveries").await.unwrap(),
            store.sql.rows("SELECT 1 FROM webhook_attempts").await.unwrap(),
        )
    };

    store.clock.advance(DAY * 4);
    assert_eq!((prune(&store, KEEP).await, kept().await), ((1, 0, 0), (1, 1)), "what failed may be sent again");
    store.purge(&any_letter(), &by("ops"), ALL).await.unwrap();
    store.clock.advance(DAY * 4);
    assert_eq!((prune(&store, KEEP).await, kept().await), ((0, 1, 0), (0, 0)));
    assert!(is_there(&store, about).await);
}

/// What receivers are told is read from the job.
async fn a_job_stays_until_its_end_is_told(store: Bed) {
    let earlier = store.through(job(), succeeded()).await;
    store.clock.advance(SECOND);
    let job = store.through(job_with_callback(), succeeded()).await;
    store.clock.advance(DAY * 2);

    assert_eq!(prune(&store, KEEP).await, (1, 0, 0));
    assert!(!is_there(&store, earlier).await && is_there(&store, job).await);
    store.pass_on(ALL, &nobody()).await.unwrap();
    assert_eq!(prune(&store, KEEP).await, (1, 0, 0));
}

async fn a_schedule_goes_on_without_its_last_job(store: Bed) {
    let schedule = schedules::create(&store, schedules::new("hourly")).await;
    store.fire(&[schedules::firing(&schedule, schedules::fired(job()))]).await.unwrap();
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, succeeded()).await;
    store.clock.advance(DAY * 2);
    assert_eq!(prune(&store, KEEP).await, (1, 0, 0));

    let found = schedules::find(&store, schedule.id).await;
    assert_eq!(found.last_job_id, Some(run.run.id), "it tells what it made, as a log does");
    let next = job();
    store.fire(&[schedules::firing(&found, schedules::fired(next.clone()))]).await.unwrap();
    assert_eq!(schedules::find(&store, schedule.id).await.last_job_id, Some(next.id));
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, next.id);
}

async fn a_long_log_goes_in_pieces(store: Bed) {
    let mut ends = Vec::new();
    for _ in 0..2 {
        let run = store.start(NewJob { role: Role::Sandbox, ..job() }).await;
        let append = LogAppend { run: run.run, attempt: 1, begin: None, lines: lines(4_000) };
        store.append_logs(vec![append]).await.unwrap();
        ends.push(RunEnd { run: run.run, role: run.role, verdict: succeeded() });
    }
    store.finish(ends).await.unwrap();
    store.clock.advance(DAY * 2);

    let first = store.prune_jobs(&KEEP, None, ALL).await.unwrap();
    assert_eq!(first, Pruned { next: Next::Again, ..Pruned::default() }, "no job goes before its log");
    let second = store.prune_jobs(&KEEP, None, ALL).await.unwrap();
    assert_eq!((second.succeeded, second.next), (2, Next::Done));
    assert_eq!(store.sql.rows("SELECT 1 FROM job_logs").await.unwrap(), 0);
}

async fn a_job_stays_while_its_children_are_open(store: Bed) {
    let parent = store.start(job()).await;
    let child = NewJob { role: Role::Sandbox, ..child_of(&parent) };
    store.insert(vec![child]).await.unwrap();
    store.end(&parent, succeeded()).await;
    store.clock.advance(DAY * 2);
    assert_eq!(prune(&store, KEEP).await, (0, 0, 0));

    let child = store.claim_one(Role::Sandbox).await;
    store.end(&child, succeeded()).await;
    assert_eq!(prune(&store, KEEP).await, (1, 0, 0), "the child is young");
    assert!(is_there(&store, child.run.id).await);
    store.clock.advance(DAY * 2);
    assert_eq!(prune(&store, KEEP).await, (1, 0, 0));
}

async fn a_child_stays_while_its_parent_may_go_on(store: Bed) {
    let parent = store.start(job()).await;
    let (done, slow) = (child_of(&parent), NewJob { role: Role::Sandbox, ..child_of(&parent) });
    let child = done.id;
    store.end(&parent, await_all(vec![done, slow])).await;
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, succeeded()).await;
    store.clock.advance(DAY * 2);
    assert_eq!(prune(&store, KEEP).await, (0, 0, 0), "the parent will ask for its result");

    let run = store.claim_one(Role::Sandbox).await;
    store.end(&run, succeeded()).await;
    let parent = store.claim_one(Role::Orchestrator).await;
    store.end(&parent, dead()).await;
    store.clock.advance(DAY * 4);
    assert_eq!(prune(&store, KEEP).await, (0, 0, 0), "the parent may be replayed");

    store.purge(&any_letter(), &by("ops"), ALL).await.unwrap();
    assert_eq!(prune(&store, KEEP).await, (2, 0, 0));
    assert!(is_there(&store, parent.run.id).await && !is_there(&store, child).await);
}

async fn a_walk_goes_on_where_it_ended(store: Bed) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(store.through(job(), succeeded()).await);
    }
    store.clock.advance(DAY * 2);

    let first = store.prune_jobs(&KEEP, None, 2).await.unwrap();
    assert_eq!((first.succeeded, first.next), (2, Next::After(ids[1])));
    let third = store.prune_jobs(&KEEP, Some(ids[2]), 2).await.unwrap();
    assert_eq!((third.succeeded, third.next), (2, Next::After(ids[4])));
    assert_eq!(store.prune_jobs(&KEEP, Some(ids[4]), 2).await.unwrap(), Pruned::default());
    assert!(is_there(&store, ids[2]).await);
}

/// Else every walk would go over all that is kept.
async fn a_walk_ends_where_jobs_are_too_young(store: Bed) {
    for _ in 0..3 {
        store.through(job(), dead()).await;
    }
    assert_eq!(store.prune_jobs(&KEEP, None, 1).await.unwrap().next, Next::Done);
    store.clock.advance(DAY - MINUTE);
    // Within an hour of it, since the clocks that make ids are not the store's.
    assert!(matches!(store.prune_jobs(&KEEP, None, 1).await.unwrap().next, Next::After(_)));
}

async fn keys_are_forgotten_after_a_day(store: Bed) {
    store.submit(keyed("old", 1)).await;
    store.clock.advance(MINUTE);
    store.submit(keyed("young", 1)).await;
    let count = async || store.sql.rows("SELECT 1 FROM idempotency_keys").await.unwrap();

    store.clock.advance(DAY - MINUTE - SECOND);
    assert_eq!((store.prune_keys(ALL).await.unwrap(), count().await), (0, 2));
    store.clock.advance(SECOND);
    assert_eq!((store.prune_keys(ALL).await.unwrap(), count().await), (1, 1));
    store.clock.advance(DAY);
    store.submit(keyed("new", 1)).await;
    assert_eq!((store.prune_keys(0).await.unwrap(), store.prune_keys(1).await.unwrap(), count().await), (0, 1, 1));
}

async fn one_worker_at_a_time_has_the_turn(store: Bed) {
    let (one, other) = (WorkerId::new(), WorkerId::new());
    assert!(store.take_turn(Chore::Retention, one, MINUTE).await.unwrap());
    assert!(!store.take_turn(Chore::Retention, other, MINUTE).await.unwrap());
    store.clock.advance(SECOND * 50);
    assert!(store.take_turn(Chore::Retention, one, MINUTE).await.unwrap(), "it keeps it");
    store.clock.advance(SECOND * 50);
    assert!(!store.take_turn(Chore::Retention, other, MINUTE).await.unwrap());
    store.clock.advance(SECOND * 10);
    assert!(store.take_turn(Chore::Retention, other, MINUTE).await.unwrap(), "it was gone for too long");
    assert!(!store.take_turn(Chore::Retention, one, MINUTE).await.unwrap());
    store.retire(other).await.unwrap();
    assert!(store.take_turn(Chore::Retention, one, MINUTE).await.unwrap(), "it left in good order");
}

/// Whoever puts a job back to work just now is not waited for, and does not wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_steps_over_jobs_that_somebody_holds() {
    crate::bed::on_postgres(async |store: Bed| {
        let held = store.through(job(), succeeded()).await;
        store.through(job(), succeeded()).await;
        store.clock.advance(DAY * 2);
        let Sql::Postgres(pool) = &store.sql else { unreachable!("a bed on PostgreSQL") };
        let mut other = pool.begin().await.unwrap();
        sqlx::query("SELECT FROM jobs WHERE id = $1 FOR UPDATE").bind(held.0).execute(&mut *other).await.unwrap();

        assert_eq!(prune(&store, KEEP).await, (1, 0, 0));
        other.rollback().await.unwrap();
        assert_eq!(prune(&store, KEEP).await, (1, 0, 0));
        assert_eq!(
            store
                .jobs(&JobFilter { state: Some(State::Succeeded), ..any_job() }, everything())
                .await
                .unwrap()
                .jobs
                .len(),
            0
        );
    })
    .await;
}
