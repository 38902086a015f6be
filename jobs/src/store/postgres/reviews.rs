//! What panels say of agents' work.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{Connection, PostgresStore, Transaction, rows, step};
use crate::{
    audit::{Actor, acts},
    escalations::Subject,
    id::ReviewId,
    reviews::{Ballot, Cast, Opening, Panel, Review, ReviewState, Ruling},
    store::{
        LOOK, Page, Reviews, StoreError, json,
        reviews::{Decided, Decision, Opened, ReviewFilter, ReviewPage},
    },
    webhooks::review_event,
};

const REVIEW: &str = include_str!("../../sql/postgres/review.sql");
const OF: &str = step(REVIEW, "of");
const HELD: &str = step(REVIEW, "held");
const BALLOTS: &str = step(REVIEW, "ballots");
const OPENED: &str = step(REVIEW, "opened");
const KEPT: &str = step(REVIEW, "kept");
const CAST: &str = step(REVIEW, "cast");

/// A page of reviews: where to look, and what to do there.
macro_rules! page {
    ($place:literal) => {
        concat!(
            include_str!(concat!("../../sql/postgres/reviews/", $place, ".sql")),
            include_str!("../../sql/postgres/reviews.sql")
        )
    };
}

#[async_trait]
impl Reviews for PostgresStore {
    async fn open_review(&self, opening: &Opening) -> Result<Opened, StoreError> {
        let (opened, told) = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let mut told = false;
                if !opening.again && self.open_first(&mut tx, opening).await? {
                    let found = self.hold(&mut tx, &opening.tenant_id, opening.id).await?;
                    let Some((review, _)) = found else { return Ok((Opened::NoSuchReview, false)) };
                    told = self.tell_of_review(&mut tx, &review, true).await?;
                    tx.commit().await?;
                    return Ok((Opened::Open(Box::new(review)), told));
                }
                let Some((mut review, now)) = self.hold(&mut tx, &opening.tenant_id, opening.id).await? else {
                    return Ok((Opened::NoSuchReview, false));
                };
                if opening.again && review.job_id != opening.job_id {
                    if let Err(refused) = review.again(opening, now) {
                        return Ok((Opened::Refused(refused), false));
                    }
                    keep(&mut tx, &review, review.ballots.len()).await?;
                    told = self.tell_of_review(&mut tx, &review, true).await?;
                }
                tx.commit().await?;
                Ok((Opened::Open(Box::new(review)), told))
            })
            .await?;
        self.tell(told);
        Ok(opened)
    }

    async fn cast(&self, tenant: &str, id: ReviewId, ballot: &Ballot) -> Result<Option<(Cast, Review)>, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let Some((mut review, now)) = self.hold(&mut tx, tenant, id).await? else { return Ok(None) };
            let before = review.ballots.len();
            let cast = review.cast(ballot.clone(), now);
            if cast == Cast::Counted {
                keep(&mut tx, &review, before).await?;
                tx.commit().await?;
            }
            Ok(Some((cast, review)))
        })
        .await
    }

    async fn advance_review(&self, tenant: &str, id: ReviewId) -> Result<Option<Review>, StoreError> {
        let (review, told) = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let Some((mut review, now)) = self.hold(&mut tx, tenant, id).await? else { return Ok((None, false)) };
                let before = review.ballots.len();
                let mut told = false;
                if review.advance(now) {
                    keep(&mut tx, &review, before).await?;
                    told = self.tell_of_review(&mut tx, &review, false).await?;
                    tx.commit().await?;
                }
                Ok((Some(review), told))
            })
            .await?;
        self.tell(told);
        Ok(review)
    }

    async fn decide_review(&self, decision: &Decision, by: &Actor) -> Result<Decided, StoreError> {
        let Decision { tenant_id, id, approve, reason } = decision;
        let (decided, told, waiting) = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let Some((mut review, now)) = self.hold(&mut tx, tenant_id, *id).await? else {
                    return Ok((Decided::NoSuchReview, false, Vec::new()));
                };
                let reason = rows::without_nul(reason).into_owned();
                let ruling = Ruling { by: by.subject.clone(), approve: *approve, reason, at: now };
                let answer = ruling.answer();
                if let Err(refused) = review.rule(ruling) {
                    return Ok((Decided::Refused(refused), false, Vec::new()));
                }
                keep(&mut tx, &review, review.ballots.len()).await?;
                let told = self.tell_of_review(&mut tx, &review, false).await?;
                let id = review.id.to_string();
                // Before the audit log: whoever acknowledges an escalation takes them in that order.
                let (asked, asked_told) =
                    self.settle_about(&mut tx, tenant_id, Subject::Review, &id, &answer, by).await?;
                self.audit(&mut tx, tenant_id, by, acts::review_decided(&review)).await?;
                tx.commit().await?;
                let waiting: Vec<_> = asked.iter().map(|escalation| escalation.job_id).chain([review.job_id]).collect();
                Ok((Decided::Done(Box::new(review)), told || asked_told, waiting))
            })
            .await?;
        self.tell(told);
        self.go_on(&waiting).await;
        Ok(decided)
    }

    async fn review(&self, tenant: &str, id: ReviewId) -> Result<Option<Review>, StoreError> {
        self.in_time(|| async {
            let row = sqlx::query(OF).bind(tenant).bind(id.0).bind(self.now()).fetch_optional(&self.pool).await?;
            let Some(row) = row else { return Ok(None) };
            let ballots = sqlx::query(BALLOTS).bind(id.0).fetch_all(&self.pool).await?;
            read(&row, &ballots).map(Some)
        })
        .await
    }

    async fn reviews(&self, filter: &ReviewFilter, page: Page<ReviewId>) -> Result<ReviewPage, StoreError> {
        let statement = match filter.is_of_open() {
            true => page!("open"),
            false => page!("all"),
        };
        self.in_time(|| async {
            let found = sqlx::query(statement)
                .bind(&filter.tenant_id)
                .bind(page.before.map_or(Uuid::max(), |id| id.0))
                .bind(filter.state.map(ReviewState::as_str))
                .bind(filter.risk.map(|risk| risk.as_str()))
                .bind(i64::from(LOOK))
                .bind(i64::from(page.limit))
                .fetch_all(&self.pool)
                .await?;
            let mut page = ReviewPage::default();
            for row in &found {
                page.looked_to = row.try_get::<Option<Uuid>, _>("looked_to")?.map(ReviewId);
                if row.try_get::<Option<Uuid>, _>("id")?.is_some() {
                    page.reviews.push(read(row, &[])?);
                }
            }
            Ok(page)
        })
        .await
    }
}

