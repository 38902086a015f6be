//! Orders about policies on behalf of callers, and what they are told of those that are not carried out.

use chrono::{DateTime, Utc};
use golden_jobs::{
    ChangeId, JobId,
    governance::{
        alarm,
        change::{Change, Order, Refused},
        outcome_of,
    },
    kinds::LearningUpdate,
    text,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    app::App,
    auth::Grant,
    problem::{Code, FieldError, Problem},
};

/// In characters.
pub(crate) const REASON_LIMIT: usize = 500;

/// Why somebody does something; it is in the audit log.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReasonRequest {
    /// For those who read it later: 1 to 500 characters.
    #[schemars(length(min = 1, max = REASON_LIMIT), example = &"answers became longer and no better")]
    reason: String,
}

impl ReasonRequest {
    pub(crate) fn read(&self) -> Result<String, Problem> {
        reason(&self.reason)
    }
}

/// A reason that says something.
pub(crate) fn reason(given: &str) -> Result<String, Problem> {
    let reason = text::free_text(given);
    // What was given is counted, as whoever reads the document would.
    match reason.trim().is_empty() || given.chars().count() > REASON_LIMIT {
        false => Ok(reason),
        true => {
            let detail = format!("say why, in 1 to {REASON_LIMIT} characters");
            Err(Problem::invalid(vec![FieldError::new("/reason", detail)]))
        }
    }
}

/// Carries out an order about a change, and has what follows seen to.
pub(crate) async fn governed(app: &App, caller: &Grant, order: Order) -> Result<Change, Problem> {
    let ruled = app.store.govern(&caller.tenant, &order, &caller.actor()).await?;
    if let (Some(outcome), Ok(Some(change))) = (outcome_of(&order, None, &ruled), &ruled) {
        app.metrics.governance_activations.with_label_values(&[change.role.as_str(), outcome]).inc();
    }
    if let (Err(refused), Order::Take(change, _)) = (&ruled, &order)
        && let Some(outcome) = outcome_of(&order, None, &ruled)
        && *refused != Refused::NoSuch
        && let Some(change) = app.store.policy_change(&caller.tenant, *change).await?
    {
        app.metrics.governance_activations.with_label_values(&[change.role.as_str(), outcome]).inc();
    }
    match ruled {
        Ok(Some(change)) => {
            see_to(app, &change).await?;
            alarm::raise(&*app.store, &change).await?;
            Ok(change)
        }
        Ok(None) => Err(Problem::new(Code::Internal, "an order about a change answered none")),
        Err(refused) => Err(problem(app, refused).await),
    }
}

/// Has the job of a change look at it again: submitted where it is not on record and something is to be done yet, woken
/// where it waits.
async fn see_to(app: &App, change: &Change) -> Result<(), Problem> {
    if change.state.is_open() {
        let job = LearningUpdate::job(&change.tenant_id, change.id)
            .map_err(|_| Problem::new(Code::Internal, "the job of a change cannot be written"))?;
        app.store.insert(vec![job]).await?;
    }
    app.store.resume_jobs(&[JobId::from(change.id)]).await?;
    Ok(())
}

/// What a caller is told of an order that is not carried out.
pub(crate) async fn problem(app: &App, refused: Refused) -> Problem {
    let detail = refused.to_string();
    let until = |until: DateTime<Utc>| async move {
        let left = app.store.time().await.ok().and_then(|now| (until - now).to_std().ok());
        left.unwrap_or_default()
    };
    match refused {
        Refused::NoSuch => Problem::not_found("change of a policy"),
        Refused::Cooldown { until: at, .. } => {
            Problem::new(Code::GovernanceCooldown, detail).retry_after(until(at).await)
        }
        Refused::Quota { until: at, .. } => Problem::new(Code::GovernanceQuota, detail).retry_after(until(at).await),
        Refused::Frozen { .. } | Refused::Unreviewed { .. } => Problem::new(Code::GovernanceFrozen, detail),
        Refused::SelfApproval => Problem::new(Code::SelfApproval, detail),
        Refused::NotTheirs(_) => Problem::new(Code::Forbidden, detail),
        Refused::Stale(_) => Problem::new(Code::Stale, detail),
        Refused::Full { .. } => Problem::new(Code::LimitReached, detail),
        Refused::NotNow { .. } | Refused::NotFrozen(_) | Refused::OnTrial { .. } | Refused::Unchanged => {
            Problem::new(Code::Conflict, detail)
        }
    }
}

/// A change that the path names within a role: one of another role is not there.
pub(crate) async fn find(
    app: &App,
    caller: &Grant,
    role: golden_jobs::models::exchange::AgentRole,
    id: ChangeId,
) -> Result<Change, Problem> {
    let found = app.store.policy_change(&caller.tenant, id).await?;
    found.filter(|change| change.role == role).ok_or_else(|| Problem::not_found("change of a policy"))
}
