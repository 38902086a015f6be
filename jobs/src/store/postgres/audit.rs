//! Who changed what.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row, postgres::PgRow};

use super::{Connection, PostgresStore, millis, rows, step};
use crate::{
    audit::{Act, Action, Actor, Entry, Hash, Head, SignedHead, head::Bytes},
    store::{
        Audit, StoreError,
        audit::{AuditEntries, AuditFilter, AuditPage, ChainName, DueHead, Stretch, chained},
    },
};

const AUDIT: &str = include_str!("../../sql/postgres/audit.sql");
const HELD: &str = step(AUDIT, "held");
const ADDED: &str = step(AUDIT, "added");
const ENDED: &str = step(AUDIT, "ended");

const PUBLISH: &str = include_str!("../../sql/postgres/publish_head.sql");
const PUBLISHED: &str = step(PUBLISH, "published");
const SIGNED: &str = step(PUBLISH, "signed");

#[async_trait]
impl Audit for PostgresStore {
    async fn record_acts(&self, chain: &ChainName, acts: &[(Actor, Act)]) -> Result<(), StoreError> {
        if acts.is_empty() {
            return Ok(());
        }
        self.in_time(|| async {
            let mut tx = self.begin().await?;
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

    async fn due_heads(&self, rows: u64, age: Duration, limit: u32) -> Result<Vec<DueHead>, StoreError> {
        self.in_time(|| async {
            let due = sqlx::query(include_str!("../../sql/postgres/due_heads.sql"))
                .bind(number(rows))
                .bind(millis(age))
                .bind(i64::from(limit))
                .bind(self.now())
                .fetch_all(&self.pool)
                .await?;
            let due = due.iter().map(|row| {
                let chain = ChainName::read(row.try_get("tenant_id")?);
                Ok(DueHead { chain, head: head(row)?, at: row.try_get("at")? })
            });
            due.collect()
        })
        .await
    }

    async fn publish_head(&self, head: &SignedHead) -> Result<bool, StoreError> {
        let tenant = head.tenant.as_deref().unwrap_or_default();
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let published = sqlx::query(PUBLISHED)
                .bind(tenant)
                .bind(number(head.seq))
                .bind(&head.hash.0[..])
                .bind(head.at)
                .bind(&head.key.0[..])
                .bind(&head.signature.0[..])
                .execute(&mut *tx)
                .await?;
            let signed = sqlx::query(SIGNED).bind(tenant).bind(number(head.seq)).bind(head.at);
            signed.execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(published.rows_affected() > 0)
        })
        .await
    }

    async fn signed_heads(&self, chain: &ChainName, from: u64, limit: u32) -> Result<Vec<SignedHead>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/signed_heads.sql"))
                .bind(chain.key())
                .bind(number(from))
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await?;
            found.iter().map(|row| signed_head(row, chain)).collect()
        })
        .await
    }

    async fn last_signed_head(&self, chain: &ChainName) -> Result<Option<SignedHead>, StoreError> {
        self.in_time(|| async {
            let last = sqlx::query(include_str!("../../sql/postgres/last_head.sql"));
            let row = last.bind(chain.key()).fetch_optional(&self.pool).await?;
            row.as_ref().map(|row| signed_head(row, chain)).transpose()
        })
        .await
    }
}

impl PostgresStore {
    /// Adds one act to a tenant's chain, in the transaction of what it did. The last thing that a transaction does
    /// before it commits: it holds the end of the chain from here on, and must not wait for anything else then.
    pub(super) async fn audit(
        &self,
        connection: &mut Connection,
        tenant: &str,
        by: &Actor,
        act: Act,
    ) -> Result<(), sqlx::Error> {
        self.chain(connection, &ChainName::of(tenant), [(by, &act)]).await
    }

    /// The same where it may be the installation's chain.
    pub(super) async fn chain(
        &self,
        connection: &mut Connection,
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
        let ended = sqlx::query(ENDED).bind(chain.key()).bind(number(last.seq)).bind(&last.hash.0[..]).bind(at);
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

fn signed_head(row: &PgRow, chain: &ChainName) -> Result<SignedHead, sqlx::Error> {
    let Head { seq, hash } = head(row)?;
    let signature: &[u8] = row.try_get("signature")?;
    Ok(SignedHead {
        tenant: chain.tenant_id.clone(),
        seq,
        hash,
        at: row.try_get("at")?,
        key: Bytes(row.try_get("key")?),
        signature: Bytes(signature.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))?),
    })
}
