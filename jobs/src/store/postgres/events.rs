//! Who listens, and what they hear.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use sqlx::{Row, postgres::PgRow};

use super::{
    Connection, PostgresStore, deliveries, endpoints::listening, millis, publications, rows, step, summaries_of,
};
use uuid::Uuid;

use crate::{
    id::{JobId, MessageId},
    store::{
        DeadLetter, StoreError,
        endpoints::Endpoint,
        events::{EVENT_WINDOW, Event, Events, Outgoing, Telling, Told, deaths},
    },
};

const PASS_ON: &str = include_str!("../../sql/postgres/pass_on.sql");
const ALONE: &str = step(PASS_ON, "alone");
const LOGGED: &str = step(PASS_ON, "logged");
const LETTERS: &str = step(PASS_ON, "letters");

const FORGET: &str = include_str!("../../sql/postgres/forget_events.sql");
const OLD_EVENTS: &str = step(FORGET, "events");
const PAST_LISTENERS: &str = step(FORGET, "listeners");

#[async_trait]
impl Events for PostgresStore {
    async fn listen(&self, tenant: &str, lease: Duration) -> Result<bool, StoreError> {
        self.in_time(|| {
            sqlx::query_scalar(include_str!("../../sql/postgres/listen.sql"))
                .bind(tenant)
                .bind(millis(lease))
                .bind(self.now())
                .fetch_one(&self.pool)
        })
        .await
    }

    async fn pass_on(&self, limit: u32, tell: &Telling) -> Result<usize, StoreError> {
        let (outgoing, told) = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let turn = sqlx::query(ALONE).bind(self.now()).fetch_one(&mut *tx).await?;
                if !turn.try_get("alone")? {
                    return Ok((Outgoing::default(), Told::default()));
                }
                let published = turn.try_get("published")?;
                let rows = sqlx::query(LOGGED).bind(i64::from(limit)).fetch_all(&mut *tx).await?;
                let mut events: Vec<Event> = rows.iter().map(event).collect::<Result<_, _>>()?;
                events.sort_unstable_by_key(|event| event.id);
                let about: HashSet<JobId> = events.iter().filter_map(|event| event.job_id).collect();
                let jobs = summaries_of(&mut *tx, &Vec::from_iter(about)).await?;
                let jobs = jobs.into_iter().map(|summary| (summary.job.id, summary)).collect();
                let tenants: HashSet<String> = events.iter().map(|event| event.tenant_id.clone()).collect();
                let mut endpoints = HashMap::<String, Vec<Endpoint>>::new();
                for endpoint in listening(&mut *tx, &Vec::from_iter(tenants), self.now()).await? {
                    endpoints.entry(endpoint.tenant_id.clone()).or_default().push(endpoint);
                }
                let letters = if published { letters_of(&mut tx, &events).await? } else { HashMap::new() };
                let outgoing = Outgoing { events, jobs, endpoints, published, letters };
                let told = tell(&outgoing);
                deliveries::add(&mut tx, &told.deliveries, self.now()).await?;
                publications::add(&mut tx, &told.publications).await?;
                tx.commit().await?;
                Ok((outgoing, told))
            })
            .await?;
        self.wake(told.deliveries.iter().map(|delivery| delivery.job.role).collect::<HashSet<_>>());
        if !told.publications.is_empty() {
            self.wakes.publish();
            self.notifier.publish();
        }
        let tenants: HashSet<&str> = outgoing.events.iter().map(|event| event.tenant_id.as_str()).collect();
        for tenant in tenants {
            self.wakes.logged(tenant);
            self.notifier.logged(tenant);
        }
        Ok(outgoing.events.len())
    }

    async fn events_after(&self, tenant: &str, seq: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/events_after.sql"))
                .bind(tenant)
                .bind(i64::try_from(seq).unwrap_or(i64::MAX))
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(event).collect()
        })
        .await
    }

    async fn newest_events(&self, tenants: &[&str]) -> Result<Vec<(String, u64)>, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/newest_events.sql"))
                .bind(tenants)
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(|row| Ok((row.try_get("tenant_id")?, rows::count(row, "last")?))).collect()
        })
        .await
    }

    async fn forget_events(&self, limit: u32) -> Result<u64, StoreError> {
        self.in_time(|| async {
            sqlx::query(PAST_LISTENERS).bind(self.now()).execute(&self.pool).await?;
            let forgotten = sqlx::query(OLD_EVENTS)
                .bind(millis(EVENT_WINDOW))
                .bind(i64::from(limit))
                .bind(self.now())
                .execute(&self.pool)
                .await?;
            Ok(forgotten.rows_affected())
        })
        .await
    }
}

impl PostgresStore {
    /// Puts out an event about no job if somebody listens, in the transaction of what it tells. Says whether it did:
    /// then [`tell`](Self::tell) is due after the commit.
    pub(super) async fn announce(
        &self,
        connection: &mut Connection,
        tenant: &str,
        event: &str,
        data: &Value,
    ) -> Result<bool, sqlx::Error> {
        let told = sqlx::query(include_str!("../../sql/postgres/announce.sql"))
            .bind(tenant)
            .bind(event)
            .bind(data.to_string())
            .bind(self.now())
            .execute(connection)
            .await?;
        Ok(told.rows_affected() > 0)
    }

    /// There are new events, if `told`.
    pub(super) fn tell(&self, told: bool) {
        if told {
            self.wakes.tell();
            self.notifier.tell();
        }
    }
}

/// What the jobs left that died.
async fn letters_of(connection: &mut Connection, events: &[Event]) -> Result<HashMap<JobId, DeadLetter>, sqlx::Error> {
    let (tenants, jobs): (Vec<&str>, Vec<Uuid>) = deaths(events).map(|(tenant, job)| (tenant, job.0)).unzip();
    if jobs.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(LETTERS).bind(tenants).bind(jobs).fetch_all(connection).await?;
    let letters = rows.iter().map(rows::dead_letter).collect::<Result<Vec<_>, _>>()?;
    Ok(letters.into_iter().filter_map(|letter| Some((letter.job_id?, letter))).collect())
}

fn event(row: &PgRow) -> Result<Event, sqlx::Error> {
    Ok(Event {
        tenant_id: row.try_get("tenant_id")?,
        seq: rows::count(row, "seq")?,
        id: MessageId(row.try_get("id")?),
        job_id: rows::perhaps_job_id(row, "job_id")?,
        event: row.try_get("event")?,
        data: rows::json(row, "data")?,
        at: row.try_get("at")?,
    })
}
