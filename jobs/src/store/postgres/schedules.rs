//! Schedules: kept for their owners, and fired.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    Connection, PostgresStore,
    insert::{Entrance, record},
    quota::Counted,
    rows, step,
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

const FIRE: &str = include_str!("../../sql/postgres/fire.sql");
const TAKE: &str = step(FIRE, "take");
const WRITE: &str = step(FIRE, "write");

#[async_trait]
impl Schedules for PostgresStore {
    async fn create_schedule(&self, schedule: &NewSchedule, most: u32, by: &Actor) -> Result<Created, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let created = sqlx::query(include_str!("../../sql/postgres/create_schedule.sql"))
                .bind(schedule.id.0)
                .bind(&schedule.tenant_id)
                .bind(&schedule.name)
                .bind(&schedule.cron)
                .bind(&schedule.time_zone)
                .bind(schedule.catch_up.as_str())
                .bind(schedule.submission.get())
                .bind(schedule.next_slot)
                .bind(i64::from(most))
                .bind(self.now())
                .fetch_optional(&mut *tx)
                .await;
            match created {
                Ok(Some(row)) => {
                    self.audit(&mut tx, &schedule.tenant_id, by, acts::schedule_created(schedule)).await?;
                    tx.commit().await?;
                    read(&row).map(Box::new).map(Created::New)
                }
                Ok(None) => Ok(Created::TooMany),
                Err(error) if name_is_taken(&error) => Ok(Created::NameTaken),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn schedule(&self, tenant: &str, which: &WhichSchedule) -> Result<Option<Schedule>, StoreError> {
        let (id, name) = match which {
            WhichSchedule::Id(id) => (Some(id.0), None),
            WhichSchedule::Name(name) => (None, Some(name)),
        };
        self.in_time(|| async {
            let row = sqlx::query(include_str!("../../sql/postgres/schedule.sql"))
                .bind(tenant)
                .bind(id)
                .bind(name)
                .fetch_optional(&self.pool)
                .await?;
            row.as_ref().map(read).transpose()
        })
        .await
    }

    async fn schedules(&self, tenant: &str, page: Page<ScheduleId>) -> Result<Vec<Schedule>, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/schedules.sql"))
                .bind(tenant)
                .bind(page.before.map(|id| id.0))
                .bind(i64::from(page.limit))
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(read).collect()
        })
        .await
    }

    async fn change_schedule(&self, changed: &Schedule, by: &Actor) -> Result<Changed, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let written = sqlx::query(include_str!("../../sql/postgres/change_schedule.sql"))
                .bind(&changed.tenant_id)
                .bind(changed.id.0)
                .bind(changed.revision)
                .bind(&changed.name)
                .bind(&changed.cron)
                .bind(&changed.time_zone)
                .bind(changed.catch_up.as_str())
                .bind(changed.submission.get())
                .bind(changed.next_slot)
                .bind(self.now())
                .fetch_optional(&mut *tx)
                .await;
            match written {
                Ok(Some(row)) => {
                    self.audit(&mut tx, &changed.tenant_id, by, acts::schedule_changed(changed)).await?;
                    tx.commit().await?;
                    read(&row).map(Box::new).map(Changed::Done)
                }
                Ok(None) => Ok(Changed::Stale),
                Err(error) if name_is_taken(&error) => Ok(Changed::NameTaken),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn delete_schedule(&self, tenant: &str, id: ScheduleId, by: &Actor) -> Result<bool, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let delete = sqlx::query(include_str!("../../sql/postgres/delete_schedule.sql"));
            let deleted = delete.bind(tenant).bind(id.0).execute(&mut *tx).await?.rows_affected() > 0;
            if deleted {
                self.audit(&mut tx, tenant, by, acts::schedule_deleted(id)).await?;
            }
            tx.commit().await?;
            Ok(deleted)
        })
        .await
    }

    async fn due_schedules(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Schedule>, StoreError> {
        self.in_time(|| async {
            let due = sqlx::query(include_str!("../../sql/postgres/due_schedules.sql"));
            let rows = due.bind(now).bind(i64::from(limit)).fetch_all(&self.pool).await?;
            rows.iter().map(read).collect()
        })
        .await
    }

    async fn fire(&self, firings: &[Firing]) -> Result<Vec<Written>, StoreError> {
        if firings.is_empty() {
            return Ok(Vec::new());
        }
        let jobs = firings.iter().filter_map(|firing| firing.outcome.job());
        self.know_tenants(jobs.map(|job| job.tenant_id.as_str())).await?;
        let (entries, gated) = self.in_time(|| self.fire_once(firings)).await?;
        let fired =
            || entries.iter().filter(|entry| entry.job.is_some()).filter_map(|entry| entry.firing.outcome.job());
        self.wake(fired().map(|job| job.role));
        if gated {
            self.admit_aside(fired().map(|job| job.role)).await;
        }
        Ok(entries.into_iter().map(SlotRow::written).collect())
    }
}

