//! Policies of agents: versions, changes, and which version is active.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::{Page, StoreError};
use crate::{
    audit::Actor,
    governance::{
        canary::{Arm, Sample, Tallies},
        change::{Change, Order, Refused},
        docket::Docket,
        state::ChangeState,
    },
    id::ChangeId,
    models::exchange::AgentRole,
};

/// Changes that were activated last and count for quota and cooldown: more than any rule allows within their windows.
pub(super) const COUNTED: i32 = 32;

/// The record of policies.
///
/// A version never changes. What may change which of them is active is decided by [`Docket`], in the transaction that
/// writes it: whoever calls is held to the same rules.
#[async_trait]
pub trait Policies: Send + Sync {
    /// Carries out an order, or refuses it. Answers the change as it is then, where the order is about one.
    async fn govern(
        &self,
        tenant: &str,
        order: &Order,
        by: &Actor,
    ) -> Result<Result<Option<Change>, Refused>, StoreError>;

    /// Which versions a question may be asked under.
    async fn policy_in_use(&self, tenant: &str, role: AgentRole) -> Result<InUse, StoreError>;

    /// A role's policy and what may be done about it, as of now.
    async fn policy_docket(&self, tenant: &str, role: AgentRole) -> Result<Docket, StoreError>;

    /// One version; `None` when the tenant has no such one.
    async fn policy_version(
        &self,
        tenant: &str,
        role: AgentRole,
        version: u32,
    ) -> Result<Option<PolicyVersion>, StoreError>;

    /// Versions, newest first, those before `before`.
    async fn policy_versions(
        &self,
        tenant: &str,
        role: AgentRole,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<PolicyVersion>, StoreError>;

    /// Changes, newest first.
    async fn policy_changes(&self, filter: &ChangeFilter, page: Page<ChangeId>) -> Result<Vec<Change>, StoreError>;

    /// One change; `None` when the tenant has no such one.
    async fn policy_change(&self, tenant: &str, change: ChangeId) -> Result<Option<Change>, StoreError>;

    /// How the questions of a trial ended so far.
    async fn policy_tallies(&self, change: ChangeId) -> Result<Tallies, StoreError>;

    /// Counts how a question ended, while the trial of `change` is on.
    async fn sample_policy(&self, change: ChangeId, arm: Arm, sample: &Sample) -> Result<(), StoreError>;

    /// Of how many tenants the policy of a role is frozen; roles of which none is are left out.
    async fn frozen_policies(&self) -> Result<Vec<(AgentRole, u64)>, StoreError>;
}

/// The versions that questions of a role are asked under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InUse {
    /// 0 where none is active.
    pub active: u32,
    /// The version on trial, and the change that it is of.
    pub canary: Option<(ChangeId, u32)>,
}

/// A version as it is on record.
#[derive(Debug, Clone)]
pub struct PolicyVersion {
    pub version: u32,
    /// A [`PolicyDocument`](crate::governance::document::PolicyDocument) in canonical form.
    pub document: Box<RawValue>,
    pub sha256: [u8; 32],
    /// As the audit log names them.
    pub created_by: String,
    pub created_at: DateTime<Utc>,
}

/// Which changes of a tenant to list. Absent means any.
#[derive(Debug, Clone, Default)]
pub struct ChangeFilter {
    pub tenant_id: String,
    pub role: Option<AgentRole>,
    pub state: Option<ChangeState>,
    /// Those alone that wait for somebody's decision.
    pub waiting: bool,
}
