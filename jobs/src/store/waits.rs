//! Jobs that wait, for others, for a decision or for a time, and the families that they are of.

use async_trait::async_trait;

use super::StoreError;
use crate::id::JobId;

/// Lets jobs go on that wait.
#[async_trait]
pub trait Waits: Send + Sync {
    /// Lets those of the jobs that wait go on now, whatever they wait for. Answers which did wait.
    ///
    /// It says that there may be something to see, and decides nothing: a run that finds that it still has to wait waits
    /// again. A job that is only about to wait is not told; it wakes by the time that it gave itself.
    async fn resume_jobs(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError>;

    /// The place of a job among those that made it and that it made.
    async fn family(&self, job: JobId) -> Result<Family, StoreError>;

    /// What a job and all that are below it have cost, in micro-USD; nothing where there is no such job.
    async fn tree_cost(&self, job: JobId) -> Result<i64, StoreError>;
}

/// See [`Waits::family`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// How many jobs are above it: 0 for one that nobody's run made. Counted up to [`LEVELS`](crate::family::LEVELS).
    pub depth: u32,
    /// What it made, in no order.
    pub children: Vec<JobId>,
}
