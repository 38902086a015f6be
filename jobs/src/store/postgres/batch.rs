//! Jobs come in together.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{
    PostgresStore,
    insert::{Entrance, Recording, record},
};
use crate::store::{Batches, Inserted, InsertedBatch, NewBatch, NewJob, StoreError};

#[async_trait]
impl Batches for PostgresStore {
    async fn insert_batch(&self, batch: NewBatch) -> Result<InsertedBatch, StoreError> {
        let jobs = batch.into_jobs();
        let Some(first) = jobs.first() else {
            return Ok(InsertedBatch::New(Vec::new()));
        };
        self.know_tenants(jobs.iter().map(|job| job.tenant_id.as_str())).await?;
        let all: Vec<&NewJob> = jobs.iter().collect();
        let recorded = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let Recording { mut new, capped, parked } = record(&mut tx, &all, Entrance::Quota, self.now()).await?;
                let mut full = HashMap::new();
                if !capped.is_empty() {
                    let asked: Vec<&NewJob> = all.iter().copied().filter(|job| capped.contains(&job.id)).collect();
                    let counted = self.count_in(&mut tx, &asked).await?;
                    new.extend(counted.new);
                    full = counted.full;
                }
                if new.len() == all.len() {
                    tx.commit().await?;
                    return Ok(Ok((new, parked || !capped.is_empty())));
                }
                tx.rollback().await?;
                Ok(Err(full))
            })
            .await?;
        let (new, gated) = match recorded {
            Ok(recorded) => recorded,
            // Whoever has the key has it, however full the queue is by now.
            Err(full) => {
                return match (self.recorded(&[first]).await?.answer(first), full.into_values().next()) {
                    (Ok(Inserted::Replayed { id }), _) => Ok(InsertedBatch::Replayed { first: id }),
                    (Ok(Inserted::KeyReused), _) => Ok(InsertedBatch::KeyReused),
                    (_, Some(max_queued)) => Ok(InsertedBatch::QueueFull { max_queued }),
                    (_, None) => Err(StoreError::Rejected("a job of the batch is on record already".to_owned())),
                };
            }
        };
        self.tell_of(&jobs, &new);
        if gated {
            self.admit_aside(jobs.iter().map(|job| job.role)).await;
        }
        Ok(InsertedBatch::New(jobs.iter().filter_map(|job| new.get(&job.id).copied()).collect()))
    }
}
