//! Jobs that come in together.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Idempotency, NewJob, StoreError};
use crate::id::JobId;

/// Records many jobs as one.
#[async_trait]
pub trait Batches: Send + Sync {
    /// Records all of these jobs, or none of them.
    async fn insert_batch(&self, batch: NewBatch) -> Result<InsertedBatch, StoreError>;
}

/// Jobs to record, all or none.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// With ids that are not on record, and no keys of their own.
    pub jobs: Vec<NewJob>,
    /// Makes the batch safe to repeat. It is kept with the id of the first job: ids that are a
    /// [series](JobId::series) need no list of the others.
    pub idempotency: Option<Idempotency>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsertedBatch {
    /// All are on record: when each is due, in order, and since when it is known.
    New(Vec<(DateTime<Utc>, DateTime<Utc>)>),
    /// The same request came before; this is the first of its jobs.
    Replayed { first: JobId },
    /// The key was used for another request.
    KeyReused,
    /// A queue holds as many jobs as the tenant may have there, or would with these.
    QueueFull { max_queued: u64 },
}

impl NewBatch {
    /// The jobs, of which the first stands for the batch and has its key.
    pub(super) fn into_jobs(mut self) -> Vec<NewJob> {
        if let Some(first) = self.jobs.first_mut() {
            first.idempotency = self.idempotency;
        }
        self.jobs
    }
}
