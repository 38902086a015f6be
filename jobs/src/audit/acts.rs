//! Everything that is recorded, and what is recorded of it.
//!
//! Entries say what was done to what. They hold no secrets, no payloads and no results: of a URL only the host, since
//! the rest of a receiver's address may be as good as a password.

use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};
use sha2::{Digest, Sha256};

use super::{Hash, actor::shown};
use crate::{
    breakers::Dependency,
    escalations::Answer,
    functions::{FunctionName, Version},
    id::{DeadLetterId, EndpointId, JobId, ScheduleId, WorkerId},
    reviews::Review,
    role::Role,
    store::{
        DeadLetterFilter, QueueName, Quota, Terms, TermsChange,
        breakers::{Said, word},
        budgets::Budget,
        endpoints::{EndpointChange, EndpointSettings},
        escalations::EscalationRecord,
        functions::NewVersion,
        schedules::{NewSchedule, Schedule},
    },
};

/// Ids that an entry lists. Of more it has the first, the last, their number and a hash over all.
const LISTED: usize = 100;

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident $name:literal,)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub enum Action {
            $($(#[$doc])* $action,)*
        }

        impl Action {
            pub const ALL: &[Self] = &[$(Self::$action,)*];

            /// The one spelling.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$action => $name,)* }
            }
        }
    };
}

actions! {
    JobCancelled "job.cancelled",
    JobRetried "job.retried",
    DeadLettersReplayed "dead_letters.replayed",
    DeadLettersPurged "dead_letters.purged",
    DeliveriesReplayed "deliveries.replayed",
    ReviewDecided "review.decided",
    QueuePaused "queue.paused",
    QueueResumed "queue.resumed",
    QueueLimited "queue.limited",
    WorkerDrained "worker.drained",
    BreakerSet "breaker.set",
    BreakerReset "breaker.reset",
    GuardActed "guard.acted",
    TenantCreated "tenant.created",
    TenantChanged "tenant.changed",
    TenantDeleted "tenant.deleted",
    BudgetSet "budget.set",
    PolicyProposed "policy.proposed",
    PolicyEvaluated "policy.evaluated",
    PolicyApproved "policy.approved",
    PolicyRejected "policy.rejected",
    PolicyWithdrawn "policy.withdrawn",
    PolicyScheduled "policy.scheduled",
    PolicyCanary "policy.canary",
    PolicyActivated "policy.activated",
    PolicyRolledBack "policy.rolled_back",
    PolicyGlassBroken "policy.glass_broken",
    PolicyReviewed "policy.reviewed",
    PolicyClosed "policy.closed",
    PolicyFrozen "policy.frozen",
    PolicyUnfrozen "policy.unfrozen",
    TokenMinted "token.minted",
    EndpointCreated "endpoint.created",
    EndpointChanged "endpoint.changed",
    EndpointDisabled "endpoint.disabled",
    EndpointDeleted "endpoint.deleted",
    EndpointSecretRotated "endpoint.secret_rotated",
    EndpointSecretRevoked "endpoint.secret_revoked",
    CallbackSecretShown "callback_secret.shown",
    CallbackSecretRotated "callback_secret.rotated",
    CallbackSecretRevoked "callback_secret.revoked",
    EscalationAcknowledged "escalation.acknowledged",
    EscalationResolved "escalation.resolved",
    FunctionRegistered "function.registered",
    FunctionLive "function.live",
    FunctionDeleted "function.deleted",
    ScheduleCreated "schedule.created",
    ScheduleChanged "schedule.changed",
    ScheduleDeleted "schedule.deleted",
    /// A role was not enough for a route that changes something.
    AccessDenied "access.denied",
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not one of those that are recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing is recorded as `{0}`; docs/audit.md lists what is")]
pub struct UnknownAction(String);

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text).ok_or_else(|| UnknownAction(text.to_owned()))
    }
}

impl TryFrom<String> for Action {
    type Error = UnknownAction;

