//! The hints of one role in Redis: an apalis-redis queue, kept small and in order.
//!
//! Of apalis-redis it has the form of the queue and what pushes. Its fetch answers with the data and the metadata of
//! every task, of which hints have none. So taking is a script of our own, and what was taken
//! is removed at once, so that nothing of what the queue does with tasks that ran is needed.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use apalis_core::{
    task::{builder::TaskBuilder, task_id::TaskId},
    worker::context::WorkerContext,
};
use apalis_redis::{Config, Error, RedisTask, queries::push_tasks};
use golden_jobs::{JobId, Role, store::ReadyJob};
use redis::{AsyncCommands, Script};

use super::place;
use crate::connection::Connection;

/// How long a process stays the feeder without saying so.
const LEADS_FOR: Duration = Duration::from_millis(2500);
/// How long a worker may be silent before what it took is handed out again.
const SILENT: Duration = Duration::from_secs(5);

macro_rules! script {
    ($name:ident, $file:literal) => {
        static $name: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!(concat!("lua/", $file, ".lua"))));
    };
}

script!(TAKES, "take");
script!(LEADS, "lead");
script!(RESIGNS, "resign");
script!(FORGETS, "forget");
script!(ARRANGES, "arrange");
script!(SWEEPS, "sweep");

/// How much of a role is in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    /// Hints that wait, and those that were taken and not yet claimed.
    pub(super) known: usize,
    /// Of them, those that wait.
    pub(super) waiting: usize,
}

/// What one process does with the hints of a role.
pub(super) struct Window {
    connection: Connection,
    config: Config,
    worker: WorkerContext,
    /// Whether something may be noted as taken by this worker that it knows nothing of.
    untidy: AtomicBool,
}

impl Window {
    /// `name` is the process's own.
    pub(super) fn new(connection: Connection, role: Role, name: &str) -> Self {
        let config = Config::default()
            .queue(format!("golden:{{{role}}}"))
            .emit_events(false)
            .lock_tasks(false)
            .persist_results(false);
        Self { connection, config, worker: WorkerContext::new(name), untidy: AtomicBool::new(false) }
    }

    /// Takes up to `limit` hints, the first in claim order. What was taken before has to be
    /// [forgotten](Self::forget) by then.
    pub(super) async fn take(&self, limit: usize) -> Result<Vec<JobId>, Error> {
        if self.untidy.load(Ordering::Relaxed) {
            self.forget().await?;
        }
        // Where the answer does not come, they were taken all the same.
        self.untidy.store(true, Ordering::Relaxed);
        let names: Vec<String> = TAKES
            .key(self.config.workers_set())
            .key(self.config.scheduled_jobs_set())
            .key(self.config.inflight_set_for(&self.worker))
            .arg(self.worker.name())
            .arg(limit)
            .invoke_async(&mut self.connection.clone())
            .await?;
        self.untidy.store(!names.is_empty(), Ordering::Relaxed);
        Ok(names.iter().filter_map(|name| place::job(name)).collect())
    }

    /// Removes what was taken: by then it is claimed, or its job is not there to be claimed.
    pub(super) async fn forget(&self) -> Result<(), Error> {
        let _: usize = FORGETS
            .key(self.config.inflight_set_for(&self.worker))
            .key(self.config.job_data_hash())
            .arg(self.metadata())
            .invoke_async(&mut self.connection.clone())
            .await?;
        self.untidy.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Adds hints; those that are there already stay as they are. Answers how many were not.
    pub(super) async fn push(&self, jobs: &[ReadyJob]) -> Result<usize, Error> {
        let task = |job| TaskBuilder::new(Vec::new()).task_id(TaskId::from_string(place::name(job))).build();
        let tasks: Vec<RedisTask> = jobs.iter().map(task).collect();
        let (_, new) = push_tasks(&mut self.connection.clone(), &self.config, &tasks).await?;
        Ok(new as usize)
    }

    /// Puts what waits in claim order.
    pub(super) async fn arrange(&self) -> Result<Level, Error> {
        let (known, waiting) = ARRANGES
            .key(self.config.scheduled_jobs_set())
            .key(self.config.job_data_hash())
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(Level { known, waiting })
    }

    pub(super) async fn level(&self) -> Result<Level, Error> {
        let (known, waiting) = redis::pipe()
            .hlen(self.config.job_data_hash())
            .zcard(self.config.scheduled_jobs_set())
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(Level { known, waiting })
    }

    /// Whether this process is the one to feed the role, for the next moment.
    pub(super) async fn lead(&self) -> Result<bool, Error> {
        let leads: u8 = LEADS
            .key(self.feeder())
            .arg(self.worker.name())
            .arg(LEADS_FOR.as_millis() as u64)
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(leads == 1)
    }

    /// Removes what nobody would ever hand out or claim, and answers how much that was.
    pub(super) async fn sweep(&self) -> Result<usize, Error> {
        let forgotten: usize = SWEEPS
            .key(self.config.workers_set())
            .key(self.config.scheduled_jobs_set())
            .key(self.config.job_data_hash())
            .arg(SILENT.as_secs())
            .arg(format!("{}:", self.config.inflight_jobs_set()))
            .arg(self.metadata())
            .invoke_async(&mut self.connection.clone())
            .await?;
        if forgotten > 0 {
            tracing::debug!(forgotten, "hints went astray in Redis and are given anew");
        }
        Ok(forgotten)
    }

    /// Lets another process feed the role, if it is this one that does.
    pub(super) async fn resign(&self) -> Result<(), Error> {
        let () = RESIGNS.key(self.feeder()).arg(self.worker.name()).invoke_async(&mut self.connection.clone()).await?;
        Ok(())
    }

    /// Leaves no trace of this process.
    pub(super) async fn leave(&self) -> Result<(), Error> {
        self.resign().await?;
        self.forget().await?;
        let () = self.connection.clone().zrem(self.config.workers_set(), self.worker.name()).await?;
        Ok(())
    }

    fn feeder(&self) -> String {
        format!("{}:feeder", self.config.queue.as_ref())
    }

    /// What the keys of tasks' metadata begin with.
    fn metadata(&self) -> String {
        format!("{}:", self.config.job_meta_hash())
    }
}
