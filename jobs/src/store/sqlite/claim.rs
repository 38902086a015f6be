//! Jobs go to workers.

use async_trait::async_trait;

use super::{
    finish::Finish,
    rows,
    steps::step,
    writer::{Tx, Verb, Writer},
};
use crate::{
    id::WorkerId,
    outcome::Verdict,
    role::Role,
    store::{Claimed, RunEnd},
};

const FILE: &str = include_str!("../../sql/sqlite/claim.sql");
const LEASED: &str = step(FILE, "leased");
const TAKEN: &str = step(FILE, "taken");
const CLAIMED: &str = step(FILE, "claimed");

pub(super) struct Claim {
    pub role: Role,
    pub limit: u32,
    pub worker: WorkerId,
    /// Takes back what is not collected.
    pub writer: Writer,
}

#[async_trait]
impl Verb for Claim {
    type Answer = Leased;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Leased, sqlx::Error> {
        let leased = sqlx::query(LEASED)
            .bind(self.role.as_str())
            .bind(self.limit)
            .bind(self.worker.0)
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?;
        let mut answer = Leased { jobs: Vec::new(), writer: self.writer.clone() };
        let taken = i64::try_from(leased.rows_affected()).unwrap_or(0);
        if taken == 0 {
            return Ok(answer);
        }
        sqlx::query(TAKEN).bind(self.role.as_str()).bind(self.limit).execute(&mut *tx.connection).await?;
        let first = leased.last_insert_rowid() - taken + 1;
        let rows = sqlx::query(CLAIMED).bind(first).fetch_all(&mut *tx.connection).await?;
        answer.jobs = rows.iter().map(|row| rows::claimed(row, self.role)).collect::<Result<_, _>>()?;
        Ok(answer)
    }
}

/// Claimed jobs on their way to the caller. A caller that went away, or whose deadline
/// passed, never learns of them, while its worker lives on and keeps the leases alive: so
/// what is dropped uncollected is given back.
pub(super) struct Leased {
    jobs: Vec<Claimed>,
    writer: Writer,
}

impl Leased {
    pub(super) fn collect(mut self) -> Vec<Claimed> {
        std::mem::take(&mut self.jobs)
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        let ends = self.jobs.drain(..).map(|job| RunEnd { run: job.run, role: job.role, verdict: Verdict::Release });
        let (finish, writer) = (Finish { ends: ends.collect() }, self.writer.clone());
        // Without a runtime the process is at its end, and its worker will be found silent.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = writer.call(finish).await {
                    tracing::warn!(%error, "claimed jobs that nobody collected were not given back");
                }
            });
        }
    }
}
