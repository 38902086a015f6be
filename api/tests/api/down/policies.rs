//! Nothing is known of policies.

use async_trait::async_trait;
use golden_jobs::{
    ChangeId,
    audit::Actor,
    governance::{
        canary::{Arm, Sample, Tallies},
        change::{Change, Order, Refused},
        docket::Docket,
    },
    models::exchange::AgentRole,
    store::{
        Page, Policies,
        policies::{ChangeFilter, InUse, PolicyVersion},
    },
};

use super::{Down, Result, down};

#[async_trait]
impl Policies for Down {
    async fn govern(&self, _: &str, _: &Order, _: &Actor) -> Result<std::result::Result<Option<Change>, Refused>> {
        down()
    }

    async fn policy_in_use(&self, _: &str, _: AgentRole) -> Result<InUse> {
        down()
    }

    async fn policy_docket(&self, _: &str, _: AgentRole) -> Result<Docket> {
        down()
    }

    async fn policy_version(&self, _: &str, _: AgentRole, _: u32) -> Result<Option<PolicyVersion>> {
        down()
    }

    async fn policy_versions(&self, _: &str, _: AgentRole, _: Option<u32>, _: u32) -> Result<Vec<PolicyVersion>> {
        down()
    }

    async fn policy_changes(&self, _: &ChangeFilter, _: Page<ChangeId>) -> Result<Vec<Change>> {
        down()
    }

    async fn policy_change(&self, _: &str, _: ChangeId) -> Result<Option<Change>> {
        down()
    }

    async fn policy_tallies(&self, _: ChangeId) -> Result<Tallies> {
        down()
    }

    async fn sample_policy(&self, _: ChangeId, _: Arm, _: &Sample) -> Result<()> {
        down()
    }

    async fn frozen_policies(&self) -> Result<Vec<(AgentRole, u64)>> {
        down()
    }
}
