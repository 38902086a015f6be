//! Who gets which job.

use std::collections::HashSet;

use golden_jobs::{
    JobId, Role, State, WorkerId,
    outcome::Verdict,
    store::{Claimed, Due, NewJob, QueueName, Quota, ReadyJob},
};
use sqlx::Row;

use crate::{
    bed::{ALL, Bed, Sql, on_postgres, on_sqlite},
    behind_pgbouncer, both_stores,
    given::{MINUTE, SECOND, TENANT, by, job, job_of, json, succeeded},
};

both_stores! {
    the_most_urgent_come_first_then_the_oldest
    a_claim_takes_no_more_than_its_limit
    a_claim_leaves_other_roles_alone
    a_claim_says_all_that_the_run_needs
    a_claimed_job_shows_as_running
    every_claim_takes_a_greater_lease
    many_claimers_never_share_a_job
    what_is_ready_is_told_in_claim_order
    what_a_queue_holds_back_is_not_ready
    of_given_jobs_those_that_are_ready_are_claimed
    many_claimers_of_the_same_jobs_never_share_one
}

behind_pgbouncer! {
    many_claimers_never_share_a_job
}

async fn the_most_urgent_come_first_then_the_oldest(store: Bed) {
    let mut jobs: Vec<_> = [5, 0, 9, 5, 0, 1].map(|priority| NewJob { priority, ..job() }).into();
    store.insert(jobs.clone()).await.unwrap();

    let mut claimed = Vec::new();
    for _ in 0..3 {
        claimed.extend(store.claim(Role::Orchestrator, 2, store.worker).await.unwrap());
    }

    jobs.sort_by_key(|job| (job.priority, job.id));
    let expected: Vec<_> = jobs.into_iter().map(|job| job.id).collect();
    let order: Vec<_> = claimed.into_iter().map(|claimed| claimed.run.id).collect();
    assert_eq!(order, expected);
}

async fn a_claim_takes_no_more_than_its_limit(store: Bed) {
    store.insert((0..5).map(|_| job()).collect()).await.unwrap();

    for expected in [2, 2, 1, 0] {
        assert_eq!(store.claim(Role::Orchestrator, 2, store.worker).await.unwrap().len(), expected);
    }
}

async fn a_claim_leaves_other_roles_alone(store: Bed) {
    for role in Role::ALL {
        store.submit(NewJob { role, ..job() }).await;
    }
    for role in Role::ALL {
        assert_eq!(store.claim_one(role).await.role, role);
    }
}

async fn a_claim_says_all_that_the_run_needs(store: Bed) {
    let parent = store.submit(NewJob { role: Role::Webhook, ..job() }).await;
    let given = NewJob {
        tenant_id: "globex".into(),
        kind: "sandbox.run".into(),
        role: Role::Sandbox,
        payload: json(r#"{"n":1}"#),
        max_attempts: 3,
        timeout: MINUTE * 2,
        due: Due::In(MINUTE),
        parent_id: Some(parent),
        max_cost: None,
        ..job()
    };
    store.submit(given.clone()).await;
    let due = store.clock.now() + MINUTE;
    store.later(MINUTE + SECOND).await;

    let run = store.claim_one(Role::Sandbox).await;

    assert_eq!((run.run.id, run.tenant_id.as_str(), run.kind.as_str()), (given.id, "globex", "sandbox.run"));
    assert_eq!((run.role, run.attempt, run.max_attempts), (Role::Sandbox, 1, 3));
    assert_eq!((run.timeout, run.payload.get()), (MINUTE * 2, r#"{"n":1}"#));
    assert_eq!(run.parent_id, Some(parent));
    assert!(run.checkpoint.is_none());
    assert_eq!((run.run_at, run.claimed_at), (due, store.clock.now()));
}

async fn a_claimed_job_shows_as_running(store: Bed) {
    let id = store.submit(job()).await;
    store.clock.advance(SECOND);
    store.claim_one(Role::Orchestrator).await;

    let read = store.record(id).await;
    assert_eq!((read.state, read.attempt), (State::Running, 1));
    assert_eq!(read.worker_id, Some(store.worker));
    assert_eq!(read.started_at, Some(store.clock.now()));
    assert_eq!(store.outcomes(id).await, ["running"]);
}

async fn every_claim_takes_a_greater_lease(store: Bed) {
    let mut last = store.start(job()).await;
    for _ in 0..5 {
        store.end(&last, Verdict::Release).await;
        let next = store.claim_one(Role::Orchestrator).await;
        assert!(next.run.lease > last.run.lease);
        last = next;
    }
    store.end(&last, succeeded()).await;
}

async fn many_claimers_never_share_a_job(store: Bed) {
    const JOBS: usize = 400;
    store.insert((0..JOBS).map(|_| job()).collect()).await.unwrap();

    let claimers: Vec<_> = (0..8)
        .map(|_| {
            let (store, worker) = (store.clone(), WorkerId::new());
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claimed = store.claim(Role::Orchestrator, 7, worker).await.unwrap();
                    if claimed.is_empty() {
                        return mine;
                    }
                    mine.extend(claimed.into_iter().map(|claimed| claimed.run));
                }
            })
        })
        .collect();
    let mut runs = Vec::new();
    for claimer in claimers {
        runs.extend(claimer.await.unwrap());
    }

    // A claimer may step over rows that another one is taking: what is left is nobody's.
    let left = store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap();
    runs.extend(left.into_iter().map(|claimed| claimed.run));
    assert_eq!(runs.len(), JOBS);
    assert_eq!(runs.iter().map(|run| run.id).collect::<HashSet<_>>().len(), JOBS);
    assert_eq!(runs.iter().map(|run| run.lease).collect::<HashSet<_>>().len(), JOBS);
}

