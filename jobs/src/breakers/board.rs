//! The breakers of a process.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    call::{Call, Refused},
    calls::Seen,
    circuit::{Asked, State},
    dependency::Dependency,
    entry::{Entry, is_ahead},
    gauge::show,
    sharing::Standing,
};
use crate::{
    id::WorkerId,
    metrics::Metrics,
    store::breakers::{Finding, SharedBreakers, Vote},
};

/// Dependencies that are remembered, at most: hosts are named by users. The one that was not called for longest
/// is forgotten first.
const REMEMBERED: usize = 2000;
/// Votes of one process, at most: each is a row.
const VOTES: usize = 200;
/// How soon to look again while another process tries a dependency for all.
const TRIED_BY_ANOTHER: Duration = Duration::from_secs(1);
/// The longest that a call is told to stay away at a time, so that what an operator says is soon heeded.
const PATIENCE: Duration = Duration::from_secs(300);

const WEBHOOKS_PER_HOST: NonZeroUsize = NonZeroUsize::new(10).unwrap();

/// How the breakers of a process are set.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long a breaker is open at first; ten times as long at most.
    pub open: Duration,
    /// Deliveries of webhooks to one host at a time.
    pub webhooks_per_host: NonZeroUsize,
}

impl Default for Options {
    fn default() -> Self {
        Self { open: Duration::from_secs(30), webhooks_per_host: WEBHOOKS_PER_HOST }
    }
}

/// The breakers of this process. Clones share them.
#[derive(Clone)]
pub struct Board(Arc<Inner>);

struct Inner {
    now: Box<dyn Fn() -> Instant + Send + Sync>,
    options: Options,
    metrics: Metrics,
    entries: Mutex<Entries>,
    stirred: Notify,
}

struct Entries {
    /// Who this process is to the others.
    worker: WorkerId,
    all: BTreeMap<Dependency, Entry>,
    /// Those of which the others are to be told.
    untold: BTreeSet<Dependency>,
}

impl Board {
    pub fn new(options: Options, metrics: Metrics) -> Self {
        Self::by(Instant::now, options, metrics)
    }

    /// The same by another clock.
    fn by(now: impl Fn() -> Instant + Send + Sync + 'static, options: Options, metrics: Metrics) -> Self {
        let entries = Entries { worker: WorkerId::new(), all: BTreeMap::new(), untold: BTreeSet::new() };
        let (now, entries, stirred) = (Box::new(now), Mutex::new(entries), Notify::new());
        let board = Self(Arc::new(Inner { now, options, metrics, entries, stirred }));
        board.show();
        board
    }

    /// Lets a call to `dependency` through that takes no longer than `lasts`, or says when to come again.
    pub fn call(&self, dependency: &Dependency, lasts: Duration) -> Result<Call, Refused> {
        let now = self.now();
        let mut entries = self.entries();
        let inner = &*self.0;
        let entry = entries.find(dependency, &inner.options, now);
        entry.used = now;
        let may_try = !entry.shared || is_ahead(entry.trial, now);
        let opened = entry.circuit.opened();
        let asked = entry.circuit.ask(now, lasts, may_try);
        let opens = match asked {
            Asked::Go(permit) if entry.line.is_full() => {
                entry.circuit.give_back(permit, now);
                now
            }
            Asked::Go(permit) => {
                entry.line.enter();
                let dependency = dependency.clone();
                return Ok(Call { board: self.clone(), dependency, permit, since: now, told: false });
            }
            Asked::Wait(until) => until.min(now + PATIENCE),
            Asked::Later => now,
            Asked::Trial => now + TRIED_BY_ANOTHER,
        };
        let would_be_trial = asked == Asked::Trial && !is_ahead(entry.tried_elsewhere, now);
        let wait = entry.line.turn_away(opens, now);
        if entry.circuit.opened() != opened {
            // A trial was not heard of any more.
            entries.untold.insert(dependency.clone());
            inner.stirred.notify_one();
        }
        Err(Refused { dependency: dependency.clone(), wait, would_be_trial })
    }

    /// How it stands with a dependency, as this process sees it.
    pub fn state(&self, dependency: &Dependency) -> State {
        let now = self.now();
        self.entries().all.get(dependency).map_or(State::Closed, |entry| entry.circuit.state(now))
    }

    /// How it stands with those that each process decides on alone.
    pub fn own(&self) -> impl Iterator<Item = (Dependency, State)> {
        let own = Dependency::FIXED.into_iter().filter(|dependency| dependency.role().is_none());
        own.map(|dependency| (dependency.clone(), self.state(&dependency)))
    }

    /// Closes one, or all, as an operator asked for, without waiting to hear of it.
    pub fn reset(&self, dependency: Option<&Dependency>) {
        let now = self.now();
        let mut entries = self.entries();
        let Entries { all, untold, .. } = &mut *entries;
        for (known, entry) in all.iter_mut().filter(|(known, _)| dependency.is_none_or(|one| one == *known)) {
            entry.circuit.set_word(None);
            entry.circuit.close(now);
            (entry.from_others, entry.told, entry.shared, entry.trial) = (false, false, false, None);
            untold.remove(known);
        }
        drop(entries);
        self.show();
    }

    /// Waits until there are findings to share.
    pub async fn stirred(&self) {
        self.0.stirred.notified().await;
    }

    /// Who this process is to the others.
    pub fn worker(&self) -> WorkerId {
        self.entries().worker
    }

