//! What waits for a human.

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{Connection, PostgresStore, rows, step};
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

const OPEN: &str = include_str!("../../sql/postgres/open_escalation.sql");
const RUN: &str = step(OPEN, "run");
const OPENED: &str = step(OPEN, "opened");
const KNOWN: &str = step(OPEN, "known");

const RESOLVE: &str = include_str!("../../sql/postgres/resolve_escalations.sql");
const NAMED: &str = step(RESOLVE, "named");
const ABOUT: &str = step(RESOLVE, "about");
const OF_JOBS: &str = step(RESOLVE, "of_jobs");
const RESOLVED: &str = step(RESOLVE, "resolved");

/// A page of escalations: where to look, and what to do there.
macro_rules! page {
    ($place:literal) => {
        concat!(
            include_str!(concat!("../../sql/postgres/escalations/", $place, ".sql")),
            include_str!("../../sql/postgres/escalations.sql")
        )
    };
}

#[async_trait]
impl Escalations for PostgresStore {
    async fn open_escalation(&self, run: Run, what: &Escalation) -> Result<EscalationRecord, StoreError> {
        let opened = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let held = sqlx::query(RUN).bind(run.id.0).bind(run.lease).fetch_optional(&mut *tx).await?;
                let Some(held) = held else { return Ok(None) };
                let tenant: String = held.try_get("tenant_id")?;
                let opened = sqlx::query(OPENED)
                    .bind(EscalationId::new().0)
                    .bind(&tenant)
                    .bind(run.id.0)
                    .bind(what.about.as_str())
                    .bind(rows::without_nul(&what.subject))
                    .bind(rows::without_nul(&what.reason))
                    .bind(what.severity.as_str())
                    .bind(self.now())
                    .fetch_optional(&mut *tx)
                    .await?;
                let Some(opened) = opened else {
                    let known = sqlx::query(KNOWN).bind(run.id.0).fetch_one(&mut *tx).await?;
                    return Ok(Some((read(&known)?, false)));
                };
                let opened = read(&opened)?;
                let told = self.announce(&mut tx, &tenant, ESCALATION_OPENED, &opened.telling()).await?;
                tx.commit().await?;
                Ok(Some((opened, told)))
            })
            .await?;
        let (escalation, told) = opened.ok_or(StoreError::LeaseLost)?;
        self.tell(told);
        Ok(escalation)
    }

    async fn acknowledge_escalation(
        &self,
        tenant: &str,
        id: EscalationId,
        by: &Actor,
    ) -> Result<Acknowledged, StoreError> {
        let acknowledged = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let acknowledged = sqlx::query(include_str!("../../sql/postgres/acknowledge_escalation.sql"))
                    .bind(tenant)
                    .bind(id.0)
                    .bind(rows::without_nul(&by.subject))
                    .bind(self.now())
                    .fetch_optional(&mut *tx)
                    .await?;
                let Some(row) = acknowledged else { return Ok(None) };
                let escalation = read(&row)?;
                self.audit(&mut tx, tenant, by, acts::acknowledged(&escalation)).await?;
                tx.commit().await?;
                Ok(Some(escalation))
            })
            .await?;
        match acknowledged {
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
        let (answered, told) = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let named = sqlx::query(NAMED).bind(tenant).bind(id.0).fetch_optional(&mut *tx).await?;
                let found = match Answered::refused(named.as_ref().map(read).transpose()?) {
                    Ok(found) => found,
                    Err(refused) => return Ok((refused, false)),
                };
                let (resolved, told) = self.resolve_found(&mut tx, vec![found], answer, by).await?;
                tx.commit().await?;
                let resolved = resolved.into_iter().next().map(Box::new);
                Ok((resolved.map_or(Answered::NoSuchEscalation, Answered::Done), told))
            })
            .await?;
        self.tell(told);
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
        let (settled, told) = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let settled = self.settle_about(&mut tx, tenant, about, subject, answer, by).await?;
                tx.commit().await?;
                Ok(settled)
            })
            .await?;
        self.tell(told);
        self.go_on(&settled.iter().map(|escalation| escalation.job_id).collect::<Vec<_>>()).await;
        Ok(settled)
    }

    async fn escalation(&self, tenant: &str, id: EscalationId) -> Result<Option<EscalationRecord>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/escalation.sql"));
            let row = found.bind(tenant).bind(id.0).fetch_optional(&self.pool).await?;
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
        self.in_time(|| async {
            let found = sqlx::query(statement)
                .bind(&filter.tenant_id)
                .bind(page.before.map_or(Uuid::max(), |id| id.0))
                .bind(filter.state.and_then(WhichState::one).map(|state| state.as_str()))
                .bind(filter.about.map(Subject::as_str))
                .bind(filter.subject.as_deref().map(rows::without_nul))
                .bind(filter.severity.map(Severity::as_str))
                .bind(i64::from(LOOK))
                .bind(i64::from(page.limit))
                .fetch_all(&self.pool)
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

impl PostgresStore {
    /// As [`settle_escalations`](Escalations::settle_escalations), within a transaction that decides what they are about.
    /// Once it is committed, the caller [tells](Self::tell) if this says so, and lets their jobs [go on](Self::go_on).
    pub(super) async fn settle_about(
        &self,
        connection: &mut Connection,
        tenant: &str,
        about: Subject,
        subject: &str,
        answer: &Answer,
        by: &Actor,
    ) -> Result<(Vec<EscalationRecord>, bool), sqlx::Error> {
        let found = sqlx::query(ABOUT).bind(tenant).bind(about.as_str()).bind(rows::without_nul(subject));
        let found = found.fetch_all(&mut *connection).await?;
        let found = found.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        self.resolve_found(connection, found, answer, by).await
    }

    /// Withdraws what jobs asked that were cancelled. Answers whether somebody is to be told.
    pub(super) async fn withdraw_escalations(
        &self,
        connection: &mut Connection,
        jobs: &[Uuid],
        by: &Actor,
    ) -> Result<bool, sqlx::Error> {
        let found = sqlx::query(OF_JOBS).bind(jobs).fetch_all(&mut *connection).await?;
        let ids = found.iter().map(|row| row.try_get("id")).collect::<Result<Vec<Uuid>, _>>()?;
        let answer = Answer { resolution: Resolution::Withdrawn, note: None };
        // The audit log has that the job was cancelled.
        Ok(self.mark_resolved(connection, ids, &answer, by).await?.1)
    }

    /// Lets jobs go on whose escalations are resolved. They look for themselves before long if nobody says so.
    pub(super) async fn go_on(&self, jobs: &[JobId]) {
        if !jobs.is_empty()
            && let Err(error) = self.resume_jobs(jobs).await
        {
            tracing::debug!(%error, "jobs that asked will find their answers by themselves");
        }
    }

    /// Resolves escalations whose rows are held, and puts it on record.
    async fn resolve_found(
        &self,
        connection: &mut Connection,
        found: Vec<EscalationRecord>,
        answer: &Answer,
        by: &Actor,
    ) -> Result<(Vec<EscalationRecord>, bool), sqlx::Error> {
        let ids = found.iter().map(|escalation| escalation.id.0).collect();
        let (resolved, told) = self.mark_resolved(&mut *connection, ids, answer, by).await?;
        for escalation in &resolved {
            self.audit(&mut *connection, &escalation.tenant_id, by, acts::resolved(escalation, answer)).await?;
        }
        Ok((resolved, told))
    }

    async fn mark_resolved(
        &self,
        connection: &mut Connection,
        ids: Vec<Uuid>,
        answer: &Answer,
        by: &Actor,
    ) -> Result<(Vec<EscalationRecord>, bool), sqlx::Error> {
        if ids.is_empty() {
            return Ok((Vec::new(), false));
        }
        let resolved = sqlx::query(RESOLVED)
            .bind(ids)
            .bind(answer.resolution.as_str())
            .bind(answer.note.as_deref().map(rows::without_nul))
            .bind(rows::without_nul(&by.subject))
            .bind(self.now())
            .fetch_all(&mut *connection)
            .await?;
        let resolved = resolved.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut told = false;
        for escalation in &resolved {
            let (tenant, data) = (&escalation.tenant_id, escalation.telling());
            told |= self.announce(&mut *connection, tenant, ESCALATION_RESOLVED, &data).await?;
        }
        Ok((resolved, told))
    }
}

fn read(row: &PgRow) -> Result<EscalationRecord, sqlx::Error> {
    let acknowledged_by: Option<String> = row.try_get("acknowledged_by")?;
    let end = match row.try_get::<Option<&str>, _>("resolution")? {
        Some(resolution) => Some(EscalationEnd {
            answer: Answer { resolution: rows::parsed(resolution)?, note: row.try_get("note")? },
            by: row.try_get("resolved_by")?,
            at: row.try_get("resolved_at")?,
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
        opened_at: row.try_get("opened_at")?,
        acknowledged: acknowledged_by.zip(row.try_get("acknowledged_at")?),
        end,
    })
}
