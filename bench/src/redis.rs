//! A Redis of the benchmark's own.

use std::sync::Arc;

use golden_jobs::{
    Role,
    breakers::{self, Board},
    dispatch::Dispatch,
    metrics::Metrics,
    store::SharedStore,
};
use golden_redis::{Redis, ThroughRedis};
use tokio_util::sync::{CancellationToken, DropGuard};

#[path = "../../workers/redis/tests/redis/server.rs"]
#[expect(clippy::unwrap_used, reason = "without it there is nothing to measure")]
#[expect(dead_code, reason = "tests do more to it")]
mod server;

/// Ends with this.
pub(crate) struct Server {
    _server: server::Server,
    redis: Redis,
    breakers: Board,
    metrics: Metrics,
    _kept: DropGuard,
}

impl Server {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let server = server::Server::start();
        let redis = Redis::new(server.url().parse()?);
        let shutdown = CancellationToken::new();
        let metrics = Metrics::new();
        let breakers = Board::new(breakers::Options::default(), metrics.clone());
        tokio::spawn(redis.clone().keep(breakers.clone(), shutdown.clone()));
        redis.connected().await;
        Ok(Self { _server: server, redis, breakers, metrics, _kept: shutdown.drop_guard() })
    }

    /// What hands out a store's jobs through it.
    pub(crate) fn dispatch(&self, store: &SharedStore) -> Arc<dyn Dispatch> {
        let (breakers, metrics) = (self.breakers.clone(), self.metrics.clone());
        Arc::new(ThroughRedis::new(self.redis.clone(), Arc::clone(store), breakers, metrics))
    }

    /// Fails unless so many jobs came through it since it was started, bar a few: else something other was measured.
    pub(crate) fn handed_out(&self, jobs: usize) -> anyhow::Result<()> {
        let role = Role::Orchestrator.as_str();
        let through = self.metrics.dispatch_hints.with_label_values(&[role]).get();
        let past = self.metrics.dispatch_fallbacks.with_label_values(&[role]).get();
        let enough = jobs as u64 * 99 / 100;
        anyhow::ensure!(through >= enough, "{through} of {jobs} jobs came through Redis: {past} claims went past it");
        Ok(())
    }
}
