//! Jobs go to workers.

use async_trait::async_trait;
use uuid::Uuid;

use super::{PostgresStore, ids, rows};
use crate::{
    id::{JobId, WorkerId},
    role::Role,
    store::{
        Claimed, StoreError,
        ready::{Ready, ReadyJob},
    },
};

/// A claim: where to look, and what to do with what is found there.
macro_rules! claim {
    ($place:literal) => {
        concat!(
            include_str!(concat!("../../sql/postgres/claim/", $place, ".sql")),
            include_str!("../../sql/postgres/claimable.sql"),
            include_str!("../../sql/postgres/claim.sql")
        )
    };
}

const READY: &str =
    concat!(include_str!("../../sql/postgres/ready.sql"), include_str!("../../sql/postgres/claimable.sql"));

impl PostgresStore {
    /// Of the first ready jobs, or of those given.
    pub(super) async fn claim_jobs(
        &self,
        role: Role,
        limit: i64,
        worker: WorkerId,
        given: Option<Vec<Uuid>>,
    ) -> Result<Vec<Claimed>, StoreError> {
        let rows = self
            .in_time(|| {
                let statement = if given.is_some() { claim!("given") } else { claim!("first") };
                let query = sqlx::query(statement).bind(role.as_str()).bind(limit).bind(worker.0).bind(self.now());
                let query = match &given {
                    Some(given) => query.bind(given),
                    None => query,
                };
                query.fetch_all(&self.pool)
            })
            .await?;
        let mut claimed =
            rows.iter().map(|row| rows::claimed(row, role)).collect::<Result<Vec<_>, _>>().map_err(rows::classify)?;
        claimed.sort_unstable_by_key(|job| job.run.lease);
        if !claimed.is_empty() {
            self.stir();
        }
        Ok(claimed)
    }
}

#[async_trait]
impl Ready for PostgresStore {
    async fn ready(&self, role: Role, after: Option<ReadyJob>, limit: u32) -> Result<Vec<ReadyJob>, StoreError> {
        let (priority, fair_tag, id) = ReadyJob::place(after);
        self.in_time(|| async {
            let query = sqlx::query(READY).bind(role.as_str()).bind(i64::from(limit));
            let rows = query.bind(priority).bind(fair_tag).bind(id).fetch_all(&self.pool).await?;
            rows.iter().map(rows::ready).collect()
        })
        .await
    }

    async fn claim_ready(&self, role: Role, jobs: &[JobId], worker: WorkerId) -> Result<Vec<Claimed>, StoreError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let limit = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
        self.claim_jobs(role, limit, worker, Some(ids(jobs))).await
    }
}
