//! Real processes, killed and drained under load.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::Golden;

/// kill -9 of a worker that holds 50 runs: all of them run again elsewhere in under 30 s, and
/// each ends once.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_workers_jobs_run_again_elsewhere() {
    let golden = Golden::api_only().await;
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(golden.submit("noop", json!({"sleep_ms": 25_000})).await);
    }
    let mut doomed = golden.worker_with("orchestrator", &["--concurrency", "50"]);
    doomed.says("worker started").await;
    for id in &ids {
        golden.until(id, &["running"]).await;
    }
    let mut heir = golden.worker_with("orchestrator", &["--concurrency", "50"]);
    heir.says("worker started").await;

    let killed = Instant::now();
    doomed.signal("-KILL");
    for id in &ids {
        while golden.job(id).await["attempt"] != 2 {
            assert!(killed.elapsed() < Duration::from_secs(30), "{id} does not run again in time");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    for id in &ids {
        let job = golden.ended(id).await;
        assert_eq!((&job["state"], &job["attempt"]), (&json!("succeeded"), &json!(2)), "{job}");
    }
    let (_, attempts) = golden.call("GET", &format!("/v1/jobs/{}/attempts", ids[0]), None).await;
    let outcomes: Vec<&str> =
        attempts["data"].as_array().unwrap().iter().map(|a| a["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["lost", "succeeded"]);
}

/// A worker that was stopped long enough to be taken for lost comes back and changes nothing:
/// what it finishes late is somebody else's.
#[tokio::test(flavor = "multi_thread")]
async fn a_zombies_late_writes_change_nothing() {
    let golden =
        Golden::start(crate::support::TestStore::postgres().await, "api", &[("GOLDEN_LOST_AFTER", "10s")]).await;
    let id = golden.submit("noop", json!({"sleep_ms": 3000, "output": "done"})).await;
    let mut zombie = golden.worker("orchestrator");
    golden.until(&id, &["running"]).await;
    zombie.signal("-STOP");
    let mut heir = golden.worker("orchestrator");
    heir.says("worker started").await;
    let job = golden.ended(&id).await;
    assert_eq!((&job["state"], &job["attempt"]), (&json!("succeeded"), &json!(2)), "{job}");

    zombie.signal("-CONT");
    zombie.says("taken for lost").await;
    let after = golden.job(&id).await;
    assert_eq!((&after["finished_at"], &after["attempt"]), (&job["finished_at"], &json!(2)));

    // It goes on under a new id, and works again.
    assert_eq!(heir.terminate().await, Some(0));
    let again = golden.submit("noop", json!({})).await;
    assert_eq!(golden.ended(&again).await["state"], "succeeded");
}

/// SIGTERM: what can finish does, the rest goes back without spending an attempt, exit 0.
#[tokio::test(flavor = "multi_thread")]
async fn a_draining_worker_gives_back_what_it_cannot_finish() {
    let golden = Golden::api_only().await;
    let worker = golden.worker_with("orchestrator", &["--concurrency", "2", "--drain-timeout", "3"]);
    let short = golden.submit("noop", json!({"sleep_ms": 1500})).await;
    let long = golden.submit("noop", json!({"sleep_ms": 60_000})).await;
    let waiting = golden.submit("noop", json!({})).await;
    golden.until(&short, &["running"]).await;
    golden.until(&long, &["running"]).await;

    assert_eq!(worker.terminate().await, Some(0));
    assert_eq!(golden.job(&short).await["state"], "succeeded");
    for id in [&long, &waiting] {
        let job = golden.job(id).await;
        assert_eq!((&job["state"], &job["attempt"]), (&json!("queued"), &json!(0)), "{job}");
    }
    assert_eq!(golden.store.column("SELECT host FROM workers").await, Vec::<String>::new());
}

/// Asked to by API and command line: a worker takes nothing more, finishes what it runs, and exits 0. A queue
/// that is paused before gives out nothing, and all there is once it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_drained_and_a_queue_is_paused_by_its_operators() {
    let golden = Golden::api_only().await;
    let worker = golden.worker_with("orchestrator,webhook", &["--concurrency", "1", "--drain-timeout", "1"]);
    // Longer than it takes the worker to hear of it, and than a shutdown would have given it.
    let running = golden.submit("noop", json!({"sleep_ms": 8000})).await;
    golden.until(&running, &["running"]).await;
    let (_, workers) = golden.call("GET", "/v1/workers", None).await;
    let seen = &workers["data"][0];
    assert_eq!((&seen["running"], &seen["runs"][0]["job_id"]), (&json!(1), &json!(running)), "{workers}");

    let (code, text) = golden.cli(&["workers", "drain", seen["id"].as_str().unwrap()]);
    assert!(code == Some(0) && text.contains("\tdraining\t"), "{text}");
    let waiting = golden.submit("noop", json!({})).await;
    assert_eq!(worker.ended().await, Some(0));
    assert_eq!(golden.job(&running).await["state"], "succeeded");
    let left = golden.job(&waiting).await;
    assert_eq!((&left["state"], &left["attempt"]), (&json!("queued"), &json!(0)), "{left}");
    assert_eq!(golden.call("GET", "/v1/workers", None).await.1["data"], json!([]));

    assert_eq!(golden.cli(&["queues", "pause", "orchestrator"]).0, Some(0));
    let mut another = golden.worker("orchestrator");
    another.says("worker started").await;
    let other = format!("Bearer {}", golden.mint("developer", "other"));
    let headers = [("authorization", other.as_str()), ("prefer", "wait=30")];
    let (status, job) = golden.call_with("POST", "/v1/jobs", Some(json!({"kind": "noop"})), &headers).await;
    assert_eq!((status, &job["state"]), (200, &json!("succeeded")), "what is another tenant's runs");
    assert_eq!(golden.job(&waiting).await["state"], "queued");
    assert_eq!(golden.cli(&["queues", "resume", "orchestrator"]).0, Some(0));
    assert_eq!(golden.ended(&waiting).await["state"], "succeeded");
}

/// Jobs that were accepted before the only process died are there when it comes back.
#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_job_survives_the_death_of_golden_dev() {
    let golden = Golden::dev().await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(golden.submit("noop", json!({"sleep_ms": 100})).await);
    }
    golden.api.signal("-KILL");
    let reborn = golden.again("dev").await;
    for id in &ids {
        assert_eq!(reborn.ended(id).await["state"], Value::from("succeeded"));
    }
}

/// A claim whose answer was lost on the way leaves a lease with a worker that lives and knows
/// nothing of it. The worker gives it back.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_its_worker_knows_nothing_of_is_given_back() {
    let golden = Golden::api_only().await;
    let mut holder = golden.worker("webhook");
    holder.says("worker started").await;
    let id = golden.submit("noop", json!({})).await;
    golden
        .store
        .column(
            "WITH taken AS (DELETE FROM ready RETURNING id, role, tenant_id)
             INSERT INTO running (id, role, tenant_id, worker_id, started_at)
             SELECT t.id, t.role, t.tenant_id, w.id, now() FROM taken t, workers w RETURNING role",
        )
        .await;
    let _worker = golden.worker("orchestrator");
    let job = golden.ended(&id).await;
    assert_eq!((&job["state"], &job["attempt"]), (&json!("succeeded"), &json!(1)), "{job}");
}
