//! Deliveries of webhooks, and their attempts.

use async_trait::async_trait;
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    SqliteStore,
    audit::audit,
    endpoints::heed,
    events::announce,
    insert::{know_tenants, record},
    params::{hex, list, micros, without_nul},
    rows,
    steps::step,
    users::requeue,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Actor, acts},
    id::{EndpointId, JobId, MessageId},
    record::Move,
    store::{
        LOOK, NewJob, Page, StoreError,
        deliveries::{
            Deliveries, Delivery, DeliveryAttempt, DeliveryFilter, DeliveryPage, DeliveryStatus, NewAttempt,
            NewDelivery,
        },
        endpoints::FAILING_LIMIT,
        listing::{self, Among},
    },
    webhooks,
};

/// A page of deliveries: where to look, and what to do there.
macro_rules! deliveries {
    ($place:literal) => {
        concat!(
            include_str!(concat!("../../sql/sqlite/deliveries/", $place, ".sql")),
            include_str!("../../sql/sqlite/deliveries.sql")
        )
    };
}

const RECORD: &str = include_str!("../../sql/sqlite/record_attempt.sql");
const KEPT: &str = step(RECORD, "kept");
const MENDED: &str = step(RECORD, "mended");
const FAILURE: &str = step(RECORD, "failed");

const REDELIVER: &str = include_str!("../../sql/sqlite/redeliver.sql");
const SENDABLE: &str = step(REDELIVER, "sendable");
const RESOLVED: &str = step(REDELIVER, "resolved");

#[async_trait]
impl Deliveries for SqliteStore {
    async fn add_deliveries(&self, deliveries: Vec<NewDelivery>) -> Result<(), StoreError> {
        let strangers = self.strangers(deliveries.iter().map(|delivery| delivery.job.tenant_id.as_str()));
        self.writer.call(Add { deliveries, strangers }).await
    }

    async fn record_attempt(&self, attempt: &NewAttempt) -> Result<(), StoreError> {
        self.writer.call(Record { new: attempt.clone() }).await
    }

    async fn delivery(&self, tenant: &str, id: MessageId) -> Result<Option<Delivery>, StoreError> {
        self.read(async {
            let row = sqlx::query(include_str!("../../sql/sqlite/delivery.sql"))
                .bind(tenant)
                .bind(id.0)
                .fetch_optional(&self.readers)
                .await?;
            row.as_ref().map(delivery).transpose()
        })
        .await
    }

    async fn deliveries(&self, filter: &DeliveryFilter, page: Page<MessageId>) -> Result<DeliveryPage, StoreError> {
        let statement = match listing::among(filter) {
            Among::Any => deliveries!("any"),
            Among::Ids => deliveries!("ids"),
            Among::Job => deliveries!("job"),
            Among::Endpoint => deliveries!("endpoint"),
            Among::Pending => deliveries!("pending"),
            Among::Failed => deliveries!("failed"),
        };
        let (from, until) = listing::delivery_ids(filter, page);
        self.read(async {
            let ids = match filter.ids.is_empty() {
                true => None,
                false => Some(list(filter.ids.iter().map(|id| hex(id.0)))?),
            };
            let rows = sqlx::query(statement)
                .bind(&filter.tenant_id)
                .bind(filter.endpoint_id.map(|id| id.0))
                .bind(filter.job_id.map(|id| id.0))
                .bind(filter.status.map(DeliveryStatus::as_str))
                .bind(&filter.event)
                .bind(filter.since.map(micros))
                .bind(filter.until.map(micros))
                .bind(from)
                .bind(until)
                .bind(page.limit)
                .bind(LOOK)
                .bind(ids)
                .fetch_all(&self.readers)
                .await?;
            delivery_page(&rows)
        })
        .await
    }

    async fn delivery_attempts(&self, id: MessageId) -> Result<Vec<DeliveryAttempt>, StoreError> {
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/delivery_attempts.sql"))
                .bind(id.0)
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(attempt).collect()
        })
        .await
    }

    async fn redeliver(&self, tenant: &str, ids: &[MessageId], by: &Actor) -> Result<Vec<MessageId>, StoreError> {
        self.writer.call(Redeliver { tenant: tenant.to_owned(), ids: ids.to_vec(), by: by.clone() }).await
    }
}

struct Add {
    deliveries: Vec<NewDelivery>,
    /// Tenants that may not have a row yet, each with a fresh secret.
    strangers: Vec<(String, [u8; 32])>,
}

#[async_trait]
impl Verb for Add {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        know_tenants(tx, &self.strangers).await?;
        add(tx, &self.deliveries).await
    }
}

/// Records deliveries with their jobs.
pub(super) async fn add(tx: &mut Tx<'_>, deliveries: &[NewDelivery]) -> Result<(), sqlx::Error> {
    if deliveries.is_empty() {
        return Ok(());
    }
    record(tx, &deliveries.iter().map(|delivery| &delivery.job).collect::<Vec<&NewJob>>(), false).await?;
    let rows = list(deliveries.iter().map(|delivery| {
        (
            hex(delivery.job.id.0),
            &delivery.job.tenant_id,
            delivery.endpoint_id.map(|id| hex(id.0)),
            delivery.about.map(|id| hex(id.0)),
            &delivery.event,
            &delivery.url,
            micros(delivery.at),
        )
    }))?;
    let add = sqlx::query(include_str!("../../sql/sqlite/add_deliveries.sql"));
    add.bind(rows).execute(&mut *tx.connection).await.map(|_| ())
}

