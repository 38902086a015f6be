//! Functions and their versions.

use async_trait::async_trait;
use serde_json::value::RawValue;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{PostgresStore, rows, step};
use crate::{
    audit::{Actor, acts},
    functions::{FunctionName, Version},
    store::{
        Page, StoreError,
        functions::{
            Before, Function, FunctionDeleted, FunctionVersion, Functions, Most, NewVersion, Registered, Step,
            VersionFacts, WhichVersion, kind_of,
        },
    },
};

const REGISTER: &str = include_str!("../../sql/postgres/register_function.sql");
const BEFORE: &str = step(REGISTER, "before");
const VERSION: &str = step(REGISTER, "version");
const FUNCTION: &str = step(REGISTER, "function");
const DELETE: &str = include_str!("../../sql/postgres/delete_function.sql");
const FOUND: &str = step(DELETE, "found");
const DELETE_VERSIONS: &str = step(DELETE, "versions");
const DELETE_FUNCTION: &str = step(DELETE, "function");

#[async_trait]
impl Functions for PostgresStore {
    async fn register_function(&self, version: &NewVersion, most: Most, by: &Actor) -> Result<Registered, StoreError> {
        self.in_time(|| self.register_once(version, most, by)).await
    }

    async fn functions(&self, tenant: &str, page: Page<Uuid>) -> Result<Vec<Function>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/functions.sql"))
                .bind(tenant)
                .bind(page.before)
                .bind(i64::from(page.limit))
                .fetch_all(&self.pool)
                .await?;
            found.iter().map(function).collect()
        })
        .await
    }

    async fn function(&self, tenant: &str, name: &FunctionName) -> Result<Option<Function>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/function.sql"));
            let row = found.bind(tenant).bind(name.as_str()).fetch_optional(&self.pool).await?;
            row.as_ref().map(function).transpose()
        })
        .await
    }

    async fn function_versions(&self, tenant: &str, name: &FunctionName) -> Result<Vec<VersionFacts>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/function_versions.sql"));
            let rows = found.bind(tenant).bind(name.as_str()).fetch_all(&self.pool).await?;
            rows.iter().map(facts).collect()
        })
        .await
    }

    async fn function_version(
        &self,
        tenant: &str,
        name: &FunctionName,
        version: Version,
    ) -> Result<Option<FunctionVersion>, StoreError> {
        self.in_time(|| async {
            let row = sqlx::query(include_str!("../../sql/postgres/function_version.sql"))
                .bind(tenant)
                .bind(name.as_str())
                .bind(number(version))
                .fetch_optional(&self.pool)
                .await?;
            let Some(row) = row else { return Ok(None) };
            let definition = rows::json(&row, "definition")?.unwrap_or_else(|| RawValue::NULL.to_owned());
            Ok(Some(FunctionVersion { facts: facts(&row)?, definition, live: row.try_get("live")? }))
        })
        .await
    }

    async fn called_versions(&self, calls: &[WhichVersion]) -> Result<Vec<Option<Version>>, StoreError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        self.in_time(|| async {
            let versions: Vec<Option<i32>> = sqlx::query_scalar(include_str!("../../sql/postgres/called_versions.sql"))
                .bind(calls.iter().map(|call| call.tenant_id.as_str()).collect::<Vec<_>>())
                .bind(calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>())
                .bind(calls.iter().map(|call| call.version.map(number)).collect::<Vec<_>>())
                .fetch_all(&self.pool)
                .await?;
            versions.into_iter().map(|version| version.map(numbered).transpose()).collect()
        })
        .await
    }

    async fn set_live(
        &self,
        tenant: &str,
        name: &FunctionName,
        version: Version,
        by: &Actor,
    ) -> Result<bool, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let set = sqlx::query(include_str!("../../sql/postgres/set_live.sql"))
                .bind(tenant)
                .bind(name.as_str())
                .bind(number(version))
                .bind(self.now())
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if set {
                self.audit(&mut tx, tenant, by, acts::made_live(name, version)).await?;
            }
            tx.commit().await?;
            Ok(set)
        })
        .await
    }

    async fn delete_function(
        &self,
        tenant: &str,
        name: &FunctionName,
        version: Option<Version>,
        by: &Actor,
    ) -> Result<FunctionDeleted, StoreError> {
        self.in_time(|| self.delete_once(tenant, name, version, by)).await
    }
}

