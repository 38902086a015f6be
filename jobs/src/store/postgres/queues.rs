//! Queues are paused, limited and looked at; what was held back is let through.

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;
use sqlx::Row;

use super::{PostgresStore, role_names, rows};
use crate::{
    audit::{Actor, acts},
    role::Role,
    store::{LOOKED_AT, Pause, Queue, QueueName, Queues, Quota, StoreError},
};

/// How many jobs are parked, or let through, in one statement.
const PARKED: i64 = 5_000;
const THROUGH: i64 = 1_000;
/// How many are let through beside another verb, which waits for it.
const ASIDE: i64 = 100;

/// How often the gates of a role are looked at in a row, while there is more to move.
const LOOKS: u32 = 20;

impl PostgresStore {
    /// Lets through what has room now, beside a verb that has made room or brought jobs. What fails, or
    /// is more than a few, is left to [`look_after`](Self::look_after), which comes within a second.
    pub(super) async fn admit_aside(&self, roles: impl IntoIterator<Item = Role>) {
        let roles: HashSet<Role> = roles.into_iter().collect();
        for role in roles {
            if let Err(error) = self.admit(role, ASIDE).await {
                tracing::debug!(%error, role = role.as_str(), "what is held back was not looked at");
            }
        }
    }

    /// Parks what is behind the closed gates of these roles, and lets through what has room.
    pub(super) async fn look_after(&self, roles: impl IntoIterator<Item = Role>) {
        for role in roles {
            if let Err(error) = self.look(role).await {
                tracing::warn!(%error, role = role.as_str(), "what is held back was not looked at");
            }
        }
    }

    async fn look(&self, role: Role) -> Result<(), StoreError> {
        for _ in 0..LOOKS {
            let parked: i64 = self
                .in_time(|| {
                    sqlx::query_scalar(include_str!("../../sql/postgres/park.sql"))
                        .bind(role.as_str())
                        .bind(PARKED)
                        .bind(self.now())
                        .fetch_one(&self.pool)
                })
                .await?;
            if parked < PARKED {
                break;
            }
        }
        for _ in 0..LOOKS {
            if self.admit(role, THROUGH).await? < THROUGH {
                break;
            }
        }
        Ok(())
    }

    async fn admit(&self, role: Role, most: i64) -> Result<i64, StoreError> {
        let through: i64 = self
            .in_time(|| {
                sqlx::query_scalar(include_str!("../../sql/postgres/admit.sql"))
                    .bind(role.as_str())
                    .bind(most)
                    .bind(self.now())
                    .fetch_one(&self.pool)
            })
            .await?;
        if through > 0 {
            self.wake([role]);
        }
        Ok(through)
    }
}

/// The tenant's name where a queue is one of a tenant's; the role's own has none.
fn tenant(queue: &QueueName) -> &str {
    queue.tenant_id.as_deref().unwrap_or_default()
}

#[async_trait]
impl Queues for PostgresStore {
    async fn queues(&self, tenant: &str) -> Result<Vec<Queue>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/queues.sql"))
                .bind(tenant)
                .bind(role_names())
                .bind(i64::from(LOOKED_AT))
                .bind(self.now())
                .fetch_all(&self.pool)
                .await?;
            found.iter().map(queue).collect()
        })
        .await
    }

    async fn pause(&self, queue: &QueueName, by: &Actor) -> Result<(), StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let changed: bool = sqlx::query_scalar(include_str!("../../sql/postgres/pause.sql"))
                .bind(queue.role.as_str())
                .bind(tenant(queue))
                .bind(&by.subject)
                .bind(self.now())
                .fetch_one(&mut *tx)
                .await?;
            if changed {
                self.chain(&mut tx, &queue.chain(), [(by, &acts::paused(queue))]).await?;
            }
            tx.commit().await
        })
        .await?;
        if queue.tenant_id.is_some() {
            self.look_after([queue.role]).await;
        }
        Ok(())
    }

    async fn resume(&self, queue: &QueueName, by: &Actor) -> Result<(), StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let resumed = sqlx::query(include_str!("../../sql/postgres/resume.sql"))
                .bind(queue.role.as_str())
                .bind(tenant(queue))
                .execute(&mut *tx)
                .await?;
            if resumed.rows_affected() > 0 {
                self.chain(&mut tx, &queue.chain(), [(by, &acts::resumed(queue))]).await?;
            }
            tx.commit().await
        })
        .await?;
        self.look_after([queue.role]).await;
        self.wake([queue.role]);
        Ok(())
    }

    async fn limit(&self, role: Role, tenant: &str, quota: Quota, by: &Actor) -> Result<(), StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            sqlx::query(include_str!("../../sql/postgres/limit.sql"))
                .bind(role.as_str())
                .bind(tenant)
                .bind(quota.max_queued.map(|most| i64::try_from(most).unwrap_or(i64::MAX)))
                .bind(quota.max_running.map(|most| i32::try_from(most).unwrap_or(i32::MAX)))
                .bind(self.now())
                .execute(&mut *tx)
                .await?;
            self.audit(&mut tx, tenant, by, acts::limited(role, quota)).await?;
            tx.commit().await
        })
        .await?;
        self.look_after([role]).await;
        Ok(())
    }
}

fn queue(row: &sqlx::postgres::PgRow) -> Result<Queue, sqlx::Error> {
    let pause = |paused: &str, by: &str, at: &str| {
        let pause = Pause { by: row.try_get(by)?, at: row.try_get(at)? };
        Ok::<_, sqlx::Error>(row.try_get::<bool, _>(paused)?.then_some(pause))
    };
    Ok(Queue {
        role: rows::role(row, "role")?,
        tenant_id: row.try_get("tenant_id")?,
        pause: pause("paused", "paused_by", "paused_at")?,
        role_pause: pause("role_paused", "role_paused_by", "role_paused_at")?,
        quota: Quota {
            max_queued: row.try_get::<Option<i64>, _>("max_queued")?.and_then(|most| u64::try_from(most).ok()),
            max_running: row.try_get::<Option<i32>, _>("max_running")?.and_then(|most| u32::try_from(most).ok()),
        },
        ready: rows::count(row, "ready")?,
        scheduled: rows::count(row, "scheduled")?,
        running: rows::count(row, "running")?,
        at_least: row.try_get("at_least")?,
        oldest_wait: Duration::from_millis(rows::count(row, "oldest_wait_ms")?),
    })
}
