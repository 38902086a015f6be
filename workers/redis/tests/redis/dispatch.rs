//! Jobs of a real store go through a real Redis, which loses what it can.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use golden_jobs::{
    JobId, Role, WorkerId,
    audit::Actor,
    breakers::{self, Board},
    dispatch::Dispatch,
    metrics::Metrics,
    outcome::Verdict,
    store::{
        Claimed, ConnectOptions, Due, NewJob, QueueName, RunEnd, SharedStore, breakers::SharedBreakers, connect,
        migrate,
    },
};
use golden_redis::ThroughRedis;
use redis::{AsyncCommands, aio::MultiplexedConnection};
use tokio::task::JoinHandle;

use crate::{
    kept::{Kept, until},
    server::Server,
    windows::forced_open,
};

const ROLE: Role = Role::Orchestrator;

/// A store with jobs, and the Redis by which they are handed out.
struct Site {
    server: Server,
    store: SharedStore,
    folder: PathBuf,
}

impl Site {
    async fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("golden-dispatch-{}", uuid::Uuid::now_v7()));
        let url = format!("sqlite://{}/golden.db", folder.display());
        migrate(&url).await.unwrap();
        let store = connect(ConnectOptions::new(url)).await.unwrap();
        Self { server: Server::start(), store, folder }
    }

    /// Records jobs of a tenant.
    async fn submit(&self, tenant: &str, jobs: usize, priority: u8) -> Vec<JobId> {
        let jobs: Vec<NewJob> = (0..jobs).map(|_| job(tenant, priority)).collect();
        let ids = jobs.iter().map(|job| job.id).collect();
        for some in jobs.chunks(1000) {
            self.store.insert(some.to_vec()).await.unwrap();
        }
        ids
    }

    /// What a process has of it, once it is connected.
    async fn process(&self) -> Process {
        let breakers = Board::new(breakers::Options::default(), Metrics::new());
        let kept = Kept::with(&self.server.url(), breakers.clone());
        kept.redis.connected().await;
        let metrics = Metrics::new();
        let (redis, store) = (kept.redis.clone(), Arc::clone(&self.store));
        let dispatch = Arc::new(ThroughRedis::new(redis, store, breakers.clone(), metrics.clone()));
        let keeping = Arc::clone(&dispatch);
        let feeder = tokio::spawn(async move { keeping.keep(vec![ROLE]).await });
        Process { dispatch, breakers, metrics, worker: WorkerId::new(), feeder, _kept: kept }
    }

    /// Hints in Redis, whoever has them.
    async fn hints(&self, client: &mut MultiplexedConnection) -> usize {
        client.hlen(key("data")).await.unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

struct Process {
    dispatch: Arc<ThroughRedis>,
    breakers: Board,
    metrics: Metrics,
    worker: WorkerId,
    feeder: JoinHandle<()>,
    _kept: Kept,
}

impl Process {
    fn fallbacks(&self) -> u64 {
        self.metrics.dispatch_fallbacks.with_label_values(&[ROLE.as_str()]).get()
    }

    async fn claim(&self, limit: u32) -> Vec<Claimed> {
        self.dispatch.claim(ROLE, limit, self.worker).await.unwrap()
    }

    /// As many as there are to be, in the order in which they come.
    async fn claim_all(&self, jobs: usize) -> Vec<Claimed> {
        let mut claimed = Vec::new();
        until("all are claimed", async || {
            claimed.extend(self.claim(100).await);
            claimed.len() >= jobs
        })
        .await;
        claimed
    }

    /// Ends as a process does that is told to.
    async fn leave(self) {
        self.feeder.abort();
        let _ = self.feeder.await;
        self.dispatch.leave().await;
    }
}

fn job(tenant: &str, priority: u8) -> NewJob {
    NewJob {
        id: JobId::new(),
        tenant_id: tenant.to_owned(),
        kind: "noop".to_owned(),
        role: ROLE,
        priority,
        payload: serde_json::value::RawValue::from_string("{}".to_owned()).unwrap(),
        max_attempts: 3,
        timeout: Duration::from_secs(60),
        due: Due::Now,
        metadata: None,
        callback_url: None,
        parent_id: None,
        max_cost: None,
        trace: None,
        idempotency: None,
    }
}

fn key(of: &str) -> String {
    format!("golden:{{{ROLE}}}:{of}")
}

fn ids(claimed: &[Claimed]) -> Vec<JobId> {
    claimed.iter().map(|claimed| claimed.run.id).collect()
}

/// What is in Redis is handed out as the store would: urgent jobs first, then each tenant its share. What comes
/// later and is more urgent does not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_handed_out_in_claim_order() {
    let site = Site::new().await;
    site.submit("big", 300, 5).await;
    site.submit("small", 5, 5).await;
    let urgent = site.submit("big", 3, 0).await;
    let told = site.store.ready(ROLE, None, 1000).await.unwrap();
    let process = site.process().await;

    let first = process.claim_all(30).await;

    assert_eq!(ids(&first[..3]), urgent);
    let told: Vec<_> = told.iter().map(|ready| ready.id).collect();
    assert_eq!(ids(&first), told[..first.len()], "as the store would have handed them out");
    let mut shares = BTreeMap::new();
    first[3..16].iter().for_each(|claimed| *shares.entry(claimed.tenant_id.as_str()).or_insert(0) += 1);
    assert_eq!(shares.get("small"), Some(&5), "{shares:?}");

    let mut client = site.server.client().await;
    until("hints wait", async || site.hints(&mut client).await >= 16).await;
    let late = site.submit("late", 1, 0).await[0];
    let mut before = 0;
    until("the urgent job is claimed", async || {
        let claimed = process.claim(1).await;
        before += claimed.len();
        ids(&claimed).contains(&late)
    })
    .await;
    assert!(before < 20, "it waited for {before} others");
}

