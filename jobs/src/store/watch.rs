//! What those ask who watch many jobs at once.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::StoreError;
use crate::{
    id::JobId,
    record::{JobRecord, State},
};

/// Reads of many jobs together, in no order and whatever their tenant: who asks has made sure
/// of that before.
#[async_trait]
pub trait Watch: Send + Sync {
    /// What shows whether there is news of these jobs. Asking also tells the processes that
    /// write that somebody watches, so that they hint at what changes for a while.
    async fn glances(&self, jobs: &[JobId]) -> Result<Vec<Glance>, StoreError>;

    /// The jobs themselves, whole.
    async fn records(&self, jobs: &[JobId]) -> Result<Vec<JobRecord>, StoreError>;
}

/// A job at a glance.
#[derive(Debug, Clone)]
pub struct Glance {
    pub job: JobId,
    pub moment: Moment,
    pub progress: Option<Box<RawValue>>,
    /// The number of its last line of log; 0 where there is none.
    pub last_line: u64,
}

/// Everything of a job that changes and is small, but for its progress. Two equal ones of a job
/// stand for the same job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Moment {
    pub state: State,
    pub attempt: u32,
    pub error_at: Option<DateTime<Utc>>,
    pub run_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub cost_micros: i64,
}

impl From<&JobRecord> for Moment {
    fn from(job: &JobRecord) -> Self {
        Self {
            state: job.state,
            attempt: job.attempt,
            error_at: job.error.as_ref().map(|error| error.at),
            run_at: job.run_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            cost_micros: job.cost_micros,
        }
    }
}
