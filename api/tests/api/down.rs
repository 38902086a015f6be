//! A store that does not answer.

mod audit;
mod breakers;
mod budgets;
mod escalations;
mod events;
mod functions;
mod guards;
mod policies;
mod reviews;
mod schedules;
mod tenants;
mod waits;
mod webhooks;
mod workers;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use golden_jobs::{
    DeadLetterId, JobId, Role, WorkerId,
    audit::Actor,
    record::{Attempt, JobRecord},
    store::{
        Chore, Claimed, DeadLetterFilter, DeadLetterPage, Depths, Glance, Idempotency, Inserted, JobFilter, JobPage,
        JobSummary, Keep, LogAppend, LogKept, LogLine, LogSlice, Logs, NewJob, Page, Promoted, Pruned, Replay, Report,
        Retention, Retried, Run, RunEnd, Store, StoreError, Watch,
        batch::{Batches, InsertedBatch, NewBatch},
    },
    wake::Wakes,
};

#[derive(Default)]
pub(crate) struct Down(Wakes);

type Result<T> = std::result::Result<T, StoreError>;

fn down<T>() -> Result<T> {
    Err(StoreError::Unavailable("connecting to 10.0.0.7 timed out".into()))
}

#[async_trait]
impl Logs for Down {
    async fn append_logs(&self, _: Vec<LogAppend>) -> Result<Vec<LogKept>> {
        down()
    }

    async fn logs(&self, _: JobId, _: LogSlice) -> Result<Vec<LogLine>> {
        down()
    }

    async fn log_tails(&self, _: &[(JobId, u64)], _: u32) -> Result<Vec<(JobId, LogLine)>> {
        down()
    }
}

#[async_trait]
impl Watch for Down {
    async fn glances(&self, _: &[JobId]) -> Result<Vec<Glance>> {
        down()
    }

    async fn records(&self, _: &[JobId]) -> Result<Vec<JobRecord>> {
        down()
    }
}

#[async_trait]
impl Store for Down {
    async fn insert(&self, _: Vec<NewJob>) -> Result<Vec<Inserted>> {
        down()
    }

    async fn claim(&self, _: Role, _: u32, _: WorkerId) -> Result<Vec<Claimed>> {
        down()
    }

    async fn finish(&self, _: Vec<RunEnd>) -> Result<Vec<Run>> {
        down()
    }

    async fn report(&self, _: Vec<Report>) -> Result<Vec<Run>> {
        down()
    }

    async fn promote(&self, _: u32) -> Result<Promoted> {
        down()
    }

    async fn cancel(&self, _: &str, _: JobId, _: &Actor) -> Result<Option<bool>> {
        down()
    }

    async fn retry(&self, _: &str, _: JobId, _: &Actor) -> Result<Retried> {
        down()
    }

    async fn job(&self, _: &str, _: JobId) -> Result<Option<JobRecord>> {
        down()
    }

    async fn jobs(&self, _: &JobFilter, _: Page<JobId>) -> Result<JobPage> {
        down()
    }

    async fn knows(&self, _: &str, _: &Idempotency) -> Result<bool> {
        down()
    }

    async fn ended(&self, _: &[JobId]) -> Result<Vec<JobId>> {
        down()
    }

    async fn summaries(&self, _: &[JobId]) -> Result<Vec<JobSummary>> {
        down()
    }

    async fn children(&self, _: JobId) -> Result<Vec<JobRecord>> {
        down()
    }

    async fn attempts(&self, _: JobId) -> Result<Vec<Attempt>> {
        down()
    }

    async fn dead_letters(&self, _: &DeadLetterFilter, _: Page<DeadLetterId>) -> Result<DeadLetterPage> {
        down()
    }

    async fn count_dead_letters(&self, _: &DeadLetterFilter) -> Result<u64> {
        down()
    }

    async fn replay(&self, _: &Replay, _: u32) -> Result<Vec<JobId>> {
        down()
    }

    async fn purge(&self, _: &DeadLetterFilter, _: &Actor, _: u32) -> Result<u64> {
        down()
    }

    async fn depths(&self) -> Result<Depths> {
        down()
    }

    async fn time(&self) -> Result<DateTime<Utc>> {
        down()
    }

    async fn ping(&self) -> Result<()> {
        down()
    }

    fn wakes(&self) -> &Wakes {
        &self.0
    }
}

#[async_trait]
impl Batches for Down {
    async fn insert_batch(&self, _: NewBatch) -> Result<InsertedBatch> {
        down()
    }
}

#[async_trait]
impl Retention for Down {
    async fn take_turn(&self, _: Chore, _: WorkerId, _: Duration) -> Result<bool> {
        down()
    }

    async fn prune_jobs(&self, _: &Keep, _: Option<JobId>, _: u32) -> Result<Pruned> {
        down()
    }

    async fn prune_dead_letters(&self, _: &Keep, _: u32) -> Result<u64> {
        down()
    }

    async fn prune_ledger(&self, _: &Keep, _: u32) -> Result<u64> {
        down()
    }

    async fn prune_keys(&self, _: u32) -> Result<u64> {
        down()
    }
}