async fn ready(store: &Bed, limit: u32) -> Vec<JobId> {
    store.ready(Role::Orchestrator, None, limit).await.unwrap().into_iter().map(|ready| ready.id).collect()
}

fn ids(claimed: &[Claimed]) -> Vec<JobId> {
    claimed.iter().map(|claimed| claimed.run.id).collect()
}

async fn what_is_ready_is_told_in_claim_order(store: Bed) {
    let tenants = ["a", "a", "a", "b"].into_iter();
    store
        .insert(tenants.zip([5, 5, 0, 5]).map(|(of, priority)| NewJob { priority, ..job_of(of) }).collect())
        .await
        .unwrap();
    store
        .insert(vec![NewJob { role: Role::Sandbox, ..job() }, NewJob { due: Due::In(MINUTE), ..job() }])
        .await
        .unwrap();

    let told = store.ready(Role::Orchestrator, None, ALL).await.unwrap();

    assert!(told.is_sorted(), "{told:?}");
    for place in 0..told.len() {
        let after = store.ready(Role::Orchestrator, Some(told[place]), 2).await.unwrap();
        assert_eq!(after, told[place + 1..].iter().take(2).copied().collect::<Vec<_>>());
    }
    // It need not be a job's.
    let place = ReadyJob { id: JobId::new(), ..told[2] };
    assert_eq!(store.ready(Role::Orchestrator, Some(place), ALL).await.unwrap(), told[3..]);
    assert_eq!(ready(&store, 2).await, ready(&store, ALL).await[..2]);
    let told: Vec<_> = told.into_iter().map(|ready| ready.id).collect();
    let claimed = store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap();
    assert_eq!((told.len(), ids(&claimed)), (4, told));
    assert!(ready(&store, ALL).await.is_empty());
}

/// A queue that is paused when its jobs are told of already, and one that has a quota, hold them back alike.
async fn what_a_queue_holds_back_is_not_ready(store: Bed) {
    let role = Role::Orchestrator;
    for tenant_id in [None, Some(TENANT.to_owned())] {
        let queue = QueueName { role, tenant_id };
        let id = store.submit(job()).await;
        let told = ready(&store, ALL).await;
        store.pause(&queue, &by("ops")).await.unwrap();

        assert!(ready(&store, ALL).await.is_empty());
        assert!(store.claim_ready(role, &told, store.worker).await.unwrap().is_empty());

        store.resume(&queue, &by("ops")).await.unwrap();
        let claimed = store.claim_ready(role, &told, store.worker).await.unwrap();
        assert_eq!(ids(&claimed), [id]);
        store.end(&claimed[0], succeeded()).await;
    }

    store.limit(role, TENANT, Quota { max_running: Some(1), ..Quota::default() }, &by("ops")).await.unwrap();
    let jobs = [store.submit(job()).await, store.submit(job()).await];
    assert_eq!(ready(&store, ALL).await, jobs[..1]);
    assert_eq!(ids(&store.claim_ready(role, &jobs, store.worker).await.unwrap()), jobs[..1]);
}

async fn of_given_jobs_those_that_are_ready_are_claimed(store: Bed) {
    let role = Role::Orchestrator;
    let running = store.start(job()).await;
    let ended = store.start(job()).await;
    store.end(&ended, succeeded()).await;
    let cancelled = store.submit(job()).await;
    store.cancel(TENANT, cancelled, &by("ops")).await.unwrap();
    let later = store.submit(NewJob { due: Due::In(MINUTE), ..job() }).await;
    let elsewhere = store.submit(NewJob { role: Role::Sandbox, ..job() }).await;
    let calm = store.submit(job()).await;
    let urgent = store.submit(NewJob { priority: 0, ..job() }).await;
    let untold = store.submit(job()).await;

    let given = [running.run.id, ended.run.id, cancelled, later, elsewhere, JobId::new(), calm, urgent, calm];
    let claimed = store.claim_ready(role, &given, store.worker).await.unwrap();

    assert_eq!(ids(&claimed), [urgent, calm], "each once, in claim order");
    assert!(running.run.lease < claimed[0].run.lease && claimed[0].run.lease < claimed[1].run.lease);
    assert_eq!(store.state(calm).await, State::Running);
    for claimed in &claimed {
        store.end(claimed, succeeded()).await;
    }
    assert!(store.claim_ready(role, &given, store.worker).await.unwrap().is_empty(), "a late hint does nothing");
    assert!(store.claim_ready(role, &[], store.worker).await.unwrap().is_empty());
    assert_eq!(ready(&store, ALL).await, [untold]);
}

