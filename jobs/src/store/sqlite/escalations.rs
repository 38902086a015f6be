//! What waits for a human.

use async_trait::async_trait;
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    SqliteStore,
    audit::audit,
    events::announce,
    params::{hex, list, without_nul},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Actor, acts},
    escalations::{Answer, Escalation, Resolution, Severity, Subject},
    id::{EscalationId, JobId},
    store::{
        LOOK, Page, Run, StoreError, Waits,
        escalations::{
            Acknowledged, Answered, EscalationEnd, EscalationFilter, EscalationPage, EscalationRecord, Escalations,
            WhichState,
        },
    },
    webhooks::{ESCALATION_OPENED, ESCALATION_RESOLVED},
};

const OPEN: &str = include_str!("../../sql/sqlite/open_escalation.sql");
const RUN: &str = step(OPEN, "run");
const OPENED: &str = step(OPEN, "opened");
const KNOWN: &str = step(OPEN, "known");

const RESOLVE: &str = include_str!("../../sql/sqlite/resolve_escalations.sql");
const NAMED: &str = step(RESOLVE, "named");
const ABOUT: &str = step(RESOLVE, "about");
const OF_JOBS: &str = step(RESOLVE, "of_jobs");
const RESOLVED: &str = step(RESOLVE, "resolved");

/// A page of escalations: where to look, and what to do there.
macro_rules! page {
    ($place:literal) => {
        concat!(
            include_str!(concat!("../../sql/sqlite/escalations/", $place, ".sql")),
            include_str!("../../sql/sqlite/escalations.sql")
        )
    };
}

#[async_trait]
impl Escalations for SqliteStore {
    async fn open_escalation(&self, run: Run, what: &Escalation) -> Result<EscalationRecord, StoreError> {
        self.writer.call(Open { run, what: what.clone() }).await?.ok_or(StoreError::LeaseLost)
    }

    async fn acknowledge_escalation(
        &self,
        tenant: &str,
        id: EscalationId,
        by: &Actor,
    ) -> Result<Acknowledged, StoreError> {
        match self.writer.call(Acknowledge { tenant: tenant.to_owned(), id, by: by.clone() }).await? {
            Some(escalation) => Ok(Acknowledged::Done(Box::new(escalation))),
            None => Ok(Acknowledged::of(self.escalation(tenant, id).await?)),
        }
    }

    async fn resolve_escalation(
        &self,
        tenant: &str,
        id: EscalationId,
        answer: &Answer,
        by: &Actor,
    ) -> Result<Answered, StoreError> {
        let resolve = Resolve { tenant: tenant.to_owned(), id, answer: answer.clone(), by: by.clone() };
        let answered = self.writer.call(resolve).await?;
        if let Answered::Done(escalation) = &answered {
            self.go_on(&[escalation.job_id]).await;
        }
        Ok(answered)
    }

    async fn settle_escalations(
        &self,
        tenant: &str,
        about: Subject,
        subject: &str,
        answer: &Answer,
        by: &Actor,
    ) -> Result<Vec<EscalationRecord>, StoreError> {
        let (tenant, subject) = (tenant.to_owned(), subject.to_owned());
        let settle = Settle { tenant, about, subject, answer: answer.clone(), by: by.clone() };
        let settled = self.writer.call(settle).await?;
        self.go_on(&settled.iter().map(|escalation| escalation.job_id).collect::<Vec<_>>()).await;
        Ok(settled)
    }

