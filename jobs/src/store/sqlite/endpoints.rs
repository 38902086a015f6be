//! Webhook endpoints, and what signs what goes there.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Row, SqliteExecutor, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    SqliteStore,
    audit::audit,
    now,
    params::{after, list, micros},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Action, Actor, acts},
    id::EndpointId,
    store::{
        StoreError,
        endpoints::{
            Disabled, ENDPOINTS_LIMIT, Endpoint, EndpointChange, EndpointSettings, Endpoints, Format, Rotated, Target,
        },
        events::LISTEN_LEASE,
        json,
    },
};

const ADD: &str = include_str!("../../sql/sqlite/add_endpoint.sql");
const COUNTED: &str = step(ADD, "counted");
const ADDED: &str = step(ADD, "added");

const ROTATE: &str = include_str!("../../sql/sqlite/rotate_secret.sql");
const ROTATED: &str = step(ROTATE, "rotated");
const REVOKED: &str = step(ROTATE, "revoked");

#[async_trait]
impl Endpoints for SqliteStore {
    async fn add_endpoint(
        &self,
        tenant: &str,
        settings: &EndpointSettings,
        secret: [u8; 32],
        by: &Actor,
    ) -> Result<Option<Endpoint>, StoreError> {
        self.writer.call(Add { tenant: tenant.to_owned(), settings: settings.clone(), secret, by: by.clone() }).await
    }

    async fn endpoint(&self, tenant: &str, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        let now = micros(now(&self.clock));
        self.read(async { Ok(endpoints_of(&self.readers, tenant, Some(id), now).await?.pop()) }).await
    }

    async fn endpoints(&self, tenant: &str) -> Result<Vec<Endpoint>, StoreError> {
        self.read(endpoints_of(&self.readers, tenant, None, micros(now(&self.clock)))).await
    }

    async fn change_endpoint(
        &self,
        tenant: &str,
        id: EndpointId,
        change: &EndpointChange,
        by: &Actor,
    ) -> Result<Option<Endpoint>, StoreError> {
        self.writer.call(Change { tenant: tenant.to_owned(), id, change: change.clone(), by: by.clone() }).await
    }

    async fn remove_endpoint(&self, tenant: &str, id: EndpointId, by: &Actor) -> Result<bool, StoreError> {
        self.writer.call(Remove { tenant: tenant.to_owned(), id, by: by.clone() }).await
    }

    async fn rotate_secret(
        &self,
        tenant: &str,
        id: EndpointId,
        secret: [u8; 32],
        overlap: Duration,
        by: &Actor,
    ) -> Result<Rotated, StoreError> {
        self.writer.call(Rotate { tenant: tenant.to_owned(), id, secret, overlap, by: by.clone() }).await
    }

    async fn revoke_old_secret(
        &self,
        tenant: &str,
        id: EndpointId,
        by: &Actor,
    ) -> Result<Option<Endpoint>, StoreError> {
        self.writer.call(Revoke { tenant: tenant.to_owned(), id, by: by.clone() }).await
    }

    async fn target(&self, tenant: &str, id: EndpointId) -> Result<Option<Target>, StoreError> {
        self.read(async {
            let row = sqlx::query(include_str!("../../sql/sqlite/target.sql"))
                .bind(tenant)
                .bind(id.0)
                .bind(micros(now(&self.clock)))
                .fetch_optional(&self.readers)
                .await?;
            row.as_ref().map(target).transpose()
        })
        .await
    }
}

struct Add {
    tenant: String,
    settings: EndpointSettings,
    secret: [u8; 32],
    by: Actor,
}

#[async_trait]
impl Verb for Add {
    /// `None` when there are too many already.
    type Answer = Option<Endpoint>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Option<Endpoint>, sqlx::Error> {
        let there: u32 = sqlx::query_scalar(COUNTED).bind(&self.tenant).fetch_one(&mut *tx.connection).await?;
        if there >= ENDPOINTS_LIMIT {
            return Ok(None);
        }
        let settings = &self.settings;
        let id = EndpointId::new();
        let row = sqlx::query(ADDED)
            .bind(id.0)
            .bind(&self.tenant)
            .bind(&settings.url)
            .bind(&settings.description)
            .bind(list(&settings.events)?)
            .bind(list(&settings.kinds)?)
            .bind(settings.format.as_str())
            .bind(settings.thin)
            .bind(self.secret.as_slice())
            .bind(tx.now)
            .fetch_one(&mut *tx.connection)
            .await?;
        heed(tx, &self.tenant).await?;
        audit(tx, &self.tenant, &self.by, acts::endpoint_created(id, settings)).await?;
        endpoint(&row).map(Some)
    }
}

struct Change {
    tenant: String,
    id: EndpointId,
    change: EndpointChange,
    by: Actor,
}

#[async_trait]
impl Verb for Change {
    type Answer = Option<Endpoint>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Option<Endpoint>, sqlx::Error> {
        let change = &self.change;
        let row = sqlx::query(include_str!("../../sql/sqlite/change_endpoint.sql"))
            .bind(&self.tenant)
            .bind(self.id.0)
            .bind(&change.url)
            .bind(&change.description)
            .bind(change.events.as_ref().map(list).transpose()?)
            .bind(change.kinds.as_ref().map(list).transpose()?)
            .bind(change.format.map(Format::as_str))
            .bind(change.thin)
            .bind(change.enabled)
            .bind(tx.now)
            .fetch_optional(&mut *tx.connection)
            .await?;
        heed(tx, &self.tenant).await?;
        if row.is_some() {
            audit(tx, &self.tenant, &self.by, acts::endpoint_changed(self.id, change)).await?;
        }
        row.as_ref().map(endpoint).transpose()
    }
}

