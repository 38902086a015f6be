//! Guards on record: whose turn it is to look, and what came of it.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreError;
use crate::{
    guards::{Guard, Looked, Standing},
    id::WorkerId,
    role::Role,
};

/// The record of the guards that supervisors keep, and what they look at that no other verb says.
#[async_trait]
pub trait Guards: Send + Sync {
    /// Has `worker` look after these guards for the next `lease`, but for those that another does. Answers its own.
    async fn take_guards(
        &self,
        worker: WorkerId,
        guards: &[Guard],
        lease: Duration,
    ) -> Result<Vec<GuardRecord>, StoreError>;

    /// Records what a look came to: what was done is audited, and a human is asked, or need not look any more, as
    /// [`Standing`] has it. Answers `false`, and changes nothing, where it is another's turn by now.
    async fn guard_looked(&self, worker: WorkerId, guard: Guard, looked: &Looked) -> Result<bool, StoreError>;

    /// The guards that were ever looked after, by name.
    async fn guards(&self) -> Result<Vec<GuardRecord>, StoreError>;

    /// Who has dead letters of kinds that have more than `most` of the last `window` and after `since`: grouped by kind,
    /// and of a kind the worst first. The newest [`LETTERS`] are looked at and no more.
    async fn dying(&self, most: u32, window: Duration, since: DateTime<Utc>) -> Result<Vec<Dying>, StoreError>;

    /// For how long the oldest event and the oldest webhook have waited.
    async fn backlog(&self) -> Result<Backlog, StoreError>;
}

/// Dead letters, or jobs of a tenant, that are looked at to say what dies.
pub const LETTERS: u32 = 1_000;
/// Jobs of a tenant in a role that say whether most of them die.
pub(super) const NEIGHBOURS: u32 = 100;

/// A guard as it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardRecord {
    pub guard: Guard,
    /// When somebody last began to look, by the store's clock.
    pub looked_at: DateTime<Utc>,
    pub standing: Standing,
}

/// A tenant's jobs of one kind in one role that die.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dying {
    pub kind: String,
    pub tenant_id: String,
    pub role: Role,
    /// Its dead letters of the kind within the time that was asked for.
    pub letters: u64,
    /// Whether so many of the kind died two such times ago as well, or so many since that nobody looked so far back.
    pub lasting: bool,
    /// Of its last hundred jobs in that role up to one of these.
    pub dead: u64,
    pub succeeded: u64,
    /// Whether the tenant's queue or the whole role is paused.
    pub paused: bool,
}

/// How long things wait that should not; zero where nothing does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// For the relay.
    pub events: Duration,
    /// Ready, and held back by nobody.
    pub webhooks: Duration,
}
