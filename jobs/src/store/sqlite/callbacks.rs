//! What signs callbacks.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Row, SqliteExecutor, sqlite::SqliteRow};

use super::{
    SqliteStore,
    audit::audit,
    endpoints::key,
    insert::know_tenants,
    now,
    params::{after, micros},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Act, Action, Actor},
    store::{
        StoreError,
        callbacks::{CallbackRotated, CallbackSecrets, Callbacks},
    },
};

const CALLBACKS: &str = include_str!("../../sql/sqlite/callback_secrets.sql");
const SHOWN: &str = step(CALLBACKS, "shown");
const ROTATED: &str = step(CALLBACKS, "rotated");
const REVOKED: &str = step(CALLBACKS, "revoked");

#[async_trait]
impl Callbacks for SqliteStore {
    async fn callback_secrets(&self, tenant: &str) -> Result<CallbackSecrets, StoreError> {
        self.know(tenant).await?;
        let now = micros(now(&self.clock));
        self.read(shown(&self.readers, tenant, now)).await
    }

    async fn rotate_callback_secret(
        &self,
        tenant: &str,
        secret: [u8; 32],
        overlap: Duration,
        by: &Actor,
    ) -> Result<CallbackRotated, StoreError> {
        self.know(tenant).await?;
        self.writer.call(Rotate { tenant: tenant.to_owned(), secret, overlap, by: by.clone() }).await
    }

    async fn revoke_old_callback_secret(&self, tenant: &str, by: &Actor) -> Result<CallbackSecrets, StoreError> {
        self.know(tenant).await?;
        self.writer.call(Revoke { tenant: tenant.to_owned(), by: by.clone() }).await
    }
}

impl SqliteStore {
    /// Gives a tenant its row, and with it a secret, unless it has one.
    async fn know(&self, tenant: &str) -> Result<(), StoreError> {
        if let Some(stranger) = self.strangers(std::iter::once(tenant)).pop() {
            self.writer.call(Know { stranger }).await?;
            self.knows(vec![tenant.to_owned()]);
        }
        Ok(())
    }
}

struct Know {
    stranger: (String, [u8; 32]),
}

#[async_trait]
impl Verb for Know {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        know_tenants(tx, std::slice::from_ref(&self.stranger)).await
    }
}

struct Rotate {
    tenant: String,
    secret: [u8; 32],
    overlap: Duration,
    by: Actor,
}

#[async_trait]
impl Verb for Rotate {
    type Answer = CallbackRotated;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<CallbackRotated, sqlx::Error> {
        let rotate = sqlx::query(ROTATED).bind(&self.tenant).bind(self.secret.as_slice());
        let rotate = rotate.bind(after(tx.now, self.overlap)).bind(tx.now);
        if let Some(row) = rotate.fetch_optional(&mut *tx.connection).await? {
            audit(tx, &self.tenant, &self.by, Act::of(Action::CallbackSecretRotated)).await?;
            return secrets(&row).map(CallbackRotated::Done);
        }
        let until = shown(&mut *tx.connection, &self.tenant, tx.now).await?.old_until();
        until.map(CallbackRotated::StillRotating).ok_or(sqlx::Error::RowNotFound)
    }
}

struct Revoke {
    tenant: String,
    by: Actor,
}

#[async_trait]
impl Verb for Revoke {
    type Answer = CallbackSecrets;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<CallbackSecrets, sqlx::Error> {
        let revoked = sqlx::query(REVOKED).bind(&self.tenant).fetch_optional(&mut *tx.connection).await?;
        let Some(row) = revoked else { return shown(&mut *tx.connection, &self.tenant, tx.now).await };
        audit(tx, &self.tenant, &self.by, Act::of(Action::CallbackSecretRevoked)).await?;
        secrets(&row)
    }
}

async fn shown(executor: impl SqliteExecutor<'_>, tenant: &str, now: i64) -> Result<CallbackSecrets, sqlx::Error> {
    secrets(&sqlx::query(SHOWN).bind(tenant).bind(now).fetch_one(executor).await?)
}

fn secrets(row: &SqliteRow) -> Result<CallbackSecrets, sqlx::Error> {
    let old = row.try_get::<Option<&[u8]>, _>("old_secret")?.map(key).transpose()?;
    Ok(CallbackSecrets { newest: key(row.try_get("secret")?)?, old: old.zip(rows::perhaps_at(row, "old_until")?) })
}
