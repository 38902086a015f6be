//! What the replicas know together of their dependencies.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{
    audit::Actor,
    breakers::{Dependency, State, Word},
    id::WorkerId,
    role::Role,
};

/// Breakers that are told of at a time, at most.
pub const BREAKERS: u32 = 1000;

/// Votes on circuit breakers, and what operators say of them.
///
/// Times are told as what is left of them, by the store's clock.
#[async_trait]
pub trait Breakers: Send + Sync {
    /// Records what `voter` found out: a vote for each dependency that it finds open, or that it does not
    /// any more. Forgets votes and words whose time is long over.
    async fn vote(&self, voter: WorkerId, votes: &[Vote]) -> Result<(), StoreError>;

    /// Every breaker of which there is something to say, as `voter` is to see it; at most [`BREAKERS`], those first
    /// of which an operator said something, then those with the most votes. A vote counts while its voter is
    /// alive.
    async fn breakers(&self, voter: Option<WorkerId>) -> Result<SharedBreakers, StoreError>;

    /// Lets `worker` alone try for `lease` whether a dependency is back; answers `false` where another does.
    async fn lease_trial(&self, worker: WorkerId, dependency: &Dependency, lease: Duration)
    -> Result<bool, StoreError>;

    /// Records what an operator says of a breaker, instead of what was said before.
    async fn say(&self, dependency: &Dependency, said: &Said, by: &Actor) -> Result<(), StoreError>;

    /// Closes a breaker, or all, whatever was said of it and whoever voted.
    async fn reset_breakers(&self, dependency: Option<&Dependency>, by: &Actor) -> Result<(), StoreError>;
}

/// What one process found out about a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    pub dependency: Dependency,
    pub finding: Finding,
}

/// How it stands with a dependency, as one process sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It is not called for so long; it failed `opened` times in a row after it was tried.
    Open { lasts: Duration, opened: u32 },
    /// Nothing is wrong with it, as far as this process can tell.
    Closed,
    /// It was tried on behalf of all, and works: the votes of all are void.
    Works,
}

/// All that the store has to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedBreakers {
    pub breakers: Vec<SharedBreaker>,
    /// Processes that are alive, by the role they have a pool of. Empty where there is no breaker to tell of.
    pub alive: Vec<(Role, u64)>,
}

impl SharedBreakers {
    /// Processes that have a pool of that role.
    pub fn alive(&self, role: Role) -> u64 {
        self.alive.iter().find(|(of, _)| *of == role).map_or(0, |(_, alive)| *alive)
    }
}

/// What is said of one dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedBreaker {
    pub dependency: Dependency,
    /// Processes that find it open.
    pub votes: u64,
    /// Whether the one that asks is among them.
    pub mine: bool,
    /// The most that anyone found it open in a row.
    pub opened: u32,
    /// How long until all of them would try it again.
    pub open_for: Duration,
    pub said: Option<Said>,
    /// For how long another process may still try it on behalf of all.
    pub tried_by_other: Option<Duration>,
}

/// What an operator said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub word: Word,
    /// For how long that still holds.
    pub left: Duration,
    pub reason: String,
    pub by: String,
}

/// What a row says of a breaker. The store binds, fetches and maps; this is the same for all of them.
#[derive(Debug)]
pub(super) struct BreakerRow {
    pub(super) name: String,
    pub(super) votes: u64,
    pub(super) mine: bool,
    pub(super) opened: u32,
    pub(super) open_for: Option<Duration>,
    pub(super) state: Option<String>,
    pub(super) left: Option<Duration>,
    pub(super) reason: Option<String>,
    pub(super) set_by: Option<String>,
    pub(super) tried_by_other: Option<Duration>,
}

impl BreakerRow {
    /// `None` for a dependency that only a later Golden knows.
    fn read(self) -> Option<SharedBreaker> {
        let word = match self.state.as_deref() {
            Some("forced_open") => Some(Word::ForcedOpen),
            Some("disabled") => Some(Word::Disabled),
            _ => None,
        };
        Some(SharedBreaker {
            dependency: self.name.parse().ok()?,
            votes: self.votes,
            mine: self.mine,
            opened: self.opened,
            open_for: self.open_for.unwrap_or_default(),
            said: word.map(|word| Said {
                word,
                left: self.left.unwrap_or_default(),
                reason: self.reason.unwrap_or_default(),
                by: self.set_by.unwrap_or_default(),
            }),
            tried_by_other: self.tried_by_other.filter(|left| !left.is_zero()),
        })
    }
}

/// Puts together what is said and who is alive: the roles of each process.
pub(super) fn shared(rows: Vec<BreakerRow>, alive: Vec<Vec<Role>>) -> SharedBreakers {
    let of = |role: Role| alive.iter().filter(|roles| roles.contains(&role)).count() as u64;
    SharedBreakers {
        breakers: rows.into_iter().filter_map(BreakerRow::read).collect(),
        alive: Role::ALL.map(|role| (role, of(role))).into(),
    }
}

/// How a word is written.
pub(crate) const fn word(word: Word) -> &'static str {
    match word {
        Word::ForcedOpen => State::ForcedOpen.as_str(),
        Word::Disabled => State::Disabled.as_str(),
    }
}