    async fn escalation(&self, tenant: &str, id: EscalationId) -> Result<Option<EscalationRecord>, StoreError> {
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/escalation.sql"));
            let row = found.bind(tenant).bind(id.0).fetch_optional(&self.readers).await?;
            row.as_ref().map(read).transpose()
        })
        .await
    }

    async fn escalations(
        &self,
        filter: &EscalationFilter,
        page: Page<EscalationId>,
    ) -> Result<EscalationPage, StoreError> {
        let statement = match filter.state.is_some_and(WhichState::is_unresolved) {
            true => page!("unresolved"),
            false => page!("all"),
        };
        self.read(async {
            let found = sqlx::query(statement)
                .bind(&filter.tenant_id)
                .bind(page.before.map(|id| id.0))
                .bind(filter.state.and_then(WhichState::one).map(|state| state.as_str()))
                .bind(filter.about.map(Subject::as_str))
                .bind(&filter.subject)
                .bind(filter.severity.map(Severity::as_str))
                .bind(LOOK)
                .bind(page.limit)
                .fetch_all(&self.readers)
                .await?;
            let mut page = EscalationPage::default();
            for row in &found {
                page.looked_to = row.try_get::<Option<Uuid>, _>("looked_to")?.map(EscalationId);
                if row.try_get::<Option<Uuid>, _>("id")?.is_some() {
                    page.escalations.push(read(row)?);
                }
            }
            Ok(page)
        })
        .await
    }
}

impl SqliteStore {
    /// Lets jobs go on whose escalations are resolved. They look for themselves before long if nobody says so.
    pub(super) async fn go_on(&self, jobs: &[JobId]) {
        if !jobs.is_empty()
            && let Err(error) = self.resume_jobs(jobs).await
        {
            tracing::debug!(%error, "jobs that asked will find their answers by themselves");
        }
    }
}

struct Open {
    run: Run,
    what: Escalation,
}

#[async_trait]
impl Verb for Open {
    /// `None` where the run does not hold its lease, or was asked to stop.
    type Answer = Option<EscalationRecord>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Answer, sqlx::Error> {
        let (job, lease) = (self.run.id.0, self.run.lease);
        let held = sqlx::query(RUN).bind(job).bind(lease).fetch_optional(&mut *tx.connection).await?;
        let Some(held) = held else { return Ok(None) };
        let tenant: String = held.try_get("tenant_id")?;
        let opened = sqlx::query(OPENED)
            .bind(EscalationId::new().0)
            .bind(&tenant)
            .bind(job)
            .bind(self.what.about.as_str())
            .bind(without_nul(&self.what.subject))
            .bind(without_nul(&self.what.reason))
            .bind(self.what.severity.as_str())
            .bind(tx.now)
            .fetch_optional(&mut *tx.connection)
            .await?;
        let Some(opened) = opened else {
            let known = sqlx::query(KNOWN).bind(job).fetch_one(&mut *tx.connection).await?;
            return read(&known).map(Some);
        };
        let opened = read(&opened)?;
        announce(tx, &tenant, ESCALATION_OPENED, &opened.telling()).await?;
        Ok(Some(opened))
    }
}

struct Acknowledge {
    tenant: String,
    id: EscalationId,
    by: Actor,
}

#[async_trait]
impl Verb for Acknowledge {
    /// `None` where it is not open.
    type Answer = Option<EscalationRecord>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Answer, sqlx::Error> {
        let acknowledged = sqlx::query(include_str!("../../sql/sqlite/acknowledge_escalation.sql"))
            .bind(&self.tenant)
            .bind(self.id.0)
            .bind(without_nul(&self.by.subject))
            .bind(tx.now)
            .fetch_optional(&mut *tx.connection)
            .await?;
        let Some(row) = acknowledged else { return Ok(None) };
        let escalation = read(&row)?;
        audit(tx, &self.tenant, &self.by, acts::acknowledged(&escalation)).await?;
        Ok(Some(escalation))
    }
}

struct Resolve {
    tenant: String,
    id: EscalationId,
    answer: Answer,
    by: Actor,
}

#[async_trait]
impl Verb for Resolve {
    type Answer = Answered;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Answered, sqlx::Error> {
        let named = sqlx::query(NAMED).bind(&self.tenant).bind(self.id.0).fetch_optional(&mut *tx.connection).await?;
        let found = match Answered::refused(named.as_ref().map(read).transpose()?) {
            Ok(found) => found,
            Err(refused) => return Ok(refused),
        };
        let resolved = resolve_found(tx, &[found], &self.answer, &self.by).await?;
        Ok(resolved.into_iter().next().map(Box::new).map_or(Answered::NoSuchEscalation, Answered::Done))
    }
}

struct Settle {
    tenant: String,
    about: Subject,
    subject: String,
    answer: Answer,
    by: Actor,
}