impl PostgresStore {
    /// Answers what was written, and whether some of the jobs joined queues that have gates.
    async fn fire_once<'a>(&self, firings: &'a [Firing]) -> Result<(Vec<SlotRow<'a>>, bool), sqlx::Error> {
        let mut tx = self.begin().await?;
        let taken: Vec<Uuid> = sqlx::query_scalar(TAKE)
            .bind(firings.iter().map(|firing| firing.id.0).collect::<Vec<_>>())
            .bind(firings.iter().map(|firing| firing.revision).collect::<Vec<_>>())
            .fetch_all(&mut *tx)
            .await?;
        let taken: Vec<&Firing> = firings.iter().filter(|firing| taken.contains(&firing.id.0)).collect();
        let jobs: Vec<&NewJob> = taken.iter().filter_map(|firing| firing.outcome.job()).collect();
        let (full, gated) = match jobs.is_empty() {
            true => Default::default(),
            false => self.record_within_quotas(&mut tx, &jobs).await?,
        };
        let entries: Vec<SlotRow<'_>> = taken
            .into_iter()
            .map(|firing| SlotRow::new(firing, firing.outcome.job().and_then(|job| full.get(&job.id)).copied()))
            .collect();
        sqlx::query(WRITE)
            .bind(entries.iter().map(|entry| entry.firing.id.0).collect::<Vec<_>>())
            .bind(entries.iter().map(|entry| entry.firing.slot).collect::<Vec<_>>())
            .bind(entries.iter().map(|entry| entry.firing.next_slot).collect::<Vec<_>>())
            .bind(entries.iter().map(|entry| entry.outcome).collect::<Vec<_>>())
            .bind(entries.iter().map(|entry| entry.error.as_deref()).collect::<Vec<_>>())
            .bind(entries.iter().map(|entry| entry.job.map(|id| id.0)).collect::<Vec<_>>())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok((entries, gated))
    }

    /// Records new jobs within a transaction. Answers those whose queues had no room, each with
    /// how many its queue may hold, and whether any of their queues has a gate.
    async fn record_within_quotas(
        &self,
        connection: &mut Connection,
        jobs: &[&NewJob],
    ) -> Result<(HashMap<JobId, u64>, bool), sqlx::Error> {
        let recording = record(&mut *connection, jobs, Entrance::Quota, self.now()).await?;
        if recording.capped.is_empty() {
            return Ok((HashMap::new(), recording.parked));
        }
        let capped: Vec<&NewJob> = jobs.iter().copied().filter(|job| recording.capped.contains(&job.id)).collect();
        let Counted { new, full } = self.count_in(connection, &capped).await?;
        let refused = capped.into_iter().filter(|job| !new.contains_key(&job.id));
        let refused = refused.map(|job| (job.id, full.get(&(job.role, job.tenant_id.clone())).copied().unwrap_or(0)));
        Ok((refused.collect(), true))
    }
}

fn name_is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

fn read(row: &PgRow) -> Result<Schedule, sqlx::Error> {
    let last_slot: Option<DateTime<Utc>> = row.try_get("last_slot")?;
    let last = match last_slot {
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
        next_slot: row.try_get("next_slot")?,
        last,
        last_job_id: row.try_get::<Option<Uuid>, _>("last_job_id")?.map(JobId),
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
