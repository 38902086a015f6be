//! Jobs come in together.

use std::slice;

use async_trait::async_trait;

use super::{
    SqliteStore, entry,
    insert::{know_tenants, record_new, repeats, run_at, take_keys},
    queues::{self, Room},
    rows::time,
    writer::{Tx, Verb},
};
use crate::store::{Batches, Inserted, InsertedBatch, NewBatch, NewJob, StoreError};

#[async_trait]
impl Batches for SqliteStore {
    async fn insert_batch(&self, batch: NewBatch) -> Result<InsertedBatch, StoreError> {
        let jobs = batch.into_jobs();
        let strangers = self.strangers(jobs.iter().map(|job| job.tenant_id.as_str()));
        let names: Vec<String> = strangers.iter().map(|(tenant, _)| tenant.clone()).collect();
        let inserted = self.writer.call(InsertBatch { jobs, strangers }).await?;
        self.knows(names);
        Ok(inserted)
    }
}

struct InsertBatch {
    jobs: Vec<NewJob>,
    strangers: Vec<(String, [u8; 32])>,
}

#[async_trait]
impl Verb for InsertBatch {
    type Answer = InsertedBatch;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<InsertedBatch, sqlx::Error> {
        know_tenants(tx, &self.strangers).await?;
        let jobs: Vec<&NewJob> = self.jobs.iter().collect();
        let first = self.jobs.first().map(slice::from_ref).unwrap_or_default();
        match repeats(tx, first).await?.pop().flatten() {
            None => {}
            Some(Inserted::Replayed { id }) => return Ok(InsertedBatch::Replayed { first: id }),
            Some(_) => return Ok(InsertedBatch::KeyReused),
        }
        let Room { refused, later } = queues::room(tx, &jobs).await?;
        if let Some(max_queued) = refused.into_values().next() {
            return Ok(InsertedBatch::QueueFull { max_queued });
        }
        queues::charge(tx, &later).await?;
        take_keys(tx, &jobs).await?;
        record_new(tx, &jobs, false).await?;
        entry::admit(tx, entry::ASIDE).await?;
        let times = jobs.iter().map(|job| (time(run_at(job, tx.now)), time(tx.now)));
        Ok(InsertedBatch::New(times.collect()))
    }
}
