//! Lists, pages, attempts.

use chrono::TimeDelta;
use golden_jobs::{
    JobId, Role, State,
    outcome::Verdict,
    store::{Due, JobFilter, LOOK, NewJob, Page, SUMMARY_RESULT_LIMIT},
};
use sqlx::Row;
use uuid::{NoContext, Timestamp, Uuid};

use crate::{
    bed::{ALL, Bed, Sql, on_postgres},
    both_stores,
    given::{
        MINUTE, SECOND, TENANT, any_job, any_letter, await_all, by, child_of, dead, everything, job, json, retry_in,
        succeeded,
    },
};

both_stores! {
    jobs_are_found_by_what_is_known_of_them
    jobs_are_found_by_the_state_that_they_show
    pages_are_complete_and_do_not_overlap
    a_page_holds_what_matches_however_far_apart
    a_page_looks_at_so_many_jobs_and_no_more
    jobs_are_found_by_their_metadata
    jobs_are_found_by_what_made_them
    a_list_is_of_one_tenant_wherever_it_is_read_from
    ended_names_those_that_have_ended
    summaries_are_read_together_whatever_their_tenant
    a_summary_leaves_out_what_is_large
    a_time_of_creation_is_exact_though_ids_are_made_by_other_clocks
    a_job_that_died_twice_is_listed_once
    attempts_tell_every_run_in_order
}

async fn found(store: &Bed, filter: JobFilter) -> Vec<JobId> {
    store.jobs(&filter, everything()).await.unwrap().jobs.into_iter().map(|job| job.id).collect()
}

async fn jobs_are_found_by_what_is_known_of_them(store: Bed) {
    let first = store.submit(NewJob { id: id_at(&store, TimeDelta::zero()), ..job() }).await;
    store.clock.advance(MINUTE);
    let between = store.clock.now();
    store.clock.advance(MINUTE);
    let second = NewJob { id: id_at(&store, TimeDelta::zero()), kind: "review".into(), role: Role::PeerHub, ..job() };
    let second = store.submit(second).await;

    assert_eq!(found(&store, any_job()).await, [second, first], "newest first");
    assert_eq!(found(&store, JobFilter { kind: Some("review".into()), ..any_job() }).await, [second]);
    assert_eq!(found(&store, JobFilter { role: Some(Role::Orchestrator), ..any_job() }).await, [first]);
    assert_eq!(found(&store, JobFilter { created_after: Some(between), ..any_job() }).await, [second]);
    assert_eq!(found(&store, JobFilter { created_before: Some(between), ..any_job() }).await, [first]);
    let neither = JobFilter { kind: Some("noop".into()), role: Some(Role::PeerHub), ..any_job() };
    assert_eq!(found(&store, neither).await, []);
}

/// What a list filters by is what it shows, though a claim does not write to the job's own row.
async fn jobs_are_found_by_the_state_that_they_show(store: Bed) {
    let succeeded = store.through(job(), succeeded()).await;
    let dead = store.through(job(), dead()).await;
    let cancelled = store.through(job(), Verdict::Cancelled).await;
    let due = store.submit(NewJob { role: Role::Sandbox, due: Due::In(SECOND), ..job() }).await;
    let tried = store.through(job(), retry_in(SECOND)).await;
    store.later(SECOND).await;
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, tried);
    let retrying = store.through(job(), retry_in(MINUTE)).await;
    let parent = store.start(job()).await;
    let child = child_of(&parent);
    let (waiting, queued) = (parent.run.id, child.id);
    store.end(&parent, await_all(vec![child])).await;
    let scheduled = store.submit(NewJob { due: Due::In(MINUTE), ..job() }).await;

    let expected = [
        (State::Succeeded, vec![succeeded]),
        (State::Dead, vec![dead]),
        (State::Cancelled, vec![cancelled]),
        (State::Queued, vec![queued, due]),
        (State::Running, vec![tried]),
        (State::Retrying, vec![retrying]),
        (State::Waiting, vec![waiting]),
        (State::Scheduled, vec![scheduled]),
    ];
    for (state, expected) in expected {
        let mut found = found(&store, JobFilter { state: Some(state), ..any_job() }).await;
        found.sort_by(|a, b| b.cmp(a));
        let mut expected = expected;
        expected.sort_by(|a, b| b.cmp(a));
        assert_eq!(found, expected, "{state}");
    }
}