async fn many_claimers_of_the_same_jobs_never_share_one(store: Bed) {
    const JOBS: usize = 300;
    store.insert((0..JOBS).map(|_| job()).collect()).await.unwrap();
    let told = ready(&store, ALL).await;

    let claimers = (0..4).map(|_| {
        let (store, told) = (store.clone(), told.clone());
        tokio::spawn(async move { store.claim_ready(Role::Orchestrator, &told, WorkerId::new()).await.unwrap() })
    });
    let mut claimed = Vec::new();
    for claimer in claimers.collect::<Vec<_>>() {
        claimed.extend(ids(&claimer.await.unwrap()));
    }
    // A claimer may step over rows that another one is taking: what is left is nobody's.
    claimed.extend(ids(&store.claim_ready(Role::Orchestrator, &told, store.worker).await.unwrap()));

    assert_eq!(claimed.len(), JOBS);
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>(), told.into_iter().collect());
}

/// A claim reads the first jobs of its line, and not the whole of it to sort them.
#[tokio::test]
async fn sqlite_claims_from_the_front_of_the_line() {
    on_sqlite(async |store: Bed| {
        let Sql::Sqlite(pool) = &store.sql else { unreachable!("a bed on SQLite") };
        let first = concat!(
            "EXPLAIN QUERY PLAN ",
            include_str!("../../src/sql/sqlite/claim/first.sql"),
            include_str!("../../src/sql/sqlite/claimable.sql")
        );
        let ready = concat!(
            "EXPLAIN QUERY PLAN ",
            include_str!("../../src/sql/sqlite/ready.sql"),
            include_str!("../../src/sql/sqlite/claimable.sql")
        );
        for (explain, by) in [
            (first, "ready USING PRIMARY KEY (role=? AND parked=?)"),
            (ready, "ready USING PRIMARY KEY (role=? AND parked=? AND (priority,fair_tag,id)>(?,?,?))"),
        ] {
            let plan = sqlx::raw_sql(explain).fetch_all(pool).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|line| line.get("detail")).collect();
            assert!(plan.iter().any(|line| line.contains(by)), "{plan:#?}");
            assert!(plan.iter().all(|line| !line.contains("FOR ORDER BY")), "{plan:#?}");
        }
    })
    .await;
}

/// However little the planner knows of the table: a claim of given jobs must not read the role's backlog.
#[tokio::test]
async fn postgres_finds_given_jobs_by_their_ids() {
    on_postgres(async |store: Bed| {
        let Sql::Postgres(pool) = &store.sql else { unreachable!("a bed on PostgreSQL") };
        let mut connection = pool.acquire().await.unwrap();
        for statement in [
            "SET plan_cache_mode = force_generic_plan",
            "SET enable_seqscan = off",
            "SET enable_hashjoin = off",
            "SET enable_mergejoin = off",
            concat!(
                "PREPARE given AS ",
                include_str!("../../src/sql/postgres/claim/given.sql"),
                include_str!("../../src/sql/postgres/claimable.sql"),
                include_str!("../../src/sql/postgres/claim.sql")
            ),
            concat!(
                "PREPARE ready AS ",
                include_str!("../../src/sql/postgres/ready.sql"),
                include_str!("../../src/sql/postgres/claimable.sql")
            ),
        ] {
            sqlx::raw_sql(statement).execute(&mut *connection).await.unwrap();
        }
        for analysed in [false, true] {
            if analysed {
                store.insert((0..2_000).map(|_| job()).collect()).await.unwrap();
                sqlx::raw_sql("ANALYZE ready").execute(&mut *connection).await.unwrap();
            }
            let ready = "EXPLAIN EXECUTE ready('orchestrator', 1000, 5, 7, gen_random_uuid())";
            let given = "EXPLAIN EXECUTE given('orchestrator', 1000, gen_random_uuid(), NULL, '{}')";
            for (explain, index) in [(given, "ready_id_key"), (ready, "ready_in_claim_order")] {
                let plan = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
                let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
                let looks: Vec<_> =
                    plan.iter().filter(|line| line.contains("Scan") && line.contains("ready_")).collect();
                let finds = |line: &&&String| line.contains(index) || line.contains("Tid Scan");
                assert!(looks.iter().any(|line| line.contains(index)), "{plan:#?}");
                assert!(looks.iter().all(|line| finds(&line)), "{plan:#?}");
            }
        }
    })
    .await;
}
