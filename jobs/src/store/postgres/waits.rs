//! Jobs that wait go on.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;
use uuid::Uuid;

use super::{Connection, PostgresStore, ids, rows};
use crate::{
    family::LEVELS,
    id::JobId,
    role::Role,
    store::{
        StoreError,
        waits::{Family, Waits},
    },
};

#[async_trait]
impl Waits for PostgresStore {
    async fn resume_jobs(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let resumed = self
            .in_time(|| async {
                let mut tx = self.pool.begin_one().await?;
                let resumed = self.resume_waiting(&mut tx, &ids(jobs), &vec![None; jobs.len()]).await?;
                tx.commit().await?;
                Ok(resumed)
            })
            .await?;
        self.wake(resumed.iter().map(|(_, role)| *role));
        Ok(resumed.into_iter().map(|(id, _)| id).collect())
    }

    async fn family(&self, job: JobId) -> Result<Family, StoreError> {
        self.in_time(|| async {
            let row = sqlx::query(include_str!("../../sql/postgres/family.sql"))
                .bind(job.0)
                .bind(i32::try_from(LEVELS).unwrap_or(i32::MAX))
                .fetch_one(&self.pool)
                .await?;
            let children: Vec<Uuid> = row.try_get("children")?;
            Ok(Family {
                depth: u32::try_from(row.try_get::<i32, _>("depth")?).unwrap_or(0),
                children: children.into_iter().map(JobId).collect(),
            })
        })
        .await
    }

    async fn tree_cost(&self, job: JobId) -> Result<i64, StoreError> {
        self.in_time(|| async {
            let cost = sqlx::query_scalar(include_str!("../../sql/postgres/tree_cost.sql"));
            cost.bind(job.0).fetch_one(&self.pool).await
        })
        .await
    }
}

impl PostgresStore {
    /// Lets jobs go on that have waited for as long as they would. Answers their roles.
    pub(super) async fn lapse(&self, limit: u32) -> Result<Vec<Role>, StoreError> {
        let resumed = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let lapsed: Vec<(Uuid, DateTime<Utc>)> = sqlx::query_as(include_str!("../../sql/postgres/lapse.sql"))
                    .bind(i64::from(limit))
                    .bind(self.now())
                    .fetch_all(&mut *tx)
                    .await?;
                let (ids, since): (Vec<_>, Vec<_>) = lapsed.into_iter().map(|(id, since)| (id, Some(since))).unzip();
                let resumed = self.resume_waiting(&mut tx, &ids, &since).await?;
                tx.commit().await?;
                Ok(resumed)
            })
            .await?;
        Ok(resumed.into_iter().map(|(_, role)| role).collect())
    }

    async fn resume_waiting(
        &self,
        connection: &mut Connection,
        jobs: &[Uuid],
        since: &[Option<DateTime<Utc>>],
    ) -> Result<Vec<(JobId, Role)>, sqlx::Error> {
        let rows = sqlx::query(include_str!("../../sql/postgres/resume_jobs.sql"))
            .bind(jobs)
            .bind(since)
            .bind(self.now())
            .fetch_all(connection)
            .await?;
        rows.iter().map(|row| Ok((rows::job_id(row, "id")?, rows::role(row, "role")?))).collect()
    }
}
