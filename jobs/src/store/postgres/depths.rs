//! How much there is of what.

use std::time::Duration;

use super::{PostgresStore, millis, role_names, rows};
use crate::store::{Depths, LOOKED_AT, RoleDepth, SILENT_AFTER, StoreError};

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
            let mut depths = Depths::default();
            for row in &rows {
                depths.dead_letters = rows::count(row, "dead_letters")?;
                depths.outbox = rows::count(row, "outbox")?;
                depths.unpublished = rows::count(row, "unpublished")?;
                depths.roles.push(RoleDepth {
                    role: rows::role(row, "role")?,
                    ready: rows::count(row, "ready")?,
                    held: rows::count(row, "held")?,
                    scheduled: rows::count(row, "scheduled")?,
                    running: rows::count(row, "running")?,
                    at_least: sqlx::Row::try_get(row, "at_least")?,
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
