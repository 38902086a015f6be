//! A change of a policy on record, and what may be asked of it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::{
    document::PolicyDocument,
    evaluation::Evaluation,
    rules::{Approval, EXPIRES_AFTER, REVIEW_WITHIN},
    state::ChangeState,
};
use crate::{
    id::{ApprovalId, ChangeId},
    models::exchange::AgentRole,
};

/// A change of the policy of an agent's role.
#[derive(Debug, Clone)]
pub struct Change {
    pub id: ChangeId,
    pub tenant_id: String,
    pub role: AgentRole,
    /// What it makes active.
    pub version: u32,
    /// What it was made for; 0 where none was active.
    pub base_version: u32,
    /// Of its document in canonical form.
    pub sha256: [u8; 32],
    pub state: ChangeState,
    /// As the audit log names them.
    pub proposed_by: String,
    /// What it is for, by whoever proposed it.
    pub reason: String,
    /// What was said of it last: why it failed, was rejected or rolled back.
    pub note: Option<String>,
    /// When it is to be activated once it is approved; `None` where somebody says so then.
    pub activate_at: Option<DateTime<Utc>>,
    /// An [`Evaluation`], once there is one.
    pub evaluation: Option<Box<RawValue>>,
    pub approval: Option<Approved>,
    pub created_at: DateTime<Utc>,
    /// When it came to its state.
    pub state_at: DateTime<Utc>,
    /// When its trial began, or it was activated at once.
    pub activated_at: Option<DateTime<Utc>>,
    pub rolled_back_at: Option<DateTime<Utc>>,
    pub broken_glass: Option<BrokenGlass>,
}

/// A yes, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    pub sha256: [u8; 32],
    pub base_version: u32,
    pub by: String,
    pub at: DateTime<Utc>,
}

/// An activation against the rules. It is of when the change was activated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenGlass {
    pub by: String,
    pub reviewed_by: Option<String>,
    pub reviewed_at: Option<DateTime<Utc>>,
}

impl Change {
    /// When it is over if nobody takes it further; `None` where nobody has to.
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        let since = self.activate_at.filter(|_| self.state == ChangeState::Scheduled).unwrap_or(self.state_at);
        self.state.is_before_activation().then(|| since.max(self.state_at) + EXPIRES_AFTER)
    }

    /// When an activation against the rules is to be reviewed; `None` where there was none, or it was.
    pub fn review_due(&self) -> Option<DateTime<Utc>> {
        let glass = self.broken_glass.as_ref()?;
        let unreviewed = self.activated_at.filter(|_| glass.reviewed_at.is_none())?;
        Some(unreviewed + REVIEW_WITHIN)
    }

    /// Whether its approval is of what is there.
    pub(super) fn is_approved(&self, needed: Approval) -> bool {
        let is_for_this = |yes: &Approved| yes.sha256 == self.sha256 && yes.base_version == self.base_version;
        needed == Approval::Automatic || self.approval.as_ref().is_some_and(is_for_this)
    }
}

/// What somebody wants.
#[derive(Debug, Clone)]
pub enum Order {
    /// A change is put on record.
    Propose(Proposal),
    /// Something becomes of one.
    Take(ChangeId, Step),
    /// The role's policy stays as it is until an admin says otherwise.
    Freeze(AgentRole, String),
    Unfreeze(AgentRole, String),
}

impl Order {
    /// Which role's policy it is about, or the change that says so.
    pub(crate) fn role(&self) -> Result<AgentRole, ChangeId> {
        match self {
            Self::Propose(proposal) => Ok(proposal.role),
            Self::Take(change, _) => Err(*change),
            Self::Freeze(role, _) | Self::Unfreeze(role, _) => Ok(*role),
        }
    }

    pub(crate) fn change(&self) -> Option<ChangeId> {
        match self {
            Self::Propose(proposal) => Some(proposal.id),
            Self::Take(change, _) => Some(*change),
            Self::Freeze(..) | Self::Unfreeze(..) => None,
        }
    }
}

/// A change to put on record.
#[derive(Debug, Clone)]
pub struct Proposal {
    pub id: ChangeId,
    pub role: AgentRole,
    pub document: PolicyDocument,
    /// What it is made for; what is active where absent.
    pub base_version: Option<u32>,
    pub reason: String,
    pub activate_at: Option<DateTime<Utc>>,
}

/// What becomes of a change.
#[derive(Debug, Clone)]
pub enum Step {
    /// Its document is being looked at.
    Validate,
    /// It may be a policy.
    Evaluate,
    /// It is none, for this reason.
    Fail(String),
    /// It was evaluated.
    Judged(Evaluation),
    /// Yes to a content and a base.
    Approve {
        sha256: [u8; 32],
        base_version: u32,
        reason: String,
    },
    Reject(String),
    Withdraw(String),
    /// Now, or at a time; then as soon as the rules allow.
    Activate(Option<DateTime<Utc>>),
    RollBack(String),
    /// At once, whatever the rules say.
    BreakGlass(String),
    /// Somebody else looked at that.
    Review(String),
    /// What its time has come for.
    Tick,
}

/// Why an order is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such change")]
    NoSuch,
    #[error("the change is {state}, and cannot be {wanted}")]
    NotNow { state: ChangeState, wanted: &'static str },
    #[error("the policy of the role {0} is not frozen")]
    NotFrozen(AgentRole),
    #[error("the policy of the role {role} changed a while ago: the next activation may be at {until}")]
    Cooldown { role: AgentRole, until: DateTime<Utc> },
    #[error("the policy of the role {role} was activated {most} times within 24 hours: the next may be at {until}")]
    Quota { role: AgentRole, most: u32, until: DateTime<Utc> },
    #[error("the policy of the role {role} is frozen: {reason}")]
    Frozen { role: AgentRole, reason: String },
    #[error("{change} was activated against the rules and nobody has reviewed it for 24 hours")]
    Unreviewed { change: ChangeId },
    #[error("{change} of the same role is on trial")]
    OnTrial { change: ChangeId },
    #[error("{most} changes of the role {role} are open, and no more may be")]
    Full { role: AgentRole, most: usize },
    #[error("that is what the active version says already")]
    Unchanged,
    #[error("whoever proposes a change does not decide it")]
    SelfApproval,
    #[error("that takes a person with the role {0}")]
    NotTheirs(NeededRole),
    #[error("{0}")]
    Stale(Stale),
}

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeededRole {
    Admin,
    AdminOrOperator,
}

impl From<Approval> for NeededRole {
    fn from(approval: Approval) -> Self {
        match approval {
            Approval::Admin => Self::Admin,
            Approval::Automatic | Approval::Operator => Self::AdminOrOperator,
        }
    }
}

impl fmt::Display for NeededRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin",
            Self::AdminOrOperator => "admin or operator",
        })
    }
}

/// What is not as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// The approval is of another document.
    Content,
    /// The approval, or the change, is for another version than is active.
    Base { meant: u32, active: u32 },
    /// The rules ask for more than it was approved by.
    Rules,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content => f.write_str("the approval is of another document than the change has"),
            Self::Base { meant, active } => write!(f, "it is for version {meant}, and version {active} is active"),
            Self::Rules => f.write_str("the rules ask for an approval that it does not have"),
        }
    }
}

/// A decision to put on record.
#[derive(Debug, Clone)]
pub struct Decision {
    pub id: ApprovalId,
    pub change: ChangeId,
    pub sha256: [u8; 32],
    pub base_version: u32,
    pub approved: bool,
    pub by: String,
    pub reason: String,
}
