//! Schedules: kept for their owners, and fired.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    SqliteStore,
    audit::audit,
    entry,
    insert::{know_tenants, record},
    params::{hex, list, micros},
    queues, rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Actor, acts},
    id::{JobId, ScheduleId},
    store::{
        NewJob, Page, StoreError,
        schedules::{
            Changed, Created, Firing, LastSlot, NewSchedule, Schedule, Schedules, SlotRow, WhichSchedule, Written,
        },
    },
};

const FIRE: &str = include_str!("../../sql/sqlite/fire.sql");
const TAKE: &str = step(FIRE, "take");
const WRITE: &str = step(FIRE, "write");

#[async_trait]
impl Schedules for SqliteStore {
    async fn create_schedule(&self, schedule: &NewSchedule, most: u32, by: &Actor) -> Result<Created, StoreError> {
        self.writer.call(Create { schedule: schedule.clone(), most, by: by.clone() }).await
    }

    async fn schedule(&self, tenant: &str, which: &WhichSchedule) -> Result<Option<Schedule>, StoreError> {
        let (id, name) = match which {
            WhichSchedule::Id(id) => (Some(id.0), None),
            WhichSchedule::Name(name) => (None, Some(name)),
        };
        self.read(async {
            let row = sqlx::query(include_str!("../../sql/sqlite/schedule.sql"))
                .bind(tenant)
                .bind(id)
                .bind(name)
                .fetch_optional(&self.readers)
                .await?;
            row.as_ref().map(read).transpose()
        })
        .await
    }

    async fn schedules(&self, tenant: &str, page: Page<ScheduleId>) -> Result<Vec<Schedule>, StoreError> {
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/schedules.sql"))
                .bind(tenant)
                .bind(page.before.map(|id| id.0))
                .bind(page.limit)
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(read).collect()
        })
        .await
    }

    async fn change_schedule(&self, changed: &Schedule, by: &Actor) -> Result<Changed, StoreError> {
        self.writer.call(Change { changed: changed.clone(), by: by.clone() }).await
    }

    async fn delete_schedule(&self, tenant: &str, id: ScheduleId, by: &Actor) -> Result<bool, StoreError> {
        self.writer.call(Delete { tenant: tenant.to_owned(), id, by: by.clone() }).await
    }

    async fn due_schedules(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Schedule>, StoreError> {
        self.read(async {
            let due = sqlx::query(include_str!("../../sql/sqlite/due_schedules.sql"));
            let rows = due.bind(micros(now)).bind(limit).fetch_all(&self.readers).await?;
            rows.iter().map(read).collect()
        })
        .await
    }

    async fn fire(&self, firings: &[Firing]) -> Result<Vec<Written>, StoreError> {
        if firings.is_empty() {
            return Ok(Vec::new());
        }
        let tenants = firings.iter().filter_map(|firing| firing.outcome.job()).map(|job| job.tenant_id.as_str());
        let strangers = self.strangers(tenants);
        self.writer.call(Fire { firings: firings.to_vec(), strangers }).await
    }
}

struct Create {
    schedule: NewSchedule,
    most: u32,
    by: Actor,
}

#[async_trait]
impl Verb for Create {
    type Answer = Created;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Created, sqlx::Error> {
        let schedule = &self.schedule;
        let created = sqlx::query(include_str!("../../sql/sqlite/create_schedule.sql"))
            .bind(schedule.id.0)
            .bind(&schedule.tenant_id)
            .bind(&schedule.name)
            .bind(&schedule.cron)
            .bind(&schedule.time_zone)
            .bind(schedule.catch_up.as_str())
            .bind(schedule.submission.get())
            .bind(schedule.next_slot.map(micros))
            .bind(self.most)
            .bind(tx.now)
            .fetch_optional(&mut *tx.connection)
            .await;
        match created {
            Ok(Some(row)) => {
                audit(tx, &schedule.tenant_id, &self.by, acts::schedule_created(schedule)).await?;
                read(&row).map(Box::new).map(Created::New)
            }
            Ok(None) => Ok(Created::TooMany),
            Err(error) if name_is_taken(&error) => Ok(Created::NameTaken),
            Err(error) => Err(error),
        }
    }
}

struct Change {
    changed: Schedule,
    by: Actor,
}

