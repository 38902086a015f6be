//! A role's changes as they are held while something is decided about them. The store reads them, holds them, and writes
//! what became of them, all in one transaction: so the rules hold for everybody, whatever they call.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    canary::Tallies,
    change::{Change, Decision, Refused},
    document::PolicyDocument,
    rules::{LONGEST_COOLDOWN, Rule, WINDOW},
};
use crate::{
    audit::{Act, Actor},
    id::ChangeId,
    models::exchange::AgentRole,
};

mod orders;

/// Changes of a role that are open, at most.
pub const OPEN_LIMIT: usize = 20;

/// Which version of a role's policy is active, and whether another may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub tenant_id: String,
    pub role: AgentRole,
    /// 0 where none is.
    pub active: u32,
    /// The newest number that was given out.
    pub last: u32,
    /// The change on trial.
    pub canary: Option<ChangeId>,
    pub frozen: Option<Frozen>,
    /// When it was unfrozen last: rollbacks before that are done with.
    pub thawed_at: Option<DateTime<Utc>>,
}

/// Why and since when a role's policy stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    pub since: DateTime<Utc>,
    pub by: String,
    pub reason: String,
}

/// A slot and the changes that matter for what may be done: those that are open, active, or were activated lately.
#[derive(Debug, Clone)]
pub struct Docket {
    pub slot: Slot,
    pub changes: Vec<Change>,
    /// Of the change on trial.
    pub tallies: Tallies,
    pub rule: Rule,
    pub now: DateTime<Utc>,
    pub(crate) written: Written,
}

/// What is to be written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub changes: BTreeSet<ChangeId>,
    pub proposed: Option<(ChangeId, PolicyDocument)>,
    pub decision: Option<Decision>,
    pub acts: Vec<(Actor, Act)>,
    pub events: Vec<(&'static str, Value)>,
}

impl Slot {
    /// Nothing was ever proposed.
    pub(crate) fn fresh(tenant: &str, role: AgentRole) -> Self {
        let tenant_id = tenant.to_owned();
        Self { tenant_id, role, active: 0, last: 0, canary: None, frozen: None, thawed_at: None }
    }
}

impl Written {
    pub(crate) fn is_empty(&self) -> bool {
        self.acts.is_empty() && self.changes.is_empty()
    }
}

impl Docket {
    pub(crate) fn new(slot: Slot, changes: Vec<Change>, tallies: Tallies, rule: Rule, now: DateTime<Utc>) -> Self {
        Self { slot, changes, tallies, rule, now, written: Written::default() }
    }

    pub(crate) fn change(&self, id: ChangeId) -> Option<&Change> {
        self.changes.iter().find(|change| change.id == id)
    }

    /// What the caller is told: the change as it is now.
    pub(crate) fn answer(&self, ruled: Result<Option<ChangeId>, Refused>) -> Result<Option<Change>, Refused> {
        Ok(ruled?.and_then(|id| self.change(id)).cloned())
    }

    /// Whether the policy may be activated now, and why not.
    pub fn may_activate(&self) -> Result<(), Refused> {
        let role = self.slot.role;
        if let Some(frozen) = &self.slot.frozen {
            return Err(Refused::Frozen { role, reason: frozen.reason.clone() });
        }
        if let Some(late) = self.changes.iter().find(|change| change.review_due().is_some_and(|due| due < self.now)) {
            return Err(Refused::Unreviewed { change: late.id });
        }
        if let Some(change) = self.slot.canary {
            return Err(Refused::OnTrial { change });
        }
        let (cooldown, quota) = (self.cooldown_until(), self.quota_until());
        if cooldown.max(quota).is_none_or(|until| until <= self.now) {
            return Ok(());
        }
        match (cooldown, quota) {
            (_, Some(until)) if cooldown < quota => Err(Refused::Quota { role, most: self.rule.activations, until }),
            (Some(until), _) => Err(Refused::Cooldown { role, until }),
            (None, _) => Ok(()),
        }
    }

    /// When the rules allow the next activation as far as time goes; `None` where they do now.
    pub fn next_activation(&self) -> Option<DateTime<Utc>> {
        self.cooldown_until().max(self.quota_until()).filter(|until| *until > self.now)
    }

    /// Activations that are left of the quota now.
    pub fn quota_left(&self) -> u32 {
        let used = self.activations().iter().filter(|at| **at + WINDOW > self.now).count();
        self.rule.activations.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
    }

    /// From the last activation; from the last rollback, doubled for each of those in a row.
    fn cooldown_until(&self) -> Option<DateTime<Utc>> {
        let activated = self.activations().last().copied()?;
        let lasting = self.changes.iter().filter(|change| change.rolled_back_at.is_none());
        let lasting = lasting.filter_map(|change| change.activated_at).max();
        let back = self.changes.iter().filter_map(|change| Some((change.activated_at?, change.rolled_back_at?)));
        let back: Vec<_> = back.filter(|(activated, _)| Some(*activated) > lasting).map(|(_, back)| back).collect();
        let doubled = u32::try_from(back.len()).ok().and_then(|times| 1_u32.checked_shl(times)).unwrap_or(u32::MAX);
        let cooldown = self.rule.cooldown.saturating_mul(doubled).min(LONGEST_COOLDOWN);
        Some(back.into_iter().max().map_or(activated, |back| back.max(activated)) + cooldown)
    }

    fn quota_until(&self) -> Option<DateTime<Utc>> {
        let activations = self.activations();
        let most = usize::try_from(self.rule.activations).unwrap_or(usize::MAX);
        // With a quota of nothing there is no such time: the window moves on for as long as it is asked for.
        let Some(most) = most.checked_sub(1) else { return Some(self.now + WINDOW) };
        activations.iter().rev().nth(most).map(|at| *at + WINDOW)
    }

    /// When the policy was activated, in order.
    fn activations(&self) -> Vec<DateTime<Utc>> {
        let mut activations: Vec<_> = self.changes.iter().filter_map(|change| change.activated_at).collect();
        activations.sort_unstable();
        activations
    }
}

#[cfg(test)]
mod tests;
