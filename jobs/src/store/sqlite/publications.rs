//! What waits for the broker.

use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::{
    SqliteStore,
    params::{hex, list},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::store::{
    StoreError,
    publications::{Publication, Publications, Published},
};

const PUBLISHED: &str = step(include_str!("../../sql/sqlite/pass_on.sql"), "published");

#[async_trait]
impl Publications for SqliteStore {
    async fn unpublished(&self, limit: u32) -> Result<Vec<Publication>, StoreError> {
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/unpublished.sql"))
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
            let publication = |row: &sqlx::sqlite::SqliteRow| {
                Ok(Publication {
                    what: Published::of(row.try_get("id")?, row.try_get("state")?),
                    tenant_id: row.try_get("tenant_id")?,
                    kind: row.try_get("kind")?,
                    job_id: rows::perhaps_job_id(row, "job_id")?,
                    body: row.try_get("body")?,
                    trace: rows::trace(row)?,
                })
            };
            rows.iter().map(publication).collect()
        })
        .await
    }

    async fn published(&self, publications: &[Uuid]) -> Result<(), StoreError> {
        self.writer.call(Remove { publications: publications.to_vec() }).await
    }
}

struct Remove {
    publications: Vec<Uuid>,
}

#[async_trait]
impl Verb for Remove {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        let ids = list(self.publications.iter().map(|id| hex(*id)))?;
        let remove = sqlx::query(include_str!("../../sql/sqlite/published.sql")).bind(ids);
        remove.execute(&mut *tx.connection).await.map(|_| ())
    }
}

/// Records what is to be published.
pub(super) async fn add(tx: &mut Tx<'_>, publications: &[Publication]) -> Result<(), sqlx::Error> {
    if publications.is_empty() {
        return Ok(());
    }
    let rows = publications.iter().map(|one| {
        let job = one.job_id.map(|id| hex(id.0));
        let trace = one.trace.as_ref().map(ToString::to_string);
        (hex(one.what.id()), &one.tenant_id, &one.kind, one.what.state(), job, &one.body, trace)
    });
    sqlx::query(PUBLISHED).bind(list(rows)?).execute(&mut *tx.connection).await?;
    tx.hints.publish();
    Ok(())
}
