//! What those ask who watch many jobs at once.

use async_trait::async_trait;

use super::{
    SqliteStore,
    params::{hex, list},
    rows,
};
use crate::{
    id::JobId,
    record::JobRecord,
    store::{Glance, StoreError, Watch},
};

#[async_trait]
impl Watch for SqliteStore {
    async fn glances(&self, jobs: &[JobId]) -> Result<Vec<Glance>, StoreError> {
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/glances.sql"))
                .bind(list(jobs.iter().map(|id| hex(id.0)))?)
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(rows::glance).collect()
        })
        .await
    }

    async fn records(&self, jobs: &[JobId]) -> Result<Vec<JobRecord>, StoreError> {
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/records.sql"))
                .bind(list(jobs.iter().map(|id| hex(id.0)))?)
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(rows::job).collect()
        })
        .await
    }
}
