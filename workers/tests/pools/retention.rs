//! What has ended goes when its time is over.

use std::{sync::Arc, time::Duration};

use golden_jobs::{
    JobId, Registry, Role, WorkerId,
    breakers::{self, Board},
    context::Ports,
    functions::KnownFunctions,
    kinds::Noop,
    metrics::Metrics,
    outcome::Verdict,
    store::{Chore, ConnectOptions, Due, NewJob, RunEnd, StoreClock, clock::HeldClock, connect, migrate},
};
use golden_workers::Options;
use tokio_util::sync::CancellationToken;

use crate::Nobody;

#[tokio::test]
async fn a_worker_removes_what_is_past_its_time() {
    let folder = std::env::temp_dir().join(format!("golden-pools-{}", uuid::Uuid::now_v7()));
    let url = format!("sqlite://{}/golden.db", folder.display());
    migrate(&url).await.unwrap();
    let clock = HeldClock::at("2026-01-02T03:04:05Z".parse().unwrap());
    let store = connect(ConnectOptions { clock: StoreClock::Held(clock.clone()), ..ConnectOptions::new(url) }).await;
    let store = store.unwrap();

    let job = |due| NewJob {
        id: JobId::new(),
        tenant_id: "acme".to_owned(),
        kind: "noop".to_owned(),
        role: Role::Orchestrator,
        priority: 5,
        payload: serde_json::value::RawValue::from_string("{}".to_owned()).unwrap(),
        max_attempts: 5,
        timeout: Duration::from_secs(60),
        due,
        metadata: None,
        callback_url: None,
        parent_id: None,
        max_cost: None,
        trace: None,
        idempotency: None,
    };
    let later = job(Due::In(Duration::from_secs(365 * 24 * 3600)));
    let (kept, worker) = (later.id, WorkerId::new());
    store.insert((0..250).map(|_| job(Due::Now)).chain([later]).collect()).await.unwrap();
    let runs = store.claim(Role::Orchestrator, 1000, worker).await.unwrap();
    let end = |run| RunEnd { run, role: Role::Orchestrator, verdict: Verdict::Succeeded { result: None } };
    store.finish(runs.into_iter().map(|claimed| end(claimed.run)).collect()).await.unwrap();
    clock.advance(Duration::from_secs(8 * 24 * 3600));

    let metrics = Metrics::new();
    let ports = Ports {
        store: Arc::clone(&store),
        metrics: metrics.clone(),
        outbound: Arc::new(Nobody),
        executor: Err("no sandbox here".to_owned()),
        models: Err("no model here".to_owned()),
        breakers: Board::new(breakers::Options::default(), metrics.clone()),
        functions: KnownFunctions::new(Arc::clone(&store)),
    };
    let shutdown = CancellationToken::new();
    let options = Options { clock: StoreClock::Held(clock), ..Options::new(vec![(Role::Orchestrator, 1)]) };
    let registry = Arc::new(Registry::default().with::<Noop>());
    let workers = tokio::spawn(golden_workers::run(options, registry, ports, shutdown.clone()));
    let pruned = metrics.pruned.with_label_values(&["succeeded"]);
    for _ in 0..600 {
        if pruned.get() == 250 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(pruned.get(), 250);
    assert!(store.job("acme", kept).await.unwrap().is_some());
    // Whoever did it keeps the turn for a while.
    assert!(!store.take_turn(Chore::Retention, WorkerId::new(), Duration::from_secs(1)).await.unwrap());
    shutdown.cancel();
    workers.await.unwrap().unwrap();
    // It is one of the guards, by what it does.
    assert!(metrics.guard_remediations.with_label_values(&["retention", "done"]).get() > 0);
    let _ = std::fs::remove_dir_all(&folder);
}
