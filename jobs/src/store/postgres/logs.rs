//! Lines of log come in, and are read.

use async_trait::async_trait;
use uuid::Uuid;

use super::{PostgresStore, rows};
use crate::{
    id::JobId,
    store::{LOG_BYTES, LOG_LINES, LOG_TRUNCATED, LogAppend, LogKept, LogLine, LogSlice, Logs, StoreError},
};

#[async_trait]
impl Logs for PostgresStore {
    async fn append_logs(&self, appends: Vec<LogAppend>) -> Result<Vec<LogKept>, StoreError> {
        if appends.is_empty() {
            return Ok(Vec::new());
        }
        let lines = appends.iter().map(|append| serde_json::to_string(&append.lines)).collect::<Result<Vec<_>, _>>();
        let lines = lines.map_err(|error| StoreError::Rejected(error.to_string()))?;
        let column = |of: fn(&LogAppend) -> Option<u64>| -> Vec<Option<i64>> {
            appends.iter().map(|append| of(append).map(big)).collect()
        };
        let kept: Vec<LogKept> = self
            .in_time(|| async {
                let rows = sqlx::query(include_str!("../../sql/postgres/append_logs.sql"))
                    .bind(appends.iter().map(|append| append.run.id.0).collect::<Vec<Uuid>>())
                    .bind(appends.iter().map(|append| append.run.lease).collect::<Vec<_>>())
                    .bind(appends.iter().map(|append| attempt(append.attempt)).collect::<Vec<_>>())
                    .bind(column(|append| append.begin.map(|begin| begin.seq)))
                    .bind(column(|append| append.begin.map(|begin| begin.bytes)))
                    .bind(&lines)
                    .bind(big(LOG_LINES))
                    .bind(big(LOG_BYTES))
                    .bind(LOG_TRUNCATED)
                    .bind(self.now())
                    .fetch_all(&self.pool)
                    .await?;
                rows.iter().map(rows::log_kept).collect()
            })
            .await?;
        if !kept.is_empty() {
            self.stir();
        }
        Ok(kept)
    }

    async fn logs(&self, job: JobId, slice: LogSlice) -> Result<Vec<LogLine>, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/logs.sql"))
                .bind(job.0)
                .bind(big(slice.after))
                .bind(slice.attempt.map(attempt))
                .bind(i64::from(slice.limit))
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(rows::log_line).collect()
        })
        .await
    }

    async fn log_tails(&self, jobs: &[(JobId, u64)], limit: u32) -> Result<Vec<(JobId, LogLine)>, StoreError> {
        let (ids, after): (Vec<Uuid>, Vec<i64>) = jobs.iter().map(|(job, after)| (job.0, big(*after))).unzip();
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/log_tails.sql"))
                .bind(&ids)
                .bind(&after)
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(|row| Ok((rows::job_id(row, "job_id")?, rows::log_line(row)?))).collect()
        })
        .await
    }
}

fn big(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn attempt(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
