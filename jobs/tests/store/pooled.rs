//! What a pooler changes, which lends a session for one transaction at a time, and what it does not.

use std::time::Duration;

use golden_jobs::{
    Role,
    store::{ConnectError, ConnectOptions, PoolMode, RunEnd, connect, inspect, migrate},
};
use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};
use tokio::time::timeout;

use crate::{
    bed::{on_pgbouncer, on_postgres},
    given::{job, succeeded},
    pgbouncer::PgBouncer,
};

fn server() -> String {
    std::env::var("TEST_DATABASE_URL").unwrap()
}

fn database(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_counts_on_a_session_behind_a_pooler_is_told_what_to_set() {
    on_postgres(async |store| {
        assert!(!inspect(&store.url).await.unwrap().pooled);
        let modes = "pool_mode = transaction\n";
        for ignored in [
            "",
            "ignore_startup_parameters = extra_float_digits",
            "ignore_startup_parameters = extra_float_digits, options",
        ] {
            let pooler = PgBouncer::start(&server(), &format!("{modes}{ignored}")).await;
            let url = pooler.url(database(&store.url));

            let refused = connect(ConnectOptions::new(url.clone())).await.err().unwrap();

            assert!(matches!(refused, ConnectError::Pooled), "{ignored}: {refused}");
            assert!(refused.to_string().contains("GOLDEN_DATABASE_POOL_MODE=transaction"), "{refused}");
            assert!(inspect(&url).await.unwrap().pooled, "{ignored}");
            connect(ConnectOptions { pool_mode: PoolMode::Transaction, ..ConnectOptions::new(url) }).await.unwrap();
        }
    })
    .await;
}

/// The one session that is lent is the next one's.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_in_a_session_that_was_lent() {
    on_postgres(async |store| {
        let pooler = PgBouncer::start(&server(), "pool_mode = transaction\ndefault_pool_size = 1").await;
        let url = pooler.url(database(&store.url));
        let version = migrate(&url).await.unwrap();
        assert_eq!(migrate(&url).await.unwrap(), version);
        let options = ConnectOptions { pool_mode: PoolMode::Transaction, ..ConnectOptions::new(url.clone()) };
        let pooled = connect(options).await.unwrap();
        pooled.insert(vec![job()]).await.unwrap();
        let claimed = pooled.claim(Role::Orchestrator, 1, store.worker).await.unwrap().remove(0);
        let end = RunEnd { run: claimed.run, role: claimed.role, verdict: succeeded() };
        assert_eq!(pooled.finish(vec![end]).await.unwrap(), []);

        let options: PgConnectOptions = url.parse().unwrap();
        let options = options.extra_float_digits(None);
        let mut session = PgConnection::connect_with(&options).await.unwrap();
        for (query, expected) in [
            ("SELECT count(*)::text FROM pg_prepared_statements", "0"),
            ("SELECT count(*)::text FROM pg_listening_channels()", "0"),
            ("SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", "0"),
            ("SHOW enable_seqscan", "on"),
            ("SHOW statement_timeout", "0"),
        ] {
            let row = sqlx::raw_sql(query).fetch_one(&mut session).await.unwrap();
            assert_eq!(row.get::<String, _>(0), expected, "{query}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_listen_is_heard_by_those_who_can() {
    on_pgbouncer(async |store| {
        let straight = connect(ConnectOptions::new(store.url.clone())).await.unwrap();
        // It listens from when it first hears something: until then, work is told of again.
        let heard = async {
            loop {
                store.submit(job()).await;
                if timeout(Duration::from_millis(100), straight.wakes().woken(Role::Orchestrator)).await.is_ok() {
                    return;
                }
            }
        };
        timeout(Duration::from_secs(10), heard).await.expect("a hint comes through");
    })
    .await;
}
