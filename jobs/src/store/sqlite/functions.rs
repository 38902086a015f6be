//! Functions and their versions.

use async_trait::async_trait;
use serde_json::value::RawValue;
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    SqliteStore,
    audit::audit,
    params::list,
    rows,
    steps::step,
    writer::{Tx, Verb},
};
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

const REGISTER: &str = include_str!("../../sql/sqlite/register_function.sql");
const BEFORE: &str = step(REGISTER, "before");
const VERSION: &str = step(REGISTER, "version");
const FUNCTION: &str = step(REGISTER, "function");
const DELETE: &str = include_str!("../../sql/sqlite/delete_function.sql");
const FOUND: &str = step(DELETE, "found");
const DELETE_VERSIONS: &str = step(DELETE, "versions");
const DELETE_FUNCTION: &str = step(DELETE, "function");

#[async_trait]
impl Functions for SqliteStore {
    async fn register_function(&self, version: &NewVersion, most: Most, by: &Actor) -> Result<Registered, StoreError> {
        self.writer.call(Register { new: version.clone(), most, by: by.clone() }).await
    }

    async fn functions(&self, tenant: &str, page: Page<Uuid>) -> Result<Vec<Function>, StoreError> {
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/functions.sql"))
                .bind(tenant)
                .bind(page.before)
                .bind(page.limit)
                .fetch_all(&self.readers)
                .await?;
            found.iter().map(function).collect()
        })
        .await
    }

    async fn function(&self, tenant: &str, name: &FunctionName) -> Result<Option<Function>, StoreError> {
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/function.sql"));
            let row = found.bind(tenant).bind(name.as_str()).fetch_optional(&self.readers).await?;
            row.as_ref().map(function).transpose()
        })
        .await
    }

    async fn function_versions(&self, tenant: &str, name: &FunctionName) -> Result<Vec<VersionFacts>, StoreError> {
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/function_versions.sql"));
            let rows = found.bind(tenant).bind(name.as_str()).fetch_all(&self.readers).await?;
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
        self.read(async {
            let row = sqlx::query(include_str!("../../sql/sqlite/function_version.sql"))
                .bind(tenant)
                .bind(name.as_str())
                .bind(version.get())
                .fetch_optional(&self.readers)
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
        self.read(async {
            let called = list(calls.iter().map(|call| (&call.tenant_id, &call.name, call.version)))?;
            let versions: Vec<Option<i64>> = sqlx::query_scalar(include_str!("../../sql/sqlite/called_versions.sql"))
                .bind(called)
                .fetch_all(&self.readers)
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
        self.writer.call(SetLive { tenant: tenant.to_owned(), name: name.clone(), version, by: by.clone() }).await
    }

    async fn delete_function(
        &self,
        tenant: &str,
        name: &FunctionName,
        version: Option<Version>,
        by: &Actor,
    ) -> Result<FunctionDeleted, StoreError> {
        self.writer.call(Delete { tenant: tenant.to_owned(), name: name.clone(), version, by: by.clone() }).await
    }
}

struct Register {
    new: NewVersion,
    most: Most,
    by: Actor,
}

#[async_trait]
impl Verb for Register {
    type Answer = Registered;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Registered, sqlx::Error> {
        let new = &self.new;
        let row =
            sqlx::query(BEFORE).bind(&new.tenant_id).bind(new.name.as_str()).fetch_one(&mut *tx.connection).await?;
        let last: Option<u32> = row.try_get("last")?;
        let before = Before {
            live: row.try_get::<Option<i64>, _>("live")?.map(numbered).transpose()?,
            last: last.unwrap_or(0),
            newest: row.try_get("newest")?,
            versions: rows::count(&row, "versions")?,
            functions: rows::count(&row, "functions")?,
        };
        let (version, answer) = match before.step(new, self.most) {
            Step::Refuse(answer) => return Ok(answer),
            Step::Repeat(version) => (version, Registered::Same(version)),
            Step::Record(version) => {
                sqlx::query(VERSION)
                    .bind(&new.tenant_id)
                    .bind(new.name.as_str())
                    .bind(version.get())
                    .bind(new.definition.get())
                    .bind(&new.digest[..])
                    .bind(&new.language)
                    .bind(i64::try_from(new.size).unwrap_or(i64::MAX))
                    .bind(&new.created_by)
                    .bind(tx.now)
                    .execute(&mut *tx.connection)
                    .await?;
                (version, Registered::New(version))
            }
        };
        let live = before.live_after(version, new.live);
        sqlx::query(FUNCTION)
            .bind(&new.tenant_id)
            .bind(new.name.as_str())
            .bind(version.get())
            .bind(live.get())
            .bind(Uuid::now_v7())
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?;
        if let Some(act) = before.act(new, answer, live) {
            audit(tx, &new.tenant_id, &self.by, act).await?;
        }
        Ok(answer)
    }
}

struct SetLive {
    tenant: String,
    name: FunctionName,
    version: Version,
    by: Actor,
}

#[async_trait]
impl Verb for SetLive {
    /// Whether there is such a version.
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        let set = sqlx::query(include_str!("../../sql/sqlite/set_live.sql"))
            .bind(&self.tenant)
            .bind(self.name.as_str())
            .bind(self.version.get())
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?
            .rows_affected()
            > 0;
        if set {
            audit(tx, &self.tenant, &self.by, acts::made_live(&self.name, self.version)).await?;
        }
        Ok(set)
    }
}

struct Delete {
    tenant: String,
    name: FunctionName,
    version: Option<Version>,
    by: Actor,
}

#[async_trait]
impl Verb for Delete {
    type Answer = FunctionDeleted;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<FunctionDeleted, sqlx::Error> {
        let Self { tenant, name, version, by } = self;
        let number = version.map(Version::get);
        let found = sqlx::query(FOUND)
            .bind(&*tenant)
            .bind(name.as_str())
            .bind(number)
            .bind(kind_of(name, *version))
            .fetch_optional(&mut *tx.connection)
            .await?;
        let Some(found) = found else { return Ok(FunctionDeleted::NoSuch) };
        let live = numbered(found.try_get("live")?)?;
        match (found.try_get("known")?, found.try_get("busy")?) {
            (false, _) => return Ok(FunctionDeleted::NoSuch),
            _ if *version == Some(live) => return Ok(FunctionDeleted::Live),
            (true, true) => return Ok(FunctionDeleted::Busy),
            (true, false) => {}
        }
        let delete = sqlx::query(DELETE_VERSIONS).bind(&*tenant).bind(name.as_str()).bind(number);
        delete.execute(&mut *tx.connection).await?;
        if version.is_none() {
            sqlx::query(DELETE_FUNCTION).bind(&*tenant).bind(name.as_str()).execute(&mut *tx.connection).await?;
        }
        audit(tx, tenant, by, acts::function_deleted(name, *version)).await?;
        Ok(FunctionDeleted::Gone)
    }
}

fn numbered(number: i64) -> Result<Version, sqlx::Error> {
    let number = u32::try_from(number).unwrap_or(0);
    Version::new(number).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn function(row: &SqliteRow) -> Result<Function, sqlx::Error> {
    Ok(Function {
        id: row.try_get("id")?,
        tenant_id: row.try_get("tenant_id")?,
        name: rows::parsed(row.try_get("name")?)?,
        live: numbered(row.try_get("live")?)?,
        newest: numbered(row.try_get("last")?)?,
        created_at: rows::at(row, "created_at")?,
        updated_at: rows::at(row, "updated_at")?,
    })
}

fn facts(row: &SqliteRow) -> Result<VersionFacts, sqlx::Error> {
    let digest: &[u8] = row.try_get("digest")?;
    Ok(VersionFacts {
        version: numbered(row.try_get("version")?)?,
        language: row.try_get("language")?,
        size: rows::count(row, "size")?,
        digest: digest.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        created_by: row.try_get("created_by")?,
        created_at: rows::at(row, "created_at")?,
    })
}