impl PostgresStore {
    /// Records the first round of a review, unless it is on record.
    async fn open_first(&self, tx: &mut Transaction, opening: &Opening) -> Result<bool, sqlx::Error> {
        let opened = sqlx::query(OPENED)
            .bind(opening.id.0)
            .bind(&opening.tenant_id)
            .bind(opening.job_id.0)
            .bind(rows::without_nul(&opening.title))
            .bind(opening.risk.as_str())
            .bind(opening.author.as_str())
            .bind(&opening.submitted_by)
            .bind(1_i32)
            .bind(&opening.digest)
            .bind(json::text(&opening.panel)?)
            .bind(self.now())
            .execute(&mut **tx)
            .await?;
        Ok(opened.rows_affected() > 0)
    }

    /// A review, held until the transaction ends, and the time.
    async fn hold(
        &self,
        tx: &mut Transaction,
        tenant: &str,
        id: ReviewId,
    ) -> Result<Option<(Review, DateTime<Utc>)>, sqlx::Error> {
        sqlx::query(HELD).bind(tenant).bind(id.0).execute(&mut **tx).await?;
        // By a statement of its own: what was waited for is seen by it.
        let row = sqlx::query(OF).bind(tenant).bind(id.0).bind(self.now()).fetch_optional(&mut **tx).await?;
        let Some(row) = row else { return Ok(None) };
        let ballots = sqlx::query(BALLOTS).bind(id.0).fetch_all(&mut **tx).await?;
        Ok(Some((read(&row, &ballots)?, row.try_get("at")?)))
    }

