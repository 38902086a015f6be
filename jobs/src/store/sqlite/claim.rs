//! Jobs go to workers.

use async_trait::async_trait;

use super::{
    SqliteStore,
    params::{hex, list},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    id::{JobId, WorkerId},
    role::Role,
    store::{
        Claimed, StoreError,
        ready::{Ready, ReadyJob},
    },
};

const FILE: &str = include_str!("../../sql/sqlite/claim.sql");
const PASSED: &str = step(FILE, "passed");
const TAKEN: &str = step(FILE, "taken");
const CLAIMED: &str = step(FILE, "claimed");

const READY: &str = concat!(include_str!("../../sql/sqlite/ready.sql"), include_str!("../../sql/sqlite/claimable.sql"));

/// The step that leases what it finds at a place.
macro_rules! leased {
    ($place:literal) => {
        concat!(
            include_str!(concat!("../../sql/sqlite/claim/", $place, ".sql")),
            include_str!("../../sql/sqlite/claimable.sql")
        )
    };
}

pub(super) struct Claim {
    pub role: Role,
    pub limit: u32,
    pub worker: WorkerId,
    /// Of these jobs, instead of the first ready ones.
    pub given: Option<Vec<JobId>>,
}

#[async_trait]
impl Verb for Claim {
    type Answer = Vec<Claimed>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<Claimed>, sqlx::Error> {
        let statement = if self.given.is_some() { leased!("given") } else { leased!("first") };
        let query = sqlx::query(statement).bind(self.role.as_str()).bind(self.limit).bind(self.worker.0).bind(tx.now);
        let query = match &self.given {
            Some(given) => query.bind(list(given.iter().map(|id| hex(id.0)))?),
            None => query,
        };
        let leased = query.execute(&mut *tx.connection).await?;
        let taken = i64::try_from(leased.rows_affected()).unwrap_or(0);
        if taken == 0 {
            return Ok(Vec::new());
        }
        tx.hints.stir();
        let first = leased.last_insert_rowid() - taken + 1;
        sqlx::query(PASSED).bind(self.role.as_str()).bind(first).execute(&mut *tx.connection).await?;
        sqlx::query(TAKEN).bind(first).execute(&mut *tx.connection).await?;
        let rows = sqlx::query(CLAIMED).bind(first).fetch_all(&mut *tx.connection).await?;
        rows.iter().map(|row| rows::claimed(row, self.role)).collect()
    }
}

#[async_trait]
impl Ready for SqliteStore {
    async fn ready(&self, role: Role, after: Option<ReadyJob>, limit: u32) -> Result<Vec<ReadyJob>, StoreError> {
        let (priority, fair_tag, id) = ReadyJob::place(after);
        self.read(async {
            let query = sqlx::query(READY).bind(role.as_str()).bind(limit);
            let rows = query.bind(priority).bind(fair_tag).bind(id).fetch_all(&self.readers).await?;
            rows.iter().map(rows::ready).collect()
        })
        .await
    }

    async fn claim_ready(&self, role: Role, jobs: &[JobId], worker: WorkerId) -> Result<Vec<Claimed>, StoreError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let limit = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        self.writer.call(Claim { role, limit, worker, given: Some(jobs.to_vec()) }).await
    }
}
