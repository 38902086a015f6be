//! Lines of log come in, and are read.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{
    SqliteStore,
    params::{hex, list},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    id::JobId,
    store::{LOG_TRUNCATED, LogAppend, LogKept, LogLine, LogSlice, LogStream, Logs, Run, StoreError},
};

const FILE: &str = include_str!("../../sql/sqlite/append_logs.sql");
const BEGUN: &str = step(FILE, "begun");
const LINES: &str = step(FILE, "lines");

#[async_trait]
impl Logs for SqliteStore {
    async fn append_logs(&self, appends: Vec<LogAppend>) -> Result<Vec<LogKept>, StoreError> {
        if appends.is_empty() {
            return Ok(Vec::new());
        }
        self.writer.call(Append { appends }).await
    }

    async fn logs(&self, job: JobId, slice: LogSlice) -> Result<Vec<LogLine>, StoreError> {
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/logs.sql"))
                .bind(job.0)
                .bind(big(slice.after))
                .bind(slice.attempt)
                .bind(slice.limit)
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(rows::log_line).collect()
        })
        .await
    }

    async fn log_tails(&self, jobs: &[(JobId, u64)], limit: u32) -> Result<Vec<(JobId, LogLine)>, StoreError> {
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/log_tails.sql"))
                .bind(list(jobs.iter().map(|(job, after)| (hex(job.0), after)))?)
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(|row| Ok((rows::job_id(row, "job_id")?, rows::log_line(row)?))).collect()
        })
        .await
    }
}

struct Append {
    appends: Vec<LogAppend>,
}

#[async_trait]
impl Verb for Append {
    type Answer = Vec<LogKept>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<LogKept>, sqlx::Error> {
        let runs = list(self.appends.iter().map(|append| {
            let (seq, bytes) = append.begin.map(|begin| (begin.seq, begin.bytes)).unzip();
            (hex(append.run.id.0), append.run.lease, seq, bytes)
        }))?;
        let rows = sqlx::query(BEGUN).bind(runs).fetch_all(&mut *tx.connection).await?;
        let kept: HashMap<Run, LogKept> = rows
            .iter()
            .map(|row| rows::log_kept(row).map(|kept| (kept.run, kept)))
            .collect::<Result<_, sqlx::Error>>()?;
        let mut lines = Vec::new();
        for append in &self.appends {
            let Some(LogKept { run, begin }) = kept.get(&append.run) else { continue };
            for line in &append.lines {
                let (stream, text) = match (begin.overflowed_before(line), begin.overflows(line)) {
                    (true, _) => break,
                    (false, true) => (LogStream::System, LOG_TRUNCATED),
                    (false, false) => (line.stream, line.text.as_str()),
                };
                let at = tx.now.saturating_sub(i64::try_from(line.age.as_micros()).unwrap_or(i64::MAX));
                let seq = begin.seq + line.n;
                lines.push((hex(run.id.0), seq, run.lease, append.attempt, stream, at, text));
            }
        }
        if !lines.is_empty() {
            sqlx::query(LINES).bind(list(lines)?).execute(&mut *tx.connection).await?;
            tx.hints.stir();
        }
        Ok(kept.into_values().collect())
    }
}

fn big(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