async fn pages(store: &Bed, filter: &JobFilter, limit: u32) -> Vec<JobId> {
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let page = store.jobs(filter, Page { before, limit }).await.unwrap().jobs;
        let Some(last) = page.last() else {
            return paged;
        };
        assert!(page.len() <= limit as usize);
        before = Some(last.id);
        paged.extend(page.into_iter().map(|job| job.id));
    }
}

async fn pages_are_complete_and_do_not_overlap(store: Bed) {
    store.insert((0..25).map(|_| job()).collect()).await.unwrap();
    let whole = found(&store, any_job()).await;
    assert_eq!(whole.len(), 25);
    assert!(whole.is_sorted_by(|a, b| a > b));

    for limit in [1, 7, 25, 26] {
        assert_eq!(pages(&store, &any_job(), limit).await, whole);
    }
}

async fn a_page_holds_what_matches_however_far_apart(store: Bed) {
    let jobs: Vec<_> =
        (0..30).map(|n| NewJob { kind: if n % 10 == 0 { "rare".into() } else { "noop".into() }, ..job() }).collect();
    store.insert(jobs).await.unwrap();
    let rare = JobFilter { kind: Some("rare".into()), ..any_job() };

    assert_eq!(store.jobs(&rare, Page { before: None, limit: 2 }).await.unwrap().jobs.len(), 2);
    assert_eq!(pages(&store, &rare, 2).await, found(&store, rare.clone()).await);
}

/// Whoever goes on from where looking ended finds all there is.
async fn a_page_looks_at_so_many_jobs_and_no_more(store: Bed) {
    let rare = store.submit(NewJob { kind: "rare".into(), ..job() }).await;
    for _ in 0..10 {
        store.insert((0..LOOK / 10 - 1).map(|_| job()).collect()).await.unwrap();
    }
    let last = store.submit(NewJob { kind: "rare".into(), ..job() }).await;
    store.insert((0..9).map(|_| job()).collect()).await.unwrap();
    let filter = JobFilter { kind: Some("rare".into()), ..any_job() };
    let page = async |before, limit| store.jobs(&filter, Page { before, limit }).await.unwrap();

    // One short of the first of them, and then that one alone.
    let first = page(None, 10).await;
    assert_eq!(first.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [last]);
    let second = page(first.looked_to, 10).await;
    assert_eq!(second.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [rare]);
    assert_eq!(second.looked_to, None);
    // A full page needs no such mark, and neither does the end.
    assert_eq!(page(None, 1).await.looked_to, None);
    assert_eq!(page(Some(rare), 10).await.looked_to, None);
}

