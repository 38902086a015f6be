//! A Redis of the benchmark's own.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use anyhow::Context;
use golden_jobs::{
    breakers::{self, Board},
    dispatch::Dispatch,
    metrics::Metrics,
    store::SharedStore,
};
use golden_redis::{Redis, ThroughRedis};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Ends with this.
pub(crate) struct Server {
    child: Child,
    redis: Redis,
    breakers: Board,
    _kept: DropGuard,
}

impl Server {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server is not there; `tests/services up` installs Debian's")?;
        let redis = Redis::new(format!("redis://127.0.0.1:{port}").parse()?);
        let shutdown = CancellationToken::new();
        let breakers = Board::new(breakers::Options::default(), Metrics::new());
        tokio::spawn(redis.clone().keep(breakers.clone(), shutdown.clone()));
        redis.connected().await;
        Ok(Self { child, redis, breakers, _kept: shutdown.drop_guard() })
    }

    /// What hands out a store's jobs through it.
    pub(crate) fn dispatch(&self, store: &SharedStore) -> Arc<dyn Dispatch> {
        Arc::new(ThroughRedis::new(self.redis.clone(), Arc::clone(store), self.breakers.clone(), Metrics::new()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
