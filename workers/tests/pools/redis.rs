//! A Redis of a test's own, by which its pools have their jobs.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use golden_jobs::{
    breakers::{self, Board},
    dispatch::Dispatch,
    metrics::Metrics,
    store::SharedStore,
};
use golden_redis::{Redis, ThroughRedis};
use tokio_util::sync::{CancellationToken, DropGuard};

tokio::task_local! {
    static BY_REDIS: ();
}

/// Runs a case whose pools ask Redis for jobs.
pub(crate) async fn by_redis(case: impl Future<Output = ()>) {
    BY_REDIS.scope((), case).await;
}

/// Ends with this.
pub(crate) struct Server {
    child: Child,
    redis: Redis,
    breakers: Board,
    _kept: DropGuard,
}

impl Server {
    /// One that is connected, if this case wants one.
    pub(crate) async fn if_wanted() -> Option<Self> {
        BY_REDIS.try_get().ok()?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("redis-server")
            .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is not there; `tests/services up` installs Debian's");
        let redis = Redis::new(format!("redis://127.0.0.1:{port}").parse().unwrap());
        let shutdown = CancellationToken::new();
        let breakers = Board::new(breakers::Options::default(), Metrics::new());
        tokio::spawn(redis.clone().keep(breakers.clone(), shutdown.clone()));
        redis.connected().await;
        Some(Self { child, redis, breakers, _kept: shutdown.drop_guard() })
    }

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
