//! Jobs are handed to workers through Redis, so that they ask it what is ready, and the store for what it named. Beside
//! that an idle process asks the store about once a second what has come due, as it does with any dispatch.
//!
//! Redis holds hints, ids of jobs that are ready, and of those no more than workers need for a moment; the
//! backlog stays in the store. One process at a time gives a role's (`feeder`). Whoever takes hints leases their
//! jobs from the store, which decides as ever whose they are. So a hint that is lost, repeated or out of date does
//! nothing but that somebody looks once more, and Redis may be wiped.
//!
//! While Redis does not answer, or its breaker is open, pools claim straight from the store.

mod depth;
mod feeder;
mod place;
mod recent;
mod window;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join_all;
use golden_jobs::{
    JobId, Role, WorkerId,
    breakers::{Board, Dependency, State},
    dispatch::Dispatch,
    metrics::Metrics,
    store::{Claimed, SharedStore, StoreError},
};
use tokio::{
    sync::Notify,
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout},
};

use crate::{Redis, connection::late};
use feeder::Feeder;
use window::Window;

/// How long Redis may take to hand out hints before it counts as away.
const DEADLINE: Duration = Duration::from_millis(500);
/// How long it is left alone then, before its breaker is asked again.
const AWAY: Duration = Duration::from_millis(700);
/// Taken at once at most.
const TAKE: usize = 1000;
/// How long an idle pool waits before it asks again: at first, and at most.
const SOON: Duration = Duration::from_millis(2);
const IDLE: Duration = Duration::from_millis(100);
/// Before a feeder that failed is started again.
const RESTART: Duration = Duration::from_secs(1);

/// Dispatch through Redis, of one process.
pub struct ThroughRedis {
    redis: Redis,
    store: SharedStore,
    breakers: Board,
    metrics: Metrics,
    lines: [Arc<Line>; Role::ALL.len()],
    /// Until when Redis is left alone.
    away: Mutex<Option<Instant>>,
}

/// One role's.
struct Line {
    window: Window,
    /// Something was taken here: there is room for more.
    taken: Notify,
    /// Something was added from here.
    fed: Notify,
    /// How often in a row this process asked for nothing.
    in_vain: AtomicU32,
    /// What was taken last is being forgotten.
    forgetting: Mutex<Option<JoinHandle<()>>>,
}

impl ThroughRedis {
    /// Does nothing yet. `redis` is kept by somebody else.
    pub fn new(redis: Redis, store: SharedStore, breakers: Board, metrics: Metrics) -> Self {
        let name = WorkerId::new().to_string();
        let lines = Role::ALL.map(|role| {
            Arc::new(Line {
                window: Window::new(redis.connection(DEADLINE), role, &name),
                taken: Notify::new(),
                fed: Notify::new(),
                in_vain: AtomicU32::new(0),
                forgetting: Mutex::default(),
            })
        });
        Self { redis, store, breakers, metrics, lines, away: Mutex::default() }
    }

    fn line(&self, role: Role) -> &Arc<Line> {
        &self.lines[role as usize]
    }

    /// Until when to do without Redis.
    fn away(&self) -> Option<Instant> {
        let away = *self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.filter(|until| *until > Instant::now())
    }

    fn is_away(&self, error: &dyn fmt::Display) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if away.is_none() {
            tracing::warn!(%error, "Redis hands out no jobs: claiming straight from the store");
        }
        *away = Some(Instant::now() + jittered(AWAY));
    }

    fn is_back(&self) {
        if self.away.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!("Redis hands out jobs again");
        }
    }
}

impl fmt::Debug for ThroughRedis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ThroughRedis")
    }
}

