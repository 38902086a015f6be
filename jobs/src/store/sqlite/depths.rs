//! How much there is of what.

use std::time::Duration;

use sqlx::{Row, sqlite::SqliteRow};

use super::{
    SqliteStore, now,
    params::{list, micros, millis},
    role_names, rows,
    steps::step,
};
use crate::store::{Consensus, Depths, LATELY, LOOKED_AT, SILENT_AFTER, StoreError};

const DEPTHS: &str = include_str!("../../sql/sqlite/depths.sql");
const ROLES: &str = step(DEPTHS, "roles");
const TOTALS: &str = step(DEPTHS, "totals");

impl SqliteStore {
    pub(super) async fn read_depths(&self) -> Result<Depths, StoreError> {
        let now = micros(now(&self.clock));
        self.read(async {
            let roles = sqlx::query(ROLES)
                .bind(list(role_names())?)
                .bind(LOOKED_AT)
                .bind(now.saturating_sub(millis(SILENT_AFTER).saturating_mul(1000)))
                .fetch_all(&self.readers)
                .await?;
            let totals = sqlx::query(TOTALS).bind(LOOKED_AT).fetch_one(&self.readers).await?;
            let panels = sqlx::query(include_str!("../../sql/sqlite/consensus.sql"))
                .bind(now)
                .bind(LOOKED_AT)
                .bind(now.saturating_sub(millis(LATELY).saturating_mul(1000)))
                .fetch_one(&self.readers)
                .await?;
            Ok(Depths {
                consensus: consensus(&panels)?,
                roles: roles.iter().map(|row| rows::role_depth(row, now)).collect::<Result<_, _>>()?,
                dead_letters: rows::count(&totals, "dead_letters")?,
                escalations: rows::count(&totals, "escalations")?,
                outbox: rows::count(&totals, "outbox")?,
                unpublished: rows::count(&totals, "unpublished")?,
            })
        })
        .await
    }
}

fn consensus(row: &SqliteRow) -> Result<Consensus, sqlx::Error> {
    let p95: Option<i64> = row.try_get("p95_ms")?;
    Ok(Consensus {
        open: rows::count(row, "open")?,
        oldest_open: Duration::from_millis(rows::count(row, "oldest_ms")?),
        p95: p95.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))),
    })
}
