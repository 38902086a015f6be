//! Policies, their versions and changes as clients see them.

use chrono::{DateTime, Utc};
use golden_jobs::{
    ChangeId,
    audit::Hash,
    governance::{
        canary::{Tallies, Tally},
        change::Change,
        docket::Docket,
        document::PolicyDocument,
        rules::Approval,
        state::ChangeState,
    },
    models::exchange::AgentRole,
    store::policies::PolicyVersion,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

/// Which version of an agent role's policy is active, and when another may be.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RolePolicy", example = policy())]
pub(crate) struct PolicyResource {
    role: AgentRole,
    /// 0 where none is: then agents are asked as the operator has it.
    active_version: u32,
    /// What a tenth of the role's jobs are asked under meanwhile.
    canary: Option<CanaryResource>,
    /// Since when and why it stays as it is.
    frozen: Option<FrozenResource>,
    /// Of the quota of the last 24 hours.
    activations_left: u32,
    /// When cooldown and quota allow the next activation; null where they do now.
    next_activation_at: Option<DateTime<Utc>>,
    /// Why there may be none now; null where there may.
    refused: Option<String>,
    rule: RuleResource,
    links: PolicyLinks,
}

/// What holds for the role.
#[derive(Debug, Serialize, JsonSchema)]
struct RuleResource {
    activations_per_24_hours: u32,
    cooldown_seconds: u64,
    approval: Approval,
}

/// A version on trial.
#[derive(Debug, Serialize, JsonSchema)]
struct CanaryResource {
    change: ChangeId,
    version: u32,
    since: Option<DateTime<Utc>>,
    /// How questions ended under it.
    trial: Tally,
    /// How they ended under the active version meanwhile.
    base: Tally,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FrozenResource {
    since: DateTime<Utc>,
    by: String,
    reason: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct PolicyLinks {
    #[serde(rename = "self")]
    itself: String,
    versions: String,
    changes: String,
}

fn policy_path(role: AgentRole) -> String {
    format!("/v1/policies/{role}")
}

pub(crate) fn change_path(role: AgentRole, change: ChangeId) -> String {
    format!("{}/changes/{change}", policy_path(role))
}

impl PolicyResource {
    pub(crate) fn new(docket: &Docket) -> Self {
        let (slot, rule, path) = (&docket.slot, docket.rule, policy_path(docket.slot.role));
        let on_trial = slot.canary.and_then(|id| docket.changes.iter().find(|change| change.id == id));
        let Tallies { base, trial } = docket.tallies;
        Self {
            role: slot.role,
            active_version: slot.active,
            canary: on_trial.map(|change| CanaryResource {
                change: change.id,
                version: change.version,
                since: change.activated_at,
                trial,
                base,
            }),
            frozen: slot.frozen.as_ref().map(|frozen| FrozenResource {
                since: frozen.since,
                by: frozen.by.clone(),
                reason: frozen.reason.clone(),
            }),
            activations_left: docket.quota_left(),
            next_activation_at: docket.next_activation(),
            refused: docket.may_activate().err().map(|refused| refused.to_string()),
            rule: RuleResource {
                activations_per_24_hours: rule.activations,
                cooldown_seconds: rule.cooldown.as_secs(),
                approval: rule.approval,
            },
            links: PolicyLinks {
                versions: format!("{path}/versions"),
                changes: format!("{path}/changes"),
                itself: path,
            },
        }
    }
}

/// A version of a policy, which never changes.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PolicyVersion", example = version())]
pub(crate) struct VersionResource {
    role: AgentRole,
    pub(crate) version: u32,
    #[schemars(with = "PolicyDocument")]
    document: Box<RawValue>,
    /// SHA-256 of the document in canonical form (RFC 8785).
    content_sha256: Hash,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl VersionResource {
    pub(crate) fn new(role: AgentRole, found: PolicyVersion) -> Self {
        let PolicyVersion { version, document, sha256, created_by, created_at } = found;
        Self { role, version, document, content_sha256: Hash(sha256), created_by, created_at }
    }
}

/// A proposal to make a version active, and how far it came.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PolicyChange", example = change())]
pub(crate) struct ChangeResource {
    id: ChangeId,
    role: AgentRole,
    version: u32,
    /// What it was made for; 0 where none was active.
    base_version: u32,
    content_sha256: Hash,
    state: ChangeState,
    proposed_by: String,
    reason: String,
    /// What was said of it last: why it failed, was rejected or rolled back.
    note: Option<String>,
    /// When it is activated once it is approved; null where somebody says so then.
    activate_at: Option<DateTime<Utc>>,
    /// When it is over if nobody takes it further.
    expires_at: Option<DateTime<Utc>>,
    /// What makes of the base version this one, and how much longer instructions become; no model was asked for it.
    #[schemars(with = "Option<golden_jobs::governance::evaluation::Evaluation>")]
    evaluation: Option<Box<RawValue>>,
    approved_by: Option<String>,
    approved_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    /// When it came to its state.
    state_at: DateTime<Utc>,
    /// When its trial began, or it was activated at once.
    activated_at: Option<DateTime<Utc>>,
    rolled_back_at: Option<DateTime<Utc>>,
    /// Who activated it against the rules, and who looked at that.
    broken_glass: Option<BrokenGlassResource>,
    links: ChangeLinks,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BrokenGlassResource {
    by: String,
    /// When somebody else is to have looked at it; null where somebody has.
    review_due: Option<DateTime<Utc>>,
    reviewed_by: Option<String>,
    reviewed_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ChangeLinks {
    #[serde(rename = "self")]
    itself: String,
    version: String,
}

impl From<Change> for ChangeResource {
    fn from(change: Change) -> Self {
        let (expires_at, review_due) = (change.expires_at(), change.review_due());
        let approval = change.approval;
        Self {
            links: ChangeLinks {
                itself: change_path(change.role, change.id),
                version: format!("{}/versions/{}", policy_path(change.role), change.version),
            },
            id: change.id,
            role: change.role,
            version: change.version,
            base_version: change.base_version,
            content_sha256: Hash(change.sha256),
            state: change.state,
            proposed_by: change.proposed_by,
            reason: change.reason,
            note: change.note,
            activate_at: change.activate_at,
            expires_at,
            evaluation: change.evaluation,
            approved_by: approval.as_ref().map(|approval| approval.by.clone()),
            approved_at: approval.map(|approval| approval.at),
            created_at: change.created_at,
            state_at: change.state_at,
            activated_at: change.activated_at,
            rolled_back_at: change.rolled_back_at,
            broken_glass: change.broken_glass.map(|glass| BrokenGlassResource {
                by: glass.by,
                review_due,
                reviewed_by: glass.reviewed_by,
                reviewed_at: glass.reviewed_at,
            }),
        }
    }
}

const ID: &str = "chg_01981d2c-3f6a-7b1e-8c4d-2a9e5b7f0d13";
const SHA256: &str = "4a1f0e6c8b7d2593a6e4c1f8097b3d52e8a6f4c2107d9b5e3c8a1f60d4b29e77";

fn policy() -> Value {
    json!({
        "role": "developer",
        "active_version": 3,
        "canary": null,
        "frozen": null,
        "activations_left": 4,
        "next_activation_at": "2026-01-02T05:04:05Z",
        "refused": "the policy of the role developer changed a while ago: the next activation may be at 2026-01-02 05:04:05 UTC",
        "rule": {"activations_per_24_hours": 5, "cooldown_seconds": 7200, "approval": "automatic"},
        "links": {
            "self": "/v1/policies/developer",
            "versions": "/v1/policies/developer/versions",
            "changes": "/v1/policies/developer/changes",
        },
    })
}

fn version() -> Value {
    json!({
        "role": "developer",
        "version": 3,
        "document": {"prompt": "Write short functions.", "parameters": {"temperature": 0.2}, "thresholds": {}},
        "content_sha256": SHA256,
        "created_by": "user:dev",
        "created_at": "2026-01-02T03:04:05Z",
    })
}

fn change() -> Value {
    json!({
        "id": ID,
        "role": "developer",
        "version": 3,
        "base_version": 2,
        "content_sha256": SHA256,
        "state": "approved",
        "proposed_by": "user:dev",
        "reason": "shorter answers",
        "note": null,
        "activate_at": null,
        "expires_at": "2026-01-05T03:04:06Z",
        "evaluation": {
            "patch": [{"op": "replace", "path": "/prompt", "value": "Write short functions."}],
            "instructions_bytes": 131,
            "grown_by": 7,
        },
        "approved_by": null,
        "approved_at": null,
        "created_at": "2026-01-02T03:04:05Z",
        "state_at": "2026-01-02T03:04:06Z",
        "activated_at": null,
        "rolled_back_at": null,
        "broken_glass": null,
        "links": {
            "self": format!("/v1/policies/developer/changes/{ID}"),
            "version": "/v1/policies/developer/versions/3",
        },
    })
}
