//! Many submissions, few inserts.

use std::sync::Arc;

use golden_jobs::{
    batch::{Coalescer, Limits},
    store::{Inserted, InsertedBatch, NewBatch, NewJob, SharedStore, StoreError},
    trace,
};
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::problem::{Code, Problem};

/// Jobs recorded by one statement, at most.
const BATCH: usize = 500;
/// And so many bytes: a statement of many large payloads would miss its deadline, and with it
/// the small ones of others.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// One batch fills while another commits.
const IN_FLIGHT: usize = 2;
/// Batches of clients under way at once; each has a connection of the store to itself.
const CLIENT_BATCHES: usize = 4;

/// Records the jobs of concurrent requests together.
pub(crate) struct Intake {
    store: SharedStore,
    inserts: Coalescer<NewJob, Result<Inserted, StoreError>>,
    batches: Semaphore,
}

impl Intake {
    pub(crate) fn new(store: SharedStore) -> Self {
        let inserts = {
            let store = Arc::clone(&store);
            let weigh = |job: &NewJob| job.payload.get().len();
            let limits = Limits { calls: BATCH, weight: BATCH_BYTES, weigh, in_flight: IN_FLIGHT };
            Coalescer::new(limits, move |jobs: Vec<NewJob>| {
                let store = Arc::clone(&store);
                async move {
                    let count = jobs.len();
                    match store.insert(jobs).await {
                        Ok(inserted) => inserted.into_iter().map(Ok).collect(),
                        Err(error) => vec![Err(error); count],
                    }
                }
            })
        };
        Self { store, inserts, batches: Semaphore::new(CLIENT_BATCHES) }
    }

    /// Records what came as one request, all or none.
    pub(crate) async fn insert_batch(&self, mut batch: NewBatch) -> Result<InsertedBatch, Problem> {
        // One span for all, as the conventions have it for messages that are sent together.
        let tenant = batch.jobs.first().map_or("", |job| job.tenant_id.as_str());
        let span = tracing::info_span!("send_batch", jobs = batch.jobs.len(), tenant);
        let trace = trace::begin(&span, None);
        batch.jobs.iter_mut().for_each(|job| job.trace.clone_from(&trace));
        self.send_batch(batch).instrument(span).await
    }

    async fn send_batch(&self, batch: NewBatch) -> Result<InsertedBatch, Problem> {
        // The semaphore is never closed; were it, the store would still be the judge.
        let _place = self.batches.acquire().await;
        Ok(self.store.insert_batch(batch).await?)
    }

    pub(crate) async fn insert(&self, job: &NewJob) -> Result<Inserted, Problem> {
        let span = trace::sending(job);
        let trace = trace::begin(&span, None);
        let traced = || NewJob { trace: trace.clone(), ..job.clone() };
        self.send(traced).instrument(span).await
    }

    async fn send(&self, job: impl Fn() -> NewJob) -> Result<Inserted, Problem> {
        match self.inserts.call(job()).await? {
            // A job that the store refuses takes its batch with it: alone, each gets its own answer.
            Err(StoreError::Rejected(_)) => {
                let alone = self.store.insert(vec![job()]).await?;
                alone.into_iter().next().ok_or_else(|| Problem::new(Code::Internal, "the store gave no answer"))
            }
            answer => Ok(answer?),
        }
    }
}
