//! Who listens, and what they hear.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    SqliteStore, deliveries,
    endpoints::listening,
    params::{after, hex, list},
    publications, rows,
    steps::step,
    summaries_of,
    writer::{Tx, Verb},
};
use crate::{
    id::{JobId, MessageId},
    store::{
        DeadLetter, StoreError,
        endpoints::Endpoint,
        events::{EVENT_WINDOW, Event, Events, Outgoing, Telling, deaths},
    },
};

const LISTEN: &str = include_str!("../../sql/sqlite/listen.sql");
const UNTIL_NOW: &str = step(LISTEN, "until_now");
const FROM_NOW: &str = step(LISTEN, "from_now");

const PASS_ON: &str = include_str!("../../sql/sqlite/pass_on.sql");
const COUNTED: &str = step(PASS_ON, "counted");
const LOGGED: &str = step(PASS_ON, "logged");
const TAKEN: &str = step(PASS_ON, "taken");
const HEARD: &str = step(PASS_ON, "heard");
const LETTERS: &str = step(PASS_ON, "letters");

const FORGET: &str = include_str!("../../sql/sqlite/forget_events.sql");
const OLD_EVENTS: &str = step(FORGET, "events");
const PAST_LISTENERS: &str = step(FORGET, "listeners");

#[async_trait]
impl Events for SqliteStore {
    async fn listen(&self, tenant: &str, lease: Duration) -> Result<bool, StoreError> {
        self.writer.call(Listen { tenant: tenant.to_owned(), lease }).await
    }

    async fn pass_on(&self, limit: u32, tell: &Telling) -> Result<usize, StoreError> {
        self.writer.call(PassOn { limit, tell: Telling::clone(tell) }).await
    }

    async fn events_after(&self, tenant: &str, seq: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/events_after.sql"))
                .bind(tenant)
                .bind(i64::try_from(seq).unwrap_or(i64::MAX))
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(event).collect()
        })
        .await
    }

    async fn newest_events(&self, tenants: &[&str]) -> Result<Vec<(String, u64)>, StoreError> {
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/newest_events.sql"))
                .bind(list(tenants)?)
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(|row| Ok((row.try_get("tenant_id")?, rows::count(row, "last")?))).collect()
        })
        .await
    }

    async fn forget_events(&self, limit: u32) -> Result<u64, StoreError> {
        self.writer.call(Forget { limit }).await
    }
}

struct Listen {
    tenant: String,
    lease: Duration,
}

#[async_trait]
impl Verb for Listen {
    /// Whether somebody was listening until now.
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        let until_now =
            sqlx::query_scalar(UNTIL_NOW).bind(&self.tenant).bind(tx.now).fetch_one(&mut *tx.connection).await?;
        let until = after(tx.now, self.lease);
        sqlx::query(FROM_NOW).bind(&self.tenant).bind(until).execute(&mut *tx.connection).await?;
        Ok(until_now)
    }
}

struct PassOn {
    limit: u32,
    tell: Telling,
}

#[async_trait]
impl Verb for PassOn {
    /// How many events were passed on.
    type Answer = usize;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<usize, sqlx::Error> {
        sqlx::query(COUNTED).bind(self.limit).execute(&mut *tx.connection).await?;
        let rows = sqlx::query(LOGGED).bind(self.limit).fetch_all(&mut *tx.connection).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        sqlx::query(TAKEN).bind(self.limit).execute(&mut *tx.connection).await?;
        let mut events: Vec<Event> = rows.iter().map(event).collect::<Result<_, _>>()?;
        events.sort_unstable_by_key(|event| event.id);
        let about: HashSet<JobId> = events.iter().filter_map(|event| event.job_id).collect();
        let jobs = summaries_of(&mut *tx.connection, &Vec::from_iter(about)).await?;
        let jobs = jobs.into_iter().map(|summary| (summary.job.id, summary)).collect();
        let tenants: HashSet<String> = events.iter().map(|event| event.tenant_id.clone()).collect();
        let mut endpoints = HashMap::<String, Vec<Endpoint>>::new();
        for endpoint in listening(tx, &Vec::from_iter(tenants)).await? {
            endpoints.entry(endpoint.tenant_id.clone()).or_default().push(endpoint);
        }
        let published = sqlx::query_scalar(HEARD).bind(tx.now).fetch_one(&mut *tx.connection).await?;
        let letters = if published { letters_of(tx, &events).await? } else { HashMap::new() };
        let outgoing = Outgoing { events, jobs, endpoints, published, letters };
        let told = (self.tell)(&outgoing);
        deliveries::add(tx, &told.deliveries).await?;
        publications::add(tx, &told.publications).await?;
        outgoing.events.iter().for_each(|event| tx.hints.logged(&event.tenant_id));
        Ok(outgoing.events.len())
    }
}

struct Forget {
    limit: u32,
}

#[async_trait]
impl Verb for Forget {
    /// How many events were forgotten.
    type Answer = u64;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<u64, sqlx::Error> {
        sqlx::query(PAST_LISTENERS).bind(tx.now).execute(&mut *tx.connection).await?;
        let window = i64::try_from(EVENT_WINDOW.as_micros()).unwrap_or(i64::MAX);
        let forget = sqlx::query(OLD_EVENTS).bind(tx.now.saturating_sub(window)).bind(self.limit);
        Ok(forget.execute(&mut *tx.connection).await?.rows_affected())
    }
}

/// Puts out an event about no job if somebody listens, in the transaction of what it tells.
pub(super) async fn announce(tx: &mut Tx<'_>, tenant: &str, event: &str, data: &Value) -> Result<(), sqlx::Error> {
    let told = sqlx::query(include_str!("../../sql/sqlite/announce.sql"))
        .bind(MessageId::new().0)
        .bind(tenant)
        .bind(event)
        .bind(data.to_string())
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await?;
    if told.rows_affected() > 0 {
        tx.hints.tell();
    }
    Ok(())
}

/// What the jobs left that died.
async fn letters_of(tx: &mut Tx<'_>, events: &[Event]) -> Result<HashMap<JobId, DeadLetter>, sqlx::Error> {
    let jobs: Vec<_> = deaths(events).map(|(tenant, job)| (tenant, hex(job.0))).collect();
    if jobs.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(LETTERS).bind(list(jobs)?).fetch_all(&mut *tx.connection).await?;
    let letters = rows.iter().map(rows::dead_letter).collect::<Result<Vec<_>, _>>()?;
    Ok(letters.into_iter().filter_map(|letter| Some((letter.job_id?, letter))).collect())
}

fn event(row: &SqliteRow) -> Result<Event, sqlx::Error> {
    Ok(Event {
        tenant_id: row.try_get("tenant_id")?,
        seq: rows::count(row, "seq")?,
        id: MessageId(row.try_get("id")?),
        job_id: rows::perhaps_job_id(row, "job_id")?,
        event: row.try_get("event")?,
        data: rows::json(row, "data")?,
        at: rows::at(row, "at")?,
    })
}
