//! Guards: whose turn it is, what came of a look, and what they look at.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row, postgres::PgRow};

use super::{
    PostgresStore,
    insert::{Entrance, record},
    millis, rows, step,
};
use crate::{
    audit::Actor,
    escalations::{Answer, Escalation, Subject},
    guards::{Follows, Guard, Looked, Standing, TENANT},
    id::WorkerId,
    job::Job,
    role::Role,
    store::{
        Guards, StoreError,
        audit::ChainName,
        guards::{Backlog, Dying, GuardRecord, LETTERS, NEIGHBOURS},
    },
};

const LOOKED: &str = include_str!("../../sql/postgres/guard_looked.sql");
const HELD: &str = step(LOOKED, "held");
const KEPT: &str = step(LOOKED, "kept");

#[async_trait]
impl Guards for PostgresStore {
    async fn take_guards(
        &self,
        worker: WorkerId,
        guards: &[Guard],
        lease: Duration,
    ) -> Result<Vec<GuardRecord>, StoreError> {
        let names: Vec<&str> = guards.iter().map(|guard| guard.as_str()).collect();
        self.in_time(|| async {
            let taken = sqlx::query(include_str!("../../sql/postgres/take_guards.sql"))
                .bind(worker.0)
                .bind(&names)
                .bind(millis(lease))
                .bind(self.now())
                .fetch_all(&self.pool)
                .await?;
            taken.iter().filter_map(|row| guard(row).transpose()).collect()
        })
        .await
    }

    async fn guard_looked(&self, worker: WorkerId, guard: Guard, looked: &Looked) -> Result<bool, StoreError> {
        let by = Actor::golden();
        let written = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let held = sqlx::query(HELD).bind(guard.as_str()).bind(worker.0).bind(self.now());
                let Some(held) = held.fetch_optional(&mut *tx).await? else { return Ok(None) };
                let mut standing = standing(&held)?;
                let follows = standing.take_down(guard, looked, held.try_get("at")?);
                sqlx::query(KEPT)
                    .bind(guard.as_str())
                    .bind(&standing.remedied)
                    .bind(i32::try_from(standing.failures).unwrap_or(i32::MAX))
                    .bind(standing.escalated)
                    .execute(&mut *tx)
                    .await?;
                let (mut told, mut asked, mut settled) = (false, false, Vec::new());
                match follows {
                    Follows::Nothing => {}
                    Follows::Ask(question) => {
                        let job = question.by_golden(TENANT).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
                        record(&mut tx, &[&job], Entrance::Open, self.now()).await?;
                        asked = true;
                    }
                    Follows::Settle => {
                        let about = (Subject::Guard, guard.as_str());
                        (settled, told) =
                            self.settle_about(&mut tx, TENANT, about.0, about.1, &Answer::FIXED, &by).await?;
                    }
                }
                if let Some(act) = looked.act(guard) {
                    self.chain(&mut tx, &ChainName::INSTALLATION, [(&by, &act)]).await?;
                }
                tx.commit().await?;
                Ok(Some((told, asked, settled)))
            })
            .await?;
        let Some((told, asked, settled)) = written else { return Ok(false) };
        self.tell(told);
        if asked {
            self.wake([Escalation::ROLE]);
        }
        self.go_on(&settled.iter().map(|escalation| escalation.job_id).collect::<Vec<_>>()).await;
        Ok(true)
    }

    async fn guards(&self) -> Result<Vec<GuardRecord>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/guards.sql")).fetch_all(&self.pool).await?;
            found.iter().filter_map(|row| guard(row).transpose()).collect()
        })
        .await
    }

    async fn dying(&self, most: u32, window: Duration, since: DateTime<Utc>) -> Result<Vec<Dying>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/dying.sql"))
                .bind(i64::from(most))
                .bind(millis(window))
                .bind(since)
                .bind(i64::from(LETTERS))
                .bind(self.now())
                .bind(i64::from(NEIGHBOURS))
                .fetch_all(&self.pool)
                .await?;
            let dying = |row: &PgRow| {
                Ok(Dying {
                    kind: row.try_get("kind")?,
                    tenant_id: row.try_get("tenant_id")?,
                    role: rows::role(row, "role")?,
                    letters: rows::count(row, "letters")?,
                    lasting: row.try_get("lasting")?,
                    dead: rows::count(row, "dead")?,
                    succeeded: rows::count(row, "succeeded")?,
                    paused: row.try_get("paused")?,
                })
            };
            found.iter().map(dying).collect()
        })
        .await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.in_time(|| async {
            let row = sqlx::query(include_str!("../../sql/postgres/backlog.sql"))
                .bind(self.now())
                .bind(Role::Webhook.as_str())
                .fetch_one(&self.pool)
                .await?;
            let waited = |column| {
                let ms: Option<i64> = row.try_get(column)?;
                Ok::<_, sqlx::Error>(Duration::from_millis(ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)))
            };
            Ok(Backlog { events: waited("events_ms")?, webhooks: waited("webhooks_ms")? })
        })
        .await
    }
}

/// `None` for a guard that only another Golden knows.
fn guard(row: &PgRow) -> Result<Option<GuardRecord>, sqlx::Error> {
    let Ok(guard) = row.try_get::<&str, _>("name")?.parse() else { return Ok(None) };
    Ok(Some(GuardRecord { guard, looked_at: row.try_get("looked_at")?, standing: standing(row)? }))
}

fn standing(row: &PgRow) -> Result<Standing, sqlx::Error> {
    Ok(Standing {
        remedied: row.try_get("remedied")?,
        failures: rows::small(row, "failures")?,
        escalated: row.try_get("escalated")?,
    })
}