impl PostgresStore {
    async fn register_once(&self, new: &NewVersion, most: Most, by: &Actor) -> Result<Registered, sqlx::Error> {
        let id = Uuid::now_v7();
        let mut tx = self.begin().await?;
        let row = sqlx::query(BEFORE)
            .bind(&new.tenant_id)
            .bind(new.name.as_str())
            .bind(id)
            .bind(self.now())
            .fetch_one(&mut *tx)
            .await?;
        let before = Before {
            live: row.try_get::<Option<i32>, _>("live")?.map(numbered).transpose()?,
            last: rows::small(&row, "last")?,
            newest: row.try_get("newest")?,
            versions: rows::count(&row, "versions")?,
            functions: rows::count(&row, "functions")?,
        };
        let (version, answer) = match before.step(new, most) {
            // The row that was made to be held goes with the transaction.
            Step::Refuse(answer) => return Ok(answer),
            Step::Repeat(version) => (version, Registered::Same(version)),
            Step::Record(version) => {
                sqlx::query(VERSION)
                    .bind(&new.tenant_id)
                    .bind(new.name.as_str())
                    .bind(number(version))
                    .bind(new.definition.get())
                    .bind(&new.digest[..])
                    .bind(&new.language)
                    .bind(i64::try_from(new.size).unwrap_or(i64::MAX))
                    .bind(&new.created_by)
                    .bind(self.now())
                    .execute(&mut *tx)
                    .await?;
                (version, Registered::New(version))
            }
        };
        let live = before.live_after(version, new.live);
        sqlx::query(FUNCTION)
            .bind(&new.tenant_id)
            .bind(new.name.as_str())
            .bind(number(version))
            .bind(number(live))
            .bind(id)
            .bind(self.now())
            .execute(&mut *tx)
            .await?;
        if let Some(act) = before.act(new, answer, live) {
            self.audit(&mut tx, &new.tenant_id, by, act).await?;
        }
        tx.commit().await?;
        Ok(answer)
    }

    async fn delete_once(
        &self,
        tenant: &str,
        name: &FunctionName,
        version: Option<Version>,
        by: &Actor,
    ) -> Result<FunctionDeleted, sqlx::Error> {
        let mut tx = self.begin().await?;
        let found = sqlx::query(FOUND)
            .bind(tenant)
            .bind(name.as_str())
            .bind(version.map(number))
            .bind(kind_of(name, version))
            .fetch_optional(&mut *tx)
            .await?;
        let Some(found) = found else { return Ok(FunctionDeleted::NoSuch) };
        let live = numbered(found.try_get("live")?)?;
        match (found.try_get("known")?, found.try_get("busy")?) {
            (false, _) => return Ok(FunctionDeleted::NoSuch),
            _ if version == Some(live) => return Ok(FunctionDeleted::Live),
            (true, true) => return Ok(FunctionDeleted::Busy),
            (true, false) => {}
        }
        let delete = sqlx::query(DELETE_VERSIONS).bind(tenant).bind(name.as_str()).bind(version.map(number));
        delete.execute(&mut *tx).await?;
        if version.is_none() {
            sqlx::query(DELETE_FUNCTION).bind(tenant).bind(name.as_str()).execute(&mut *tx).await?;
        }
        self.audit(&mut tx, tenant, by, acts::function_deleted(name, version)).await?;
        tx.commit().await?;
        Ok(FunctionDeleted::Gone)
    }
}

fn number(version: Version) -> i32 {
    i32::try_from(version.get()).unwrap_or(i32::MAX)
}

fn numbered(number: i32) -> Result<Version, sqlx::Error> {
    let number = u32::try_from(number).unwrap_or(0);
    Version::new(number).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn function(row: &PgRow) -> Result<Function, sqlx::Error> {
    Ok(Function {
        id: row.try_get("id")?,
        tenant_id: row.try_get("tenant_id")?,
        name: rows::parsed(row.try_get("name")?)?,
        live: numbered(row.try_get("live")?)?,
        newest: numbered(row.try_get("last")?)?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn facts(row: &PgRow) -> Result<VersionFacts, sqlx::Error> {
    let digest: &[u8] = row.try_get("digest")?;
    Ok(VersionFacts {
        version: numbered(row.try_get("version")?)?,
        language: row.try_get("language")?,
        size: rows::count(row, "size")?,
        digest: digest.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
    })
}