#[async_trait]
impl Verb for Change {
    type Answer = Changed;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Changed, sqlx::Error> {
        let changed = &self.changed;
        let written = sqlx::query(include_str!("../../sql/sqlite/change_schedule.sql"))
            .bind(&changed.tenant_id)
            .bind(changed.id.0)
            .bind(changed.revision)
            .bind(&changed.name)
            .bind(&changed.cron)
            .bind(&changed.time_zone)
            .bind(changed.catch_up.as_str())
            .bind(changed.submission.get())
            .bind(changed.next_slot.map(micros))
            .bind(tx.now)
            .fetch_optional(&mut *tx.connection)
            .await;
        match written {
            Ok(Some(row)) => {
                audit(tx, &changed.tenant_id, &self.by, acts::schedule_changed(changed)).await?;
                read(&row).map(Box::new).map(Changed::Done)
            }
            Ok(None) => Ok(Changed::Stale),
            Err(error) if name_is_taken(&error) => Ok(Changed::NameTaken),
            Err(error) => Err(error),
        }
    }
}

struct Delete {
    tenant: String,
    id: ScheduleId,
    by: Actor,
}

#[async_trait]
impl Verb for Delete {
    /// Whether there was one.
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        let delete = sqlx::query(include_str!("../../sql/sqlite/delete_schedule.sql"));
        let deleted = delete.bind(&self.tenant).bind(self.id.0).execute(&mut *tx.connection).await?.rows_affected() > 0;
        if deleted {
            audit(tx, &self.tenant, &self.by, acts::schedule_deleted(self.id)).await?;
        }
        Ok(deleted)
    }
}

struct Fire {
    firings: Vec<Firing>,
    strangers: Vec<(String, [u8; 32])>,
}

#[async_trait]
impl Verb for Fire {
    type Answer = Vec<Written>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<Written>, sqlx::Error> {
        let read = list(self.firings.iter().map(|firing| (hex(firing.id.0), firing.revision)))?;
        let taken: Vec<Uuid> = sqlx::query_scalar(TAKE).bind(read).fetch_all(&mut *tx.connection).await?;
        let taken: Vec<&Firing> = self.firings.iter().filter(|firing| taken.contains(&firing.id.0)).collect();
        let mut jobs: Vec<&NewJob> = taken.iter().filter_map(|firing| firing.outcome.job()).collect();
        let mut full = HashMap::new();
        if !jobs.is_empty() {
            know_tenants(tx, &self.strangers).await?;
            // All are due at once, so none is charged for later.
            full = queues::room(tx, &jobs).await?.refused;
            jobs.retain(|job| !full.contains_key(&job.id));
            record(tx, &jobs, false).await?;
            entry::admit(tx, entry::ASIDE).await?;
        }
        let entries: Vec<SlotRow<'_>> = taken
            .into_iter()
            .map(|firing| SlotRow::new(firing, firing.outcome.job().and_then(|job| full.get(&job.id)).copied()))
            .collect();
        let rows = list(entries.iter().map(|SlotRow { firing, outcome, error, job }| {
            let next_slot = firing.next_slot.map(micros);
            (hex(firing.id.0), micros(firing.slot), next_slot, outcome, error, job.map(|id| hex(id.0)))
        }))?;
        sqlx::query(WRITE).bind(rows).execute(&mut *tx.connection).await?;
        Ok(entries.into_iter().map(SlotRow::written).collect())
    }
}

fn name_is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

fn read(row: &SqliteRow) -> Result<Schedule, sqlx::Error> {
    let last = match rows::perhaps_at(row, "last_slot")? {
        Some(slot) => Some(LastSlot { slot, outcome: row.try_get("last_outcome")?, error: row.try_get("last_error")? }),
        None => None,
    };
    Ok(Schedule {
        id: ScheduleId(row.try_get("id")?),
        tenant_id: row.try_get("tenant_id")?,
        name: row.try_get("name")?,
        cron: row.try_get("cron")?,
        time_zone: row.try_get("time_zone")?,
        catch_up: rows::parsed(row.try_get("catch_up")?)?,
        submission: rows::json(row, "submission")?.unwrap_or_else(|| RawValue::NULL.to_owned()),
        revision: row.try_get("revision")?,
        next_slot: rows::perhaps_at(row, "next_slot")?,
        last,
        last_job_id: row.try_get::<Option<Uuid>, _>("last_job_id")?.map(JobId),
        created_at: rows::at(row, "created_at")?,
        updated_at: rows::at(row, "updated_at")?,
    })
}
