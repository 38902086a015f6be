//! What the replicas say of their dependencies.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    SqliteStore,
    audit::chain,
    now,
    params::{after, list, micros, without_nul},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Actor, acts},
    breakers::{Dependency, VOTE_KEPT},
    id::WorkerId,
    role::Role,
    store::{
        Breakers, StoreError,
        audit::ChainName,
        breakers::{BREAKERS, BreakerRow, Finding, Said, SharedBreakers, Vote, shared, word},
        json,
    },
};

const VOTE: &str = include_str!("../../sql/sqlite/vote.sql");
const VOID: &str = step(VOTE, "void");
const OUTLIVED: &str = step(VOTE, "outlived");
const TRIED: &str = step(VOTE, "tried");
const SILENT: &str = step(VOTE, "silent");
const OPEN: &str = step(VOTE, "open");

const RESET: &str = include_str!("../../sql/sqlite/reset_breakers.sql");
const VOTES: &str = step(RESET, "votes");
const SAID: &str = step(RESET, "said");

#[async_trait]
impl Breakers for SqliteStore {
    async fn vote(&self, voter: WorkerId, votes: &[Vote]) -> Result<(), StoreError> {
        if votes.is_empty() {
            return Ok(());
        }
        self.writer.call(Cast { voter, votes: votes.to_vec() }).await
    }

    async fn breakers(&self, voter: Option<WorkerId>) -> Result<SharedBreakers, StoreError> {
        let now = micros(now(&self.clock));
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/breakers.sql"))
                .bind(voter.map(|voter| voter.0))
                .bind(kept_since(now))
                .bind(BREAKERS)
                .bind(now)
                .fetch_all(&self.readers)
                .await?;
            let found = found.iter().map(breaker).collect::<Result<Vec<_>, _>>()?;
            if found.is_empty() && voter.is_some() {
                return Ok(SharedBreakers::default());
            }
            let alive = sqlx::query(include_str!("../../sql/sqlite/alive.sql")).fetch_all(&self.readers).await?;
            let roles = |row: &SqliteRow| json::read::<Vec<Role>>(row.try_get("roles")?);
            Ok(shared(found, alive.iter().map(roles).collect::<Result<_, sqlx::Error>>()?))
        })
        .await
    }

    async fn lease_trial(
        &self,
        worker: WorkerId,
        dependency: &Dependency,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        self.writer.call(LeaseTrial { worker, dependency: dependency.clone(), lease }).await
    }

    async fn say(&self, dependency: &Dependency, said: &Said, by: &Actor) -> Result<(), StoreError> {
        self.writer.call(Say { dependency: dependency.clone(), said: said.clone(), by: by.clone() }).await
    }

    async fn reset_breakers(&self, dependency: Option<&Dependency>, by: &Actor) -> Result<(), StoreError> {
        self.writer.call(Reset { dependency: dependency.cloned(), by: by.clone() }).await
    }
}

/// Votes whose time was over by then are forgotten.
fn kept_since(now: i64) -> i64 {
    now.saturating_sub(i64::try_from(VOTE_KEPT.as_micros()).unwrap_or(i64::MAX))
}

struct Cast {
    voter: WorkerId,
    votes: Vec<Vote>,
}

#[async_trait]
impl Verb for Cast {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        let found = list(self.votes.iter().map(|vote| {
            let name = vote.dependency.to_string();
            match vote.finding {
                Finding::Open { lasts, opened } => json!([name, after(0, lasts), opened, false]),
                finding => json!([name, null, 0, finding == Finding::Works]),
            }
        }))?;
        let names = list(self.votes.iter().map(|vote| vote.dependency.to_string()))?;
        let (voter, now) = (self.voter.0, tx.now);
        sqlx::query(VOID).bind(voter).bind(&found).execute(&mut *tx.connection).await?;
        sqlx::query(OUTLIVED).bind(kept_since(now)).execute(&mut *tx.connection).await?;
        sqlx::query(TRIED).bind(voter).bind(&names).execute(&mut *tx.connection).await?;
        sqlx::query(SILENT).bind(now).execute(&mut *tx.connection).await?;
        sqlx::query(OPEN).bind(voter).bind(&found).bind(now).execute(&mut *tx.connection).await?;
        Ok(())
    }
}

struct LeaseTrial {
    worker: WorkerId,
    dependency: Dependency,
    lease: Duration,
}

#[async_trait]
impl Verb for LeaseTrial {
    /// Whether nobody else tries it.
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        let leased = sqlx::query(include_str!("../../sql/sqlite/lease_trial.sql"))
            .bind(self.worker.0)
            .bind(self.dependency.to_string())
            .bind(after(tx.now, self.lease))
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?;
        Ok(leased.rows_affected() > 0)
    }
}

struct Say {
    dependency: Dependency,
    said: Said,
    by: Actor,
}

#[async_trait]
impl Verb for Say {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        sqlx::query(include_str!("../../sql/sqlite/say.sql"))
            .bind(self.dependency.to_string())
            .bind(word(self.said.word))
            .bind(after(tx.now, self.said.left))
            .bind(without_nul(&self.said.reason))
            .bind(without_nul(&self.said.by))
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?;
        chain(tx, &ChainName::INSTALLATION, &[(&self.by, &acts::said(&self.dependency, &self.said))]).await
    }
}

struct Reset {
    dependency: Option<Dependency>,
    by: Actor,
}

#[async_trait]
impl Verb for Reset {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        let name = self.dependency.as_ref().map(ToString::to_string);
        for statement in [VOTES, SAID] {
            sqlx::query(statement).bind(&name).execute(&mut *tx.connection).await?;
        }
        // Though nothing is on record, a process may have found it open.
        chain(tx, &ChainName::INSTALLATION, &[(&self.by, &acts::reset(self.dependency.as_ref()))]).await
    }
}

fn breaker(row: &SqliteRow) -> Result<BreakerRow, sqlx::Error> {
    let left = |column| {
        let micros: Option<i64> = row.try_get(column)?;
        Ok::<_, sqlx::Error>(micros.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0))))
    };
    Ok(BreakerRow {
        name: row.try_get("name")?,
        votes: rows::count(row, "votes")?,
        mine: row.try_get("mine")?,
        opened: rows::small(row, "opened")?,
        open_for: left("open_us")?,
        state: row.try_get("state")?,
        left: left("left_us")?,
        reason: row.try_get("reason")?,
        set_by: row.try_get("set_by")?,
        tried_by_other: left("tried_us")?,
    })
}
