//! The states of a change, and what leads from one to the next.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeState {
    /// On record; nobody has looked at it.
    Proposed,
    /// Its document is held against what a policy may say.
    Validating,
    /// It is compared with its base, and tried without a model.
    Evaluating,
    /// Somebody has to approve it.
    AwaitingApproval,
    /// It may be activated.
    Approved,
    /// It is activated when its time has come and the rules allow it.
    Scheduled,
    /// A tenth of the role's jobs are asked under it.
    Canary,
    /// All of them are.
    Active,
    /// It was active, and another is.
    Superseded,
    /// Somebody decided against it.
    Rejected,
    /// Nobody took it further for 72 hours.
    Expired,
    /// Its document is none that a policy may be.
    Failed,
    /// It was taken back before it was activated.
    Withdrawn,
    /// It was on trial or active, and is not any more.
    RolledBack,
    /// What it was made for, or approved as, is not what is there any more.
    Stale,
}

impl ChangeState {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Proposed,
        Self::Validating,
        Self::Evaluating,
        Self::AwaitingApproval,
        Self::Approved,
        Self::Scheduled,
        Self::Canary,
        Self::Active,
        Self::Superseded,
        Self::Rejected,
        Self::Expired,
        Self::Failed,
        Self::Withdrawn,
        Self::RolledBack,
        Self::Stale,
    ];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Validating => "validating",
            Self::Evaluating => "evaluating",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Approved => "approved",
            Self::Scheduled => "scheduled",
            Self::Canary => "canary",
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
            Self::RolledBack => "rolled_back",
            Self::Stale => "stale",
        }
    }

    /// Whether it may yet become active for the first time.
    pub const fn is_open(self) -> bool {
        self.is_before_activation() || matches!(self, Self::Canary)
    }

    /// Whether no job was asked under it yet, and some may be.
    pub const fn is_before_activation(self) -> bool {
        matches!(
            self,
            Self::Proposed
                | Self::Validating
                | Self::Evaluating
                | Self::AwaitingApproval
                | Self::Approved
                | Self::Scheduled
        )
    }

    /// Where `event` leads; `None` where it is not allowed.
    pub const fn after(self, event: Event) -> Option<Self> {
        use ChangeState as S;
        use Event as E;
        Some(match (self, event) {
            (S::Proposed, E::Taken) => S::Validating,
            (S::Validating, E::Valid) => S::Evaluating,
            (S::Validating | S::Evaluating, E::Unfit) => S::Failed,
            (S::Evaluating, E::NeedsApproval) => S::AwaitingApproval,
            (S::Evaluating, E::NeedsNone) | (S::AwaitingApproval, E::Approved) => S::Approved,
            (S::AwaitingApproval | S::Approved | S::Scheduled, E::Rejected) => S::Rejected,
            (S::Approved | S::Scheduled, E::Scheduled) => S::Scheduled,
            (S::Approved | S::Scheduled, E::Begun) => S::Canary,
            (S::AwaitingApproval | S::Approved | S::Scheduled | S::Canary, E::GlassBroken)
            | (S::Canary, E::Proven)
            | (S::Superseded, E::Restored) => S::Active,
            (S::Active, E::Superseded) => S::Superseded,
            (S::Canary | S::Active, E::RolledBack) => S::RolledBack,
            (state, E::Withdrawn) if state.is_before_activation() => S::Withdrawn,
            (state, E::TimeOver) if state.is_before_activation() => S::Expired,
            (state, E::Outdated) if state.is_open() => S::Stale,
            _ => return None,
        })
    }
}

impl fmt::Display for ChangeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not the state of a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the state of a change of a policy")]
pub struct UnknownChangeState(String);

impl FromStr for ChangeState {
    type Err = UnknownChangeState;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let state = Self::ALL.into_iter().find(|state| state.as_str() == name);
        state.ok_or_else(|| UnknownChangeState(name.to_owned()))
    }
}

/// What happens to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Taken,
    Valid,
    Unfit,
    NeedsApproval,
    NeedsNone,
    Approved,
    Rejected,
    Scheduled,
    /// Its trial begins.
    Begun,
    /// Its trial ended well.
    Proven,
    /// It is active at once, whatever the rules say.
    GlassBroken,
    Superseded,
    /// The version that superseded it was rolled back.
    Restored,
    RolledBack,
    Withdrawn,
    TimeOver,
    Outdated,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [Event; 17] = [
        Event::Taken,
        Event::Valid,
        Event::Unfit,
        Event::NeedsApproval,
        Event::NeedsNone,
        Event::Approved,
        Event::Rejected,
        Event::Scheduled,
        Event::Begun,
        Event::Proven,
        Event::GlassBroken,
        Event::Superseded,
        Event::Restored,
        Event::RolledBack,
        Event::Withdrawn,
        Event::TimeOver,
        Event::Outdated,
    ];

    /// Every transition there is, by the names that are on record. A line is a state, and where its events lead.
    const TABLE: &str = "
        proposed          Taken>validating Withdrawn>withdrawn TimeOver>expired Outdated>stale
        validating        Valid>evaluating Unfit>failed Withdrawn>withdrawn TimeOver>expired Outdated>stale
        evaluating        Unfit>failed NeedsApproval>awaiting_approval NeedsNone>approved Withdrawn>withdrawn TimeOver>expired Outdated>stale
        awaiting_approval Approved>approved Rejected>rejected GlassBroken>active Withdrawn>withdrawn TimeOver>expired Outdated>stale
        approved          Rejected>rejected Scheduled>scheduled Begun>canary GlassBroken>active Withdrawn>withdrawn TimeOver>expired Outdated>stale
        scheduled         Rejected>rejected Scheduled>scheduled Begun>canary GlassBroken>active Withdrawn>withdrawn TimeOver>expired Outdated>stale
        canary            Proven>active GlassBroken>active RolledBack>rolled_back Outdated>stale
        active            Superseded>superseded RolledBack>rolled_back
        superseded        Restored>active
        rejected
        expired
        failed
        withdrawn
        rolled_back
        stale";

    #[test]
    fn every_state_and_event_has_one_answer() {
        let found: Vec<String> = ChangeState::ALL
            .into_iter()
            .map(|state| {
                let moves = EVENTS.into_iter().filter_map(|event| Some((event, state.after(event)?)));
                moves.fold(state.to_string(), |line, (event, to)| format!("{line} {event:?}>{to}"))
            })
            .collect();
        let expected: Vec<String> =
            TABLE.trim().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_state_has_one_spelling() {
        for state in ChangeState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert!("open".parse::<ChangeState>().is_err());
    }
}
