//! The closed list of worker roles.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A worker pool's role. One spelling in code, CLI, config, database, metrics and manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Work that mostly waits for others, such as `http.call`.
    Orchestrator,
    /// Reviews of an agent's work by other agents.
    PeerHub,
    /// Untrusted programs, each in a container of its own: `sandbox.run`.
    Sandbox,
    /// Escalations to people, and what keeps the platform in order.
    Supervisor,
    /// Deliveries to receivers outside: `webhook.deliver`.
    Webhook,
}

impl Role {
    /// Every role once, in the order of declaration.
    pub const ALL: [Self; 5] = [Self::Orchestrator, Self::PeerHub, Self::Sandbox, Self::Supervisor, Self::Webhook];

    /// The one spelling, for example `peer-hub`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orchestrator => "orchestrator",
            Self::PeerHub => "peer-hub",
            Self::Sandbox => "sandbox",
            Self::Supervisor => "supervisor",
            Self::Webhook => "webhook",
        }
    }
}

/// How many workers a role has, and by what: the manifests below keda/ say the same, and a test holds them to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// The figure of `/v1/scaling` that says how much there is.
    pub figure: &'static str,
    /// Of that figure, for each worker.
    pub target: u32,
    pub min: u32,
    pub max: u32,
}

impl Role {
    /// As the role scales unless its operators say otherwise.
    pub const fn scale(self) -> Scale {
        let (figure, target, min, max) = match self {
            Self::Orchestrator => ("load", 10, 2, 20),
            Self::PeerHub => ("consensus_open", 8, 2, 10),
            Self::Sandbox => ("load", 5, 3, 15),
            Self::Supervisor => ("escalations", 5, 1, 5),
            Self::Webhook => ("load", 50, 1, 5),
        };
        Scale { figure, target, min, max }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not one of the five roles.
#[derive(Debug, thiserror::Error)]
#[error("unknown role `{0}`: expected one of orchestrator, peer-hub, sandbox, supervisor, webhook")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == s).ok_or_else(|| UnknownRole(s.to_owned()))
    }
}
