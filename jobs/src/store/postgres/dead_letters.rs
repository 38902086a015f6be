//! Dead letters: listed, put back to work, given up.

use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{PostgresStore, rows};
use crate::{
    audit::{Actor, acts},
    id::{DeadLetterId, JobId},
    record::Move,
    store::{
        DeadLetterFilter, DeadLetterPage, LOOK, Page, Replay, StoreError,
        listing::{self, LettersWhere},
    },
};

/// A page of dead letters: where to look, and what to do there.
macro_rules! letters {
    ($place:literal) => {
        concat!(
            include_str!(concat!("../../sql/postgres/dead_letters/", $place, ".sql")),
            include_str!("../../sql/postgres/dead_letters.sql")
        )
    };
}

impl PostgresStore {
    pub(super) async fn list_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: Page<DeadLetterId>,
    ) -> Result<DeadLetterPage, StoreError> {
        let statement = match listing::letters_place(filter) {
            LettersWhere::Open => letters!("open"),
            LettersWhere::All => letters!("all"),
            LettersWhere::Named => letters!("named"),
        };
        let (from, until) = listing::letter_ids(filter, page);
        self.in_time(|| async {
            let rows = rows::bind_filter(sqlx::query(statement), filter)
                .bind(from)
                .bind(until)
                .bind(filter.include_resolved)
                .bind(i64::from(page.limit))
                .bind(i64::from(LOOK))
                .fetch_all(&self.pool)
                .await?;
            rows::dead_letter_page(&rows)
        })
        .await
    }

    pub(super) async fn count_open_dead_letters(&self, filter: &DeadLetterFilter) -> Result<u64, StoreError> {
        self.in_time(|| async {
            let query = sqlx::query(include_str!("../../sql/postgres/count_dead_letters.sql"));
            let row = rows::bind_filter(query, filter).fetch_one(&self.pool).await?;
            rows::count(&row, 0)
        })
        .await
    }

    pub(super) async fn replay_dead_letters(&self, replay: &Replay, limit: u32) -> Result<Vec<JobId>, StoreError> {
        let again = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let query = sqlx::query(include_str!("../../sql/postgres/resolve.sql"));
                let resolved = rows::bind_filter(query, &replay.filter)
                    .bind(i64::from(limit))
                    .bind("replayed")
                    .bind(&replay.by.subject)
                    .bind(self.now())
                    .fetch_all(&mut *tx)
                    .await?;
                let letters = letter_ids(&resolved)?;
                let jobs: Vec<Option<Uuid>> =
                    resolved.iter().map(|row| row.try_get("job_id")).collect::<Result<_, _>>()?;
                let again = sqlx::query(include_str!("../../sql/postgres/requeue.sql"))
                    .bind(jobs.into_iter().flatten().collect::<Vec<_>>())
                    .bind(replay.payload.as_ref().map(|payload| payload.get()))
                    .bind(self.now())
                    .bind(Move::Replay.leaves())
                    .fetch_all(&mut *tx)
                    .await?;
                if !letters.is_empty() {
                    let act = acts::replayed(&replay.filter, replay.payload.is_some(), &letters, again.len());
                    self.audit(&mut tx, &replay.filter.tenant_id, &replay.by, act).await?;
                }
                tx.commit().await?;
                again
                    .iter()
                    .map(|row| Ok((JobId(row.try_get("id")?), rows::role(row, "role")?)))
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        self.wake(again.iter().map(|(_, role)| *role));
        Ok(again.into_iter().map(|(id, _)| id).collect())
    }

    pub(super) async fn purge_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        by: &Actor,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let query = sqlx::query(include_str!("../../sql/postgres/resolve.sql"));
            let resolved = rows::bind_filter(query, filter)
                .bind(i64::from(limit))
                .bind("purged")
                .bind(&by.subject)
                .bind(self.now())
                .fetch_all(&mut *tx)
                .await?;
            let letters = letter_ids(&resolved)?;
            if !letters.is_empty() {
                self.audit(&mut tx, &filter.tenant_id, by, acts::purged(filter, &letters)).await?;
            }
            tx.commit().await?;
            Ok(letters.len() as u64)
        })
        .await
    }
}

fn letter_ids(resolved: &[PgRow]) -> Result<Vec<DeadLetterId>, sqlx::Error> {
    resolved.iter().map(|row| Ok(DeadLetterId(row.try_get("id")?))).collect()
}