struct Remove {
    tenant: String,
    id: EndpointId,
    by: Actor,
}

#[async_trait]
impl Verb for Remove {
    /// Whether there was one.
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        let remove = sqlx::query(include_str!("../../sql/sqlite/remove_endpoint.sql"));
        let removed = remove.bind(&self.tenant).bind(self.id.0).execute(&mut *tx.connection).await?;
        heed(tx, &self.tenant).await?;
        let removed = removed.rows_affected() > 0;
        if removed {
            audit(tx, &self.tenant, &self.by, acts::endpoint_act(Action::EndpointDeleted, self.id)).await?;
        }
        Ok(removed)
    }
}

struct Rotate {
    tenant: String,
    id: EndpointId,
    secret: [u8; 32],
    overlap: Duration,
    by: Actor,
}

#[async_trait]
impl Verb for Rotate {
    type Answer = Rotated;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Rotated, sqlx::Error> {
        let row = sqlx::query(ROTATED)
            .bind(&self.tenant)
            .bind(self.id.0)
            .bind(self.secret.as_slice())
            .bind(after(tx.now, self.overlap))
            .bind(tx.now)
            .fetch_optional(&mut *tx.connection)
            .await?;
        if let Some(row) = row {
            audit(tx, &self.tenant, &self.by, acts::endpoint_act(Action::EndpointSecretRotated, self.id)).await?;
            return endpoint(&row).map(Rotated::Done);
        }
        let there = endpoints_of(&mut *tx.connection, &self.tenant, Some(self.id), tx.now).await?.pop();
        Ok(match there.and_then(|endpoint| endpoint.old_secret_until) {
            Some(until) => Rotated::StillRotating(until),
            None => Rotated::NoSuchEndpoint,
        })
    }
}

struct Revoke {
    tenant: String,
    id: EndpointId,
    by: Actor,
}

#[async_trait]
impl Verb for Revoke {
    type Answer = Option<Endpoint>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Option<Endpoint>, sqlx::Error> {
        let revoke = sqlx::query(REVOKED).bind(&self.tenant).bind(self.id.0).bind(tx.now);
        let Some(row) = revoke.fetch_optional(&mut *tx.connection).await? else {
            return Ok(endpoints_of(&mut *tx.connection, &self.tenant, Some(self.id), tx.now).await?.pop());
        };
        audit(tx, &self.tenant, &self.by, acts::endpoint_act(Action::EndpointSecretRevoked, self.id)).await?;
        endpoint(&row).map(Some)
    }
}

/// Listens to a tenant whose endpoints changed, or no more.
pub(super) async fn heed(tx: &mut Tx<'_>, tenant: &str) -> Result<(), sqlx::Error> {
    let heed = sqlx::query(include_str!("../../sql/sqlite/heed.sql"));
    heed.bind(tenant).bind(after(tx.now, LISTEN_LEASE)).execute(&mut *tx.connection).await.map(|_| ())
}

/// The endpoints of these tenants that take events.
pub(super) async fn listening(tx: &mut Tx<'_>, tenants: &[String]) -> Result<Vec<Endpoint>, sqlx::Error> {
    let rows = sqlx::query(include_str!("../../sql/sqlite/listening_endpoints.sql"))
        .bind(list(tenants)?)
        .bind(tx.now)
        .fetch_all(&mut *tx.connection)
        .await?;
    rows.iter().map(endpoint).collect()
}

async fn endpoints_of(
    executor: impl SqliteExecutor<'_>,
    tenant: &str,
    id: Option<EndpointId>,
    now: i64,
) -> Result<Vec<Endpoint>, sqlx::Error> {
    let rows = sqlx::query(include_str!("../../sql/sqlite/endpoints.sql"))
        .bind(tenant)
        .bind(id.map(|id| id.0))
        .bind(now)
        .fetch_all(executor)
        .await?;
    rows.iter().map(endpoint).collect()
}

fn endpoint(row: &SqliteRow) -> Result<Endpoint, sqlx::Error> {
    let disabled = match (rows::perhaps_at(row, "disabled_at")?, row.try_get::<Option<&str>, _>("disabled_reason")?) {
        (Some(at), Some(reason)) => Some(Disabled { at, reason: rows::parsed(reason)? }),
        _ => None,
    };
    Ok(Endpoint {
        id: EndpointId(row.try_get::<Uuid, _>("id")?),
        tenant_id: row.try_get("tenant_id")?,
        settings: EndpointSettings {
            url: row.try_get("url")?,
            description: row.try_get("description")?,
            events: json::read(row.try_get("events")?)?,
            kinds: json::read(row.try_get("kinds")?)?,
            format: rows::parsed(row.try_get("format")?)?,
            thin: row.try_get("thin")?,
        },
        disabled,
        failing_since: rows::perhaps_at(row, "failing_since")?,
        old_secret_until: rows::perhaps_at(row, "old_secret_until")?,
        created_at: rows::at(row, "created_at")?,
        updated_at: rows::at(row, "updated_at")?,
    })
}

fn target(row: &SqliteRow) -> Result<Target, sqlx::Error> {
    let old = row.try_get::<Option<&[u8]>, _>("old_secret")?.map(key).transpose()?;
    Ok(Target {
        url: row.try_get("url")?,
        secrets: std::iter::once(key(row.try_get("secret")?)?).chain(old).collect(),
        disabled: row.try_get("disabled")?,
    })
}

pub(super) fn key(bytes: &[u8]) -> Result<[u8; 32], sqlx::Error> {
    bytes.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
