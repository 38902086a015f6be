//! What is connected to a server: Golden, and a client that knows nothing of it.

use std::time::Duration;

use golden_jobs::{
    breakers::{self, Board},
    metrics::Metrics,
};
use golden_redis::Redis;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::server::Server;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Golden's connection to an address, kept until it is dropped.
pub(crate) struct Kept {
    pub(crate) redis: Redis,
    task: JoinHandle<()>,
}

impl Kept {
    pub(crate) fn to(address: &str) -> Self {
        Self::with(address, Board::new(breakers::Options::default(), Metrics::new()))
    }

    pub(crate) fn with(address: &str, board: Board) -> Self {
        let redis = Redis::new(address.parse().unwrap());
        let task = tokio::spawn(redis.clone().keep(board, CancellationToken::new()));
        Self { redis, task }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// A client that knows nothing of Golden.
    pub(crate) async fn client(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = None;
        until("the server answers", async || {
            connection = client.get_multiplexed_async_connection().await.ok();
            connection.is_some()
        })
        .await;
        connection.unwrap()
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("it never came that {what}"));
}
