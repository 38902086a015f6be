//! What a caller may do.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A caller's role, each including what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallerRole {
    Observer,
    Developer,
    Operator,
    Admin,
}

impl CallerRole {
    pub const ALL: [Self; 4] = [Self::Observer, Self::Developer, Self::Operator, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observer => "observer",
            Self::Developer => "developer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for CallerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not one of the four roles.
#[derive(Debug, thiserror::Error)]
#[error("unknown role `{0}`: expected one of observer, developer, operator, admin")]
pub struct UnknownCallerRole(String);

impl FromStr for CallerRole {
    type Err = UnknownCallerRole;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == s).ok_or_else(|| UnknownCallerRole(s.to_owned()))
    }
}

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Nothing, and as often as they like: those who start and stop processes ask, and a probe that
    /// is refused takes a healthy process down.
    Probe,
    /// Nothing: not even a token.
    Anybody,
    /// A caller on this machine, or whoever may [`Read`](Self::Read).
    Scrape,
    /// Read what decides how many workers there are, and as often as they like: what asks is a machine, for every
    /// role, and where it is refused it takes the workers for idle or broken.
    Scale,
    Read,
    Submit,
    /// Cancel the tenant's jobs. A job belongs to its tenant, not to whoever submitted it.
    Cancel,
    /// Say what is submitted by the clock: as good as submitting.
    Schedule,
    /// Say what programs the tenant's functions are: as good as submitting them.
    Functions,
    /// See and set how the tenant is called back.
    Webhooks,
    /// Propose what the tenant's agents are told, and take that back.
    Propose,
    /// Put ended jobs back to work, from the record or from the dead letters.
    Rerun,
    /// Give dead letters up.
    Purge,
    /// Hold the tenant's own queues back, and let them go.
    Pause,
    /// Have what did not answer tried again.
    Reset,
    /// Answer what needs a human.
    Resolve,
    /// Decide what the tenant's agents are told, within the rules.
    Govern,
    /// Set those rules aside.
    Overrule,
    /// Read who changed what.
    Audit,
    /// See how what looks after the installation fares, which names no tenant.
    Guards,
    /// What all tenants share, and who they are: for those who run the installation.
    Platform,
}

impl Permission {
    /// The least role that has it; `None` is no role at all.
    pub(crate) const fn least(self) -> Option<CallerRole> {
        match self {
            Self::Probe | Self::Anybody => None,
            Self::Scrape | Self::Scale | Self::Read => Some(CallerRole::Observer),
            Self::Submit | Self::Schedule | Self::Functions | Self::Cancel | Self::Webhooks | Self::Propose => {
                Some(CallerRole::Developer)
            }
            Self::Rerun
            | Self::Purge
            | Self::Pause
            | Self::Reset
            | Self::Resolve
            | Self::Govern
            | Self::Audit
            | Self::Guards => Some(CallerRole::Operator),
            Self::Overrule | Self::Platform => Some(CallerRole::Admin),
        }
    }
}
