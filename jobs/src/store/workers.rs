//! Worker processes: their signs of life, what they run, and how they are asked to go.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Run, StoreError};
use crate::{
    audit::Actor,
    id::{JobId, WorkerId},
    role::Role,
};

/// How long a worker that was asked to drain is remembered though it fell silent: should it come back
/// within that time, it still drains.
pub const DRAIN_KEPT: Duration = Duration::from_secs(3600);

/// The record of worker processes.
#[async_trait]
pub trait Workers: Send + Sync {
    /// Records that a worker process lives, and answers what it has to know.
    async fn heartbeat(&self, worker: &WorkerInfo) -> Result<Heard, StoreError>;

    /// A worker process ends in good order, and leaves its turn at a chore to others.
    async fn retire(&self, worker: WorkerId) -> Result<(), StoreError>;

    /// Asks a worker to drain, which it learns of from its next heartbeat. Answers `false` where it is not
    /// known. Asking again keeps the time of the first.
    async fn drain(&self, worker: WorkerId, by: &Actor) -> Result<bool, StoreError>;

    /// Runs whose worker has been silent for `silence`, or is not known at all. Its rows are
    /// removed once it has none left, so that it learns of it from its next heartbeat.
    async fn lost(&self, silence: Duration, limit: u32) -> Result<Vec<LostRun>, StoreError>;

    /// The runs that `worker` holds leases for, and which of them were asked to stop.
    async fn held(&self, worker: WorkerId) -> Result<Vec<HeldRun>, StoreError>;

    /// Worker processes, oldest first. One that fell silent is among them until
    /// [`lost`](Self::lost) finds nothing left of it.
    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError>;

    /// What workers run now: of each its first `most` runs, in the order of their claims. Of one worker or of
    /// all, and of one tenant or of all.
    async fn under_way(
        &self,
        worker: Option<WorkerId>,
        tenant: Option<&str>,
        most: u32,
    ) -> Result<Vec<UnderWay>, StoreError>;
}

/// A worker process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerInfo {
    pub id: WorkerId,
    pub host: String,
    pub pid: u32,
    pub pools: Vec<Pool>,
    /// Of its binary.
    pub version: String,
    /// By the store's clock, when read; ignored when written.
    pub started_at: DateTime<Utc>,
    /// Its last sign of life; likewise.
    pub heartbeat_at: DateTime<Utc>,
    /// Since when it is asked to drain; likewise.
    pub draining_since: Option<DateTime<Utc>>,
}

/// A worker's pool of one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    pub role: Role,
    /// Runs it does at once at most.
    pub capacity: u32,
}

/// What a heartbeat tells the worker that sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It may go on.
    Alive,
    /// It is to claim nothing more, and to end once nothing runs.
    Draining,
    /// It was taken for lost: its runs are not its own any more, and it goes on under a new id.
    Lost,
}

/// A run whose worker is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostRun {
    pub run: Run,
    pub role: Role,
    /// The number of the run that was lost.
    pub attempt: u32,
    pub max_attempts: u32,
    /// Workers this job lost in a row before.
    pub lost_before: u32,
}

/// A run under a worker's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldRun {
    pub run: Run,
    pub role: Role,
    /// Whether its job was cancelled meanwhile.
    pub cancel: bool,
}

/// What a worker runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    pub worker: WorkerId,
    /// How many runs there are in all.
    pub count: u64,
    pub runs: Vec<RunUnderWay>,
}

/// A run, as those who look after workers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunUnderWay {
    pub job: JobId,
    pub tenant_id: String,
    pub kind: String,
    pub role: Role,
    /// The number of this run.
    pub attempt: u32,
    /// When it was claimed.
    pub started_at: DateTime<Utc>,
    /// Whether its job was cancelled meanwhile.
    pub cancel: bool,
}

/// Puts rows in order of worker together: each says how many runs its worker has in all.
pub(super) fn by_worker(rows: impl IntoIterator<Item = (WorkerId, u64, RunUnderWay)>) -> Vec<UnderWay> {
    let mut workers: Vec<UnderWay> = Vec::new();
    for (worker, count, run) in rows {
        match workers.last_mut().filter(|last| last.worker == worker) {
            Some(last) => last.runs.push(run),
            None => workers.push(UnderWay { worker, count, runs: vec![run] }),
        }
    }
    workers
}
