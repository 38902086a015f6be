//! What dies, and how it comes back.

use std::collections::HashSet;

use chrono::DateTime;
use golden_jobs::{
    DeadLetterId, JobId, Role, State,
    outcome::Verdict,
    store::{DeadLetter, DeadLetterFilter, LOOK, NewJob, Page, Replay, Retried, RunEnd},
};
use sqlx::Row;

use crate::{
    bed::{ALL, Bed, Sql, on_postgres},
    both_stores,
    given::{
        MINUTE, SECOND, TENANT, any_letter, by, dead, dead_of, everything, job, job_with_callback, json, replay,
        succeeded,
    },
};

both_stores! {
    letters_are_found_by_what_is_known_of_them
    a_piece_of_an_error_is_not_a_pattern
    pages_are_complete_and_do_not_overlap
    a_page_looks_at_so_many_letters_and_no_more
    a_replayed_job_runs_again_with_fresh_attempts
    a_job_is_replayed_once_however_often_it_is_asked_for
    two_replays_at_the_same_time_requeue_each_job_once
    a_replay_takes_the_oldest_up_to_its_limit
    a_replay_by_filter_leaves_the_others
    a_replay_may_bring_another_payload
    a_replayed_job_may_die_again
    a_replay_of_what_died_before_comes_to_an_end
    a_purged_letter_is_resolved_and_its_job_stays_dead
    resolved_letters_are_left_as_they_are
}

/// The ids of letters are made by the machine's clock: from here on the store's is as far.
fn catch_up(store: &Bed) {
    let millis = i64::try_from(JobId::new().0.as_u128() >> 80).unwrap();
    let now = DateTime::from_timestamp_millis(millis).unwrap();
    store.clock.advance((now - store.clock.now()).to_std().unwrap());
}

/// Records jobs and lets them all die.
async fn bury(store: &Bed, jobs: Vec<NewJob>) {
    let roles: HashSet<_> = jobs.iter().map(|job| job.role).collect();
    store.insert(jobs).await.unwrap();
    for role in roles {
        let runs = store.claim(role, ALL, store.worker).await.unwrap();
        let ends = runs.iter().map(|run| RunEnd { run: run.run, role, verdict: dead() });
        assert_eq!(store.finish(ends.collect()).await.unwrap(), []);
    }
}

async fn letters(store: &Bed, filter: &DeadLetterFilter) -> Vec<DeadLetter> {
    store.dead_letters(filter, everything()).await.unwrap().letters
}

/// The one letter there is, resolved or not.
async fn letter(store: &Bed) -> DeadLetter {
    let mut letters = letters(store, &DeadLetterFilter { include_resolved: true, ..any_letter() }).await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    letters.remove(0)
}

async fn letters_are_found_by_what_is_known_of_them(store: Bed) {
    catch_up(&store);
    let first = store.through(job(), dead_of("timeout", "it took 30 s")).await;
    store.clock.advance(MINUTE);
    let between = store.clock.now();
    let second =
        store.through(NewJob { kind: "review".into(), role: Role::PeerHub, ..job() }, dead_of("x", "No quorum")).await;

    let found = async |filter: DeadLetterFilter| {
        let found = letters(&store, &filter).await;
        assert_eq!(store.count_dead_letters(&filter).await.unwrap(), found.len() as u64);
        found.into_iter().map(|letter| letter.job_id.unwrap()).collect::<Vec<JobId>>()
    };
    assert_eq!(found(any_letter()).await, [second, first], "newest first");
    assert_eq!(found(DeadLetterFilter { kind: Some("review".into()), ..any_letter() }).await, [second]);
    let subject = Some("jobs.orchestrator.noop".into());
    assert_eq!(found(DeadLetterFilter { subject, ..any_letter() }).await, [first]);
    assert_eq!(found(DeadLetterFilter { error: Some("took 30".into()), ..any_letter() }).await, [first]);
    assert_eq!(found(DeadLetterFilter { error: Some("no QUORUM".into()), ..any_letter() }).await, [second]);
    assert_eq!(found(DeadLetterFilter { since: Some(between), ..any_letter() }).await, [second]);
    assert_eq!(found(DeadLetterFilter { until: Some(between), ..any_letter() }).await, [first]);
    let ids: Vec<_> = letters(&store, &any_letter()).await.iter().map(|letter| letter.id).collect();
    assert_eq!(found(DeadLetterFilter { ids: vec![ids[1]], ..any_letter() }).await, [first]);
    assert_eq!(found(DeadLetterFilter { ids: ids.clone(), ..any_letter() }).await, [second, first]);
    let both = DeadLetterFilter { ids: vec![ids[0]], kind: Some("noop".into()), ..any_letter() };
    assert_eq!(found(both).await, []);
    assert_eq!(found(DeadLetterFilter { ids: vec![DeadLetterId::new()], ..any_letter() }).await, []);
}

