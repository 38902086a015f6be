//! Guards: whose turn it is, what came of a look, and what they look at.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    SqliteStore,
    audit::chain,
    escalations::settle_about,
    insert::record,
    now,
    params::{after, list, micros},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::Actor,
    escalations::{Answer, Subject},
    guards::{Follows, Guard, Looked, Standing, TENANT},
    id::WorkerId,
    role::Role,
    store::{
        Guards, StoreError,
        audit::ChainName,
        escalations::EscalationRecord,
        guards::{Backlog, Dying, GuardRecord, LETTERS, NEIGHBOURS},
    },
};

const LOOKED: &str = include_str!("../../sql/sqlite/guard_looked.sql");
const HELD: &str = step(LOOKED, "held");
const KEPT: &str = step(LOOKED, "kept");

#[async_trait]
impl Guards for SqliteStore {
    async fn take_guards(
        &self,
        worker: WorkerId,
        guards: &[Guard],
        lease: Duration,
    ) -> Result<Vec<GuardRecord>, StoreError> {
        self.writer.call(Take { worker, guards: guards.to_vec(), lease }).await
    }

    async fn guard_looked(&self, worker: WorkerId, guard: Guard, looked: &Looked) -> Result<bool, StoreError> {
        let settled = self.writer.call(Look { worker, guard, looked: looked.clone() }).await?;
        let Some(settled) = settled else { return Ok(false) };
        self.go_on(&settled.iter().map(|escalation| escalation.job_id).collect::<Vec<_>>()).await;
        Ok(true)
    }

    async fn guards(&self) -> Result<Vec<GuardRecord>, StoreError> {
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/guards.sql")).fetch_all(&self.readers).await?;
            found.iter().filter_map(|row| guard(row).transpose()).collect()
        })
        .await
    }

    async fn dying(&self, most: u32, window: Duration, since: DateTime<Utc>) -> Result<Vec<Dying>, StoreError> {
        let now = micros(now(&self.clock));
        let ago = |windows: u32| now.saturating_sub(after(0, window * windows));
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/dying.sql"))
                .bind(most)
                .bind(ago(1))
                .bind(LETTERS)
                .bind(NEIGHBOURS)
                .bind(ago(3))
                .bind(ago(2))
                .bind(micros(since))
                .fetch_all(&self.readers)
                .await?;
            let dying = |row: &SqliteRow| {
                let near: [Option<u64>; 2] =
                    serde_json::from_str(row.try_get("near")?).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
                let [dead, succeeded] = near.map(Option::unwrap_or_default);
                Ok(Dying {
                    kind: row.try_get("kind")?,
                    tenant_id: row.try_get("tenant_id")?,
                    role: rows::role(row)?,
                    letters: rows::count(row, "letters")?,
                    lasting: row.try_get("lasting")?,
                    dead,
                    succeeded,
                    paused: row.try_get("paused")?,
                })
            };
            found.iter().map(dying).collect()
        })
        .await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let now = now(&self.clock);
        self.read(async {
            let row = sqlx::query(include_str!("../../sql/sqlite/backlog.sql"))
                .bind(Role::Webhook.as_str())
                .fetch_one(&self.readers)
                .await?;
            let waited = |column| {
                let since = rows::perhaps_at(&row, column)?;
                Ok::<_, sqlx::Error>(since.and_then(|since| (now - since).to_std().ok()).unwrap_or_default())
            };
            Ok(Backlog { events: waited("events")?, webhooks: waited("webhooks")? })
        })
        .await
    }
}

struct Take {
    worker: WorkerId,
    guards: Vec<Guard>,
    lease: Duration,
}

#[async_trait]
impl Verb for Take {
    type Answer = Vec<GuardRecord>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Answer, sqlx::Error> {
        let taken = sqlx::query(include_str!("../../sql/sqlite/take_guards.sql"))
            .bind(self.worker.0)
            .bind(list(self.guards.iter().map(|guard| guard.as_str()))?)
            .bind(after(tx.now, self.lease))
            .bind(tx.now)
            .fetch_all(&mut *tx.connection)
            .await?;
        taken.iter().filter_map(|row| guard(row).transpose()).collect()
    }
}

struct Look {
    worker: WorkerId,
    guard: Guard,
    looked: Looked,
}

#[async_trait]
impl Verb for Look {
    /// The escalations that this settled; `None` where it is another's turn.
    type Answer = Option<Vec<EscalationRecord>>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Answer, sqlx::Error> {
        let name = self.guard.as_str();
        let held = sqlx::query(HELD).bind(name).bind(self.worker.0).fetch_optional(&mut *tx.connection).await?;
        let Some(held) = held else { return Ok(None) };
        let mut standing = standing(&held)?;
        let follows = standing.take_down(self.guard, &self.looked, rows::time(tx.now));
        sqlx::query(KEPT)
            .bind(name)
            .bind(list(standing.remedied.iter().map(|at| micros(*at)))?)
            .bind(standing.failures)
            .bind(standing.escalated)
            .execute(&mut *tx.connection)
            .await?;
        let by = Actor::golden();
        let mut settled = Vec::new();
        match follows {
            Follows::Nothing => {}
            Follows::Ask(question) => {
                let job = question.by_golden(TENANT).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
                record(tx, &[&job], false).await?;
            }
            Follows::Settle => settled = settle_about(tx, TENANT, Subject::Guard, name, &Answer::FIXED, &by).await?,
        }
        if let Some(act) = self.looked.act(self.guard) {
            chain(tx, &ChainName::INSTALLATION, &[(&by, &act)]).await?;
        }
        Ok(Some(settled))
    }
}

/// `None` for a guard that only another Golden knows.
fn guard(row: &SqliteRow) -> Result<Option<GuardRecord>, sqlx::Error> {
    let Ok(guard) = row.try_get::<&str, _>("name")?.parse() else { return Ok(None) };
    Ok(Some(GuardRecord { guard, looked_at: rows::at(row, "looked_at")?, standing: standing(row)? }))
}

fn standing(row: &SqliteRow) -> Result<Standing, sqlx::Error> {
    let remedied: Vec<i64> =
        serde_json::from_str(row.try_get("remedied")?).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Standing {
        remedied: remedied.into_iter().map(rows::time).collect(),
        failures: rows::small(row, "failures")?,
        escalated: row.try_get("escalated")?,
    })
}