#[async_trait]
impl Dispatch for ThroughRedis {
    async fn claim(&self, role: Role, limit: u32, worker: WorkerId) -> Result<Vec<Claimed>, StoreError> {
        let line = self.line(role);
        while self.away().is_none() {
            let call = match self.breakers.call(&Dependency::Redis, DEADLINE) {
                Ok(call) => call,
                Err(refused) => {
                    self.is_away(&refused);
                    break;
                }
            };
            // Several requests where something is to be forgotten first.
            let taken = timeout(DEADLINE, line.take(TAKE.min(limit as usize))).await;
            let taken = taken.unwrap_or_else(|_| Err(late(DEADLINE).into()));
            call.ended(taken.is_err());
            let taken = match taken {
                Ok(taken) => taken,
                Err(error) => {
                    self.is_away(&error);
                    break;
                }
            };
            self.is_back();
            if taken.is_empty() {
                return Ok(Vec::new());
            }
            line.in_vain.store(0, Ordering::Relaxed);
            line.taken.notify_one();
            let claimed = self.store.claim_ready(role, &taken, worker).await;
            line.forget();
            match claimed {
                // All of them were out of date: others may not be.
                Ok(claimed) if claimed.is_empty() => {}
                Ok(claimed) => {
                    self.metrics.dispatch_hints.with_label_values(&[role.as_str()]).inc_by(claimed.len() as u64);
                    return Ok(claimed);
                }
                Err(error) => return Err(error),
            }
        }
        self.metrics.dispatch_fallbacks.with_label_values(&[role.as_str()]).inc();
        self.store.claim(role, limit, worker).await
    }

    async fn woken(&self, role: Role) {
        let (line, woken) = (self.line(role), self.store.wakes().woken(role));
        if let Some(until) = self.away() {
            let _ = tokio::time::timeout_at(until, woken).await;
            return;
        }
        let times = line.in_vain.fetch_add(1, Ordering::Relaxed);
        let pause = SOON.saturating_mul(1 << times.min(10)).min(IDLE);
        tokio::select! {
            () = woken => line.in_vain.store(0, Ordering::Relaxed),
            () = line.fed.notified() => line.in_vain.store(0, Ordering::Relaxed),
            () = tokio::time::sleep(jittered(pause)) => {}
        }
    }

    async fn keep(&self, roles: Vec<Role>) {
        let feeders = roles.into_iter().map(|role| {
            let (store, line) = (Arc::clone(&self.store), Arc::clone(self.line(role)));
            let (breakers, metrics) = (self.breakers.clone(), self.metrics.clone());
            keep_fed(Arc::new(Feeder { role, store, line, breakers, metrics }))
        });
        join_all(feeders).await;
    }

    async fn leave(&self) {
        if self.redis.ready().is_err() {
            // It finds out by itself.
            return;
        }
        join_all(self.lines.iter().map(async |line| {
            line.forgotten().await;
            if let Err(error) = line.window.leave().await {
                tracing::debug!(%error, "what this process held in Redis goes a moment later");
            }
        }))
        .await;
    }
}

impl Line {
    /// Takes hints, once those taken before are forgotten.
    async fn take(&self, limit: usize) -> Result<Vec<JobId>, apalis_redis::Error> {
        self.forgotten().await;
        self.window.take(limit).await
    }

    /// Forgets what was taken, while its jobs run already.
    fn forget(self: &Arc<Self>) {
        let line = Arc::clone(self);
        let forgetting = tokio::spawn(async move {
            // What fails is made up for when more is taken, or when this process is found silent.
            let _ = line.window.forget().await;
        });
        *self.forgetting.lock().unwrap_or_else(PoisonError::into_inner) = Some(forgetting);
    }

    /// Waits until what was taken before is forgotten.
    async fn forgotten(&self) {
        let forgetting = self.forgetting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(forgetting) = forgetting {
            let _ = forgetting.await;
        }
    }
}

/// Whether Redis is to be left alone. Whoever takes hints tries whether it is back.
fn is_left_alone(breakers: &Board) -> bool {
    matches!(breakers.state(&Dependency::Redis), State::Open | State::ForcedOpen)
}

/// Runs a role's feeder, again when it fails.
async fn keep_fed(feeder: Arc<Feeder>) {
    loop {
        // Of one, so that it ends with this.
        let mut running = JoinSet::new();
        running.spawn(Arc::clone(&feeder).keep_feeding());
        if let Some(Err(error)) = running.join_next().await {
            tracing::error!(role = %feeder.role, %error, "a feeder failed: starting it again");
        }
        tokio::time::sleep(RESTART).await;
    }
}

/// `duration` ± 10 %, so that processes which started together do not stay in step.
fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::random_range(0.9..1.1))
}
