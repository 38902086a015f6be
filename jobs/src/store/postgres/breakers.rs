//! What the replicas say of their dependencies.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};

use super::{PostgresStore, millis, rows};
use crate::{
    audit::{Actor, acts},
    breakers::{Dependency, VOTE_KEPT},
    id::WorkerId,
    store::{
        Breakers, StoreError,
        audit::ChainName,
        breakers::{BREAKERS, BreakerRow, Finding, Said, SharedBreakers, Vote, shared, word},
    },
};

#[async_trait]
impl Breakers for PostgresStore {
    async fn vote(&self, voter: WorkerId, votes: &[Vote]) -> Result<(), StoreError> {
        if votes.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = votes.iter().map(|vote| vote.dependency.to_string()).collect();
        let mut lasts: Vec<Option<i64>> = Vec::with_capacity(votes.len());
        let mut opened: Vec<i32> = Vec::with_capacity(votes.len());
        for vote in votes {
            let (open_for, times) = match vote.finding {
                Finding::Open { lasts, opened } => (Some(millis(lasts)), i32::try_from(opened).unwrap_or(i32::MAX)),
                Finding::Closed | Finding::Works => (None, 0),
            };
            lasts.push(open_for);
            opened.push(times);
        }
        let works: Vec<bool> = votes.iter().map(|vote| vote.finding == Finding::Works).collect();
        self.in_time(|| {
            sqlx::query(include_str!("../../sql/postgres/vote.sql"))
                .bind(voter.0)
                .bind(&names)
                .bind(&lasts)
                .bind(&opened)
                .bind(&works)
                .bind(millis(VOTE_KEPT))
                .bind(self.now())
                .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    async fn breakers(&self, voter: Option<WorkerId>) -> Result<SharedBreakers, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/breakers.sql"))
                .bind(voter.map(|voter| voter.0))
                .bind(millis(VOTE_KEPT))
                .bind(i64::from(BREAKERS))
                .bind(self.now())
                .fetch_all(&self.pool)
                .await?;
            let found = found.iter().map(breaker).collect::<Result<Vec<_>, _>>()?;
            if found.is_empty() && voter.is_some() {
                return Ok(SharedBreakers::default());
            }
            let alive = sqlx::query(include_str!("../../sql/postgres/alive.sql")).fetch_all(&self.pool).await?;
            let roles = |row: &PgRow| {
                let roles: Vec<String> = row.try_get("roles")?;
                roles.iter().map(|role| rows::parsed(role)).collect()
            };
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
        let leased = self
            .in_time(|| {
                sqlx::query(include_str!("../../sql/postgres/lease_trial.sql"))
                    .bind(worker.0)
                    .bind(dependency.to_string())
                    .bind(millis(lease))
                    .bind(self.now())
                    .execute(&self.pool)
            })
            .await?;
        Ok(leased.rows_affected() > 0)
    }

    async fn say(&self, dependency: &Dependency, said: &Said, by: &Actor) -> Result<(), StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            sqlx::query(include_str!("../../sql/postgres/say.sql"))
                .bind(dependency.to_string())
                .bind(word(said.word))
                .bind(millis(said.left))
                .bind(rows::without_nul(&said.reason).into_owned())
                .bind(rows::without_nul(&said.by).into_owned())
                .bind(self.now())
                .execute(&mut *tx)
                .await?;
            self.chain(&mut tx, &ChainName::INSTALLATION, [(by, &acts::said(dependency, said))]).await?;
            tx.commit().await
        })
        .await
    }

    async fn reset_breakers(&self, dependency: Option<&Dependency>, by: &Actor) -> Result<(), StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            sqlx::query(include_str!("../../sql/postgres/reset_breakers.sql"))
                .bind(dependency.map(ToString::to_string))
                .execute(&mut *tx)
                .await?;
            // Though nothing is on record, a process may have found it open.
            self.chain(&mut tx, &ChainName::INSTALLATION, [(by, &acts::reset(dependency))]).await?;
            tx.commit().await
        })
        .await
    }
}

fn breaker(row: &PgRow) -> Result<BreakerRow, sqlx::Error> {
    let left = |column| {
        let millis: Option<i64> = row.try_get(column)?;
        Ok::<_, sqlx::Error>(millis.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0))))
    };
    Ok(BreakerRow {
        name: row.try_get("name")?,
        votes: rows::count(row, "votes")?,
        mine: row.try_get("mine")?,
        opened: rows::small(row, "opened")?,
        open_for: left("open_ms")?,
        state: row.try_get("state")?,
        left: left("left_ms")?,
        reason: row.try_get("reason")?,
        set_by: row.try_get("set_by")?,
        tried_by_other: left("tried_ms")?,
    })
}
