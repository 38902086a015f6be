//! What is SQLite's own; what every store must do is in `tests/store/`.

mod plans;

use std::path::PathBuf;

use serde_json::value::RawValue;
use sqlx::{ConnectOptions as _, Row};

use super::{
    open::connect_options,
    writer::{Tx, Verb},
    *,
};
use crate::{
    outcome::Verdict,
    record::State,
    store::{ConnectError, Due},
};

/// A store in a folder of its own, which goes away with it.
struct Fresh {
    store: SqliteStore,
    folder: PathBuf,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn fresh() -> Fresh {
    let folder = std::env::temp_dir().join(format!("golden-{}", Uuid::now_v7()));
    let url = format!("sqlite://{}/deep/golden.db", folder.display());
    migrate(&url).await.unwrap();
    let store = SqliteStore::connect(ConnectOptions::new(url)).await.unwrap();
    Fresh { store, folder }
}

fn job(payload: &str) -> NewJob {
    NewJob {
        id: JobId::new(),
        tenant_id: "acme".to_owned(),
        kind: "noop".to_owned(),
        role: Role::Orchestrator,
        priority: 5,
        payload: RawValue::from_string(payload.to_owned()).unwrap(),
        max_attempts: 5,
        timeout: Duration::from_secs(1),
        due: Due::Now,
        metadata: None,
        callback_url: None,
        parent_id: None,
        max_cost: None,
        trace: None,
        idempotency: None,
    }
}

fn succeeded(claimed: &Claimed) -> RunEnd {
    let result = Some(RawValue::from_string("\"ok\"".to_owned()).unwrap());
    RunEnd { run: claimed.run, role: claimed.role, verdict: Verdict::Succeeded { result } }
}

#[tokio::test]
async fn a_job_goes_its_way_and_its_lease_fences_it() {
    let fresh = fresh().await;
    let store = &fresh.store;
    let new = job(r#"{ "kept" : "as it came" }"#);
    let id = new.id;
    store.insert(vec![new]).await.unwrap();

    let claimed = store.claim(Role::Orchestrator, 10, WorkerId::new()).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].run.id, claimed[0].attempt), (id, 1));
    assert_eq!(claimed[0].payload.get(), r#"{ "kept" : "as it came" }"#);
    assert_eq!(store.job("acme", id).await.unwrap().unwrap().state, State::Running);

    let stale = Run { lease: claimed[0].run.lease + 1, ..claimed[0].run };
    let end = RunEnd { run: stale, ..succeeded(&claimed[0]) };
    assert_eq!(store.finish(vec![end]).await.unwrap(), [stale]);
    assert_eq!(store.finish(vec![succeeded(&claimed[0])]).await.unwrap(), []);
    assert_eq!(store.finish(vec![succeeded(&claimed[0])]).await.unwrap(), [claimed[0].run]);

    let ended = store.job("acme", id).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.attempt), (State::Succeeded, 1));
    assert_eq!(ended.result.unwrap().get(), "\"ok\"");
}

