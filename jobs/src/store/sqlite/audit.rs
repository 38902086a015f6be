//! Who changed what.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::value::RawValue;
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    SqliteStore,
    endpoints::key,
    now,
    params::{after, micros, without_nul},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Act, Action, Actor, Entry, Hash, Head, SignedHead, head::Bytes},
    store::{
        Audit, StoreError,
        audit::{AuditEntries, AuditFilter, AuditPage, ChainName, DueHead, Stretch, chained},
    },
};

const AUDIT: &str = include_str!("../../sql/sqlite/audit.sql");
const HELD: &str = step(AUDIT, "held");
const ADDED: &str = step(AUDIT, "added");
const ENDED: &str = step(AUDIT, "ended");

const PUBLISH: &str = include_str!("../../sql/sqlite/publish_head.sql");
const PUBLISHED: &str = step(PUBLISH, "published");
const SIGNED: &str = step(PUBLISH, "signed");

#[async_trait]
impl Audit for SqliteStore {
    async fn record_acts(&self, chain: &ChainName, acts: &[(Actor, Act)]) -> Result<(), StoreError> {
        if acts.is_empty() {
            return Ok(());
        }
        self.writer.call(Record { chain: chain.clone(), acts: acts.to_vec() }).await
    }

    async fn audit_head(&self, chain: &ChainName) -> Result<Head, StoreError> {
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/audit_head.sql"));
            let row = found.bind(chain.key()).fetch_optional(&self.readers).await?;
            row.as_ref().map_or(Ok(Head::EMPTY), head)
        })
        .await
    }

    async fn audit_log(&self, filter: &AuditFilter, page: AuditPage) -> Result<AuditEntries, StoreError> {
        let stretch = Stretch::of(page, self.audit_head(&filter.chain).await?);
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/audit_log.sql"))
                .bind(filter.chain.key())
                .bind(number(stretch.below))
                .bind(number(stretch.from))
                .bind(filter.action.map(Action::as_str))
                .bind(&filter.actor)
                .bind(filter.since.map(micros))
                .bind(filter.until.map(micros))
                .bind(page.limit)
                .fetch_all(&self.readers)
                .await?;
            Ok(stretch.page(rows.iter().map(entry).collect::<Result<_, _>>()?, page))
        })
        .await
    }

    async fn audit_chain(&self, chain: &ChainName, after: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/audit_chain.sql"))
                .bind(chain.key())
                .bind(number(after))
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(entry).collect()
        })
        .await
    }

    async fn due_heads(&self, rows: u64, age: Duration, limit: u32) -> Result<Vec<DueHead>, StoreError> {
        let at = now(&self.clock);
        self.read(async {
            let due = sqlx::query(include_str!("../../sql/sqlite/due_heads.sql"))
                .bind(number(rows))
                .bind(micros(at).saturating_sub(after(0, age)))
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
            let due = due.iter().map(|row| {
                let chain = ChainName::read(row.try_get("tenant_id")?);
                Ok(DueHead { chain, head: head(row)?, at: rows::time(micros(at)) })
            });
            due.collect()
        })
        .await
    }

    async fn publish_head(&self, head: &SignedHead) -> Result<bool, StoreError> {
        self.writer.call(Publish(head.clone())).await
    }

    async fn signed_heads(&self, chain: &ChainName, from: u64, limit: u32) -> Result<Vec<SignedHead>, StoreError> {
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/signed_heads.sql"))
                .bind(chain.key())
                .bind(number(from))
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
            found.iter().map(|row| signed_head(row, chain)).collect()
        })
        .await
    }

    async fn last_signed_head(&self, chain: &ChainName) -> Result<Option<SignedHead>, StoreError> {
        self.read(async {
            let last = sqlx::query(include_str!("../../sql/sqlite/last_head.sql"));
            let row = last.bind(chain.key()).fetch_optional(&self.readers).await?;
            row.as_ref().map(|row| signed_head(row, chain)).transpose()
        })
        .await
    }
}

struct Publish(SignedHead);

#[async_trait]
impl Verb for Publish {
    /// Whether it was not signed before.
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        let SignedHead { tenant, seq, hash, at, key, signature } = &self.0;
        let (tenant, at) = (tenant.as_deref().unwrap_or_default(), micros(*at));
        let published = sqlx::query(PUBLISHED)
            .bind(tenant)
            .bind(number(*seq))
            .bind(&hash.0[..])
            .bind(at)
            .bind(&key.0[..])
            .bind(&signature.0[..])
            .execute(&mut *tx.connection)
            .await?;
        let signed = sqlx::query(SIGNED).bind(tenant).bind(number(*seq)).bind(at);
        signed.execute(&mut *tx.connection).await?;
        Ok(published.rows_affected() > 0)
    }
}

struct Record {
    chain: ChainName,
    acts: Vec<(Actor, Act)>,
}

#[async_trait]
impl Verb for Record {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        let acts: Vec<(&Actor, &Act)> = self.acts.iter().map(|(by, act)| (by, act)).collect();
        chain(tx, &self.chain, &acts).await
    }
}

/// Adds one act to a tenant's chain, in the transaction of what it did.
pub(super) async fn audit(tx: &mut Tx<'_>, tenant: &str, by: &Actor, act: Act) -> Result<(), sqlx::Error> {
    chain(tx, &ChainName::of(tenant), &[(by, &act)]).await
}

/// The same where it may be the installation's chain.
pub(super) async fn chain(tx: &mut Tx<'_>, chain: &ChainName, acts: &[(&Actor, &Act)]) -> Result<(), sqlx::Error> {
    let held = sqlx::query(HELD).bind(chain.key()).fetch_optional(&mut *tx.connection).await?;
    let before = held.as_ref().map_or(Ok(Head::EMPTY), head)?;
    let (entries, last) = chained(before, chain, acts, rows::time(tx.now));
    for (entry, (by, act)) in entries.iter().zip(acts) {
        sqlx::query(ADDED)
            .bind(chain.key())
            .bind(number(entry.seq))
            .bind(entry.payload.get())
            .bind(&entry.prev_hash.0[..])
            .bind(&entry.hash.0[..])
            .bind(tx.now)
            .bind(act.action.as_str())
            .bind(without_nul(&by.name()))
            .execute(&mut *tx.connection)
            .await?;
    }
    let ended = sqlx::query(ENDED).bind(chain.key()).bind(number(last.seq)).bind(&last.hash.0[..]).bind(tx.now);
    ended.execute(&mut *tx.connection).await.map(|_| ())
}

fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn head(row: &SqliteRow) -> Result<Head, sqlx::Error> {
    Ok(Head { seq: rows::count(row, "seq")?, hash: Hash(key(row.try_get("hash")?)?) })
}

fn entry(row: &SqliteRow) -> Result<Entry, sqlx::Error> {
    Ok(Entry {
        seq: rows::count(row, "seq")?,
        prev_hash: Hash(key(row.try_get("prev_hash")?)?),
        hash: Hash(key(row.try_get("hash")?)?),
        payload: rows::json(row, "payload")?.unwrap_or_else(|| RawValue::NULL.to_owned()),
    })
}

fn signed_head(row: &SqliteRow, chain: &ChainName) -> Result<SignedHead, sqlx::Error> {
    let Head { seq, hash } = head(row)?;
    let signature: &[u8] = row.try_get("signature")?;
    Ok(SignedHead {
        tenant: chain.tenant_id.clone(),
        seq,
        hash,
        at: rows::at(row, "at")?,
        key: Bytes(key(row.try_get("key")?)?),
        signature: Bytes(signature.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))?),
    })
}
