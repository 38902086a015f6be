//! Deliveries of webhooks, and their attempts.

use std::collections::HashSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    Connection, PostgresStore,
    insert::{Entrance, record},
    millis, rows, step,
};
use crate::{
    audit::{Actor, acts},
    id::{EndpointId, MessageId},
    record::Move,
    role::Role,
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
            include_str!(concat!("../../sql/postgres/deliveries/", $place, ".sql")),
            include_str!("../../sql/postgres/deliveries.sql")
        )
    };
}

const RECORD: &str = include_str!("../../sql/postgres/record_attempt.sql");
const KEPT: &str = step(RECORD, "kept");
const MENDED: &str = step(RECORD, "mended");
const FAILURE: &str = step(RECORD, "failed");

#[async_trait]
impl Deliveries for PostgresStore {
    async fn add_deliveries(&self, deliveries: Vec<NewDelivery>) -> Result<(), StoreError> {
        self.know_tenants(deliveries.iter().map(|delivery| delivery.job.tenant_id.as_str())).await?;
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            add(&mut tx, &deliveries, self.now()).await?;
            tx.commit().await
        })
        .await?;
        self.wake(deliveries.iter().map(|delivery| delivery.job.role).collect::<HashSet<_>>());
        Ok(())
    }

    async fn record_attempt(&self, new: &NewAttempt) -> Result<(), StoreError> {
        let told = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                self.keep(&mut tx, new).await?;
                let told = match new.endpoint_id {
                    Some(endpoint) => self.judge(&mut tx, endpoint, new).await?,
                    None => false,
                };
                tx.commit().await?;
                Ok(told)
            })
            .await?;
        self.tell(told);
        Ok(())
    }

    async fn delivery(&self, tenant: &str, id: MessageId) -> Result<Option<Delivery>, StoreError> {
        self.in_time(|| async {
            let row = sqlx::query(include_str!("../../sql/postgres/delivery.sql"))
                .bind(tenant)
                .bind(id.0)
                .fetch_optional(&self.pool)
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
        let ids: Vec<Uuid> = filter.ids.iter().map(|id| id.0).collect();
        self.in_time(|| async {
            let rows = sqlx::query(statement)
                .bind(&filter.tenant_id)
                .bind(filter.endpoint_id.map(|id| id.0))
                .bind(filter.job_id.map(|id| id.0))
                .bind(filter.status.map(DeliveryStatus::as_str))
                .bind(&filter.event)
                .bind(filter.since)
                .bind(filter.until)
                .bind(from)
                .bind(until)
                .bind(i64::from(page.limit))
                .bind(i64::from(LOOK))
                .bind((!ids.is_empty()).then_some(&ids))
                .fetch_all(&self.pool)
                .await?;
            delivery_page(&rows)
        })
        .await
    }

    async fn delivery_attempts(&self, id: MessageId) -> Result<Vec<DeliveryAttempt>, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/delivery_attempts.sql"))
                .bind(id.0)
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(attempt).collect()
        })
        .await
    }

    async fn redeliver(&self, tenant: &str, ids: &[MessageId], by: &Actor) -> Result<Vec<MessageId>, StoreError> {
        let asked: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let again = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let sendable: Vec<Uuid> = sqlx::query_scalar(include_str!("../../sql/postgres/redeliver.sql"))
                    .bind(tenant)
                    .bind(&asked)
                    .fetch_all(&mut *tx)
                    .await?;
                sqlx::query(include_str!("../../sql/postgres/resolve_jobs.sql"))
                    .bind(tenant)
                    .bind(&sendable)
                    .bind(&by.subject)
                    .bind(self.now())
                    .execute(&mut *tx)
                    .await?;
                let again = sqlx::query(include_str!("../../sql/postgres/requeue.sql"))
                    .bind(&sendable)
                    .bind(None::<&str>)
                    .bind(self.now())
                    .bind(Move::Redeliver.leaves())
                    .fetch_all(&mut *tx)
                    .await?;
                let again: Vec<(MessageId, Role)> = again
                    .iter()
                    .map(|row| Ok((MessageId(row.try_get("id")?), rows::role(row, "role")?)))
                    .collect::<Result<_, sqlx::Error>>()?;
                if !again.is_empty() {
                    let act = acts::redelivered(again.iter().map(|(id, _)| id));
                    self.audit(&mut tx, tenant, by, act).await?;
                }
                tx.commit().await?;
                Ok(again)
            })
            .await?;
        self.wake(again.iter().map(|(_, role)| *role).collect::<HashSet<_>>());
        Ok(again.into_iter().map(|(id, _)| id).collect())
    }
}