    fn try_from(text: String) -> Result<Self, UnknownAction> {
        text.parse()
    }
}

impl From<Action> for String {
    fn from(action: Action) -> Self {
        action.as_str().to_owned()
    }
}

impl JsonSchema for Action {
    fn schema_name() -> Cow<'static, str> {
        "AuditAction".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let actions: Vec<&str> = Self::ALL.iter().map(|action| action.as_str()).collect();
        json_schema!({ "type": "string", "enum": actions })
    }
}

/// What somebody did.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    pub action: Action,
    /// What it was done to, by its id or name.
    pub target: Option<String>,
    pub details: Map<String, Value>,
}

impl Act {
    /// Something done to no one thing.
    pub fn of(action: Action) -> Self {
        Self { action, target: None, details: Map::new() }
    }

    pub fn on(action: Action, target: impl ToString) -> Self {
        Self { target: Some(target.to_string()), ..Self::of(action) }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Ids, all of them where they are few. Of many, whoever has the ids can show that it was these: the hash is
    /// SHA-256 over all in order, each followed by a line feed.
    fn with_ids<Id: ToString>(self, ids: impl IntoIterator<Item = Id>) -> Self {
        let ids: BTreeSet<String> = ids.into_iter().map(|id| id.to_string()).collect();
        let act = self.with("count", ids.len());
        if ids.len() <= LISTED {
            return act.with("ids", ids.into_iter().collect::<Vec<_>>());
        }
        let all = ids.iter().fold(Sha256::new(), |all, id| all.chain_update(id).chain_update("\n"));
        let (first, last) = (ids.first().cloned(), ids.last().cloned());
        act.with("first", first).with("last", last).with("ids_sha256", Hash(all.finalize().into()).to_string())
    }
}

/// `ended` of the job and of those below it ended at once, `stopping` were asked to stop.
pub(crate) fn cancelled(job: JobId, ended: usize, stopping: u64) -> Act {
    Act::on(Action::JobCancelled, job).with("ended", ended).with("stopping", stopping)
}

pub(crate) fn retried(job: JobId) -> Act {
    Act::on(Action::JobRetried, job)
}

pub(crate) fn replayed(filter: &DeadLetterFilter, edited: bool, letters: &[DeadLetterId], jobs: usize) -> Act {
    let act = selected(Act::of(Action::DeadLettersReplayed), filter).with_ids(letters).with("jobs", jobs);
    if edited { act.with("edited", true) } else { act }
}

/// The message of a letter became a job after all.
pub(crate) fn resubmitted(letter: DeadLetterId, job: JobId) -> Act {
    Act::of(Action::DeadLettersReplayed).with_ids([letter]).with("jobs", 1).with("became", job.to_string())
}

pub(crate) fn purged(filter: &DeadLetterFilter, letters: &[DeadLetterId]) -> Act {
    selected(Act::of(Action::DeadLettersPurged), filter).with_ids(letters)
}

pub(crate) fn redelivered<Id: ToString>(deliveries: impl IntoIterator<Item = Id>) -> Act {
    Act::of(Action::DeliveriesReplayed).with_ids(deliveries)
}

/// What they were chosen by, which may say more than their ids.
fn selected(act: Act, filter: &DeadLetterFilter) -> Act {
    let mut chosen = Map::new();
    for (name, value) in [("kind", &filter.kind), ("subject", &filter.subject), ("error", &filter.error)] {
        chosen.extend(value.as_ref().map(|value| (name.to_owned(), shown(value).into())));
    }
    for (name, value) in [("since", filter.since), ("until", filter.until)] {
        chosen.extend(value.map(|value| (name.to_owned(), json!(value))));
    }
    if chosen.is_empty() { act } else { act.with("chosen_by", chosen) }
}

/// By a human, where the panel left it to one. The reason is the tenant's own.
pub(crate) fn review_decided(review: &Review) -> Act {
    Act::on(Action::ReviewDecided, review.id)
        .with("state", review.state.as_str())
        .with("round", review.round)
        .with("digest", review.digest.as_str())
}

pub(crate) fn paused(queue: &QueueName) -> Act {
    Act::on(Action::QueuePaused, queue.role)
}

pub(crate) fn resumed(queue: &QueueName) -> Act {
    Act::on(Action::QueueResumed, queue.role)
}

pub(crate) fn limited(role: Role, quota: Quota) -> Act {
    Act::on(Action::QueueLimited, role).with("max_queued", quota.max_queued).with("max_running", quota.max_running)
}

pub(crate) fn drained(worker: WorkerId) -> Act {
    Act::on(Action::WorkerDrained, worker)
}

pub(crate) fn said(dependency: &Dependency, said: &Said) -> Act {
    Act::on(Action::BreakerSet, dependency)
        .with("state", word(said.word))
        .with("seconds", said.left.as_secs())
        .with("reason", said.reason.as_str())
}

/// All of them where none is named.
pub(crate) fn reset(dependency: Option<&Dependency>) -> Act {
    dependency.map_or_else(|| Act::of(Action::BreakerReset), |dependency| Act::on(Action::BreakerReset, dependency))
}

pub(crate) fn created(tenant: &str, terms: &Terms) -> Act {
    with_terms(Act::on(Action::TenantCreated, tenant), &terms.clone().into())
}

pub(crate) fn changed(tenant: &str, change: &TermsChange) -> Act {
    with_terms(Act::on(Action::TenantChanged, tenant), change)
}

fn with_terms(mut act: Act, change: &TermsChange) -> Act {
    let TermsChange { weight, max_payload, max_result, sandbox_limits, suspended } = change;
    let named = [
        ("weight", weight.map(Value::from)),
        ("max_payload", max_payload.map(Value::from)),
        ("max_result", max_result.map(Value::from)),
        ("sandbox_limits", sandbox_limits.as_ref().map(|limits| json!(limits))),
        ("suspended", suspended.map(Value::from)),
    ];
    act.details.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    act
}

pub(crate) fn deleted(tenant: &str) -> Act {
    Act::on(Action::TenantDeleted, tenant)
}

/// As it is from now on.
pub(crate) fn budget_set(tenant: &str, budget: &Budget) -> Act {
    Act::on(Action::BudgetSet, tenant)
        .with("limit_micros", budget.limit)
        .with("period", budget.period.as_str())
        .with("default_limit", budget.terms.limit.is_none())
        .with("default_period", budget.terms.period.is_none())
}

/// A token was made for `subject` of `tenant`.
pub fn minted(tenant: &str, subject: &str, role: &str, ttl_secs: u64) -> Act {
    Act::on(Action::TokenMinted, tenant).with("subject", subject).with("role", role).with("seconds", ttl_secs)
}

pub(crate) fn endpoint_created(id: EndpointId, settings: &EndpointSettings) -> Act {
    Act::on(Action::EndpointCreated, id)
        .with("host", host(&settings.url))
        .with("events", settings.events.clone())
        .with("kinds", settings.kinds.clone())
}

pub(crate) fn endpoint_changed(id: EndpointId, change: &EndpointChange) -> Act {
    let EndpointChange { url, description, events, kinds, format, thin, enabled } = change;
    let mut act = Act::on(Action::EndpointChanged, id);
    let named = [
        ("host", url.as_deref().map(|url| json!(host(url)))),
        // It changed; what it says is the tenant's own.
        ("description", description.as_ref().map(|_| Value::Bool(true))),
        ("events", events.as_ref().map(|events| json!(events))),
        ("kinds", kinds.as_ref().map(|kinds| json!(kinds))),
        ("format", format.map(|format| json!(format.as_str()))),
        ("thin", thin.map(Value::from)),
        ("enabled", enabled.map(Value::from)),
    ];
    act.details.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    act
}

fn host(url: &str) -> Option<String> {
    url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned))
}

