//! A Redis of a test's own, by which its pools have their jobs.

use std::sync::Arc;

use golden_jobs::{
    Role,
    breakers::{self, Board},
    dispatch::Dispatch,
    metrics::Metrics,
    store::SharedStore,
};
use golden_redis::{Redis, ThroughRedis};
use prometheus::IntCounterVec;
use tokio_util::sync::{CancellationToken, DropGuard};

#[path = "../../redis/tests/redis/server.rs"]
#[expect(dead_code, reason = "tests of Redis alone do more to it")]
mod server;

/// How many claims may go straight to the store: on a busy machine Redis may be late with an answer.
const FEW: u64 = 3;

tokio::task_local! {
    static BY_REDIS: Metrics;
}

/// Runs a case whose pools ask Redis for jobs, and have them from there.
pub(crate) async fn by_redis(case: impl Future<Output = ()>) {
    let metrics = Metrics::new();
    BY_REDIS.scope(metrics.clone(), case).await;
    let count = |counter: &IntCounterVec| -> u64 {
        Role::ALL.iter().map(|role| counter.with_label_values(&[role.as_str()]).get()).sum()
    };
    let (through, past) = (count(&metrics.dispatch_hints), count(&metrics.dispatch_fallbacks));
    assert!(through > 0 && past <= FEW, "{through} jobs came through Redis, {past} claims went past it");
}

/// Ends with this.
pub(crate) struct Server {
    _server: server::Server,
    redis: Redis,
    breakers: Board,
    metrics: Metrics,
    _kept: DropGuard,
}

impl Server {
    /// One that is connected, if this case wants one.
    pub(crate) async fn if_wanted() -> Option<Self> {
        let metrics = BY_REDIS.try_with(Clone::clone).ok()?;
        let server = server::Server::start();
        let redis = Redis::new(server.url().parse().unwrap());
        let shutdown = CancellationToken::new();
        let breakers = Board::new(breakers::Options::default(), metrics.clone());
        tokio::spawn(redis.clone().keep(breakers.clone(), shutdown.clone()));
        redis.connected().await;
        Some(Self { _server: server, redis, breakers, metrics, _kept: shutdown.drop_guard() })
    }

    pub(crate) fn dispatch(&self, store: &SharedStore) -> Arc<dyn Dispatch> {
        let (breakers, metrics) = (self.breakers.clone(), self.metrics.clone());
        Arc::new(ThroughRedis::new(self.redis.clone(), Arc::clone(store), breakers, metrics))
    }
}
