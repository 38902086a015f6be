//! A role that Golden froze is a question to a human.

use super::change::Change;
use crate::{
    audit::Actor,
    escalations::{Escalation, Severity, Subject},
    family,
    id::JobId,
    store::{NewJob, Store, StoreError},
};

/// Asks a human about the role of a change whose rollback froze it; does nothing where none did, or it was asked before.
pub async fn raise(store: &dyn Store, change: &Change) -> Result<(), StoreError> {
    let Some(rolled_back) = change.rolled_back_at else { return Ok(()) };
    let frozen = store.policy_docket(&change.tenant_id, change.role).await?.slot.frozen;
    let by_golden = Actor::golden().name();
    let Some(frozen) = frozen.filter(|frozen| frozen.since == rolled_back && frozen.by == by_golden) else {
        return Ok(());
    };
    let reason = format!(
        "The policy of the agent role {} is frozen: {}. The last was version {}: {}. An admin unfreezes it once it is \
         clear why.",
        change.role,
        frozen.reason,
        change.version,
        change.note.as_deref().unwrap_or("no reason was given"),
    );
    let subject = change.role.to_string();
    let question = Escalation { about: Subject::Policy, subject, reason, severity: Severity::High };
    let job = question.by_golden(&change.tenant_id).map_err(|error| StoreError::Rejected(error.to_string()))?;
    store.insert(vec![NewJob { id: family::id_of(JobId::from(change.id), "frozen"), ..job }]).await?;
    Ok(())
}