async fn a_piece_of_an_error_is_not_a_pattern(store: Bed) {
    store.through(job(), dead_of("x", "100 of 100")).await;
    let literal = store.through(job(), dead_of("x", r"100% of a_b \ 'c'")).await;

    for piece in ["100%", "a_b", r"\", "'c'"] {
        let filter = DeadLetterFilter { error: Some(piece.into()), ..any_letter() };
        let found: Vec<_> = letters(&store, &filter).await.into_iter().map(|letter| letter.job_id).collect();
        assert_eq!(found, [Some(literal)], "{piece}");
    }
}

async fn pages_are_complete_and_do_not_overlap(store: Bed) {
    bury(&store, (0..10).map(|_| job()).collect()).await;
    let whole: Vec<_> = letters(&store, &any_letter()).await.into_iter().map(|letter| letter.id).collect();
    assert!(whole.is_sorted_by(|a, b| a > b));

    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let page = store.dead_letters(&any_letter(), Page { before, limit: 3 }).await.unwrap().letters;
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        paged.extend(page.into_iter().map(|letter| letter.id));
    }

    assert_eq!(paged, whole);
}

/// Makes 9,998 letters of the only one there is, of the same millisecond.
async fn multiply(store: &Bed) {
    let statement = match &store.sql {
        Sql::Postgres(_) => {
            "INSERT INTO dlq_messages (id, tenant_id, job_id, original_subject, kind, role, payload, error_code, error,
                                       attempts, created_at)
             SELECT (left(replace(id::text, '-', ''), 12) || '70008000' || lpad(to_hex(n), 12, '0'))::uuid, tenant_id,
                    job_id, original_subject, kind, role, payload, error_code, error, attempts, created_at
             FROM dlq_messages, generate_series(1, 9998) AS s(n) WHERE kind = 'noop'"
        }
        Sql::Sqlite(_) => {
            "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 9998)
             INSERT INTO dlq_messages (id, tenant_id, job_id, original_subject, kind, role, payload, error_code, error,
                                       attempts, created_at)
             SELECT unhex(substr(hex(id), 1, 12) || '70008000' || printf('%012x', n)), tenant_id, job_id,
                    original_subject, kind, role, payload, error_code, error, attempts, created_at
             FROM dlq_messages, s WHERE kind = 'noop'"
        }
    };
    assert_eq!(store.sql.execute(statement).await.unwrap(), 9_998);
}

async fn a_page_looks_at_so_many_letters_and_no_more(store: Bed) {
    let rare = || NewJob { kind: "rare".into(), ..job() };
    store.through(rare(), dead()).await;
    store.through(job(), dead()).await;
    multiply(&store).await;
    store.through(rare(), dead()).await;
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), u64::from(LOOK) + 1);

    for include_resolved in [false, true] {
        let filter = DeadLetterFilter { kind: Some("rare".into()), include_resolved, ..any_letter() };
        let page = async |before, limit| store.dead_letters(&filter, Page { before, limit }).await.unwrap();
        // One short of the first of them, and then that one alone.
        let first = page(None, 10).await;
        assert_eq!(first.letters.len(), 1);
        let second = page(first.looked_to, 10).await;
        assert_eq!((second.letters.len(), second.looked_to), (1, None));
        assert!(second.letters[0].id < first.letters[0].id);
        // A full page needs no such mark.
        assert_eq!(page(None, 1).await.looked_to, None);
    }
}

