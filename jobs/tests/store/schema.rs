//! Versions, checks, and the statements that runbooks rely on.

use golden_jobs::{
    Role,
    store::{ConnectError, ConnectOptions, StoreError, connect, inspect, migrate},
};

use crate::{
    bed::{Bed, Sql},
    both_stores,
    given::{dead, job, succeeded},
};

both_stores! {
    migrating_twice_is_harmless
    an_older_schema_is_refused
    whoever_looks_is_told_what_database_it_is
    the_runbooks_statements_run_as_they_stand
    what_the_runbooks_read_is_what_died
    a_row_that_makes_no_sense_is_refused
    every_job_has_one_place
    a_database_that_does_not_answer_is_unavailable
}

async fn migrating_twice_is_harmless(store: Bed) {
    let id = store.submit(job()).await;

    let version = migrate(&store.url).await.unwrap();

    assert!(version >= 1);
    assert_eq!(migrate(&store.url).await.unwrap(), version);
    store.record(id).await;
}

async fn an_older_schema_is_refused(store: Bed) {
    let needed = migrate(&store.url).await.unwrap();
    store
        .sql
        .execute("DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)")
        .await
        .unwrap();

    let refused = connect(ConnectOptions::new(store.url.clone())).await.err().unwrap();

    assert!(
        matches!(refused, ConnectError::OldSchema { found, needed: n } if n == needed && found < needed),
        "{refused}"
    );
    assert!(refused.to_string().contains("golden migrate"), "{refused}");
    assert!(matches!(inspect(&store.url).await, Err(ConnectError::OldSchema { .. })));
}

async fn whoever_looks_is_told_what_database_it_is(store: Bed) {
    let seen = inspect(&store.url).await.unwrap();

    let version = seen.product.split_once(' ').unwrap().1;
    assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{seen:?}");
    assert_eq!(seen.product.starts_with("SQLite"), seen.folder.is_some_and(|folder| folder.is_dir()));
    assert_eq!(seen.schema, migrate(&store.url).await.unwrap());
}

async fn the_runbooks_statements_run_as_they_stand(store: Bed) {
    let sql = &store.sql;
    sql.execute("INSERT INTO budget_limits (tenant_id, total_limit) VALUES ('X', 1000000)").await.unwrap();
    store.through(job(), dead()).await;

    assert_eq!(sql.rows("SELECT * FROM dlq_messages WHERE resolved = FALSE;").await.unwrap(), 1);
    let counts = "SELECT original_subject, COUNT(*) FROM dlq_messages GROUP BY original_subject;";
    assert_eq!(sql.rows(counts).await.unwrap(), 1);
    assert_eq!(sql.rows("SELECT * FROM budget_limits WHERE tenant_id = 'X';").await.unwrap(), 1);
    let raise = "UPDATE budget_limits SET total_limit = 2000000 WHERE tenant_id = 'X';";
    assert_eq!(sql.execute(raise).await.unwrap(), 1);
}

async fn what_the_runbooks_read_is_what_died(store: Bed) {
    store.through(job(), dead()).await;
    store.through(job(), dead()).await;
    store.through(golden_jobs::store::NewJob { kind: "http.call".into(), ..job() }, dead()).await;

    let count = "SELECT COUNT(*) FROM dlq_messages WHERE original_subject = 'jobs.orchestrator.noop'";
    assert_eq!(store.sql.number(count).await, 2);
    let count = "SELECT COUNT(*) FROM dlq_messages WHERE original_subject = 'jobs.orchestrator.http.call'";
    assert_eq!(store.sql.number(count).await, 1);
}

/// The type refuses illegal moves in code; the schema does so for whoever writes by hand.
async fn a_row_that_makes_no_sense_is_refused(store: Bed) {
    store.submit(job()).await;
    let statements = [
        "UPDATE jobs SET state = 'succeeded'",
        "UPDATE jobs SET state = 'running'",
        "UPDATE jobs SET state = 'lost'",
        "UPDATE jobs SET priority = 10",
        "UPDATE jobs SET role = 'webhooks'",
        "UPDATE jobs SET max_attempts = 0",
        "UPDATE jobs SET pending_children = -1",
        "INSERT INTO budget_limits (tenant_id, total_limit) VALUES ('X', -1)",
    ];
    for statement in statements {
        assert!(store.sql.execute(statement).await.is_err(), "{statement}");
    }
}

async fn every_job_has_one_place(store: Bed) {
    let run = store.start(job()).await;
    store.submit(job()).await;
    assert_eq!(store.sql.number("SELECT COUNT(*) FROM running").await, 1);
    assert_eq!(store.sql.number("SELECT COUNT(*) FROM ready").await, 1);
    assert_eq!(store.sql.number("SELECT COUNT(*) FROM jobs").await, 2);

    store.end(&run, succeeded()).await;

    assert_eq!(store.sql.number("SELECT COUNT(*) FROM running").await, 0);
    assert_eq!(store.sql.number("SELECT COUNT(*) FROM job_attempts").await, 0, "a success is told by its own row");
}

/// Every verb has a deadline: a worker that waits for ever looks alive and does nothing.
async fn a_database_that_does_not_answer_is_unavailable(store: Bed) {
    match &store.sql {
        Sql::Sqlite(pool) => {
            let transaction = pool.begin_with("BEGIN EXCLUSIVE").await.unwrap();
            let refused = store.insert(vec![job()]).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
            transaction.rollback().await.unwrap();
        }
        Sql::Postgres(pool) => {
            let mut transaction = pool.begin().await.unwrap();
            sqlx::query("LOCK TABLE jobs").execute(&mut *transaction).await.unwrap();
            let refused = store.insert(vec![job()]).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
            transaction.rollback().await.unwrap();
        }
    }

    // What was refused is not done later, and the next call finds a store that works.
    let next = store.submit(job()).await;
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, next);
}
