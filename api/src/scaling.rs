//! What decides how many workers a role gets: the same figures over HTTP and gRPC, from the store alone.

use std::collections::BTreeMap;

use golden_jobs::{
    Role,
    store::{Depths, RoleDepth},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// Figures of one role over all tenants, at most a second old.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(example = example())]
pub(crate) struct RoleScaling {
    /// The work that workers have or could have: `queued` and `running` together. What to scale on.
    load: u64,
    /// Jobs that wait for a worker. What is held back by its tenant's pause or quota is not among them: more workers
    /// would not help it.
    queued: u64,
    /// Jobs that a worker holds.
    running: u64,
    /// Runs that the role's workers do at once at most, without those that drain or were not heard of for a minute.
    capacity: u64,
    /// For how many seconds the oldest queued job has been due; 0 where none is queued.
    oldest_wait_seconds: f64,
    /// Whether there may be more in the queue than these figures say: 10,000 jobs are looked at and no more.
    at_least: bool,
    /// Supervisor: escalations that nobody has resolved, 10,000 for any number from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    escalations: Option<u64>,
    /// Peer-hub: the seconds within which 95 % of the rounds of reviews that ended in the last ten minutes did so; 0
    /// where none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    consensus_time_p95: Option<f64>,
    /// Peer-hub: rounds of reviews that collect ballots; or `load`, where that is more, since a review whose job nobody
    /// has taken up has not begun to.
    #[serde(skip_serializing_if = "Option::is_none")]
    consensus_open: Option<u64>,
    /// Peer-hub: for how many seconds the oldest of these has collected ballots, or has waited for a worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    consensus_oldest_open_seconds: Option<f64>,
}

/// The figures that may be asked for by name.
pub(crate) const FIGURES: [&str; 7] = [
    "load",
    "queued",
    "running",
    "oldest_wait_seconds",
    "escalations",
    "consensus_open",
    "consensus_oldest_open_seconds",
];

impl RoleScaling {
    /// One of the [`FIGURES`]; `None` where the role has no such.
    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        match name {
            "load" => Some(self.load as f64),
            "queued" => Some(self.queued as f64),
            "running" => Some(self.running as f64),
            "oldest_wait_seconds" => Some(self.oldest_wait_seconds),
            "escalations" => self.escalations.map(|count| count as f64),
            "consensus_open" => self.consensus_open.map(|count| count as f64),
            "consensus_oldest_open_seconds" => self.consensus_oldest_open_seconds,
            _ => None,
        }
    }
}

impl RoleScaling {
    /// The figures of one role, by its own depth and what there is beside.
    pub(crate) fn of(depth: &RoleDepth, depths: &Depths) -> Self {
        let panels = &depths.consensus;
        let only = |role| (depth.role == role).then_some(depth);
        Self {
            load: depth.load(),
            queued: depth.ready,
            running: depth.running,
            capacity: depth.capacity,
            oldest_wait_seconds: depth.oldest_wait.as_secs_f64(),
            at_least: depth.at_least,
            escalations: only(Role::Supervisor).map(|_| depths.escalations),
            consensus_time_p95: only(Role::PeerHub).map(|_| panels.p95.unwrap_or_default().as_secs_f64()),
            consensus_open: only(Role::PeerHub).map(|depth| depth.load().max(panels.open)),
            consensus_oldest_open_seconds: only(Role::PeerHub)
                .map(|depth| depth.oldest_wait.max(panels.oldest_open).as_secs_f64()),
        }
    }
}

/// The figures of every role.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Scaling")]
pub(crate) struct Scaling {
    #[schemars(example = json!({"sandbox": example()}))]
    roles: BTreeMap<Role, RoleScaling>,
}

impl From<&Depths> for Scaling {
    fn from(depths: &Depths) -> Self {
        Self { roles: depths.roles.iter().map(|depth| (depth.role, RoleScaling::of(depth, depths))).collect() }
    }
}

fn example() -> Value {
    json!({
        "load": 31,
        "queued": 19,
        "running": 12,
        "capacity": 12,
        "oldest_wait_seconds": 4.25,
        "at_least": false,
    })
}