/// By Golden, because of what its receiver answered.
pub(crate) fn endpoint_disabled(id: EndpointId, reason: &str) -> Act {
    Act::on(Action::EndpointDisabled, id).with("reason", reason)
}

pub(crate) fn endpoint_act(action: Action, id: EndpointId) -> Act {
    Act::on(action, id)
}

pub(crate) fn acknowledged(escalation: &EscalationRecord) -> Act {
    about(Act::on(Action::EscalationAcknowledged, escalation.id), escalation)
}

pub(crate) fn resolved(escalation: &EscalationRecord, answer: &Answer) -> Act {
    let act = about(Act::on(Action::EscalationResolved, escalation.id), escalation);
    let act = act.with("resolution", answer.resolution.as_str());
    answer.note.iter().fold(act, |act, note| act.with("note", shown(note)))
}

fn about(act: Act, escalation: &EscalationRecord) -> Act {
    act.with("about", escalation.what.about.as_str()).with("subject", escalation.what.subject.as_str())
}

pub(crate) fn registered(new: &NewVersion, version: Version, live: bool) -> Act {
    Act::on(Action::FunctionRegistered, &new.name)
        .with("version", version.get())
        .with("digest", Hash(new.digest).to_string())
        .with("live", live)
}

pub(crate) fn made_live(name: &FunctionName, version: Version) -> Act {
    Act::on(Action::FunctionLive, name).with("version", version.get())
}