/// A lease is never given out twice, not even when the last one is gone.
#[tokio::test]
async fn leases_grow_for_ever() {
    let fresh = fresh().await;
    let mut last = 0;
    for _ in 0..3 {
        fresh.store.insert(vec![job("{}")]).await.unwrap();
        let claimed = fresh.store.claim(Role::Orchestrator, 1, WorkerId::new()).await.unwrap();
        assert!(claimed[0].run.lease > last);
        last = claimed[0].run.lease;
        fresh.store.finish(vec![succeeded(&claimed[0])]).await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_call_does_not_take_its_neighbours_along() {
    let fresh = fresh().await;
    let store = &fresh.store;
    // All are there before the writer gets to run, so that they share a transaction.
    let (good, other) = (job("{}"), job("{}"));
    let (id, other_id) = (good.id, other.id);
    let bad = NewJob { priority: 99, ..job("{}") };
    let half = job("{}");
    let half_id = half.id;
    let (first, refused, last) =
        tokio::join!(store.insert(vec![good]), store.insert(vec![half, bad]), store.insert(vec![other]));

    assert!(first.is_ok() && last.is_ok());
    assert!(matches!(refused, Err(StoreError::Rejected(_))), "{refused:?}");
    assert!(store.job("acme", id).await.unwrap().is_some());
    assert!(store.job("acme", other_id).await.unwrap().is_some());
    assert!(store.job("acme", half_id).await.unwrap().is_none());
}

/// Sets how many pages the file may have: a disk as full as a test wants it.
struct Disk {
    pages: i64,
}

#[async_trait]
impl Verb for Disk {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        let statement = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", self.pages));
        sqlx::query(statement).fetch_one(&mut *tx.connection).await.map(|_| ())
    }
}

/// SQLite ends the whole transaction by itself then.
#[tokio::test]
async fn a_full_disk_refuses_all_and_harms_nothing() {
    let fresh = fresh().await;
    let store = &fresh.store;
    let kept = job("{}");
    let kept_id = kept.id;
    store.insert(vec![kept]).await.unwrap();

    // SQLite never sets it below what the file has.
    store.writer.call(Disk { pages: 1 }).await.unwrap();
    let (small, big) = (job("{}"), job(&format!("\"{}\"", "x".repeat(1_000_000))));
    let small_id = small.id;
    let (first, second) = tokio::join!(store.insert(vec![small]), store.insert(vec![big]));
    assert!(matches!(second, Err(StoreError::Unavailable(_))), "{second:?}");
    assert_eq!(first.is_ok(), store.job("acme", small_id).await.unwrap().is_some());
    assert!(store.job("acme", kept_id).await.unwrap().is_some());

    store.writer.call(Disk { pages: 1_000_000 }).await.unwrap();
    store.insert(vec![job("{}")]).await.unwrap();
}

/// As two processes do that are started on a new file together.
#[tokio::test]
async fn migrations_at_the_same_time_take_turns() {
    for _ in 0..5 {
        let folder = std::env::temp_dir().join(format!("golden-{}", Uuid::now_v7()));
        let url = format!("sqlite://{}/golden.db", folder.display());
        let (first, second, third) = tokio::join!(migrate(&url), migrate(&url), migrate(&url));
        first.and(second).and(third).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[tokio::test]
async fn the_file_is_written_durably() {
    let fresh = fresh().await;
    let options = connect_options(&format!("sqlite://{}/deep/golden.db", fresh.folder.display())).unwrap();
    let mut connection = options.connect().await.unwrap();
    let mut pragma = async |name: &'static str| -> String {
        let row = sqlx::query(name).fetch_one(&mut connection).await.unwrap();
        row.try_get::<String, _>(0).unwrap_or_else(|_| row.get::<i64, _>(0).to_string())
    };
    assert_eq!(pragma("PRAGMA journal_mode").await, "wal");
    assert_eq!(pragma("PRAGMA synchronous").await, "2", "FULL");
    assert_eq!(pragma("PRAGMA fullfsync").await, "1");
    assert_eq!(pragma("PRAGMA foreign_keys").await, "0");
}

#[tokio::test]
async fn readers_cannot_write() {
    let fresh = fresh().await;
    let refused = sqlx::query("DELETE FROM jobs").execute(&fresh.store.readers).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("readonly")));
}

#[tokio::test]
async fn a_missing_or_empty_database_is_an_old_schema() {
    let folder = std::env::temp_dir().join(format!("golden-{}", Uuid::now_v7()));
    let url = format!("sqlite://{}/golden.db", folder.display());
    let refused = SqliteStore::connect(ConnectOptions::new(url)).await;
    assert!(matches!(refused, Err(ConnectError::OldSchema { found: 0, .. })));
}

/// The runbook's statements, and a log that only grows.
#[tokio::test]
async fn the_schema_keeps_its_promises() {
    let fresh = fresh().await;
    let options = connect_options(&format!("sqlite://{}/deep/golden.db", fresh.folder.display())).unwrap();
    let mut connection = options.connect().await.unwrap();
    for statement in [
        "SELECT * FROM dlq_messages WHERE resolved = FALSE",
        "SELECT original_subject, COUNT(*) FROM dlq_messages GROUP BY original_subject",
        "INSERT INTO budget_limits (tenant_id, total_limit) VALUES ('X', 1)",
        "SELECT * FROM budget_limits WHERE tenant_id = 'X'",
        "UPDATE budget_limits SET total_limit = 2000000 WHERE tenant_id = 'X'",
        "INSERT INTO audit_log VALUES ('X', 1, '{}', zeroblob(32), zeroblob(32), 0, 'a', 'b')",
    ] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    for forbidden in [
        "UPDATE audit_log SET at = 1",
        "DELETE FROM audit_log",
        "INSERT OR REPLACE INTO audit_log VALUES ('X', 1, '{}', zeroblob(32), zeroblob(32), 1, 'a', 'b')",
    ] {
        let refused = sqlx::query(forbidden).execute(&mut connection).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("append-only")), "{forbidden}");
    }
}