/// What Redis says of a queue that was paused since is out of date.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_queue_gives_nothing_out() {
    let site = Site::new().await;
    let process = site.process().await;
    let jobs = site.submit("acme", 10, 5).await;
    let mut client = site.server.client().await;
    until("they are in Redis", async || site.hints(&mut client).await == 10).await;

    let queue = QueueName { role: ROLE, tenant_id: Some("acme".to_owned()) };
    let by = Actor::caller("ops", "acme", "operator");
    site.store.pause(&queue, &by).await.unwrap();
    assert!(process.claim(100).await.is_empty());
    until("Redis forgets them", async || site.hints(&mut client).await == 0).await;
    assert!(process.claim(100).await.is_empty());

    site.store.resume(&queue, &by).await.unwrap();
    let claimed = process.claim_all(10).await;
    assert_eq!(ids(&claimed), jobs);
}

/// A worker that dies between taking hints and claiming their jobs, and Redis losing a part of what it holds:
/// the store has the jobs still, and they are handed out again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_that_went_astray_are_given_again() {
    let site = Site::new().await;
    let process = site.process().await;
    let jobs = site.submit("acme", 6, 5).await;
    let mut client = site.server.client().await;
    until("they are in Redis", async || client.zcard::<_, usize>(key("scheduled")).await.unwrap() == 6).await;

    let names: Vec<String> = client.zrange(key("scheduled"), 0, -1).await.unwrap();
    let () = client.zadd(key("workers"), "dead", 1).await.unwrap();
    let () = client.sadd(key("inflight:dead"), &names[..2]).await.unwrap();
    let () = client.zrem(key("scheduled"), &names[..4]).await.unwrap();
    let () = client.del(format!("{}:{}", key("meta"), names[5])).await.unwrap();

    let mut claimed = ids(&process.claim_all(6).await);
    claimed.sort();
    assert_eq!(claimed, jobs);
    until("nothing is left of them", async || site.hints(&mut client).await == 0).await;
    assert!(!client.exists::<_, bool>(key("inflight:dead")).await.unwrap());
}

