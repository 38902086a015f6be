//! Tenants are created, changed and forgotten.

use std::sync::PoisonError;

use async_trait::async_trait;
use rand::Rng;
use sqlx::{Row, postgres::PgRow};

use super::{PostgresStore, role_names};
use crate::{
    audit::{Actor, acts},
    store::{Deleted, StoreError, Tenant, Tenants, Terms, TermsChange, json, tenants::limits},
};

/// A tenant as it is, kept so until the transaction ends.
const HELD: &str = concat!(include_str!("../../sql/postgres/tenant.sql"), " FOR UPDATE");

#[async_trait]
impl Tenants for PostgresStore {
    async fn tenant(&self, id: &str) -> Result<Option<Tenant>, StoreError> {
        self.in_time(|| async {
            let found =
                sqlx::query(include_str!("../../sql/postgres/tenant.sql")).bind(id).fetch_optional(&self.pool).await?;
            found.as_ref().map(tenant).transpose()
        })
        .await
    }

    async fn tenants(&self, after: Option<&str>, limit: u32) -> Result<Vec<Tenant>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/list_tenants.sql"))
                .bind(after)
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await?;
            found.iter().map(tenant).collect()
        })
        .await
    }

    async fn create_tenant(&self, id: &str, terms: &Terms, by: &Actor) -> Result<bool, StoreError> {
        let secret: [u8; 32] = rand::rng().random();
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let created = sqlx::query(include_str!("../../sql/postgres/create_tenant.sql"))
                .bind(id)
                .bind(secret.to_vec())
                .bind(i32::try_from(terms.weight).unwrap_or(i32::MAX))
                .bind(terms.max_payload.map(bytes))
                .bind(terms.max_result.map(bytes))
                .bind(limits(&terms.sandbox_limits))
                .bind(terms.suspended)
                .bind(self.now())
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if created {
                self.audit(&mut tx, id, by, acts::created(id, terms)).await?;
            }
            tx.commit().await?;
            Ok(created)
        })
        .await
    }

    async fn set_terms(&self, id: &str, change: &TermsChange, by: &Actor) -> Result<Option<Tenant>, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let before = sqlx::query(HELD).bind(id).fetch_optional(&mut *tx).await?;
            let set = sqlx::query(include_str!("../../sql/postgres/set_terms.sql"))
                .bind(id)
                .bind(change.weight.map(|weight| i32::try_from(weight).unwrap_or(i32::MAX)))
                .bind(change.max_payload.is_some())
                .bind(change.max_payload.flatten().map(bytes))
                .bind(change.max_result.is_some())
                .bind(change.max_result.flatten().map(bytes))
                .bind(change.sandbox_limits.as_ref().map(limits))
                .bind(change.suspended)
                .bind(self.now())
                .fetch_optional(&mut *tx)
                .await?;
            let (before, set) = (before.as_ref().map(tenant).transpose()?, set.as_ref().map(tenant).transpose()?);
            if set != before {
                self.audit(&mut tx, id, by, acts::changed(id, change)).await?;
            }
            tx.commit().await?;
            Ok(set)
        })
        .await
    }

    async fn delete_tenant(&self, id: &str, by: &Actor) -> Result<Deleted, StoreError> {
        let (gone, known) = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let row = sqlx::query(include_str!("../../sql/postgres/delete_tenant.sql"))
                    .bind(id)
                    .bind(role_names())
                    .fetch_one(&mut *tx)
                    .await?;
                let gone: bool = row.try_get("gone")?;
                if gone {
                    self.audit(&mut tx, id, by, acts::deleted(id)).await?;
                }
                tx.commit().await?;
                Ok((gone, row.try_get("known")?))
            })
            .await?;
        Ok(match (gone, known) {
            (true, _) => {
                self.tenants.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
                Deleted::Gone
            }
            (false, true) => Deleted::Busy,
            (false, false) => Deleted::NoSuchTenant,
        })
    }
}

fn bytes(most: u64) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

fn tenant(row: &PgRow) -> Result<Tenant, sqlx::Error> {
    let suspended_at: Option<_> = row.try_get("suspended_at")?;
    let most =
        |column| row.try_get::<Option<i64>, _>(column).map(|most| most.and_then(|most| u64::try_from(most).ok()));
    Ok(Tenant {
        id: row.try_get("id")?,
        terms: Terms {
            weight: u32::try_from(row.try_get::<i32, _>("weight")?).unwrap_or(1),
            max_payload: most("max_payload")?,
            max_result: most("max_result")?,
            sandbox_limits: json::read(row.try_get("sandbox_limits")?)?,
            suspended: suspended_at.is_some(),
        },
        suspended_at,
        created_at: row.try_get("created_at")?,
    })
}
