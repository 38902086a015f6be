//! How much there is of what: for metrics, and for whoever decides how many workers there are.

use golden_jobs::{
    Role,
    store::{Due, LOOKED_AT, NewJob, Pool, QueueName, Quota, RoleDepth, SILENT_AFTER, WorkerInfo},
};
use sqlx::Row;

use crate::{
    bed::{ALL, Bed, Sql, on_postgres},
    both_stores,
    given::{MINUTE, SECOND, TENANT, any_letter, by, dead, job, job_of, job_with_callback, worker},
};

both_stores! {
    depths_count_what_there_is
    what_is_held_back_is_no_load
    a_paused_role_keeps_its_load
    capacity_is_that_of_workers_who_take_jobs
    what_is_more_than_so_many_is_not_counted
}

const NONE: RoleDepth = RoleDepth {
    role: Role::Orchestrator,
    ready: 0,
    held: 0,
    scheduled: 0,
    running: 0,
    at_least: false,
    capacity: 0,
    oldest_wait: std::time::Duration::ZERO,
    oldest_run: std::time::Duration::ZERO,
};

async fn depth(store: &Bed, role: Role) -> RoleDepth {
    store.depths().await.unwrap().roles.into_iter().find(|depth| depth.role == role).unwrap()
}

async fn depths_count_what_there_is(store: Bed) {
    store.insert((0..3).map(|_| job()).collect()).await.unwrap();
    store.clock.advance(SECOND);
    store.submit(NewJob { priority: 0, ..job() }).await;
    store.submit(NewJob { due: Due::In(MINUTE), ..job() }).await;
    store.submit(NewJob { role: Role::Sandbox, ..job() }).await;
    store.claim(Role::Sandbox, ALL, store.worker).await.unwrap();
    store.through(NewJob { role: Role::Webhook, ..job_with_callback() }, dead()).await;
    store.clock.advance(SECOND);

    let depths = store.depths().await.unwrap();

    assert_eq!((depths.dead_letters, depths.outbox), (1, 1));
    let mut roles = depths.roles;
    roles.sort_by_key(|depth| depth.role);
    let expected = Role::ALL.map(|role| match role {
        Role::Orchestrator => RoleDepth { ready: 4, scheduled: 1, oldest_wait: SECOND * 2, ..NONE },
        Role::Sandbox => RoleDepth { role, running: 1, oldest_run: SECOND, ..NONE },
        role => RoleDepth { role, ..NONE },
    });
    assert_eq!(roles, expected);
    assert_eq!((roles[0].load(), roles[0].queued()), (4, 4));
    store.purge(&any_letter(), &by("ops"), ALL).await.unwrap();
    assert_eq!(store.depths().await.unwrap().dead_letters, 0);
}

/// More workers could not run it: it would pin a role at its most replicas for as long as it is held.
async fn what_is_held_back_is_no_load(store: Bed) {
    store.insert((0..5).map(|_| job()).collect()).await.unwrap();
    store.submit(job_of("other")).await;
    store
        .limit(Role::Orchestrator, TENANT, Quota { max_queued: None, max_running: Some(2) }, &by("ops"))
        .await
        .unwrap();
    store.later(SECOND).await;

    let limited = depth(&store, Role::Orchestrator).await;
    assert_eq!((limited.ready, limited.held, limited.load(), limited.queued()), (3, 3, 3, 6));

    let queue = QueueName { role: Role::Orchestrator, tenant_id: Some("other".into()) };
    store.pause(&queue, &by("ops")).await.unwrap();
    store.later(SECOND).await;
    let paused = depth(&store, Role::Orchestrator).await;
    assert_eq!((paused.ready, paused.held), (2, 4));
}

/// Its workers are there when it is resumed.
async fn a_paused_role_keeps_its_load(store: Bed) {
    store.insert((0..5).map(|_| job()).collect()).await.unwrap();
    store.pause(&QueueName { role: Role::Orchestrator, tenant_id: None }, &by("ops")).await.unwrap();
    store.later(SECOND).await;

    assert_eq!(depth(&store, Role::Orchestrator).await.load(), 5);
}

async fn capacity_is_that_of_workers_who_take_jobs(store: Bed) {
    let pool = |role, capacity| Pool { role, capacity };
    let both = WorkerInfo { pools: vec![pool(Role::Sandbox, 4), pool(Role::Webhook, 50)], ..worker() };
    let one = WorkerInfo { pools: vec![pool(Role::Sandbox, 3)], ..worker() };
    let drains = WorkerInfo { pools: vec![pool(Role::Sandbox, 100)], ..worker() };
    for worker in [&both, &one, &drains] {
        store.heartbeat(worker).await.unwrap();
    }
    store.drain(drains.id, &by("ops")).await.unwrap();

    let capacity = async |role| depth(&store, role).await.capacity;
    assert_eq!((capacity(Role::Sandbox).await, capacity(Role::Webhook).await), (7, 50));
    assert_eq!(capacity(Role::Supervisor).await, 0);

    store.clock.advance(SILENT_AFTER);
    store.heartbeat(&one).await.unwrap();
    assert_eq!((capacity(Role::Sandbox).await, capacity(Role::Webhook).await), (3, 0));
}

async fn what_is_more_than_so_many_is_not_counted(store: Bed) {
    let most = u64::from(LOOKED_AT);
    for _ in 0..=LOOKED_AT / 2_000 {
        let mixed = (0..2_000).map(|n| NewJob { priority: (n % 10) as u8, ..job() });
        store.insert(mixed.collect()).await.unwrap();
    }
    store.submit(NewJob { role: Role::Sandbox, ..job() }).await;

    let many = depth(&store, Role::Orchestrator).await;
    assert_eq!((many.ready, many.held, many.at_least), (most, 0, true));
    let few = depth(&store, Role::Sandbox).await;
    assert_eq!((few.ready, few.at_least), (1, false));
}

#[tokio::test]
async fn postgres_reads_depths_from_indexes_in_their_order() {
    on_postgres(async |store: Bed| {
        store.insert((0..2000).map(|_| job()).collect()).await.unwrap();
        let Sql::Postgres(pool) = &store.sql else { unreachable!("a bed on PostgreSQL") };
        let mut connection = pool.acquire().await.unwrap();
        for statement in [
            "ANALYZE ready",
            "SET plan_cache_mode = force_generic_plan",
            "SET enable_seqscan = off",
            concat!("PREPARE depths AS ", include_str!("../../src/sql/postgres/depths.sql")),
        ] {
            sqlx::raw_sql(statement).execute(&mut *connection).await.unwrap();
        }
        let explain = "EXPLAIN EXECUTE depths('{orchestrator,sandbox}', NULL, 10000, 60000)";
        let plan = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
        for (index, times) in
            [("ready_in_claim_order", 2), ("ready_parked", 1), ("scheduled_by_due", 1), ("dlq_open", 1)]
        {
            let uses = plan.iter().filter(|line| line.contains(&format!("using {index}"))).count();
            assert_eq!(uses, times, "{index} in {plan:#?}");
        }
    })
    .await;
}
