//! How much there is of what.

use super::{
    SqliteStore, now,
    params::{list, micros, millis},
    role_names, rows,
    steps::step,
};
use crate::store::{Depths, LOOKED_AT, SILENT_AFTER, StoreError};

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
            Ok(Depths {
                roles: roles.iter().map(|row| rows::role_depth(row, now)).collect::<Result<_, _>>()?,
                dead_letters: rows::count(&totals, "dead_letters")?,
                outbox: rows::count(&totals, "outbox")?,
                unpublished: rows::count(&totals, "unpublished")?,
            })
        })
        .await
    }
}
