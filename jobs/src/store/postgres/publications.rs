//! What waits for the broker.

use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::{Connection, PostgresStore, rows, step};
use crate::store::{
    StoreError,
    publications::{Publication, Publications, Published},
};

const PUBLISHED: &str = step(include_str!("../../sql/postgres/pass_on.sql"), "published");

#[async_trait]
impl Publications for PostgresStore {
    async fn unpublished(&self, limit: u32) -> Result<Vec<Publication>, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/unpublished.sql"))
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await?;
            let publication = |row: &sqlx::postgres::PgRow| {
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
        self.in_time(|| async {
            let query = sqlx::query(include_str!("../../sql/postgres/published.sql"));
            query.bind(publications).execute(&self.pool).await.map(|_| ())
        })
        .await
    }
}

/// Records what is to be published.
pub(super) async fn add(connection: &mut Connection, publications: &[Publication]) -> Result<(), sqlx::Error> {
    if publications.is_empty() {
        return Ok(());
    }
    fn column<'a, T>(all: &'a [Publication], of: impl Fn(&'a Publication) -> T) -> Vec<T> {
        all.iter().map(of).collect()
    }
    sqlx::query(PUBLISHED)
        .bind(column(publications, |one| one.what.id()))
        .bind(column(publications, |one| one.tenant_id.as_str()))
        .bind(column(publications, |one| one.kind.as_str()))
        .bind(column(publications, |one| one.what.state()))
        .bind(column(publications, |one| one.job_id.map(|id| id.0)))
        .bind(column(publications, |one| one.body.as_str()))
        .bind(column(publications, |one| one.trace.as_ref().map(ToString::to_string)))
        .execute(connection)
        .await
        .map(|_| ())
}