async fn jobs_are_found_by_their_metadata(store: Bed) {
    let with = |text: &str| NewJob { metadata: Some(json(text)), ..job() };
    let both = store.submit(with(r#"{"team":"core","order":"4711"}"#)).await;
    let one = store.submit(with(r#"{"team":"core","path":"C:\\users\\dan"}"#)).await;
    store.submit(job()).await;
    // What no API lets in, and what must not be in the way.
    for odd in [r#"{"team":"\u0000"}"#, r#"{"half":"\ud83d"}"#, r#"{"big":1e999999}"#, "[\"team\"]", "\"core\"", "7"] {
        store.submit(with(odd)).await;
    }
    let by = async |wanted: &[(&str, &str)]| {
        let metadata = wanted.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        found(&store, JobFilter { metadata, ..any_job() }).await
    };

    assert_eq!(by(&[("team", "core")]).await, [one, both]);
    assert_eq!(by(&[("team", "core"), ("order", "4711")]).await, [both]);
    assert_eq!(by(&[("path", r"C:\users\dan")]).await, [one]);
    for none in [("team", "cor"), ("team", "Core"), ("te", "core"), ("order", "47"), ("0", "team"), ("$.team", "core")]
    {
        assert_eq!(by(&[none]).await, [], "{none:?}");
    }
    assert_eq!(by(&[("team", "core"), ("order", "1")]).await, []);
}

async fn jobs_are_found_by_what_made_them(store: Bed) {
    let parent = store.start(job()).await;
    let (running, queued) = (child_of(&parent), NewJob { due: Due::In(MINUTE), ..child_of(&parent) });
    let (first, second) = (running.id, queued.id);
    store.end(&parent, await_all(vec![running, queued])).await;
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, first);
    store.submit(job()).await;

    let made = JobFilter { parent_id: Some(parent.run.id), ..any_job() };
    assert_eq!(found(&store, made.clone()).await, [second, first]);
    assert_eq!(found(&store, JobFilter { state: Some(State::Running), ..made.clone() }).await, [first]);
    assert_eq!(found(&store, JobFilter { state: Some(State::Scheduled), ..made.clone() }).await, [second]);
    assert_eq!(found(&store, JobFilter { tenant_id: "globex".into(), ..made }).await, []);
}

async fn a_list_is_of_one_tenant_wherever_it_is_read_from(store: Bed) {
    for tenant in [TENANT, "globex"] {
        let job = || NewJob { tenant_id: tenant.into(), ..job() };
        store.through(job(), succeeded()).await;
        store.through(job(), dead()).await;
        store.through(job(), retry_in(MINUTE)).await;
        store.start(job()).await;
        store.submit(NewJob { role: Role::Sandbox, ..job() }).await;
    }
    for state in [State::Succeeded, State::Dead, State::Retrying, State::Running, State::Queued] {
        let page = store.jobs(&JobFilter { state: Some(state), ..any_job() }, everything()).await.unwrap();
        assert_eq!(page.jobs.iter().map(|job| job.tenant_id.as_str()).collect::<Vec<_>>(), [TENANT], "{state}");
    }
}

/// A tenant that has few jobs among everybody's many must not wait for the walk past those.
#[tokio::test]
async fn postgres_reads_a_tenants_list_from_its_own_jobs() {
    on_postgres(async |store: Bed| {
        store.insert((0..2000).map(|_| job()).collect()).await.unwrap();
        let Sql::Postgres(pool) = &store.sql else { unreachable!("a bed on PostgreSQL") };
        let mut connection = pool.acquire().await.unwrap();
        for statement in [
            "ANALYZE jobs",
            "SET plan_cache_mode = force_generic_plan",
            "SET enable_seqscan = off",
            concat!(
                "PREPARE list AS ",
                include_str!("../../src/sql/postgres/jobs/any.sql"),
                include_str!("../../src/sql/postgres/jobs.sql")
            ),
        ] {
            sqlx::raw_sql(statement).execute(&mut *connection).await.unwrap();
        }
        let explain = "EXPLAIN EXECUTE list('small', NULL, NULL, NULL, NULL, NULL, \
             '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 21, 10000, NULL, NULL)";
        let plan = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
        assert_eq!(plan.iter().filter(|line| line.contains("using jobs_by_tenant")).count(), 2, "{plan:#?}");
    })
    .await;
}

async fn summaries_are_read_together_whatever_their_tenant(store: Bed) {
    let ours = store.submit(job()).await;
    let theirs = store.submit(NewJob { tenant_id: "other".into(), ..job() }).await;
    store.submit(job()).await;

    let summaries = store.summaries(&[ours, theirs, JobId::new()]).await.unwrap();

    let mut found: Vec<JobId> = summaries.iter().map(|summary| summary.job.id).collect();
    found.sort_unstable();
    assert_eq!(found, [ours, theirs]);
}

async fn a_summary_leaves_out_what_is_large(store: Bed) {
    let largest = SUMMARY_RESULT_LIMIT as usize;
    // Bytes count, not letters: «ü» is two.
    let texts = [format!("\"{}\"", "x".repeat(largest - 2)), format!("\"{}\"", "ü".repeat(largest / 2))];
    for (text, omitted) in texts.into_iter().zip([false, true]) {
        let new = NewJob { payload: json("[1]"), metadata: Some(json("[2]")), ..job() };
        let id = store.through(new, Verdict::Succeeded { result: Some(json(text.clone())) }).await;

        let summary = store.summaries(&[id]).await.unwrap().remove(0);

        assert_eq!(summary.result_omitted, omitted);
        assert_eq!(summary.job.result.map(|result| result.get().to_owned()), (!omitted).then_some(text));
        assert_eq!((summary.job.payload.get(), summary.job.metadata.unwrap().get()), ("null", "[2]"));
    }
    let none = store.through(job(), succeeded()).await;
    let summary = store.summaries(&[none]).await.unwrap().remove(0);
    assert!(summary.job.result.is_none() && !summary.result_omitted);
}

/// An id made at the store's time, or so much off.
fn id_at(store: &Bed, ahead: TimeDelta) -> JobId {
    let at = store.clock.now() + ahead;
    let seconds = u64::try_from(at.timestamp()).unwrap();
    JobId(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, at.timestamp_subsec_nanos())))
}

async fn a_time_of_creation_is_exact_though_ids_are_made_by_other_clocks(store: Bed) {
    let off = TimeDelta::minutes(50);
    let (fast, slow) = (id_at(&store, off), id_at(&store, -off));
    store.insert(vec![NewJob { id: fast, ..job() }, NewJob { id: slow, ..job() }]).await.unwrap();
    let at = store.clock.now();
    let after = |at| JobFilter { created_after: Some(at), ..any_job() };
    let before = |at| JobFilter { created_before: Some(at), ..any_job() };
    let second = TimeDelta::seconds(1);

    assert_eq!(found(&store, after(at)).await, [fast, slow]);
    assert_eq!(found(&store, after(at + second)).await, []);
    assert_eq!(found(&store, before(at + second)).await, [fast, slow]);
    assert_eq!(found(&store, before(at)).await, []);
}

async fn a_job_that_died_twice_is_listed_once(store: Bed) {
    let id = store.through(job(), dead()).await;
    store.retry(TENANT, id, &by("ops")).await.unwrap();
    let dead_ones = JobFilter { state: Some(State::Dead), ..any_job() };
    assert_eq!(found(&store, dead_ones.clone()).await, []);
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, dead()).await;
    let other = store.through(job(), dead()).await;
    store.purge(&any_letter(), &by("ops"), ALL).await.unwrap();

    assert_eq!(found(&store, dead_ones.clone()).await, [other, id]);
    assert_eq!(pages(&store, &dead_ones, 1).await, [other, id]);
}

