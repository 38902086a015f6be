//! The processes: three workers and two APIs of Golden, and the servers that they use.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::{
    dispatch::Dispatched,
    load::Clients,
    plan::{LISTENING, TENANTS},
    postgres::Postgres,
    redis,
    server::{PATIENCE, Server},
    support::{Golden, Process, TestStore, free_port},
};

/// In the order in which they are to end.
pub(crate) struct Cluster {
    pub(crate) workers: Vec<Worker>,
    /// Where those who are gone had their jobs from.
    gone: Dispatched,
    /// Beside the one that `golden` has.
    second: Process,
    golden: Golden,
    second_address: String,
    pub(crate) nats: Server,
    /// It keeps nothing when it ends: each start is a wiped one.
    pub(crate) redis: redis::Server,
    pub(crate) postgres: Postgres,
}

pub(crate) struct Worker {
    pub(crate) process: Process,
    /// Where it shows its metrics.
    probes: String,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let postgres = Postgres::start().await;
        let (nats, redis) = (Server::start(), redis::Server::start());
        let settings = [
            ("NATS_URL", &*nats.url()),
            ("REDIS_URL", &*redis.url()),
            ("GOLDEN_DISPATCH", "redis"),
            // So many requests are counted, and none is refused.
            ("GOLDEN_RATE_LIMITS", "admin=100000"),
            ("GOLDEN_DRAIN_TIMEOUT", "3s"),
            // So many attempts that no receiver's bad day is the end of a message.
            ("GOLDEN_WEBHOOK_SCHEDULE", "0s,1s,1s,1s,1s,2s,2s,2s,2s,2s"),
        ];
        let golden = Golden::start(TestStore::postgres_on(postgres.url.clone()).await, "api", &settings).await;
        let second_address = format!("127.0.0.1:{}", free_port());
        let second = golden.process("api", &["--listen", &second_address]);
        let (workers, gone) = (Vec::new(), Dispatched::default());
        let mut cluster = Self { workers, gone, second, golden, second_address, nats, redis, postgres };
        for _ in 0..3 {
            cluster.hire().await;
        }
        // From then on it is told of every end.
        let begun = Instant::now();
        while cluster.golden.call("GET", "/readyz", None).await.1["status"] != "ready" {
            assert!(begun.elapsed() < PATIENCE, "not ready: {}", cluster.golden.api.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        cluster
    }

    /// One worker more.
    pub(crate) async fn hire(&mut self) {
        let probes = format!("127.0.0.1:{}", free_port());
        let roles = "orchestrator,webhook,supervisor,peer-hub";
        let mut process = self.golden.worker_with(roles, &["--probes-listen", &probes]);
        process.says("worker started").await;
        self.workers.push(Worker { process, probes });
    }

    /// One worker less, which the caller ends.
    pub(crate) async fn let_go(&mut self, worker: usize) -> Process {
        let Worker { process, probes } = self.workers.swap_remove(worker);
        self.gone += dispatched(&probes).await;
        process
    }

    /// Where all workers so far had their jobs from; none may be frozen.
    pub(crate) async fn dispatched(&self) -> Dispatched {
        let mut all = self.gone;
        for worker in &self.workers {
            all += dispatched(&worker.probes).await;
        }
        all
    }

    /// Waits until workers have more jobs through Redis than so many; gives the time that took.
    pub(crate) async fn until_redis_hands_out(&self, more_than: u64) -> Duration {
        let begun = Instant::now();
        while self.dispatched().await.through <= more_than {
            assert!(begun.elapsed() < PATIENCE, "no job comes through Redis again");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        begun.elapsed()
    }

    /// Kills one of the APIs.
    pub(crate) fn kill_api(&self, which: usize) {
        let api = if which == 0 { &self.golden.api } else { &self.second };
        api.signal("-KILL");
    }

    pub(crate) fn start_api(&mut self, which: usize) {
        let address = if which == 0 { self.golden.url.trim_start_matches("http://") } else { &self.second_address };
        let api = self.golden.process("api", &["--listen", address]);
        match which {
            0 => self.golden.api = api,
            _ => self.second = api,
        }
    }

    pub(crate) fn clients(&self) -> Clients {
        Clients {
            apis: [self.golden.url.clone(), format!("http://{}", self.second_address)],
            tokens: TENANTS.iter().map(|tenant| self.golden.mint("admin", tenant)).collect(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// Has a tenant's every end sent to `url`; gives the secret that it is signed with.
    pub(crate) async fn listen(&self, url: &str) -> String {
        let bearer = format!("Bearer {}", self.golden.mint("admin", TENANTS[LISTENING]));
        let endpoint = json!({"url": url, "events": ["job.*"]});
        let headers = [("authorization", &*bearer)];
        let made = self.golden.call_with("POST", "/v1/webhooks/endpoints", Some(endpoint), &headers).await.1;
        made["secret"].as_str().unwrap().to_owned()
    }

    /// What signs the callbacks of a tenant.
    pub(crate) async fn callback_secret(&self, tenant: &str) -> String {
        let bearer = format!("Bearer {}", self.golden.mint("admin", tenant));
        let headers = [("authorization", &*bearer)];
        let (_, answer) = self.golden.call_with("GET", "/v1/webhooks/secret", None, &headers).await;
        answer["secret"].as_str().unwrap().to_owned()
    }

    /// The store, past all of Golden.
    pub(crate) async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.golden.store.url).await.unwrap()
    }

    /// How many runs a worker holds.
    pub(crate) async fn held(&self, worker: usize) -> i64 {
        let pid = i64::from(self.workers[worker].process.id());
        let sql = "SELECT count(*) FROM running JOIN workers w ON w.id = worker_id WHERE w.pid = $1";
        sqlx::query_scalar(sql).bind(pid).fetch_one(&mut self.sql().await).await.unwrap()
    }

    /// Waits until a worker has beaten after now.
    pub(crate) async fn until_it_beats(&self, worker: usize) {
        let pid = i64::from(self.workers[worker].process.id());
        let mut sql = self.sql().await;
        let now: String = sqlx::query_scalar("SELECT now()::text").fetch_one(&mut sql).await.unwrap();
        let beats = "SELECT EXISTS (SELECT FROM workers WHERE pid = $1 AND heartbeat_at > $2::timestamptz)";
        let begun = Instant::now();
        while !sqlx::query_scalar::<_, bool>(beats).bind(pid).bind(&now).fetch_one(&mut sql).await.unwrap() {
            assert!(begun.elapsed() < PATIENCE, "a worker that was frozen does not come back");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Everything that NATS has in a stream, message by message.
    pub(crate) async fn messages(&self, stream: &str) -> Vec<Value> {
        use async_nats::jetstream::consumer::{AckPolicy, pull};
        use futures_util::StreamExt;
        let nats = self.nats.client().await;
        let stream = nats.get_stream(stream).await.unwrap();
        let unacknowledged = pull::Config { ack_policy: AckPolicy::None, ..pull::Config::default() };
        let consumer = stream.create_consumer(unacknowledged).await.unwrap();
        let mut left = stream.cached_info().state.messages;
        let mut messages = Vec::new();
        while left > 0 {
            let mut some = consumer.fetch().max_messages(500).messages().await.unwrap();
            while let Some(message) = some.next().await {
                messages.push(serde_json::from_slice(&message.unwrap().payload).unwrap());
                left = left.saturating_sub(1);
            }
        }
        messages
    }
}

async fn dispatched(probes: &str) -> Dispatched {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let scrape = client.get(format!("http://{probes}/metrics")).send().await.unwrap();
    Dispatched::of(&scrape.text().await.unwrap())
}
