//! Retention: what has ended is kept for a while, then it goes.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{
    id::{JobId, WorkerId},
    record::State,
};

/// Rows that hang on jobs that one call removes at most: of their logs, of their attempts, and of what
/// receivers of webhooks answered.
pub(super) const HANGING: u32 = 5_000;

/// Removes what is past its time, a little at a time.
///
/// Every call is a short transaction that takes nobody's locks away: rows that somebody else holds
/// are stepped over, and found the next time.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Answers whether `worker` is the one to do a chore for the next `lease`. Several at it do no
    /// harm; one does as much.
    async fn take_turn(&self, chore: Chore, worker: WorkerId, lease: Duration) -> Result<bool, StoreError>;

    /// Looks at up to `limit` jobs after `after`, the oldest first, and removes those that ended longer
    /// ago than `keep` says, with their attempts, logs, deliveries and dead letters.
    ///
    /// A job stays while something may still need it: while an event as old as its end is not passed on,
    /// while jobs that it made are open, and while the job that made it is open or may be replayed. A
    /// schedule does not need the last job it made.
    async fn prune_jobs(&self, keep: &Keep, after: Option<JobId>, limit: u32) -> Result<Pruned, StoreError>;

    /// Removes up to `limit` dead letters that were resolved longer ago than `keep` says and whose
    /// jobs went on. Answers how many there were.
    async fn prune_dead_letters(&self, keep: &Keep, limit: u32) -> Result<u64, StoreError>;

    /// Removes up to `limit` rows of the ledger of budgets that were written longer ago than `keep` says. What a tenant
    /// spent in the period under way stays on record as one sum, so that its account still is that of its rows.
    /// Answers how many rows went.
    async fn prune_ledger(&self, keep: &Keep, limit: u32) -> Result<u64, StoreError>;

    /// Forgets up to `limit` idempotency keys that are [past their time](super::IDEMPOTENCY_WINDOW).
    /// Answers how many there were.
    async fn prune_keys(&self, limit: u32) -> Result<u64, StoreError>;
}

/// What one process does for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chore {
    /// Removing what is past its time.
    Retention,
    /// Handing to the broker what it has not taken.
    Publishing,
    /// Seeing to jobs that wait for money, and to money that nobody will settle.
    Budgets,
}

impl Chore {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Publishing => "publishing",
            Self::Budgets => "budgets",
        }
    }
}

/// How long jobs stay on record after they ended, and what they spent; what is absent stays for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    pub succeeded: Option<Duration>,
    pub cancelled: Option<Duration>,
    /// Counts from when the dead letter was resolved: until then it stays.
    pub dead: Option<Duration>,
    /// Of the ledger of budgets, from when a row was written.
    pub ledger: Option<Duration>,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Keep {
    /// Everything stays.
    pub const ALL: Self = Self { succeeded: None, cancelled: None, dead: None, ledger: None };

    /// The shortest that any job stays; `None` where all do.
    pub(super) fn shortest(&self) -> Option<Duration> {
        [self.succeeded, self.cancelled, self.dead].into_iter().flatten().min()
    }
}

impl Default for Keep {
    fn default() -> Self {
        Self { succeeded: Some(DAY * 7), cancelled: Some(DAY * 7), dead: Some(DAY * 30), ledger: Some(DAY * 90) }
    }
}

/// What one call of [`Retention::prune_jobs`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    pub succeeded: u64,
    pub dead: u64,
    pub cancelled: u64,
    pub next: Next,
}

/// Where a walk over jobs goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Next {
    /// After this job.
    After(JobId),
    /// Where it began: so much hangs on the jobs there that one call could not remove it all.
    Again,
    /// Nowhere: what is left is too young.
    #[default]
    Done,
}

impl Next {
    /// After this job, if there is one to go on after.
    pub(super) fn after(job: Option<JobId>) -> Self {
        job.map_or(Self::Done, Self::After)
    }
}

impl Pruned {
    /// How many of the jobs that were removed had ended so.
    pub fn of(&self, state: State) -> u64 {
        match state {
            State::Succeeded => self.succeeded,
            State::Dead => self.dead,
            State::Cancelled => self.cancelled,
            State::Scheduled | State::Queued | State::Running | State::Retrying | State::Waiting => 0,
        }
    }
}
