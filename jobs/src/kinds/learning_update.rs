//! Sees to a change of a policy, from its proposal to its end.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    audit::Actor,
    context::Context,
    governance::{
        alarm,
        change::{Change, Order, Step},
        document::PolicyDocument,
        evaluation::Evaluation,
        outcome_of,
        state::ChangeState,
    },
    id::{ChangeId, JobId},
    job::{Invalid, Job, Policy},
    models::exchange::AgentRole,
    outcome::{End, Failure, Outcome, done},
    role::Role,
    store::{NewJob, StoreError},
};

/// Takes a change as far as it comes without people: holds its document against what a policy may say, compares it with
/// its base, activates it when its time has come, and watches its trial. While people have to decide, it waits.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LearningUpdate {
    pub change: ChangeId,
}

/// Where the change is once nothing more is to be done for it.
#[derive(Debug, Serialize)]
pub struct Settled {
    pub state: ChangeState,
    pub version: u32,
}

/// How often a trial, and what is scheduled, is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// And what waits for people. Their decisions wake it, and a hint may be lost.
const WAIT: Duration = Duration::from_secs(60);

impl Job for LearningUpdate {
    const KIND: &'static str = "learning.update";
    const ROLE: Role = Role::Supervisor;
    const POLICY: Policy = Policy::DEFAULT.attempts(20).timeout_secs(30);
    const PUBLIC: bool = false;
    type Output = Settled;

    async fn run(self, cx: &Context) -> Outcome<Settled> {
        let tenant = &cx.claimed().tenant_id;
        loop {
            let change = cx.store().policy_change(tenant, self.change).await?;
            let change = change.ok_or_else(|| Failure::fatal("no_such_change", "the change is not on record"))?;
            let Some(step) = next(cx, &change).await? else {
                alarm::raise(&**cx.store(), &change).await?;
                return done(Settled { state: change.state, version: change.version });
            };
            let order = Order::Take(self.change, step);
            let taken = cx.store().govern(tenant, &order, &Actor::golden()).await?;
            if let Some(outcome) = outcome_of(&order, Some(change.state), &taken) {
                cx.metrics().governance_activations.with_label_values(&[change.role.as_str(), outcome]).inc();
            }
            // A refusal is somebody who was faster: the next look says what there is now.
            if taken.as_ref().is_ok_and(|now| now.as_ref().is_some_and(|now| now.state == change.state)) {
                let until = Some(wait(&change, cx.store().time().await?));
                return Ok(End::Await { children: Vec::new(), checkpoint: None, until });
            }
        }
    }
}

impl LearningUpdate {
    /// The job that sees to a change; the same one however often it is submitted.
    pub fn job(tenant: &str, change: ChangeId) -> Result<NewJob, serde_json::Error> {
        NewJob::of(JobId::from(change), tenant, &Self { change })
    }
}

/// What is to be done for a change; `None` where nothing ever will be.
async fn next(cx: &Context, change: &Change) -> Result<Option<Step>, StoreError> {
    Ok(Some(match change.state {
        ChangeState::Proposed => Step::Validate,
        ChangeState::Validating => match document(cx, change.role, change.version).await? {
            Ok(document) => fit(&document.wrong()),
            Err(reason) => Step::Fail(reason),
        },
        ChangeState::Evaluating => {
            let base = document(cx, change.role, change.base_version).await?;
            match document(cx, change.role, change.version).await? {
                Ok(new) => Step::Judged(Evaluation::of(&base.unwrap_or_default(), &new)),
                Err(reason) => Step::Fail(reason),
            }
        }
        ChangeState::AwaitingApproval | ChangeState::Approved | ChangeState::Scheduled | ChangeState::Canary => {
            Step::Tick
        }
        _ => return Ok(None),
    }))
}

fn fit(wrong: &[Invalid]) -> Step {
    match wrong {
        [] => Step::Evaluate,
        wrong => Step::Fail(wrong.iter().map(Invalid::to_string).collect::<Vec<_>>().join("; ")),
    }
}

/// What a version says, or why that cannot be read. Version 0 says nothing.
async fn document(cx: &Context, role: AgentRole, version: u32) -> Result<Result<PolicyDocument, String>, StoreError> {
    let found = cx.store().policy_version(&cx.claimed().tenant_id, role, version).await?;
    let read = |text: &RawValue| serde_json::from_str(text.get()).map_err(|error| error.to_string());
    Ok(found.map_or_else(|| Ok(PolicyDocument::default()), |found| read(&found.document)))
}

fn wait(change: &Change, now: chrono::DateTime<chrono::Utc>) -> Duration {
    let until = match change.state {
        ChangeState::Canary => return LOOK_EVERY,
        ChangeState::Scheduled => change.activate_at.filter(|time| *time > now),
        _ => change.expires_at(),
    };
    let left = until.and_then(|until| (until - now).to_std().ok()).unwrap_or(LOOK_EVERY);
    left.clamp(Duration::from_secs(1), WAIT)
}
