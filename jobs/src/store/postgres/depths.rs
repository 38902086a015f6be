//! How much there is of what.

use std::time::Duration;

use sqlx::{Row, postgres::PgRow};

use super::{PostgresStore, millis, role_names, rows};
use crate::store::{Consensus, Depths, LATELY, LOOKED_AT, RoleDepth, SILENT_AFTER, StoreError};

impl PostgresStore {
    pub(super) async fn read_depths(&self) -> Result<Depths, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/depths.sql"))
                .bind(role_names())
                .bind(self.now())
                .bind(i64::from(LOOKED_AT))
                .bind(millis(SILENT_AFTER))
                .fetch_all(&self.pool)
                .await?;
            let panels = sqlx::query(include_str!("../../sql/postgres/consensus.sql"))
                .bind(self.now())
                .bind(i64::from(LOOKED_AT))
                .bind(millis(LATELY))
                .fetch_one(&self.pool)
                .await?;
            let mut depths = Depths { consensus: consensus(&panels)?, ..Depths::default() };
            for row in &rows {
                depths.dead_letters = rows::count(row, "dead_letters")?;
                depths.escalations = rows::count(row, "escalations")?;
                depths.outbox = rows::count(row, "outbox")?;
                depths.unpublished = rows::count(row, "unpublished")?;
                depths.roles.push(RoleDepth {
                    role: rows::role(row, "role")?,
                    ready: rows::count(row, "ready")?,
                    held: rows::count(row, "held")?,
                    scheduled: rows::count(row, "scheduled")?,
                    running: rows::count(row, "running")?,
                    at_least: row.try_get("at_least")?,
                    capacity: rows::count(row, "capacity")?,
                    oldest_wait: Duration::from_millis(rows::count(row, "oldest_wait_ms")?),
                    oldest_run: Duration::from_millis(rows::count(row, "oldest_run_ms")?),
                });
            }
            Ok(depths)
        })
        .await
    }
}

fn consensus(row: &PgRow) -> Result<Consensus, sqlx::Error> {
    let p95: Option<i64> = row.try_get("p95_ms")?;
    Ok(Consensus {
        open: rows::count(row, "open")?,
        oldest_open: Duration::from_millis(rows::count(row, "oldest_ms")?),
        p95: p95.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))),
    })
}
