//! What those ask who watch many jobs at once.

use async_trait::async_trait;

use super::{PostgresStore, ids, rows};
use crate::{
    id::JobId,
    record::JobRecord,
    store::{Glance, StoreError, Watch},
};

#[async_trait]
impl Watch for PostgresStore {
    async fn glances(&self, jobs: &[JobId]) -> Result<Vec<Glance>, StoreError> {
        self.notifier.watch();
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/glances.sql"))
                .bind(ids(jobs))
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(rows::glance).collect()
        })
        .await
    }

    async fn records(&self, jobs: &[JobId]) -> Result<Vec<JobRecord>, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/records.sql"))
                .bind(ids(jobs))
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(rows::job).collect()
        })
        .await
    }
}
