//! Webhook endpoints, and what signs what goes there.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use super::{Connection, PostgresStore, millis, rows, step};
use crate::{
    audit::{Action, Actor, acts},
    id::EndpointId,
    store::{
        StoreError,
        endpoints::{
            Disabled, ENDPOINTS_LIMIT, Endpoint, EndpointChange, EndpointSettings, Endpoints, Format, Rotated, Target,
        },
        events::LISTEN_LEASE,
    },
};

const ADD: &str = include_str!("../../sql/postgres/add_endpoint.sql");
const COUNTED: &str = step(ADD, "counted");
const ADDED: &str = step(ADD, "added");

const ROTATE: &str = include_str!("../../sql/postgres/rotate_secret.sql");
const ROTATED: &str = step(ROTATE, "rotated");
const REVOKED: &str = step(ROTATE, "revoked");

const HEED: &str = include_str!("../../sql/postgres/heed.sql");
const ALONE: &str = step(HEED, "alone");
const HEEDED: &str = step(HEED, "heeded");

#[async_trait]
impl Endpoints for PostgresStore {
    async fn add_endpoint(
        &self,
        tenant: &str,
        settings: &EndpointSettings,
        secret: [u8; 32],
        by: &Actor,
    ) -> Result<Option<Endpoint>, StoreError> {
        let id = EndpointId::new();
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            // Whoever else adds one waits until this transaction ends.
            sqlx::query(ALONE).bind(tenant).execute(&mut *tx).await?;
            let there: i64 = sqlx::query_scalar(COUNTED).bind(tenant).fetch_one(&mut *tx).await?;
            if there >= i64::from(ENDPOINTS_LIMIT) {
                return Ok(None);
            }
            let row = sqlx::query(ADDED)
                .bind(id.0)
                .bind(tenant)
                .bind(&settings.url)
                .bind(&settings.description)
                .bind(&settings.events)
                .bind(&settings.kinds)
                .bind(settings.format.as_str())
                .bind(settings.thin)
                .bind(secret.as_slice())
                .bind(self.now())
                .fetch_one(&mut *tx)
                .await?;
            self.heed(&mut tx, tenant).await?;
            self.audit(&mut tx, tenant, by, acts::endpoint_created(id, settings)).await?;
            tx.commit().await?;
            endpoint(&row).map(Some)
        })
        .await
    }

    async fn endpoint(&self, tenant: &str, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        self.in_time(|| async { Ok(self.endpoints_of(tenant, Some(id)).await?.pop()) }).await
    }

    async fn endpoints(&self, tenant: &str) -> Result<Vec<Endpoint>, StoreError> {
        self.in_time(|| self.endpoints_of(tenant, None)).await
    }

    async fn change_endpoint(
        &self,
        tenant: &str,
        id: EndpointId,
        change: &EndpointChange,
        by: &Actor,
    ) -> Result<Option<Endpoint>, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let row = sqlx::query(include_str!("../../sql/postgres/change_endpoint.sql"))
                .bind(tenant)
                .bind(id.0)
                .bind(&change.url)
                .bind(&change.description)
                .bind(&change.events)
                .bind(&change.kinds)
                .bind(change.format.map(Format::as_str))
                .bind(change.thin)
                .bind(change.enabled)
                .bind(self.now())
                .fetch_optional(&mut *tx)
                .await?;
            self.heed(&mut tx, tenant).await?;
            if row.is_some() {
                self.audit(&mut tx, tenant, by, acts::endpoint_changed(id, change)).await?;
            }
            tx.commit().await?;
            row.as_ref().map(endpoint).transpose()
        })
        .await
    }

    async fn remove_endpoint(&self, tenant: &str, id: EndpointId, by: &Actor) -> Result<bool, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let remove = sqlx::query(include_str!("../../sql/postgres/remove_endpoint.sql"));
            let removed = remove.bind(tenant).bind(id.0).execute(&mut *tx).await?.rows_affected() > 0;
            self.heed(&mut tx, tenant).await?;
            if removed {
                self.audit(&mut tx, tenant, by, acts::endpoint_act(Action::EndpointDeleted, id)).await?;
            }
            tx.commit().await?;
            Ok(removed)
        })
        .await
    }

    async fn rotate_secret(
        &self,
        tenant: &str,
        id: EndpointId,
        secret: [u8; 32],
        overlap: Duration,
        by: &Actor,
    ) -> Result<Rotated, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let row = sqlx::query(ROTATED)
                .bind(tenant)
                .bind(id.0)
                .bind(secret.as_slice())
                .bind(millis(overlap))
                .bind(self.now())
                .fetch_optional(&mut *tx)
                .await?;
            if let Some(row) = row {
                self.audit(&mut tx, tenant, by, acts::endpoint_act(Action::EndpointSecretRotated, id)).await?;
                tx.commit().await?;
                return endpoint(&row).map(Rotated::Done);
            }
            tx.rollback().await?;
            let there = self.endpoints_of(tenant, Some(id)).await?.pop();
            Ok(match there.map(|endpoint| endpoint.old_secret_until) {
                Some(Some(until)) => Rotated::StillRotating(until),
                // Gone, or over in this very moment: as if it had been so before.
                Some(None) | None => Rotated::NoSuchEndpoint,
            })
        })
        .await
    }

    async fn revoke_old_secret(
        &self,
        tenant: &str,
        id: EndpointId,
        by: &Actor,
    ) -> Result<Option<Endpoint>, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let revoke = sqlx::query(REVOKED).bind(tenant).bind(id.0).bind(self.now());
            let Some(row) = revoke.fetch_optional(&mut *tx).await? else {
                tx.rollback().await?;
                return Ok(self.endpoints_of(tenant, Some(id)).await?.pop());
            };
            self.audit(&mut tx, tenant, by, acts::endpoint_act(Action::EndpointSecretRevoked, id)).await?;
            tx.commit().await?;
            endpoint(&row).map(Some)
        })
        .await
    }

    async fn target(&self, tenant: &str, id: EndpointId) -> Result<Option<Target>, StoreError> {
        self.in_time(|| async {
            let row = sqlx::query(include_str!("../../sql/postgres/target.sql"))
                .bind(tenant)
                .bind(id.0)
                .bind(self.now())
                .fetch_optional(&self.pool)
                .await?;
            row.as_ref().map(target).transpose()
        })
        .await
    }
}

