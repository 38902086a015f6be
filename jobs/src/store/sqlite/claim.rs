//! Jobs go to workers.

use async_trait::async_trait;

use super::{
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{id::WorkerId, role::Role, store::Claimed};

const FILE: &str = include_str!("../../sql/sqlite/claim.sql");
const LEASED: &str = step(FILE, "leased");
const PASSED: &str = step(FILE, "passed");
const TAKEN: &str = step(FILE, "taken");
const CLAIMED: &str = step(FILE, "claimed");

pub(super) struct Claim {
    pub role: Role,
    pub limit: u32,
    pub worker: WorkerId,
}

#[async_trait]
impl Verb for Claim {
    type Answer = Vec<Claimed>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<Claimed>, sqlx::Error> {
        let leased = sqlx::query(LEASED)
            .bind(self.role.as_str())
            .bind(self.limit)
            .bind(self.worker.0)
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?;
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