/// Not from everybody's, which it would look through for a tenant that has few.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_reads_a_tenants_letters_from_its_own() {
    on_postgres(async |store: Bed| {
        store.through(job(), dead()).await;
        multiply(&store).await;
        let Sql::Postgres(pool) = &store.sql else { unreachable!("a bed on PostgreSQL") };
        let mut connection = pool.acquire().await.unwrap();
        for statement in [
            "ANALYZE dlq_messages",
            "SET plan_cache_mode = force_generic_plan",
            "SET enable_seqscan = off",
            concat!(
                "PREPARE open AS ",
                include_str!("../../src/sql/postgres/dead_letters/open.sql"),
                include_str!("../../src/sql/postgres/dead_letters.sql")
            ),
            concat!(
                "PREPARE whole AS ",
                include_str!("../../src/sql/postgres/dead_letters/all.sql"),
                include_str!("../../src/sql/postgres/dead_letters.sql")
            ),
        ] {
            sqlx::raw_sql(statement).execute(&mut *connection).await.unwrap();
        }
        for (explain, index) in [
            (
                "EXPLAIN EXECUTE open('small', '{}', NULL, NULL, NULL, NULL, NULL, \
                 '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', false, 21, 10000)",
                "using dlq_open",
            ),
            (
                "EXPLAIN EXECUTE whole('small', '{}', NULL, NULL, NULL, NULL, NULL, \
                 '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', true, 21, 10000)",
                "using dlq_by_tenant",
            ),
        ] {
            let plan = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
            assert_eq!(plan.iter().filter(|line| line.contains(index)).count(), 2, "{plan:#?}");
        }
    })
    .await;
}

async fn a_replayed_job_runs_again_with_fresh_attempts(store: Bed) {
    let id = store.through(NewJob { max_attempts: 1, ..job_with_callback() }, dead()).await;
    store.clock.advance(MINUTE);

    assert_eq!(store.replay(&replay(any_letter()), ALL).await.unwrap(), [id]);

    let read = store.record(id).await;
    assert_eq!((read.state, read.attempt, read.finished_at), (State::Queued, 0, None));
    assert_eq!(read.run_at, store.clock.now());
    let letter = letter(&store).await;
    assert_eq!((letter.resolved, letter.resolution.as_deref()), (true, Some("replayed")));
    assert_eq!((letter.resolved_by.as_deref(), letter.resolved_at), (Some("ops@acme"), Some(store.clock.now())));
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 0);

    let run = store.claim_one(Role::Orchestrator).await;
    assert_eq!((run.attempt, run.max_attempts, run.payload.get()), (1, 1, "{}"));
    store.end(&run, succeeded()).await;
    assert_eq!(store.state(id).await, State::Succeeded);
    assert_eq!(store.events().await, [(id, "job.dead".to_owned()), (id, "job.succeeded".to_owned())]);
}

async fn a_job_is_replayed_once_however_often_it_is_asked_for(store: Bed) {
    let id = store.through(job(), dead()).await;
    let by_id = DeadLetterFilter { ids: vec![letter(&store).await.id], ..any_letter() };

    assert_eq!(store.replay(&replay(by_id.clone()), ALL).await.unwrap(), [id]);
    for filter in [by_id, any_letter(), DeadLetterFilter { include_resolved: true, ..any_letter() }] {
        assert!(store.replay(&replay(filter), ALL).await.unwrap().is_empty());
    }

    assert_eq!(store.retry(TENANT, id, &by("ops")).await.unwrap(), Retried::NotNow(State::Queued));
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, id);
}

async fn two_replays_at_the_same_time_requeue_each_job_once(store: Bed) {
    const JOBS: usize = 100;
    bury(&store, (0..JOBS).map(|_| job()).collect()).await;

    let replays: Vec<_> = (0..2)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                // Asked for in small pieces, as the command does, until nothing is left.
                for _ in 0..JOBS {
                    if store.count_dead_letters(&any_letter()).await.unwrap() == 0 {
                        break;
                    }
                    mine.extend(store.replay(&replay(any_letter()), 7).await.unwrap());
                }
                mine
            })
        })
        .collect();
    let mut replayed = Vec::new();
    for task in replays {
        replayed.extend(task.await.unwrap());
    }

    assert_eq!(replayed.len(), JOBS);
    assert_eq!(replayed.into_iter().collect::<HashSet<_>>().len(), JOBS);
    assert_eq!(store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().len(), JOBS);
}

async fn a_replay_takes_the_oldest_up_to_its_limit(store: Bed) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(store.through(job(), dead()).await);
        store.clock.advance(SECOND);
    }

    let mut replayed = store.replay(&replay(any_letter()), 2).await.unwrap();
    replayed.sort();

    assert_eq!(replayed, ids[..2]);
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 3);
}

async fn a_replay_by_filter_leaves_the_others(store: Bed) {
    let timeout = store.through(job(), dead_of("timeout", "it took 30 s")).await;
    let other = store.through(job(), dead()).await;

    let filter = DeadLetterFilter { error: Some("took".into()), ..any_letter() };
    assert_eq!(store.replay(&replay(filter), ALL).await.unwrap(), [timeout]);

    assert_eq!(store.state(other).await, State::Dead);
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 1);
}