impl PostgresStore {
    async fn endpoints_of(&self, tenant: &str, id: Option<EndpointId>) -> Result<Vec<Endpoint>, sqlx::Error> {
        let rows = sqlx::query(include_str!("../../sql/postgres/endpoints.sql"))
            .bind(tenant)
            .bind(id.map(|id| id.0))
            .bind(self.now())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(endpoint).collect()
    }

    /// Listens to a tenant whose endpoints changed, or no more.
    pub(super) async fn heed(&self, connection: &mut Connection, tenant: &str) -> Result<(), sqlx::Error> {
        sqlx::query(ALONE).bind(tenant).execute(&mut *connection).await?;
        let heed = sqlx::query(HEEDED).bind(tenant).bind(millis(LISTEN_LEASE)).bind(self.now());
        heed.execute(connection).await.map(|_| ())
    }
}

/// The endpoints of these tenants that take events.
pub(super) async fn listening(
    executor: impl PgExecutor<'_>,
    tenants: &[String],
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Endpoint>, sqlx::Error> {
    let rows = sqlx::query(include_str!("../../sql/postgres/listening_endpoints.sql"))
        .bind(tenants)
        .bind(now)
        .fetch_all(executor)
        .await?;
    rows.iter().map(endpoint).collect()
}

fn endpoint(row: &PgRow) -> Result<Endpoint, sqlx::Error> {
    let disabled = match (row.try_get("disabled_at")?, row.try_get::<Option<&str>, _>("disabled_reason")?) {
        (Some(at), Some(reason)) => Some(Disabled { at, reason: rows::parsed(reason)? }),
        _ => None,
    };
    Ok(Endpoint {
        id: EndpointId(row.try_get::<Uuid, _>("id")?),
        tenant_id: row.try_get("tenant_id")?,
        settings: EndpointSettings {
            url: row.try_get("url")?,
            description: row.try_get("description")?,
            events: row.try_get("events")?,
            kinds: row.try_get("kinds")?,
            format: rows::parsed(row.try_get("format")?)?,
            thin: row.try_get("thin")?,
        },
        disabled,
        failing_since: row.try_get("failing_since")?,
        old_secret_until: row.try_get("old_secret_until")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn target(row: &PgRow) -> Result<Target, sqlx::Error> {
    let old: Option<[u8; 32]> = row.try_get("old_secret")?;
    Ok(Target {
        url: row.try_get("url")?,
        secrets: std::iter::once(row.try_get("secret")?).chain(old).collect(),
        disabled: row.try_get("disabled")?,
    })
}
