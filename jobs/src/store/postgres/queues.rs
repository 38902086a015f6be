//! Queues are paused, limited and looked at; what was held back is let through.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use sqlx::Row;

use super::{PostgresStore, role_names, rows};
use crate::{
    role::Role,
    store::{Queue, QueueName, Queues, Quota, StoreError},
};

/// How many jobs of a queue go through its gate together.
const THROUGH: i64 = 5_000;

/// How often the gates of a role are looked at in a row, while there is more to let through.
const LOOKS: u32 = 20;

/// The roles with gated queues, as far as this process knows. Others tell it by what
/// [`Store::promote`](super::Store::promote) finds, within a second.
#[derive(Default)]
pub(super) struct Gates(Mutex<HashSet<Role>>);

impl Gates {
    pub(super) fn set(&self, roles: impl IntoIterator<Item = Role>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = roles.into_iter().collect();
    }

    fn add(&self, role: Role) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(role);
    }

    fn known(&self) -> Vec<Role> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

impl PostgresStore {
    /// Lets through what gated queues have room for now. Free where none is gated. What fails is
    /// done by the next one to ask, which is within a second.
    pub(super) async fn admit(&self) {
        for role in self.gates.known() {
            if let Err(error) = self.admit_to(role).await {
                tracing::debug!(%error, role = role.as_str(), "what is held back was not looked at");
            }
        }
    }

    async fn admit_to(&self, role: Role) -> Result<(), StoreError> {
        for _ in 0..LOOKS {
            let row = self
                .in_time(|| {
                    sqlx::query(include_str!("../../sql/postgres/admit.sql"))
                        .bind(role.as_str())
                        .bind(THROUGH)
                        .bind(self.now())
                        .fetch_one(&self.pool)
                })
                .await?;
            if rows::count(&row, "moved").map_err(rows::classify)? > 0 {
                self.wake([role]);
            }
            if !row.try_get::<bool, _>("more").map_err(rows::classify)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The tenant's name where a queue is one of a tenant's; the role's own has none.
fn tenant(queue: &QueueName) -> &str {
    queue.tenant_id.as_deref().unwrap_or_default()
}

#[async_trait]
impl Queues for PostgresStore {
    async fn queues(&self, tenant: Option<&str>) -> Result<Vec<Queue>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/queues.sql"))
                .bind(tenant)
                .bind(role_names())
                .bind(self.now())
                .fetch_all(&self.pool)
                .await?;
            found.iter().map(queue).collect()
        })
        .await
    }

    async fn pause(&self, queue: &QueueName, by: &str) -> Result<(), StoreError> {
        self.in_time(|| {
            sqlx::query(include_str!("../../sql/postgres/pause.sql"))
                .bind(queue.role.as_str())
                .bind(tenant(queue))
                .bind(by)
                .bind(self.now())
                .execute(&self.pool)
        })
        .await?;
        if queue.tenant_id.is_some() {
            self.gates.add(queue.role);
            self.admit_to(queue.role).await?;
        }
        Ok(())
    }

    async fn resume(&self, queue: &QueueName) -> Result<(), StoreError> {
        self.in_time(|| {
            sqlx::query(include_str!("../../sql/postgres/resume.sql"))
                .bind(queue.role.as_str())
                .bind(tenant(queue))
                .execute(&self.pool)
        })
        .await?;
        self.admit_to(queue.role).await?;
        self.wake([queue.role]);
        Ok(())
    }

    async fn limit(&self, role: Role, tenant: &str, quota: Quota) -> Result<(), StoreError> {
        self.in_time(|| {
            sqlx::query(include_str!("../../sql/postgres/limit.sql"))
                .bind(role.as_str())
                .bind(tenant)
                .bind(quota.max_queued.map(|most| i64::try_from(most).unwrap_or(i64::MAX)))
                .bind(quota.max_running.map(|most| i32::try_from(most).unwrap_or(i32::MAX)))
                .bind(self.now())
                .execute(&self.pool)
        })
        .await?;
        self.gates.add(role);
        self.admit_to(role).await
    }
}

fn queue(row: &sqlx::postgres::PgRow) -> Result<Queue, sqlx::Error> {
    Ok(Queue {
        name: QueueName { role: rows::role(row, "role")?, tenant_id: row.try_get("tenant_id")? },
        paused: row.try_get("paused")?,
        paused_by: row.try_get("paused_by")?,
        paused_at: row.try_get("paused_at")?,
        quota: Quota {
            max_queued: row.try_get::<Option<i64>, _>("max_queued")?.and_then(|most| u64::try_from(most).ok()),
            max_running: row.try_get::<Option<i32>, _>("max_running")?.and_then(|most| u32::try_from(most).ok()),
        },
        ready: rows::count(row, "ready")?,
        scheduled: rows::count(row, "scheduled")?,
        running: rows::count(row, "running")?,
        oldest_wait: Duration::from_millis(rows::count(row, "oldest_wait_ms")?),
    })
}