    /// Puts out an event if there is one and somebody listens.
    async fn tell_of_review(
        &self,
        connection: &mut Connection,
        review: &Review,
        opened: bool,
    ) -> Result<bool, sqlx::Error> {
        let Some(event) = review_event(review, opened) else { return Ok(false) };
        self.announce(connection, &review.tenant_id, event, &review.telling()).await
    }
}

/// Writes a review back, with those of its ballots that are new.
async fn keep(connection: &mut Connection, review: &Review, before: usize) -> Result<(), sqlx::Error> {
    sqlx::query(KEPT)
        .bind(review.id.0)
        .bind(review.job_id.0)
        .bind(review.state.as_str())
        .bind(small(review.round))
        .bind(&review.digest)
        .bind(json::text(&review.panel)?)
        .bind(review.opened_at)
        .bind(review.replaced_at)
        .bind(review.closed_at)
        .bind(review.ruling.as_ref().map(json::text).transpose()?)
        .bind(json::text(&review.earlier)?)
        .bind(&review.submitted_by)
        .execute(&mut *connection)
        .await?;
    for ballot in review.ballots.iter().skip(before) {
        sqlx::query(CAST)
            .bind(review.id.0)
            .bind(small(ballot.round))
            .bind(small(ballot.seat))
            .bind(ballot.role.as_str())
            .bind(&ballot.digest)
            .bind(ballot.verdict.as_str())
            .bind(ballot.severity.as_str())
            .bind(json::text(&ballot.findings)?)
            .bind(ballot.confidence)
            .bind(ballot.reason.as_deref())
            .bind(small(ballot.policy_version))
            .bind(ballot.model.as_deref().map(rows::without_nul))
            .bind(ballot.cast_at)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn read(row: &PgRow, ballots: &[PgRow]) -> Result<Review, sqlx::Error> {
    let state: ReviewState = rows::parsed(row.try_get("state")?)?;
    let cancelled = state.is_open() && row.try_get::<bool, _>("cancelled")?;
    Ok(Review {
        id: ReviewId(row.try_get("id")?),
        tenant_id: row.try_get("tenant_id")?,
        job_id: rows::job_id(row, "job_id")?,
        title: row.try_get("title")?,
        risk: rows::parsed(row.try_get("risk")?)?,
        author: rows::parsed(row.try_get("author")?)?,
        submitted_by: row.try_get("submitted_by")?,
        state: if cancelled { ReviewState::Cancelled } else { state },
        round: rows::small(row, "round")?,
        digest: row.try_get("digest")?,
        panel: json::read::<Panel>(row.try_get("panel")?)?,
        opened_at: row.try_get("opened_at")?,
        replaced_at: row.try_get("replaced_at")?,
        closed_at: row.try_get("closed_at")?,
        ruling: row.try_get::<Option<&str>, _>("ruling")?.map(json::read).transpose()?,
        earlier: json::read(row.try_get("earlier")?)?,
        ballots: ballots.iter().map(ballot).collect::<Result<_, _>>()?,
    })
}

fn ballot(row: &PgRow) -> Result<Ballot, sqlx::Error> {
    Ok(Ballot {
        round: rows::small(row, "round")?,
        seat: rows::small(row, "seat")?,
        role: rows::parsed(row.try_get("role")?)?,
        digest: row.try_get("digest")?,
        verdict: rows::parsed(row.try_get("verdict")?)?,
        severity: rows::parsed(row.try_get("severity")?)?,
        findings: json::read(row.try_get("findings")?)?,
        confidence: row.try_get("confidence")?,
        reason: row.try_get("reason")?,
        policy_version: rows::small(row, "policy_version")?,
        model: row.try_get("model")?,
        cast_at: row.try_get("cast_at")?,
    })
}
