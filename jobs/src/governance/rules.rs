//! How often an agent role's policy may change, and who approves.

use std::{fmt, str::FromStr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    audit::Standing,
    models::exchange::{AgentRole, UnknownAgentRole},
};

/// Activations are counted over so long.
pub const WINDOW: Duration = Duration::from_secs(24 * HOUR);
/// The longest that a cooldown becomes by rollbacks.
pub const LONGEST_COOLDOWN: Duration = Duration::from_secs(7 * 24 * HOUR);
/// Two rollbacks within so long freeze a role.
pub const ROLLBACKS_WITHIN: Duration = Duration::from_secs(7 * 24 * HOUR);
/// A change that nobody takes further for so long is over.
pub const EXPIRES_AFTER: Duration = Duration::from_secs(72 * HOUR);
/// What an admin activated against the rules is to be reviewed within so long.
pub const REVIEW_WITHIN: Duration = Duration::from_secs(24 * HOUR);

const HOUR: u64 = 3600;

/// Who says yes to a change, the least strict first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Nobody has to.
    Automatic,
    /// An admin or an operator who did not propose it.
    Operator,
    /// An admin who did not propose it.
    Admin,
}

impl Approval {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Whether whoever shows such a token is enough. Golden itself never is: it has no token.
    pub fn is_given_by(self, standing: Option<&Standing>) -> bool {
        let role = standing.map(|standing| standing.role.as_str());
        match self {
            Self::Automatic | Self::Operator => matches!(role, Some("admin" | "operator")),
            Self::Admin => role == Some("admin"),
        }
    }
}

impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not how a change is approved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of automatic, operator and admin")]
pub struct UnknownApproval(String);

impl FromStr for Approval {
    type Err = UnknownApproval;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let approval = [Self::Automatic, Self::Operator, Self::Admin].into_iter().find(|known| known.as_str() == name);
        approval.ok_or_else(|| UnknownApproval(name.to_owned()))
    }
}

/// What holds for one agent role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Activations within [`WINDOW`], at most.
    pub activations: u32,
    /// From one activation to the next, at least.
    pub cooldown: Duration,
    pub approval: Approval,
}

/// What holds for every agent role. A configuration may only be stricter than [`Rules::default`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules([Rule; 5]);

impl Default for Rules {
    fn default() -> Self {
        let rule =
            |activations, hours, approval| Rule { activations, cooldown: Duration::from_secs(hours * HOUR), approval };
        Self(AgentRole::ALL.map(|role| match role {
            AgentRole::Architect => rule(2, 12, Approval::Operator),
            AgentRole::Developer | AgentRole::Tester => rule(5, 2, Approval::Automatic),
            AgentRole::Reviewer => rule(3, 4, Approval::Automatic),
            AgentRole::Security => rule(1, 24, Approval::Admin),
        }))
    }
}

/// Why rules are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loosens {
    #[error(transparent)]
    UnknownRole(#[from] UnknownAgentRole),
    #[error("{role} may be activated {most} times in 24 hours at most, not {asked} times")]
    Activations { role: AgentRole, most: u32, asked: u32 },
    #[error("{role} has a cooldown of {} hours at least", least.as_secs() / HOUR)]
    Cooldown { role: AgentRole, least: Duration },
    #[error("{role} has a cooldown of 7 days at most")]
    TooLong { role: AgentRole },
    #[error("{role} needs the approval `{least}`, which `{asked}` is not enough for")]
    Approval { role: AgentRole, least: Approval, asked: Approval },
}

impl Rules {
    /// What holds for `role`.
    pub fn of(&self, role: AgentRole) -> Rule {
        AgentRole::ALL.into_iter().zip(self.0).find(|(known, _)| *known == role).map_or(self.0[0], |(_, rule)| rule)
    }

    /// These rules with a stricter one for `role`.
    pub fn tightened(mut self, role: AgentRole, rule: Rule) -> Result<Self, Loosens> {
        let least = Self::default().of(role);
        if rule.activations > least.activations {
            return Err(Loosens::Activations { role, most: least.activations, asked: rule.activations });
        }
        if rule.cooldown < least.cooldown {
            return Err(Loosens::Cooldown { role, least: least.cooldown });
        }
        if rule.cooldown > LONGEST_COOLDOWN {
            return Err(Loosens::TooLong { role });
        }
        if rule.approval < least.approval {
            return Err(Loosens::Approval { role, least: least.approval, asked: rule.approval });
        }
        for (known, kept) in AgentRole::ALL.into_iter().zip(&mut self.0) {
            if known == role {
                *kept = rule;
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_the_table_of_the_documentation() {
        let page = include_str!("../../../docs/governance.md");
        for role in AgentRole::ALL {
            let Rule { activations, cooldown, approval } = Rules::default().of(role);
            let row = format!("| {role} | {activations} | {} h | {approval}", cooldown.as_secs() / HOUR);
            assert!(page.contains(&row), "docs/governance.md has no row `{row}`");
        }
    }

    #[test]
    fn a_configuration_may_only_be_stricter() {
        let rules = Rules::default();
        let hours = |hours| Duration::from_secs(hours * HOUR);
        let developer = rules.of(AgentRole::Developer);
        let strict = Rule { activations: 0, cooldown: hours(168), approval: Approval::Admin };
        let tightened = rules.tightened(AgentRole::Developer, strict).unwrap();
        assert_eq!(tightened.of(AgentRole::Developer), strict);
        assert_eq!(tightened.of(AgentRole::Security), rules.of(AgentRole::Security));
        for loose in [
            Rule { activations: 6, ..developer },
            Rule { cooldown: hours(1), ..developer },
            Rule { cooldown: hours(169), ..developer },
        ] {
            assert!(rules.tightened(AgentRole::Developer, loose).is_err(), "{loose:?}");
        }
        let security = Rule { approval: Approval::Operator, ..rules.of(AgentRole::Security) };
        assert!(matches!(rules.tightened(AgentRole::Security, security), Err(Loosens::Approval { .. })));
    }

    #[test]
    fn an_approval_is_given_by_people_with_the_role() {
        let of = |role: &str| Standing { tenant: "acme".to_owned(), role: role.to_owned() };
        let gives = |approval: Approval, role| approval.is_given_by(Some(&of(role)));
        assert!(gives(Approval::Admin, "admin") && !gives(Approval::Admin, "operator"));
        assert!(gives(Approval::Operator, "operator") && !gives(Approval::Operator, "developer"));
        assert!([Approval::Automatic, Approval::Operator, Approval::Admin].iter().all(|a| !a.is_given_by(None)));
    }
}
