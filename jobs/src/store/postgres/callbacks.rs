//! What signs callbacks.

use std::{sync::PoisonError, time::Duration};

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};

use super::{PostgresStore, millis, step};
use crate::{
    audit::{Act, Action, Actor},
    store::{
        StoreError,
        callbacks::{CallbackRotated, CallbackSecrets, Callbacks},
    },
};

const CALLBACKS: &str = include_str!("../../sql/postgres/callback_secrets.sql");
const SHOWN: &str = step(CALLBACKS, "shown");
const ROTATED: &str = step(CALLBACKS, "rotated");
const REVOKED: &str = step(CALLBACKS, "revoked");

#[async_trait]
impl Callbacks for PostgresStore {
    async fn callback_secrets(&self, tenant: &str) -> Result<CallbackSecrets, StoreError> {
        loop {
            self.know_tenants([tenant]).await?;
            let shown = self
                .in_time(|| async {
                    let shown = sqlx::query(SHOWN).bind(tenant).bind(self.now()).fetch_optional(&self.pool).await?;
                    shown.as_ref().map(secrets).transpose()
                })
                .await?;
            if let Some(secrets) = shown {
                return Ok(secrets);
            }
            // It was deleted by another process since this one came to know it.
            self.tenants.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
        }
    }

    async fn rotate_callback_secret(
        &self,
        tenant: &str,
        secret: [u8; 32],
        overlap: Duration,
        by: &Actor,
    ) -> Result<CallbackRotated, StoreError> {
        loop {
            let rotated = self
                .in_time(|| async {
                    let mut tx = self.begin().await?;
                    let rotate = sqlx::query(ROTATED).bind(tenant).bind(secret.as_slice()).bind(millis(overlap));
                    let rotated = rotate.bind(self.now()).fetch_optional(&mut *tx).await?;
                    let rotated = rotated.as_ref().map(secrets).transpose()?;
                    if rotated.is_some() {
                        self.audit(&mut tx, tenant, by, Act::of(Action::CallbackSecretRotated)).await?;
                    }
                    tx.commit().await?;
                    Ok(rotated)
                })
                .await?;
            if let Some(secrets) = rotated {
                return Ok(CallbackRotated::Done(secrets));
            }
            // Either the tenant had no row, and has one by now, or there is an old secret.
            if let Some(until) = self.callback_secrets(tenant).await?.old_until() {
                return Ok(CallbackRotated::StillRotating(until));
            }
        }
    }

    async fn revoke_old_callback_secret(&self, tenant: &str, by: &Actor) -> Result<CallbackSecrets, StoreError> {
        let revoked = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let revoked = sqlx::query(REVOKED).bind(tenant).fetch_optional(&mut *tx).await?;
                let revoked = revoked.as_ref().map(secrets).transpose()?;
                if revoked.is_some() {
                    self.audit(&mut tx, tenant, by, Act::of(Action::CallbackSecretRevoked)).await?;
                }
                tx.commit().await?;
                Ok(revoked)
            })
            .await?;
        match revoked {
            Some(secrets) => Ok(secrets),
            None => self.callback_secrets(tenant).await,
        }
    }
}

fn secrets(row: &PgRow) -> Result<CallbackSecrets, sqlx::Error> {
    let (old, until): (Option<[u8; 32]>, _) = (row.try_get("old_secret")?, row.try_get("old_until")?);
    Ok(CallbackSecrets { newest: row.try_get("secret")?, old: old.zip(until) })
}