/// A breaker that an operator forced open is heeded: jobs come straight from the store, and nothing goes to Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_breaker_leaves_redis_alone_and_no_job_waits() {
    let site = Site::new().await;
    let process = site.process().await;
    process.breakers.hear(&forced_open());
    let mut client = site.server.client().await;
    // Whoever fed before has let go of it.
    until("nobody feeds", async || !client.exists::<_, bool>(key("feeder")).await.unwrap()).await;
    let jobs = site.submit("acme", 10, 5).await;

    assert_eq!(ids(&process.claim_all(10).await), jobs);
    assert!(process.fallbacks() > 0);
    assert_eq!(site.hints(&mut client).await, 0);

    process.breakers.hear(&SharedBreakers::default());
    let jobs = site.submit("acme", 10, 5).await;
    until("Redis has them", async || site.hints(&mut client).await == 10).await;
    let mut claimed = Vec::new();
    until("they are taken from there", async || {
        claimed.extend(process.claim(100).await);
        site.hints(&mut client).await == 0
    })
    .await;
    assert_eq!(ids(&claimed), jobs);
}

/// Ends jobs as they come, and counts how often each was run.
async fn work(process: &Process, store: &SharedStore, ended: &Mutex<Vec<JobId>>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let claimed = process.claim(250).await;
        if claimed.is_empty() {
            let woken = process.dispatch.woken(ROLE);
            let _ = tokio::time::timeout(Duration::from_secs(1), woken).await;
            continue;
        }
        let end =
            |claimed: &Claimed| RunEnd { run: claimed.run, role: ROLE, verdict: Verdict::Succeeded { result: None } };
        let lost = store.finish(claimed.iter().map(end).collect()).await.unwrap();
        assert!(lost.is_empty(), "nobody else had them");
        ended.lock().unwrap().extend(ids(&claimed));
    }
}

/// Two processes work off a backlog while Redis is wiped, stopped, killed and started anew without what it held.
/// Every job runs once, work goes on within seconds, and Redis never holds more than it may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_redis_every_job_ends_once() {
    const JOBS: usize = 20_000;
    let mut site = Site::new().await;
    let jobs = site.submit("acme", JOBS, 5).await;
    let ended = Arc::new(Mutex::new(Vec::with_capacity(JOBS)));
    let over = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for _ in 0..2 {
        let (process, store) = (site.process().await, Arc::clone(&site.store));
        let (ended, over) = (Arc::clone(&ended), Arc::clone(&over));
        workers.push(tokio::spawn(async move {
            work(&process, &store, &ended, &over).await;
            process
        }));
    }
    let done = || ended.lock().unwrap().len();
    let mut most = 0;

    for (at, fault) in ["FLUSHALL", "STOP", "KILL", "FLUSHALL"].into_iter().enumerate() {
        let mut client = site.server.client().await;
        until("some are done", async || {
            most = most.max(site.hints(&mut client).await);
            done() >= (at + 1) * JOBS / 8
        })
        .await;
        match fault {
            "FLUSHALL" => site.server.wipe(),
            "STOP" => site.server.signal("-STOP"),
            _ => site.server.kill(),
        }
        let (since, before) = (Instant::now(), done());
        // More than may have been on its way.
        until("work goes on", async || done() >= (before + 1500).min(JOBS)).await;
        assert!(since.elapsed() < Duration::from_secs(5), "{fault} held it up for {:?}", since.elapsed());
        match fault {
            "FLUSHALL" => {}
            "STOP" => site.server.signal("-CONT"),
            _ => site.server.start_again(),
        }
    }
    let mut client = site.server.client().await;
    until("all are done", async || {
        most = most.max(site.hints(&mut client).await);
        done() >= JOBS
    })
    .await;

    assert!(most <= 2000, "{most} hints were in Redis");
    let ended_once: HashSet<JobId> = ended.lock().unwrap().iter().copied().collect();
    assert_eq!((done(), ended_once), (JOBS, jobs.into_iter().collect()));

    // Redis is back, and hands out what comes next, whichever process is left.
    let next = site.submit("acme", 1, 5).await[0];
    until("it is done", async || ended.lock().unwrap().contains(&next)).await;
    let until_used = async || site.hints(&mut site.server.client().await).await == 0;
    until("hints of ended jobs are gone", until_used).await;
    over.store(true, Ordering::Relaxed);
    let mut fallbacks = 0;
    for worker in workers {
        let process = worker.await.unwrap();
        fallbacks += process.fallbacks();
        process.leave().await;
    }
    assert!(fallbacks > 0, "while it was stopped and killed, the store was asked");
    let left: Vec<String> = client.keys("*").await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}