#[async_trait]
impl Verb for Settle {
    type Answer = Vec<EscalationRecord>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Answer, sqlx::Error> {
        settle_about(tx, &self.tenant, self.about, &self.subject, &self.answer, &self.by).await
    }
}

/// As [`settle_escalations`](Escalations::settle_escalations), within a transaction that decides what they are about.
/// Once it is committed, the caller lets their jobs [go on](SqliteStore::go_on).
pub(super) async fn settle_about(
    tx: &mut Tx<'_>,
    tenant: &str,
    about: Subject,
    subject: &str,
    answer: &Answer,
    by: &Actor,
) -> Result<Vec<EscalationRecord>, sqlx::Error> {
    let found = sqlx::query(ABOUT).bind(tenant).bind(about.as_str()).bind(without_nul(subject));
    let found = found.fetch_all(&mut *tx.connection).await?;
    resolve_found(tx, &found.iter().map(read).collect::<Result<Vec<_>, _>>()?, answer, by).await
}

/// Withdraws what jobs asked that were cancelled.
pub(super) async fn withdraw(tx: &mut Tx<'_>, jobs: &[JobId], by: &Actor) -> Result<(), sqlx::Error> {
    let found = sqlx::query(OF_JOBS).bind(list(jobs.iter().map(|id| hex(id.0)))?);
    let found = found.fetch_all(&mut *tx.connection).await?;
    let ids = found.iter().map(|row| row.try_get("id")).collect::<Result<Vec<Uuid>, _>>()?;
    // The audit log has that the job was cancelled.
    mark_resolved(tx, ids, &Answer { resolution: Resolution::Withdrawn, note: None }, by).await?;
    Ok(())
}

/// Resolves escalations and puts it on record.
async fn resolve_found(
    tx: &mut Tx<'_>,
    found: &[EscalationRecord],
    answer: &Answer,
    by: &Actor,
) -> Result<Vec<EscalationRecord>, sqlx::Error> {
    let resolved = mark_resolved(tx, found.iter().map(|escalation| escalation.id.0).collect(), answer, by).await?;
    for escalation in &resolved {
        audit(tx, &escalation.tenant_id, by, acts::resolved(escalation, answer)).await?;
    }
    Ok(resolved)
}

async fn mark_resolved(
    tx: &mut Tx<'_>,
    ids: Vec<Uuid>,
    answer: &Answer,
    by: &Actor,
) -> Result<Vec<EscalationRecord>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let resolved = sqlx::query(RESOLVED)
        .bind(list(ids.into_iter().map(hex))?)
        .bind(answer.resolution.as_str())
        .bind(answer.note.as_deref().map(without_nul))
        .bind(without_nul(&by.subject))
        .bind(tx.now)
        .fetch_all(&mut *tx.connection)
        .await?;
    let resolved = resolved.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    for escalation in &resolved {
        announce(tx, &escalation.tenant_id, ESCALATION_RESOLVED, &escalation.telling()).await?;
    }
    Ok(resolved)
}

fn read(row: &SqliteRow) -> Result<EscalationRecord, sqlx::Error> {
    let acknowledged_by: Option<String> = row.try_get("acknowledged_by")?;
    let end = match row.try_get::<Option<&str>, _>("resolution")? {
        Some(resolution) => Some(EscalationEnd {
            answer: Answer { resolution: rows::parsed(resolution)?, note: row.try_get("note")? },
            by: row.try_get("resolved_by")?,
            at: rows::at(row, "resolved_at")?,
        }),
        None => None,
    };
    Ok(EscalationRecord {
        id: EscalationId(row.try_get("id")?),
        tenant_id: row.try_get("tenant_id")?,
        job_id: rows::job_id(row, "job_id")?,
        what: Escalation {
            about: rows::parsed(row.try_get("about")?)?,
            subject: row.try_get("subject")?,
            reason: row.try_get("reason")?,
            severity: rows::parsed(row.try_get("severity")?)?,
        },
        state: rows::parsed(row.try_get("state")?)?,
        opened_at: rows::at(row, "opened_at")?,
        acknowledged: acknowledged_by.zip(rows::perhaps_at(row, "acknowledged_at")?),
        end,
    })
}
