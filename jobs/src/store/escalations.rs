//! What waits for a human, on record.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Page, Run, StoreError};
use crate::{
    audit::Actor,
    escalations::{Answer, Escalation, EscalationState, Severity, Subject},
    id::{EscalationId, JobId},
};

/// The record of escalations: one for each job that asks.
///
/// A job of kind `escalation` opens its own and waits; whoever resolves it lets that job go on, and with it the job that
/// awaits it. Opened and resolved are events, acknowledged and resolved are audited, each in the transaction of the
/// change. Cancelling the job withdraws its escalation.
#[async_trait]
pub trait Escalations: Send + Sync {
    /// Opens the escalation of a run's job, or answers the one that an earlier run of the job opened. One that was
    /// withdrawn with its job is open again, once the job was put back to work.
    ///
    /// [`StoreError::LeaseLost`] also where the run was asked to stop: nobody would withdraw what it opens then.
    async fn open_escalation(&self, run: Run, what: &Escalation) -> Result<EscalationRecord, StoreError>;

    /// Says that somebody looks at it. Whoever was first stays on record.
    async fn acknowledge_escalation(
        &self,
        tenant: &str,
        id: EscalationId,
        by: &Actor,
    ) -> Result<Acknowledged, StoreError>;

    /// Answers an escalation, once, and lets its job go on. One about a review is answered by deciding the review.
    async fn resolve_escalation(
        &self,
        tenant: &str,
        id: EscalationId,
        answer: &Answer,
        by: &Actor,
    ) -> Result<Answered, StoreError>;

    /// What a tenant's escalations of this subject are about is settled: all that are not resolved are, with this answer.
    /// Doing it again changes nothing. Answers those that were resolved just now.
    ///
    /// For whoever decides the thing itself, such as a review.
    async fn settle_escalations(
        &self,
        tenant: &str,
        about: Subject,
        subject: &str,
        answer: &Answer,
        by: &Actor,
    ) -> Result<Vec<EscalationRecord>, StoreError>;

    /// One escalation; `None` when the tenant has no such one.
    async fn escalation(&self, tenant: &str, id: EscalationId) -> Result<Option<EscalationRecord>, StoreError>;

    /// Escalations newest first. A page takes no longer where few match or none: at most [`LOOK`](super::LOOK) are
    /// looked at for it.
    async fn escalations(
        &self,
        filter: &EscalationFilter,
        page: Page<EscalationId>,
    ) -> Result<EscalationPage, StoreError>;
}

/// An escalation as it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscalationRecord {
    pub id: EscalationId,
    pub tenant_id: String,
    /// The job that waits for the answer.
    pub job_id: JobId,
    pub what: Escalation,
    pub state: EscalationState,
    pub opened_at: DateTime<Utc>,
    /// Who looks at it, and since when.
    pub acknowledged: Option<(String, DateTime<Utc>)>,
    pub end: Option<EscalationEnd>,
}

/// How an escalation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscalationEnd {
    pub answer: Answer,
    pub by: String,
    pub at: DateTime<Utc>,
}

/// What [`Escalations::acknowledge_escalation`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledged {
    /// It is now, or was before.
    Done(Box<EscalationRecord>),
    /// There is nothing left to look at.
    Resolved,
    /// The tenant has none of that id.
    NoSuchEscalation,
}

/// What [`Escalations::resolve_escalation`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    Done(Box<EscalationRecord>),
    /// Somebody else was faster.
    Before(Box<EscalationRecord>),
    /// It is about a review, which is to be decided instead.
    DecideReview(Box<EscalationRecord>),
    /// The tenant has none of that id.
    NoSuchEscalation,
}

/// Which escalations of a tenant to list. Absent means any.
#[derive(Debug, Clone, Default)]
pub struct EscalationFilter {
    pub tenant_id: String,
    pub state: Option<WhichState>,
    pub about: Option<Subject>,
    pub subject: Option<String>,
    pub severity: Option<Severity>,
}

/// The states that a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichState {
    /// Open or acknowledged: what still needs somebody.
    Unresolved,
    One(EscalationState),
}

impl WhichState {
    /// Whether these are among the few that are not resolved.
    pub(super) fn is_unresolved(self) -> bool {
        self != Self::One(EscalationState::Resolved)
    }

    /// The one state that is meant, if it is one.
    pub(super) fn one(self) -> Option<EscalationState> {
        match self {
            Self::Unresolved => None,
            Self::One(state) => Some(state),
        }
    }
}

/// What was found for a page of a list of escalations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EscalationPage {
    pub escalations: Vec<EscalationRecord>,
    /// Where looking ended before the page was full: there may be more below this one.
    pub looked_to: Option<EscalationId>,
}

impl Acknowledged {
    /// What to say of one that is not open.
    pub(super) fn of(found: Option<EscalationRecord>) -> Self {
        match found {
            Some(escalation) if escalation.end.is_none() => Self::Done(Box::new(escalation)),
            Some(_) => Self::Resolved,
            None => Self::NoSuchEscalation,
        }
    }
}

impl Answered {
    /// The escalation, where it may be answered, or why not.
    pub(super) fn refused(found: Option<EscalationRecord>) -> Result<EscalationRecord, Self> {
        match found {
            None => Err(Self::NoSuchEscalation),
            Some(escalation) if escalation.end.is_some() => Err(Self::Before(Box::new(escalation))),
            Some(escalation) if escalation.what.about == Subject::Review => {
                Err(Self::DecideReview(Box::new(escalation)))
            }
            Some(escalation) => Ok(escalation),
        }
    }
}