/// One version, or the whole function.
pub(crate) fn function_deleted(name: &FunctionName, version: Option<Version>) -> Act {
    let act = Act::on(Action::FunctionDeleted, name);
    version.into_iter().fold(act, |act, version| act.with("version", version.get()))
}

pub(crate) fn schedule_created(new: &NewSchedule) -> Act {
    let NewSchedule { name, cron, time_zone, submission, next_slot, .. } = new;
    schedule(Act::on(Action::ScheduleCreated, new.id), [name, cron, time_zone], submission, next_slot.is_none())
}

/// As it is from now on.
pub(crate) fn schedule_changed(changed: &Schedule) -> Act {
    let Schedule { name, cron, time_zone, submission, next_slot, .. } = changed;
    schedule(Act::on(Action::ScheduleChanged, changed.id), [name, cron, time_zone], submission, next_slot.is_none())
}

pub(crate) fn schedule_deleted(id: ScheduleId) -> Act {
    Act::on(Action::ScheduleDeleted, id)
}

/// What it submits has a payload, of which the hash says whether it is the same.
fn schedule(act: Act, [name, cron, time_zone]: [&str; 3], submission: &RawValue, paused: bool) -> Act {
    let submission: [u8; 32] = Sha256::digest(submission.get()).into();
    act.with("name", name)
        .with("cron", cron)
        .with("time_zone", time_zone)
        .with("paused", paused)
        .with("submission_sha256", Hash(submission).to_string())
}

/// How often within a minute somebody's role was not enough for a route.
pub fn denied(route: &str, times: u64) -> Act {
    Act::on(Action::AccessDenied, route).with("times", times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_recorded_is_in_the_documentation() {
        let page = include_str!("../../../docs/audit.md");
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(*action));
            assert!(page.contains(&format!("`{action}`")), "docs/audit.md does not say what {action} is");
        }
    }

    #[test]
    fn few_ids_are_listed_and_of_many_there_is_a_hash() {
        let few = Act::of(Action::DeliveriesReplayed).with_ids(["b", "a", "b"]).details;
        assert_eq!(few["ids"], json!(["a", "b"]));
        let many = Act::of(Action::DeliveriesReplayed).with_ids((0..101).map(|n| format!("{n:03}"))).details;
        let text: String = (0..101).map(|n| format!("{n:03}\n")).collect();
        let expected: [u8; 32] = Sha256::digest(text).into();
        assert_eq!((&many["count"], &many["first"], &many["last"]), (&json!(101), &json!("000"), &json!("100")));
        assert_eq!(many["ids_sha256"], json!(Hash(expected).to_string()));
    }
}