async fn ended_names_those_that_have_ended(store: Bed) {
    let mut ended = Vec::new();
    for verdict in [succeeded(), dead(), Verdict::Cancelled] {
        ended.push(store.through(job(), verdict).await);
    }
    let retrying = store.through(job(), retry_in(MINUTE)).await;
    let running = store.start(job()).await.run.id;
    let queued = store.submit(job()).await;

    let mut asked = ended.clone();
    asked.extend([retrying, running, queued, JobId::new()]);
    let mut answer = store.ended(&asked).await.unwrap();

    answer.sort();
    assert_eq!(answer, ended);
}

async fn attempts_tell_every_run_in_order(store: Bed) {
    let id = store.submit(job()).await;
    let start = store.clock.now();
    let verdicts = [
        Verdict::Snooze { delay: SECOND },
        Verdict::Release,
        await_all(vec![]),
        retry_in(SECOND),
        Verdict::Lost { dead: false },
        succeeded(),
    ];
    for verdict in verdicts {
        store.clock.advance(SECOND);
        let run = store.claim_one(Role::Orchestrator).await;
        store.clock.advance(SECOND);
        store.end(&run, verdict).await;
        store.later(SECOND).await;
    }

    let attempts = store.attempts(id).await.unwrap();

    // Runs that spent no attempt leave no record.
    let told: Vec<_> = attempts.iter().map(|run| (run.attempt, run.outcome.as_str())).collect();
    assert_eq!(told, [(1, "retry"), (2, "lost"), (3, "succeeded")]);
    for (n, run) in (3..).zip(&attempts) {
        assert_eq!(run.started_at, start + SECOND * (3 * n + 1));
        assert_eq!(run.finished_at, Some(run.started_at + SECOND));
        assert_eq!(run.worker_id, Some(store.worker));
        assert_eq!(run.error.is_some(), run.outcome != "succeeded");
    }
    assert!(store.attempts(JobId::new()).await.unwrap().is_empty());
}