impl PostgresStore {
    async fn keep(&self, connection: &mut Connection, new: &NewAttempt) -> Result<(), sqlx::Error> {
        let attempt = &new.attempt;
        sqlx::query(KEPT)
            .bind(new.message_id.0)
            .bind(attempt.run_lease)
            .bind(i32::try_from(attempt.attempt).unwrap_or(i32::MAX))
            .bind(&attempt.url)
            .bind(attempt.status.map(i32::from))
            .bind(i64::try_from(attempt.latency_ms).unwrap_or(i64::MAX))
            .bind(attempt.answer.as_deref().map(rows::without_nul))
            .bind(attempt.error.as_deref().map(rows::without_nul))
            .bind(self.now())
            .execute(connection)
            .await
            .map(|_| ())
    }

    /// What an attempt says of its endpoint. Answers whether there is something to pass on.
    async fn judge(
        &self,
        connection: &mut Connection,
        endpoint: EndpointId,
        new: &NewAttempt,
    ) -> Result<bool, sqlx::Error> {
        if new.delivered {
            sqlx::query(MENDED).bind(endpoint.0).execute(connection).await?;
            return Ok(false);
        }
        let disabled = sqlx::query(FAILURE)
            .bind(endpoint.0)
            .bind(new.gone)
            .bind(millis(FAILING_LIMIT))
            .bind(self.now())
            .fetch_optional(&mut *connection)
            .await?;
        let Some(row) = disabled else { return Ok(false) };
        let Some(reason) = row.try_get::<Option<&str>, _>("disabled_reason")? else { return Ok(false) };
        let tenant: &str = row.try_get("tenant_id")?;
        self.heed(connection, tenant).await?;
        let data = webhooks::endpoint_disabled(endpoint, rows::parsed(reason)?);
        let told = self.announce(&mut *connection, tenant, webhooks::ENDPOINT_DISABLED, &data).await?;
        self.audit(connection, tenant, &Actor::golden(), acts::endpoint_disabled(endpoint, reason)).await?;
        Ok(told)
    }
}

/// Records deliveries with their jobs, within a transaction.
pub(super) async fn add(
    connection: &mut Connection,
    deliveries: &[NewDelivery],
    now: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let jobs: Vec<&NewJob> = deliveries.iter().map(|delivery| &delivery.job).collect();
    // What tells of a job is not held up by how many jobs its tenant may have.
    record(connection, &jobs, Entrance::Open, now).await?;
    sqlx::query(include_str!("../../sql/postgres/add_deliveries.sql"))
        .bind(deliveries.iter().map(|delivery| delivery.job.id.0).collect::<Vec<_>>())
        .bind(deliveries.iter().map(|delivery| delivery.job.tenant_id.as_str()).collect::<Vec<_>>())
        .bind(deliveries.iter().map(|delivery| delivery.endpoint_id.map(|id| id.0)).collect::<Vec<_>>())
        .bind(deliveries.iter().map(|delivery| delivery.about.map(|id| id.0)).collect::<Vec<_>>())
        .bind(deliveries.iter().map(|delivery| delivery.event.as_str()).collect::<Vec<_>>())
        .bind(deliveries.iter().map(|delivery| delivery.url.as_str()).collect::<Vec<_>>())
        .bind(deliveries.iter().map(|delivery| delivery.at).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map(|_| ())
}

fn delivery_page(rows: &[PgRow]) -> Result<DeliveryPage, sqlx::Error> {
    let mut page = DeliveryPage::default();
    for row in rows {
        page.looked_to = row.try_get::<Option<Uuid>, _>("looked_to")?.map(MessageId);
        if row.try_get::<Option<Uuid>, _>("id")?.is_some() {
            page.deliveries.push(delivery(row)?);
        }
    }
    Ok(page)
}

fn delivery(row: &PgRow) -> Result<Delivery, sqlx::Error> {
    let status: DeliveryStatus = rows::parsed(row.try_get("status")?)?;
    let run_at: DateTime<Utc> = row.try_get("run_at")?;
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
        created_at: row.try_get("created_at")?,
        finished_at: row.try_get("finished_at")?,
    })
}

fn attempt(row: &PgRow) -> Result<DeliveryAttempt, sqlx::Error> {
    Ok(DeliveryAttempt {
        run_lease: row.try_get("run_lease")?,
        attempt: rows::small(row, "attempt")?,
        url: row.try_get("url")?,
        status: row.try_get::<Option<i32>, _>("status")?.and_then(|status| u16::try_from(status).ok()),
        latency_ms: rows::count(row, "latency_ms")?,
        answer: row.try_get("answer")?,
        error: row.try_get("error")?,
        at: row.try_get("at")?,
    })
}
