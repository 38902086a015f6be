//! What panels say of agents' work.

use async_trait::async_trait;
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    SqliteStore,
    audit::audit,
    escalations::settle_about,
    events::announce,
    params::{micros, without_nul},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Actor, acts},
    escalations::Subject,
    id::{JobId, ReviewId},
    reviews::{Ballot, Cast, Opening, Panel, Review, ReviewState, Ruling},
    store::{
        LOOK, Page, Reviews, StoreError, json,
        reviews::{Decided, Decision, Opened, ReviewFilter, ReviewPage},
    },
    webhooks::review_event,
};

const REVIEW: &str = include_str!("../../sql/sqlite/review.sql");
const OF: &str = step(REVIEW, "of");
const BALLOTS: &str = step(REVIEW, "ballots");
const OPENED: &str = step(REVIEW, "opened");
const KEPT: &str = step(REVIEW, "kept");
const CAST: &str = step(REVIEW, "cast");

/// A page of reviews: where to look, and what to do there.
macro_rules! page {
    ($place:literal) => {
        concat!(
            include_str!(concat!("../../sql/sqlite/reviews/", $place, ".sql")),
            include_str!("../../sql/sqlite/reviews.sql")
        )
    };
}

#[async_trait]
impl Reviews for SqliteStore {
    async fn open_review(&self, opening: &Opening) -> Result<Opened, StoreError> {
        self.writer.call(Open(opening.clone())).await
    }

    async fn cast(&self, tenant: &str, id: ReviewId, ballot: &Ballot) -> Result<Option<(Cast, Review)>, StoreError> {
        self.writer.call(Say { tenant: tenant.to_owned(), id, ballot: ballot.clone() }).await
    }

    async fn advance_review(&self, tenant: &str, id: ReviewId) -> Result<Option<Review>, StoreError> {
        self.writer.call(Advance { tenant: tenant.to_owned(), id }).await
    }

    async fn decide_review(&self, decision: &Decision, by: &Actor) -> Result<Decided, StoreError> {
        let (decided, waiting) = self.writer.call(Decide { decision: decision.clone(), by: by.clone() }).await?;
        self.go_on(&waiting).await;
        Ok(decided)
    }

    async fn review(&self, tenant: &str, id: ReviewId) -> Result<Option<Review>, StoreError> {
        self.read(async {
            let row = sqlx::query(OF).bind(tenant).bind(id.0).fetch_optional(&self.readers).await?;
            let Some(row) = row else { return Ok(None) };
            let ballots = sqlx::query(BALLOTS).bind(id.0).fetch_all(&self.readers).await?;
            read(&row, &ballots).map(Some)
        })
        .await
    }

