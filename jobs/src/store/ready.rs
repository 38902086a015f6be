//! What may be claimed now, told without claiming it.

use async_trait::async_trait;
use uuid::Uuid;

use super::{Claimed, StoreError};
use crate::{
    id::{JobId, WorkerId},
    role::Role,
};

/// For workers that learn from elsewhere which jobs there are, and then claim those.
#[async_trait]
pub trait Ready: Send + Sync {
    /// The first `limit` jobs of `role` in claim order: those that a claim would lease now. With `after`, those that come
    /// after that place, found as fast as the first; whose place it was may be gone by then.
    async fn ready(&self, role: Role, after: Option<ReadyJob>, limit: u32) -> Result<Vec<ReadyJob>, StoreError>;

    /// Leases those of the given jobs that a claim could: of `role`, ready, and held back by no queue. What was
    /// said of the others is out of date, and they are passed over.
    async fn claim_ready(&self, role: Role, jobs: &[JobId], worker: WorkerId) -> Result<Vec<Claimed>, StoreError>;
}

/// A job that may be claimed, and its place in claim order: that is the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadyJob {
    pub priority: u8,
    pub fair_tag: i64,
    pub id: JobId,
}

impl ReadyJob {
    /// The place of a job, or without one the place before all.
    pub(super) fn place(job: Option<Self>) -> (i16, i64, Uuid) {
        job.map_or((-1, i64::MIN, Uuid::nil()), |job| (i16::from(job.priority), job.fair_tag, job.id.0))
    }
}