    /// What the others are to be told, once, in the name of `worker`. What cannot be told is to be
    /// [kept](Self::keep).
    pub fn findings(&self, worker: WorkerId) -> Vec<Vote> {
        let now = self.now();
        let mut entries = self.entries();
        let Entries { all, untold, worker: known } = &mut *entries;
        *known = worker;
        let mut votes = all.values().filter(|entry| entry.told).count();
        let mut findings = Vec::new();
        for dependency in std::mem::take(untold) {
            let Some(entry) = all.get_mut(&dependency) else {
                findings.push(Vote { dependency, finding: Finding::Closed });
                continue;
            };
            let finding = match entry.circuit.open_until() {
                Some(_) if entry.from_others => continue,
                Some(_) if !entry.told && votes >= VOTES => continue,
                Some(until) => {
                    votes += usize::from(!entry.told);
                    entry.told = true;
                    let lasts = until.saturating_duration_since(now);
                    Finding::Open { lasts, opened: entry.circuit.opened() }
                }
                None => {
                    let tried = is_ahead(entry.trial.take(), now);
                    if !entry.told && !tried {
                        continue;
                    }
                    entry.told = false;
                    if tried { Finding::Works } else { Finding::Closed }
                }
            };
            entry.trial = None;
            findings.push(Vote { dependency, finding });
        }
        findings
    }

    /// Findings that could not be told yet.
    pub fn keep(&self, findings: Vec<Vote>) {
        let mut entries = self.entries();
        for Vote { dependency, finding } in findings {
            if let (Finding::Closed | Finding::Works, Some(entry)) = (finding, entries.all.get_mut(&dependency)) {
                entry.told = true;
            }
            entries.untold.insert(dependency);
        }
    }

    /// Whether this process is, for `lease`, the one that tries a dependency on behalf of all; if not, another is.
    pub fn may_try(&self, dependency: &Dependency, granted: bool, lease: Duration) {
        let now = self.now();
        if let Some(entry) = self.entries().all.get_mut(dependency) {
            match granted {
                true => entry.trial = Some(now + lease),
                false => entry.tried_elsewhere = Some(now + TRIED_BY_ANOTHER),
            }
        }
    }

    /// Heeds what the others say.
    pub fn hear(&self, shared: &SharedBreakers) {
        let now = self.now();
        let mut entries = self.entries();
        let mut said: BTreeSet<&Dependency> = BTreeSet::new();
        for breaker in &shared.breakers {
            let standing = Standing::of(breaker, shared);
            let open = breaker.dependency.role().is_some() && breaker.votes >= standing.needed;
            if open || breaker.said.is_some() {
                entries.find(&breaker.dependency, &self.0.options, now);
            }
            let Entries { all, untold, .. } = &mut *entries;
            if let Some(entry) = all.get_mut(&breaker.dependency) {
                entry.hear(breaker, open, untold.contains(&breaker.dependency), now);
                said.insert(&breaker.dependency);
            }
        }
        let Entries { all, untold, .. } = &mut *entries;
        for (dependency, entry) in all.iter_mut().filter(|(dependency, _)| !said.contains(dependency)) {
            entry.hear_nothing(untold.contains(dependency), now);
        }
        all.retain(|dependency, entry| !entry.is_forgettable(now) || untold.contains(dependency));
        drop(entries);
        self.show();
    }

    /// The connection to a dependency is there again: whoever calls next tries it, sooner than its time.
    pub fn try_now(&self, dependency: &Dependency) {
        let now = self.now();
        if let Some(entry) = self.entries().all.get_mut(dependency) {
            entry.circuit.try_now(now);
        }
        self.show();
    }

    /// Puts the states into the metrics.
    pub fn show(&self) {
        let now = self.now();
        let entries = self.entries();
        let states = entries.all.iter().map(|(dependency, entry)| (dependency.clone(), entry.circuit.state(now)));
        show(&self.0.metrics, states);
    }

    pub(super) fn end(&self, call: &Call, seen: Option<Seen>) {
        let now = self.now();
        let mut entries = self.entries();
        let Entries { all, untold, .. } = &mut *entries;
        let Some(entry) = all.get_mut(&call.dependency) else { return };
        entry.line.leave(now - call.since);
        let opened = entry.circuit.opened();
        match seen {
            Some(seen) => entry.circuit.tell(call.permit, seen, now),
            None => entry.circuit.give_back(call.permit, now),
        }
        if entry.circuit.opened() == opened {
            return;
        }
        // It opened, or it closed.
        let state = entry.circuit.state(now);
        entry.from_others = false;
        untold.insert(call.dependency.clone());
        drop(entries);
        tracing::warn!(breaker = %call.dependency, state = state.as_str(), "a circuit breaker changed");
        self.show();
        self.0.stirred.notify_one();
    }

    pub(super) fn now(&self) -> Instant {
        (self.0.now)()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn find(&mut self, dependency: &Dependency, options: &Options, now: Instant) -> &mut Entry {
        if self.all.len() >= REMEMBERED && !self.all.contains_key(dependency) {
            self.make_room(now);
        }
        self.all.entry(dependency.clone()).or_insert_with(|| Entry::new(dependency, options, now))
    }

    /// Forgets some of those that were not called for longest, closed ones first.
    fn make_room(&mut self, now: Instant) {
        let idle = self.all.iter().filter(|(_, entry)| entry.line.is_vacant());
        let mut idle: Vec<_> =
            idle.map(|(of, entry)| (entry.circuit.state(now) > State::Closed, entry.used, of.clone())).collect();
        idle.sort_unstable();
        for (_, _, dependency) in idle.into_iter().take(REMEMBERED / 8) {
            if self.all.remove(&dependency).is_some_and(|entry| entry.told) {
                self.untold.insert(dependency);
            }
        }
    }
}

#[cfg(test)]
mod tests;
