//! Tenants are created, changed and forgotten.

use std::sync::PoisonError;

use async_trait::async_trait;
use rand::Rng;

use super::{
    SqliteStore,
    audit::audit,
    params::hex_bytes,
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Actor, acts},
    store::{Deleted, StoreError, Tenant, Tenants, Terms, TermsChange, tenants::limits},
};

const DELETE: &str = include_str!("../../sql/sqlite/delete_tenant.sql");
const GONE: &str = step(DELETE, "gone");
const KNOWN: &str = step(DELETE, "known");
const QUEUES: &str = step(DELETE, "queues");
const SCHEDULES: &str = step(DELETE, "schedules");
const FUNCTIONS: &str = step(DELETE, "functions");
const VERSIONS: &str = step(DELETE, "versions");
const ENDPOINTS: &str = step(DELETE, "endpoints");
const BUDGET: &str = step(DELETE, "budget");
const POLICIES: &str = step(DELETE, "policies");
const CHANGES: &str = step(DELETE, "changes");
const LISTENERS: &str = step(DELETE, "listeners");

#[async_trait]
impl Tenants for SqliteStore {
    async fn tenant(&self, id: &str) -> Result<Option<Tenant>, StoreError> {
        self.read(async {
            let found =
                sqlx::query(include_str!("../../sql/sqlite/tenant.sql")).bind(id).fetch_optional(&self.readers).await?;
            found.as_ref().map(rows::tenant).transpose()
        })
        .await
    }

    async fn tenants(&self, after: Option<&str>, limit: u32) -> Result<Vec<Tenant>, StoreError> {
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/list_tenants.sql"))
                .bind(after)
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
            found.iter().map(rows::tenant).collect()
        })
        .await
    }

    async fn create_tenant(&self, id: &str, terms: &Terms, by: &Actor) -> Result<bool, StoreError> {
        let create = Create { id: id.to_owned(), secret: rand::rng().random(), terms: terms.clone(), by: by.clone() };
        self.writer.call(create).await
    }

    async fn set_terms(&self, id: &str, change: &TermsChange, by: &Actor) -> Result<Option<Tenant>, StoreError> {
        self.writer.call(SetTerms { id: id.to_owned(), change: change.clone(), by: by.clone() }).await
    }

    async fn delete_tenant(&self, id: &str, by: &Actor) -> Result<Deleted, StoreError> {
        let deleted = self.writer.call(Delete { id: id.to_owned(), by: by.clone() }).await?;
        if deleted == Deleted::Gone {
            self.tenants.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        }
        Ok(deleted)
    }
}

fn bytes(most: u64) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

struct Create {
    id: String,
    secret: [u8; 32],
    terms: Terms,
    by: Actor,
}

#[async_trait]
impl Verb for Create {
    /// Whether it was not known before.
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        let created = sqlx::query(include_str!("../../sql/sqlite/create_tenant.sql"))
            .bind(&self.id)
            .bind(hex_bytes(&self.secret))
            .bind(self.terms.weight)
            .bind(self.terms.max_payload.map(bytes))
            .bind(self.terms.max_result.map(bytes))
            .bind(limits(&self.terms.sandbox_limits))
            .bind(self.terms.suspended)
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?
            .rows_affected()
            > 0;
        if created {
            audit(tx, &self.id, &self.by, acts::created(&self.id, &self.terms)).await?;
        }
        Ok(created)
    }
}

struct SetTerms {
    id: String,
    change: TermsChange,
    by: Actor,
}

#[async_trait]
impl Verb for SetTerms {
    type Answer = Option<Tenant>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Option<Tenant>, sqlx::Error> {
        let TermsChange { weight, max_payload, max_result, sandbox_limits, suspended } = &self.change;
        let before = sqlx::query(include_str!("../../sql/sqlite/tenant.sql"));
        let before = before.bind(&self.id).fetch_optional(&mut *tx.connection).await?;
        let set = sqlx::query(include_str!("../../sql/sqlite/set_terms.sql"))
            .bind(&self.id)
            .bind(weight)
            .bind(max_payload.is_some())
            .bind(max_payload.flatten().map(bytes))
            .bind(max_result.is_some())
            .bind(max_result.flatten().map(bytes))
            .bind(sandbox_limits.as_ref().map(limits))
            .bind(suspended)
            .bind(tx.now)
            .fetch_optional(&mut *tx.connection)
            .await?;
        let before = before.as_ref().map(rows::tenant).transpose()?;
        let set = set.as_ref().map(rows::tenant).transpose()?;
        if set != before {
            audit(tx, &self.id, &self.by, acts::changed(&self.id, &self.change)).await?;
        }
        Ok(set)
    }
}

struct Delete {
    id: String,
    by: Actor,
}

#[async_trait]
impl Verb for Delete {
    type Answer = Deleted;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Deleted, sqlx::Error> {
        let gone = sqlx::query(GONE).bind(&self.id).execute(&mut *tx.connection).await?;
        if gone.rows_affected() == 0 {
            let known: bool = sqlx::query_scalar(KNOWN).bind(&self.id).fetch_one(&mut *tx.connection).await?;
            return Ok(if known { Deleted::Busy } else { Deleted::NoSuchTenant });
        }
        for statement in [QUEUES, SCHEDULES, FUNCTIONS, VERSIONS, ENDPOINTS, BUDGET, POLICIES, CHANGES, LISTENERS] {
            sqlx::query(statement).bind(&self.id).execute(&mut *tx.connection).await?;
        }
        audit(tx, &self.id, &self.by, acts::deleted(&self.id)).await?;
        Ok(Deleted::Gone)
    }
}
