//! A server of a test's own, to be killed and wiped.

use std::{
    fs::File,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command},
    time::Duration,
};

use golden_jobs::{
    breakers::{self, Board},
    metrics::Metrics,
};
use golden_redis::Redis;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    child: Option<Child>,
    options: Vec<String>,
    pub(crate) port: u16,
    dir: PathBuf,
}

impl Server {
    /// One that nobody else knows of, which keeps nothing when it ends.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(options: &[&str]) -> Self {
        let mut server = Self::new();
        server.options = ["--save", "", "--appendonly", "no"].iter().chain(options).map(ToString::to_string).collect();
        server.start_again();
        server
    }

    /// A Sentinel that watches `master` under the name `main`.
    pub(crate) fn sentinel(master: &Self) -> Self {
        let mut sentinel = Self::new();
        std::fs::create_dir_all(&sentinel.dir).unwrap();
        // It writes what it finds into its file.
        let file = sentinel.dir.join("sentinel.conf");
        std::fs::write(&file, format!("sentinel monitor main 127.0.0.1 {} 1\n", master.port)).unwrap();
        sentinel.options = vec![file.to_str().unwrap().to_owned(), "--sentinel".to_owned()];
        sentinel.start_again();
        sentinel
    }

    fn new() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = std::env::temp_dir().join(format!("golden-redis-{}-{port}", std::process::id()));
        Self { child: None, options: Vec::new(), port, dir }
    }

    pub(crate) fn start_again(&mut self) {
        std::fs::create_dir_all(&self.dir).unwrap();
        let log = File::create(self.dir.join("log")).unwrap();
        let child = Command::new("redis-server")
            .args(&self.options)
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--dir"])
            .arg(&self.dir)
            .stdout(log)
            .spawn()
            .expect("redis-server is not there; `tests/services up` installs Debian's");
        self.child = Some(child);
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Has it neither answer nor end, or go on.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

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

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

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

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("it never came that {what}"));
}