    async fn reviews(&self, filter: &ReviewFilter, page: Page<ReviewId>) -> Result<ReviewPage, StoreError> {
        let statement = match filter.is_of_open() {
            true => page!("open"),
            false => page!("all"),
        };
        self.read(async {
            let found = sqlx::query(statement)
                .bind(&filter.tenant_id)
                .bind(page.before.map(|id| id.0))
                .bind(filter.state.map(ReviewState::as_str))
                .bind(filter.risk.map(|risk| risk.as_str()))
                .bind(LOOK)
                .bind(page.limit)
                .fetch_all(&self.readers)
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

struct Open(Opening);

#[async_trait]
impl Verb for Open {
    type Answer = Opened;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Opened, sqlx::Error> {
        let now = rows::time(tx.now);
        let opening = &self.0;
        if !opening.again {
            let review = Review::opened(opening.clone(), now);
            let opened = sqlx::query(OPENED)
                .bind(review.id.0)
                .bind(&review.tenant_id)
                .bind(review.job_id.0)
                .bind(without_nul(&review.title))
                .bind(review.risk.as_str())
                .bind(review.author.as_str())
                .bind(&review.submitted_by)
                .bind(review.state.as_str())
                .bind(review.round)
                .bind(&review.digest)
                .bind(json::text(&review.panel)?)
                .bind(tx.now)
                .execute(&mut *tx.connection)
                .await?;
            if opened.rows_affected() > 0 {
                tell(tx, &review, true).await?;
            }
        }
        let Some(mut review) = find(tx, &opening.tenant_id, opening.id).await? else {
            return Ok(Opened::NoSuchReview);
        };
        if opening.again && review.job_id != opening.job_id {
            if let Err(refused) = review.again(opening, now) {
                return Ok(Opened::Refused(refused));
            }
            keep(tx, &review, review.ballots.len()).await?;
            tell(tx, &review, true).await?;
        }
        Ok(Opened::Open(Box::new(review)))
    }
}

struct Say {
    tenant: String,
    id: ReviewId,
    ballot: Ballot,
}

#[async_trait]
impl Verb for Say {
    type Answer = Option<(Cast, Review)>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Answer, sqlx::Error> {
        let Some(mut review) = find(tx, &self.tenant, self.id).await? else { return Ok(None) };
        let before = review.ballots.len();
        let cast = review.cast(self.ballot.clone(), rows::time(tx.now));
        if cast == Cast::Counted {
            keep(tx, &review, before).await?;
        }
        Ok(Some((cast, review)))
    }
}

struct Advance {
    tenant: String,
    id: ReviewId,
}

#[async_trait]
impl Verb for Advance {
    type Answer = Option<Review>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Option<Review>, sqlx::Error> {
        let Some(mut review) = find(tx, &self.tenant, self.id).await? else { return Ok(None) };
        let before = review.ballots.len();
        if review.advance(rows::time(tx.now)) {
            keep(tx, &review, before).await?;
            tell(tx, &review, false).await?;
        }
        Ok(Some(review))
    }
}

struct Decide {
    decision: Decision,
    by: Actor,
}

#[async_trait]
impl Verb for Decide {
    /// And the jobs that wait for it.
    type Answer = (Decided, Vec<JobId>);

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Answer, sqlx::Error> {
        let Decision { tenant_id, id, approve, reason } = &self.decision;
        let Some(mut review) = find(tx, tenant_id, *id).await? else {
            return Ok((Decided::NoSuchReview, Vec::new()));
        };
        let by = self.by.subject.clone();
        let ruling = Ruling { by, approve: *approve, reason: without_nul(reason), at: rows::time(tx.now) };
        let answer = ruling.answer();
        if let Err(refused) = review.rule(ruling) {
            return Ok((Decided::Refused(refused), Vec::new()));
        }
        keep(tx, &review, review.ballots.len()).await?;
        tell(tx, &review, false).await?;
        let asked = settle_about(tx, tenant_id, Subject::Review, &review.id.to_string(), &answer, &self.by).await?;
        audit(tx, tenant_id, &self.by, acts::review_decided(&review)).await?;
        let waiting = asked.iter().map(|escalation| escalation.job_id).chain([review.job_id]).collect();
        Ok((Decided::Done(Box::new(review)), waiting))
    }
}

async fn find(tx: &mut Tx<'_>, tenant: &str, id: ReviewId) -> Result<Option<Review>, sqlx::Error> {
    let row = sqlx::query(OF).bind(tenant).bind(id.0).fetch_optional(&mut *tx.connection).await?;
    let Some(row) = row else { return Ok(None) };
    let ballots = sqlx::query(BALLOTS).bind(id.0).fetch_all(&mut *tx.connection).await?;
    read(&row, &ballots).map(Some)
}

/// Writes a review back, with those of its ballots that are new.
async fn keep(tx: &mut Tx<'_>, review: &Review, before: usize) -> Result<(), sqlx::Error> {
    sqlx::query(KEPT)
        .bind(review.id.0)
        .bind(review.job_id.0)
        .bind(review.state.as_str())
        .bind(review.round)
        .bind(&review.digest)
        .bind(json::text(&review.panel)?)
        .bind(micros(review.opened_at))
        .bind(review.replaced_at.map(micros))
        .bind(review.closed_at.map(micros))
        .bind(review.ruling.as_ref().map(json::text).transpose()?)
        .bind(json::text(&review.earlier)?)
        .bind(&review.submitted_by)
        .execute(&mut *tx.connection)
        .await?;
    for ballot in review.ballots.iter().skip(before) {
        sqlx::query(CAST)
            .bind(review.id.0)
            .bind(ballot.round)
            .bind(ballot.seat)
            .bind(ballot.role.as_str())
            .bind(&ballot.digest)
            .bind(ballot.verdict.as_str())
            .bind(ballot.severity.as_str())
            .bind(without_nul(&json::text(&ballot.findings)?))
            .bind(ballot.confidence)
            .bind(ballot.reason.as_deref())
            .bind(ballot.policy_version)
            .bind(ballot.model.as_deref().map(without_nul))
            .bind(micros(ballot.cast_at))
            .execute(&mut *tx.connection)
            .await?;
    }
    Ok(())
}

/// Puts out an event if there is one and somebody listens.
async fn tell(tx: &mut Tx<'_>, review: &Review, opened: bool) -> Result<(), sqlx::Error> {
    let Some(event) = review_event(review, opened) else { return Ok(()) };
    announce(tx, &review.tenant_id, event, &review.telling()).await
}

fn read(row: &SqliteRow, ballots: &[SqliteRow]) -> Result<Review, sqlx::Error> {
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
        opened_at: rows::at(row, "opened_at")?,
        replaced_at: rows::perhaps_at(row, "replaced_at")?,
        closed_at: rows::perhaps_at(row, "closed_at")?,
        ruling: row.try_get::<Option<&str>, _>("ruling")?.map(json::read).transpose()?,
        earlier: json::read(row.try_get("earlier")?)?,
        ballots: ballots.iter().map(ballot).collect::<Result<_, _>>()?,
    })
}

fn ballot(row: &SqliteRow) -> Result<Ballot, sqlx::Error> {
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
        cast_at: rows::at(row, "cast_at")?,
    })
}