async fn a_replay_may_bring_another_payload(store: Bed) {
    store.through(NewJob { payload: json(r#"{"typo": 1}"#), ..job() }, dead()).await;

    let request = Replay { payload: Some(json(r#"{ "fixed": 1 }"#)), ..replay(any_letter()) };
    assert_eq!(store.replay(&request, ALL).await.unwrap().len(), 1);

    assert_eq!(store.claim_one(Role::Orchestrator).await.payload.get(), r#"{ "fixed": 1 }"#);
    assert_eq!(letter(&store).await.payload.get(), r#"{"typo": 1}"#, "the letter says what died");
}

async fn a_replayed_job_may_die_again(store: Bed) {
    let id = store.through(job(), dead_of("first", "first")).await;
    store.replay(&replay(any_letter()), ALL).await.unwrap();
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, dead_of("second", "second")).await;

    let open = letters(&store, &any_letter()).await;
    assert_eq!(open.iter().map(|letter| letter.error.as_str()).collect::<Vec<_>>(), ["second"]);
    assert_eq!(open[0].attempts, 1);
    let whole = letters(&store, &DeadLetterFilter { include_resolved: true, ..any_letter() }).await;
    assert_eq!(whole.iter().map(|letter| letter.job_id).collect::<Vec<_>>(), [Some(id), Some(id)]);
    assert_eq!(store.replay(&replay(any_letter()), ALL).await.unwrap(), [id]);
}

async fn a_replay_of_what_died_before_comes_to_an_end(store: Bed) {
    store.through(job(), dead()).await;
    store.clock.advance(SECOND);
    let request = replay(DeadLetterFilter { until: Some(store.clock.now()), ..any_letter() });
    assert_eq!(store.replay(&request, ALL).await.unwrap().len(), 1);
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, dead()).await;

    assert!(store.replay(&request, ALL).await.unwrap().is_empty());
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 1);
}

async fn a_purged_letter_is_resolved_and_its_job_stays_dead(store: Bed) {
    let id = store.through(job(), dead()).await;
    bury(&store, vec![job(), job()]).await;
    let one = DeadLetterFilter { ids: vec![letters(&store, &any_letter()).await[2].id], ..any_letter() };

    assert_eq!(store.purge(&one, &by("ops@acme"), ALL).await.unwrap(), 1);
    assert_eq!(store.purge(&one, &by("ops@acme"), ALL).await.unwrap(), 0);

    let whole = letters(&store, &DeadLetterFilter { include_resolved: true, ..any_letter() }).await;
    assert_eq!((whole[2].job_id, whole[2].resolution.as_deref()), (Some(id), Some("purged")));
    assert_eq!((whole[2].resolved_by.as_deref(), whole[2].resolved_at), (Some("ops@acme"), Some(store.clock.now())));
    assert_eq!(store.state(id).await, State::Dead);
    assert_eq!(store.replay(&replay(one), ALL).await.unwrap(), []);
    assert_eq!(store.purge(&any_letter(), &by("ops"), 1).await.unwrap(), 1, "no more than it is asked to");
    assert_eq!(store.purge(&any_letter(), &by("ops"), ALL).await.unwrap(), 1);
    // The job itself may still be run again, by its own id.
    assert_eq!(store.retry(TENANT, id, &by("ops")).await.unwrap(), Retried::Requeued);
}

async fn resolved_letters_are_left_as_they_are(store: Bed) {
    store.through(job(), dead()).await;
    store.replay(&replay(any_letter()), ALL).await.unwrap();
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, Verdict::Cancelled).await;
    let before = letter(&store).await;
    store.clock.advance(MINUTE);

    let resolved = DeadLetterFilter { include_resolved: true, ids: vec![before.id], ..any_letter() };
    assert_eq!(store.purge(&resolved, &by("other"), ALL).await.unwrap(), 0);
    assert!(store.replay(&Replay { by: by("other"), ..replay(resolved) }, ALL).await.unwrap().is_empty());
    assert_eq!(store.retry(TENANT, run.run.id, &by("other")).await.unwrap(), Retried::Requeued);

    let after = letter(&store).await;
    assert_eq!((after.resolved_by, after.resolved_at), (before.resolved_by, before.resolved_at));
    assert_eq!(after.resolution, before.resolution);
}
