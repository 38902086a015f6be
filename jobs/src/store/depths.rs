//! How much there is of what over all tenants: for metrics, and for whoever decides how many workers there are.

use std::time::Duration;

use crate::role::Role;

/// How much there is of what, over all tenants.
///
/// None of it takes longer to say the more there is: of each thing [`LOOKED_AT`](super::LOOKED_AT) are looked at and
/// no more. Nobody decides anything by the difference between that many and more, and counting a million rows would
/// take the database the time of ten thousand jobs, every second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Depths {
    pub roles: Vec<RoleDepth>,
    /// Unresolved ones, or at least so many.
    pub dead_letters: u64,
    /// Escalations that nobody has resolved, or at least so many.
    pub escalations: u64,
    /// Events not yet passed on, or at least so many.
    pub outbox: u64,
    /// What the broker has not taken yet.
    pub unpublished: u64,
    pub consensus: Consensus,
}

/// How panels of reviewers fare, over all tenants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consensus {
    /// Rounds that collect ballots, or at least so many.
    pub open: u64,
    /// For how long the oldest of them has; zero where none does.
    pub oldest_open: Duration,
    /// Within what time 95 % of those that ended in the last [`LATELY`] did so; `None` where none ended.
    pub p95: Option<Duration>,
}

/// What ended within so long is lately.
pub const LATELY: Duration = Duration::from_secs(600);

/// Where a role's open jobs are. Those that wait for children are not counted.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleDepth {
    pub role: Role,
    /// What a claim may take, unless the role as a whole is paused.
    pub ready: u64,
    /// Ready as well, but behind the pause or the quota of its tenant: more workers would not help it.
    pub held: u64,
    /// Due later, retries included: of those that are due next over all roles.
    pub scheduled: u64,
    pub running: u64,
    /// Whether there may be more ready, held or scheduled than these figures say.
    pub at_least: bool,
    /// Runs that the role's workers do at once at most. One that drains does not count, nor one that was not heard of
    /// for [`SILENT_AFTER`].
    pub capacity: u64,
    /// How long the oldest ready job has been due; zero where none is ready.
    pub oldest_wait: Duration,
    /// How long ago the oldest run began; zero where nothing runs.
    pub oldest_run: Duration,
}

/// A worker not heard of for this long lends no capacity. Whether it has lost its jobs is decided by other workers,
/// sooner as a rule; this counts when there are none.
pub const SILENT_AFTER: Duration = Duration::from_secs(60);

impl RoleDepth {
    /// All that is ready, held back or not.
    pub fn queued(&self) -> u64 {
        self.ready.saturating_add(self.held)
    }

    /// The work that workers have or could have: what waits for one and what one holds. Without the latter, a pool
    /// that has just taken every job would seem to have nothing to do.
    pub fn load(&self) -> u64 {
        self.ready.saturating_add(self.running)
    }
}
