//! A Golden with as much of it as there is to publish from: a store, the relay and the publisher.

use std::{path::PathBuf, sync::Arc, time::Duration};

use golden_jobs::{
    Job as _, JobId, Role, WorkerId,
    breakers::{self, Board},
    broker::{self, Broker},
    kinds::WebhookDeliver,
    metrics::Metrics,
    outcome::{JobError, Verdict},
    store::{ConnectOptions, Due, NewJob, RunEnd, SharedStore, connect, migrate},
    webhooks,
};
use golden_nats::{Nats, NatsOptions, StreamLimits};
use tokio_util::sync::CancellationToken;

use crate::server::{Server, until};

pub(crate) struct Golden {
    pub(crate) store: SharedStore,
    pub(crate) nats: Arc<Nats>,
    pub(crate) board: Board,
    shutdown: CancellationToken,
    path: PathBuf,
}

impl Golden {
    pub(crate) async fn on(server: &Server, limits: StreamLimits) -> Self {
        let path = std::env::temp_dir().join(format!("golden-nats-{}.db", WorkerId::new()));
        let url = format!("sqlite://{}", path.display());
        migrate(&url).await.unwrap();
        let store = connect(ConnectOptions::new(url)).await.unwrap();
        let options = NatsOptions { url: server.url(), credentials: None, streams: limits };
        let nats = Nats::connect(options).await.unwrap();
        let shutdown = CancellationToken::new();
        broker::listen(&*store).await.unwrap();
        tokio::spawn(webhooks::relay(Arc::clone(&store), WebhookDeliver::POLICY, shutdown.clone()));
        let board = Board::new(breakers::Options::default(), Metrics::new());
        tokio::spawn(Arc::clone(&nats).keep(board.clone(), shutdown.clone()));
        let port = Arc::clone(&nats) as Arc<dyn Broker>;
        tokio::spawn(broker::publish(Arc::clone(&store), port, board.clone(), Metrics::new(), shutdown.clone()));
        Self { store, nats, board, shutdown, path }
    }

    /// Records jobs and ends every third as dead, and the others well.
    pub(crate) async fn end_jobs(&self, tenant: &str, count: usize) -> Vec<JobId> {
        let jobs: Vec<NewJob> = (0..count).map(|_| job(tenant)).collect();
        let ids = jobs.iter().map(|job| job.id).collect();
        self.store.insert(jobs).await.unwrap();
        let runs = self.store.claim(Role::Orchestrator, 10_000, WorkerId::new()).await.unwrap();
        assert_eq!(runs.len(), count);
        let end = |(number, run): (usize, golden_jobs::store::Claimed)| {
            let error = JobError { code: "failed".to_owned(), message: "it did".to_owned() };
            let well = Verdict::Succeeded { result: None };
            let verdict = if number % 3 == 0 { Verdict::Dead { error } } else { well };
            RunEnd { run: run.run, role: run.role, verdict }
        };
        assert_eq!(self.store.finish(runs.into_iter().enumerate().map(end).collect()).await.unwrap(), []);
        ids
    }

    /// Waits until nothing waits for NATS any more.
    pub(crate) async fn published(&self) {
        until("all is published", async || {
            let depths = self.store.depths().await.unwrap();
            (depths.outbox, depths.unpublished) == (0, 0)
        })
        .await;
    }
}

impl Drop for Golden {
    fn drop(&mut self) {
        self.shutdown.cancel();
        for ending in ["db", "db-wal", "db-shm"] {
            let _ = std::fs::remove_file(self.path.with_extension(ending));
        }
    }
}

fn job(tenant: &str) -> NewJob {
    NewJob {
        id: JobId::new(),
        tenant_id: tenant.to_owned(),
        kind: "noop".to_owned(),
        role: Role::Orchestrator,
        priority: 5,
        payload: serde_json::value::to_raw_value(&serde_json::json!({"output": 1})).unwrap(),
        max_attempts: 1,
        timeout: Duration::from_secs(10),
        due: Due::Now,
        metadata: None,
        callback_url: None,
        parent_id: None,
        max_cost: None,
        trace: None,
        idempotency: None,
    }
}
