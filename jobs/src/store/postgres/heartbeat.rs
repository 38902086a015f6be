//! Workers live.

use std::sync::PoisonError;

use super::PostgresStore;
use crate::store::{StoreError, WorkerInfo};

impl PostgresStore {
    pub(super) async fn beat(&self, worker: &WorkerInfo) -> Result<bool, StoreError> {
        let updated = self
            .in_time(|| {
                sqlx::query(include_str!("../../sql/postgres/heartbeat.sql"))
                    .bind(worker.id.0)
                    .bind(self.now())
                    .execute(&self.pool)
            })
            .await?
            .rows_affected();
        if updated > 0 {
            // Perhaps it was registered by a call whose answer was lost.
            self.registered.lock().unwrap_or_else(PoisonError::into_inner).insert(worker.id);
            return Ok(true);
        }
        if self.registered.lock().unwrap_or_else(PoisonError::into_inner).remove(&worker.id) {
            return Ok(false);
        }
        let roles: Vec<&str> = worker.roles.iter().map(|role| role.as_str()).collect();
        self.in_time(|| {
            sqlx::query(include_str!("../../sql/postgres/register.sql"))
                .bind(worker.id.0)
                .bind(&worker.host)
                .bind(i64::from(worker.pid))
                .bind(&roles)
                .bind(&worker.version)
                .bind(self.now())
                .execute(&self.pool)
        })
        .await?;
        self.registered.lock().unwrap_or_else(PoisonError::into_inner).insert(worker.id);
        Ok(true)
    }
}