struct Record {
    new: NewAttempt,
}

#[async_trait]
impl Verb for Record {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        let attempt = &self.new.attempt;
        sqlx::query(KEPT)
            .bind(self.new.message_id.0)
            .bind(attempt.run_lease)
            .bind(attempt.attempt)
            .bind(&attempt.url)
            .bind(attempt.status)
            .bind(i64::try_from(attempt.latency_ms).unwrap_or(i64::MAX))
            .bind(attempt.answer.as_deref().map(without_nul))
            .bind(attempt.error.as_deref().map(without_nul))
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?;
        match self.new.endpoint_id {
            Some(endpoint) => judge(tx, endpoint, &self.new).await,
            None => Ok(()),
        }
    }
}

/// What an attempt says of its endpoint.
async fn judge(tx: &mut Tx<'_>, endpoint: EndpointId, new: &NewAttempt) -> Result<(), sqlx::Error> {
    if new.delivered {
        return sqlx::query(MENDED).bind(endpoint.0).execute(&mut *tx.connection).await.map(|_| ());
    }
    let limit = i64::try_from(FAILING_LIMIT.as_micros()).unwrap_or(i64::MAX);
    let disabled = sqlx::query(FAILURE)
        .bind(endpoint.0)
        .bind(new.gone)
        .bind(tx.now.saturating_sub(limit))
        .bind(tx.now)
        .fetch_optional(&mut *tx.connection)
        .await?;
    let Some(row) = disabled else { return Ok(()) };
    let Some(reason) = row.try_get::<Option<&str>, _>("disabled_reason")? else { return Ok(()) };
    let tenant: &str = row.try_get("tenant_id")?;
    heed(tx, tenant).await?;
    let data = webhooks::endpoint_disabled(endpoint, rows::parsed(reason)?);
    announce(tx, tenant, webhooks::ENDPOINT_DISABLED, &data).await?;
    audit(tx, tenant, &Actor::golden(), acts::endpoint_disabled(endpoint, reason)).await
}

struct Redeliver {
    tenant: String,
    ids: Vec<MessageId>,
    by: Actor,
}

#[async_trait]
impl Verb for Redeliver {
    /// Those that are sent again.
    type Answer = Vec<MessageId>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<MessageId>, sqlx::Error> {
        let asked = list(self.ids.iter().map(|id| hex(id.0)))?;
        let sendable: Vec<Uuid> =
            sqlx::query_scalar(SENDABLE).bind(&self.tenant).bind(asked).fetch_all(&mut *tx.connection).await?;
        let jobs: Vec<JobId> = sendable.into_iter().map(JobId).collect();
        sqlx::query(RESOLVED)
            .bind(&self.tenant)
            .bind(list(jobs.iter().map(|id| hex(id.0)))?)
            .bind(&self.by.subject)
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?;
        let again = requeue(tx, &jobs, None, Move::Redeliver).await?;
        let again: Vec<MessageId> = again.into_iter().map(MessageId::from).collect();
        if !again.is_empty() {
            audit(tx, &self.tenant, &self.by, acts::redelivered(&again)).await?;
        }
        Ok(again)
    }
}

fn delivery_page(rows: &[SqliteRow]) -> Result<DeliveryPage, sqlx::Error> {
    let mut page = DeliveryPage::default();
    for row in rows {
        page.looked_to = row.try_get::<Option<Uuid>, _>("looked_to")?.map(MessageId);
        if row.try_get::<Option<Uuid>, _>("id")?.is_some() {
            page.deliveries.push(delivery(row)?);
        }
    }
    Ok(page)
}

fn delivery(row: &SqliteRow) -> Result<Delivery, sqlx::Error> {
    let status: DeliveryStatus = rows::parsed(row.try_get("status")?)?;
    let run_at = rows::at(row, "run_at")?;
    Ok(Delivery {
        id: MessageId(row.try_get("id")?),
        tenant_id: row.try_get("tenant_id")?,
        endpoint_id: row.try_get::<Option<Uuid>, _>("endpoint_id")?.map(EndpointId),
        job_id: rows::perhaps_job_id(row, "job_id")?,
        event: row.try_get("event")?,
        url: row.try_get("url")?,
        status,
        attempt: rows::small(row, "attempt")?,
        max_attempts: rows::small(row, "max_attempts")?,
        next_attempt_at: (status == DeliveryStatus::Pending).then_some(run_at),
        error: rows::recorded_error(row, "error_at")?,
        created_at: rows::at(row, "created_at")?,
        finished_at: rows::perhaps_at(row, "finished_at")?,
    })
}

fn attempt(row: &SqliteRow) -> Result<DeliveryAttempt, sqlx::Error> {
    Ok(DeliveryAttempt {
        run_lease: row.try_get("run_lease")?,
        attempt: rows::small(row, "attempt")?,
        url: row.try_get("url")?,
        status: row.try_get::<Option<i64>, _>("status")?.and_then(|status| u16::try_from(status).ok()),
        latency_ms: rows::count(row, "latency_ms")?,
        answer: row.try_get("answer")?,
        error: row.try_get("error")?,
        at: rows::at(row, "at")?,
    })
}
