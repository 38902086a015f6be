//! Jobs that wait go on.

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    SqliteStore,
    entry::{self, Arrival},
    params::{hex, list},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    family::LEVELS,
    id::JobId,
    store::{
        StoreError,
        waits::{Family, Waits},
    },
};

const RESUME: &str = include_str!("../../sql/sqlite/resume_jobs.sql");
const RESUMED: &str = step(RESUME, "resumed");
const LOOSED: &str = step(RESUME, "loosed");

const LAPSE: &str = include_str!("../../sql/sqlite/lapse.sql");
const LAPSED: &str = step(LAPSE, "lapsed");
const NEXT: &str = step(LAPSE, "next");

const FAMILY: &str = include_str!("../../sql/sqlite/family.sql");
const ABOVE: &str = step(FAMILY, "above");
const BELOW: &str = step(FAMILY, "below");

#[async_trait]
impl Waits for SqliteStore {
    async fn resume_jobs(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        self.writer.call(Resume { jobs: jobs.to_vec() }).await
    }

    async fn family(&self, job: JobId) -> Result<Family, StoreError> {
        self.read(async {
            let depth = sqlx::query_scalar(ABOVE).bind(job.0).bind(LEVELS).fetch_one(&self.readers).await?;
            let children: Vec<Uuid> = sqlx::query_scalar(BELOW).bind(job.0).fetch_all(&self.readers).await?;
            Ok(Family { depth, children: children.into_iter().map(JobId).collect() })
        })
        .await
    }

    async fn tree_cost(&self, job: JobId) -> Result<i64, StoreError> {
        self.read(async {
            let cost = sqlx::query_scalar(include_str!("../../sql/sqlite/tree_cost.sql"));
            cost.bind(job.0).fetch_one(&self.readers).await
        })
        .await
    }
}

struct Resume {
    jobs: Vec<JobId>,
}

#[async_trait]
impl Verb for Resume {
    type Answer = Vec<JobId>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<JobId>, sqlx::Error> {
        resume(tx, self.jobs.iter().map(|job| (*job, None))).await
    }
}

/// Lets jobs go on that have waited for as long as they would.
pub(super) async fn lapse(tx: &mut Tx<'_>, limit: u32) -> Result<(), sqlx::Error> {
    let lapsed: Vec<(Uuid, i64)> =
        sqlx::query_as(LAPSED).bind(limit).bind(tx.now).fetch_all(&mut *tx.connection).await?;
    if !lapsed.is_empty() {
        resume(tx, lapsed.into_iter().map(|(job, since)| (JobId(job), Some(since)))).await?;
    }
    Ok(())
}

/// When the next wait is over, in microseconds since 1970.
pub(super) async fn next(tx: &mut Tx<'_>) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(NEXT).bind(tx.now).fetch_one(&mut *tx.connection).await
}

async fn resume(
    tx: &mut Tx<'_>,
    jobs: impl IntoIterator<Item = (JobId, Option<i64>)>,
) -> Result<Vec<JobId>, sqlx::Error> {
    let asked = list(jobs.into_iter().map(|(job, since)| (hex(job.0), since)))?;
    let resumed = sqlx::query(RESUMED).bind(asked).bind(tx.now).fetch_all(&mut *tx.connection).await?;
    let due = resumed.iter().map(rows::entry).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<JobId> = due.iter().map(|entry| entry.id).collect();
    if !ids.is_empty() {
        sqlx::query(LOOSED).bind(list(ids.iter().map(|id| hex(id.0)))?).execute(&mut *tx.connection).await?;
        entry::ready(tx, due, Arrival::Returning).await?;
    }
    Ok(ids)
}
