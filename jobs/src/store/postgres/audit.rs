//! Who changed what.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{PostgresStore, rows, step};
use crate::{
    audit::{Act, Action, Actor, Entry, Hash, Head},
    store::{
        Audit, StoreError,
        audit::{AuditEntries, AuditFilter, AuditPage, ChainName, Stretch, chained},
    },
};

const AUDIT: &str = include_str!("../../sql/postgres/audit.sql");
const HELD: &str = step(AUDIT, "held");
const ADDED: &str = step(AUDIT, "added");
const ENDED: &str = step(AUDIT, "ended");

#[async_trait]
impl Audit for PostgresStore {
    async fn record_acts(&self, chain: &ChainName, acts: &[(Actor, Act)]) -> Result<(), StoreError> {
        if acts.is_empty() {
            return Ok(());
        }
        self.in_time(|| async {
            let mut tx = self.pool.begin().await?;
            self.chain(&mut tx, chain, acts.iter().map(|(by, act)| (by, act))).await?;
            tx.commit().await
        })
        .await
    }

    async fn audit_head(&self, chain: &ChainName) -> Result<Head, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/audit_head.sql"));
            let row = found.bind(chain.key()).fetch_optional(&self.pool).await?;
            row.as_ref().map_or(Ok(Head::EMPTY), head)
        })
        .await
    }

    async fn audit_log(&self, filter: &AuditFilter, page: AuditPage) -> Result<AuditEntries, StoreError> {
        let stretch = Stretch::of(page, self.audit_head(&filter.chain).await?);
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/audit_log.sql"))
                .bind(filter.chain.key())
                .bind(number(stretch.below))
                .bind(number(stretch.from))
                .bind(filter.action.map(Action::as_str))
                .bind(&filter.actor)
                .bind(filter.since)
                .bind(filter.until)
                .bind(i64::from(page.limit))
                .fetch_all(&self.pool)
                .await?;
            Ok(stretch.page(rows.iter().map(entry).collect::<Result<_, _>>()?, page))
        })
        .await
    }

    async fn audit_chain(&self, chain: &ChainName, after: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/audit_chain.sql"))
                .bind(chain.key())
                .bind(number(after))
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(entry).collect()
        })
        .await
    }
}

impl PostgresStore {
    /// Adds one act to a tenant's chain, in the transaction of what it did. The last thing that a transaction does
    /// before it commits: it holds the end of the chain from here on, and must not wait for anything else then.
    pub(super) async fn audit(
        &self,
        connection: &mut PgConnection,
        tenant: &str,
        by: &Actor,
        act: Act,
    ) -> Result<(), sqlx::Error> {
        self.chain(connection, &ChainName::of(tenant), [(by, &act)]).await
    }

    /// The same where it may be the installation's chain.
    pub(super) async fn chain(
        &self,
        connection: &mut PgConnection,
        chain: &ChainName,
        acts: impl IntoIterator<Item = (&Actor, &Act)> + Send,
    ) -> Result<(), sqlx::Error> {
        let acts: Vec<(&Actor, &Act)> = acts.into_iter().collect();
        let held = sqlx::query(HELD)
            .bind(chain.key())
            .bind(&Hash::GENESIS.0[..])
            .bind(self.now())
            .fetch_one(&mut *connection)
            .await?;
        let at: DateTime<Utc> = held.try_get("at")?;
        let (entries, last) = chained(head(&held)?, chain, &acts, at);
        sqlx::query(ADDED)
            .bind(chain.key())
            .bind(entries.iter().map(|entry| number(entry.seq)).collect::<Vec<_>>())
            .bind(entries.iter().map(|entry| entry.payload.get()).collect::<Vec<_>>())
            .bind(entries.iter().map(|entry| entry.prev_hash.0.to_vec()).collect::<Vec<_>>())
            .bind(entries.iter().map(|entry| entry.hash.0.to_vec()).collect::<Vec<_>>())
            .bind(at)
            .bind(acts.iter().map(|(_, act)| act.action.as_str()).collect::<Vec<_>>())
            .bind(acts.iter().map(|(by, _)| rows::without_nul(&by.name()).into_owned()).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
        let ended = sqlx::query(ENDED).bind(chain.key()).bind(number(last.seq)).bind(&last.hash.0[..]);
        ended.execute(connection).await.map(|_| ())
    }
}

fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn head(row: &PgRow) -> Result<Head, sqlx::Error> {
    Ok(Head { seq: rows::count(row, "seq")?, hash: Hash(row.try_get("hash")?) })
}

fn entry(row: &PgRow) -> Result<Entry, sqlx::Error> {
    Ok(Entry {
        seq: rows::count(row, "seq")?,
        prev_hash: Hash(row.try_get("prev_hash")?),
        hash: Hash(row.try_get("hash")?),
        payload: rows::payload(row)?,
    })
}
