//! The breakers of a process.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    calls::{SLOW, Seen},
    circuit::{Asked, Circuit, Permit, State},
    dependency::Dependency,
    gauge::show,
    line::Line,
    sharing::Standing,
};
use crate::{
    id::WorkerId,
    metrics::Metrics,
    outbound::{OutboundError, OutboundResponse},
    outcome::Failure,
    store::breakers::{Finding, SharedBreaker, SharedBreakers, Vote},
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

struct Entry {
    circuit: Circuit,
    line: Line,
    /// Whether the others found it open, rather than this process.
    from_others: bool,
    /// Whether the others were told that it is open.
    told: bool,
    /// Whether it is open for all, so that one tries for all.
    shared: bool,
    /// Until when that is this process.
    trial: Option<Instant>,
    /// Until when it is another, as far as is known.
    tried_elsewhere: Option<Instant>,
    used: Instant,
}

/// A call that goes through. Dropped before it is said how it [`ended`](Self::ended), it counts as cancelled.
#[must_use = "a call that is dropped counts as cancelled"]
pub struct Call {
    board: Board,
    dependency: Dependency,
    permit: Permit,
    since: Instant,
    told: bool,
}

/// A call that does not go through now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{dependency} is left alone for {wait:?}")]
pub struct Refused {
    pub dependency: Dependency,
    /// When it is to come again.
    pub wait: Duration,
    /// Whether it may go as a trial once this process has [leave](Board::may_try) to try on behalf of all.
    pub would_be_trial: bool,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Later(refused.wait)
    }
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
            let open = breaker.votes >= standing.needed;
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

    /// Puts the states into the metrics.
    pub fn show(&self) {
        let now = self.now();
        let entries = self.entries();
        let states = entries.all.iter().map(|(dependency, entry)| (dependency.clone(), entry.circuit.state(now)));
        show(&self.0.metrics, states);
    }

    fn end(&self, call: &Call, seen: Option<Seen>) {
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

    fn now(&self) -> Instant {
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

impl Entry {
    fn new(dependency: &Dependency, options: &Options, now: Instant) -> Self {
        let places = match dependency {
            Dependency::Webhook(_) => Some(options.webhooks_per_host),
            _ => None,
        };
        Self {
            circuit: Circuit::new(options.open, rand::random_range(0.0..1.0), now),
            line: Line::new(places, now),
            from_others: false,
            told: false,
            shared: false,
            trial: None,
            tried_elsewhere: None,
            used: now,
        }
    }

    /// `open` says whether it is open for all, `untold` whether what this process found is not on record yet: then
    /// what is there does not count what it knows better.
    fn hear(&mut self, breaker: &SharedBreaker, open: bool, untold: bool, now: Instant) {
        self.circuit.set_word(breaker.said.as_ref().map(|said| (said.word, now + said.left)));
        if untold {
            return;
        }
        if !open {
            self.shared = false;
            return self.hear_no_quorum(breaker.mine, now);
        }
        // Where nobody else says so, nobody else needs to be asked.
        self.shared = breaker.votes > 1 || !breaker.mine;
        self.tried_elsewhere = breaker.tried_by_other.map(|left| now + left);
        if is_ahead(self.trial, now) {
            return;
        }
        let is_closed = self.circuit.open_until().is_none();
        if is_closed || !breaker.open_for.is_zero() {
            self.from_others |= is_closed;
            self.circuit.open_until_at_least(now + breaker.open_for, breaker.opened, now);
        }
    }

    fn hear_nothing(&mut self, untold: bool, now: Instant) {
        self.circuit.set_word(None);
        if !untold {
            self.shared = false;
            self.hear_no_quorum(false, now);
        }
    }

    /// It is not open for all. What this process was told by others is void, and what it told them, too, once
    /// that is not there any more: somebody tried it, or an operator closed it.
    fn hear_no_quorum(&mut self, mine: bool, now: Instant) {
        let void = self.from_others || self.told && !mine;
        if void && self.circuit.open_until().is_some() {
            (self.from_others, self.told, self.trial) = (false, false, None);
            self.circuit.close(now);
        }
    }

    /// Whether a new one would do as well.
    fn is_forgettable(&self, now: Instant) -> bool {
        /// As long as failures are counted as being in a row.
        const KEPT: Duration = Duration::from_secs(600);
        self.circuit.state(now) == State::Closed
            && !self.told
            && self.line.is_idle(now)
            && now.saturating_duration_since(self.used) >= KEPT
    }
}

impl Call {
    /// Says how it ended: `failed` where it did not connect, was not answered in time, or was told that the
    /// other side cannot.
    pub fn ended(mut self, failed: bool) {
        let slow = self.dependency.answers_at_once() && self.board.now() - self.since > SLOW;
        self.told = true;
        self.board.end(&self, Some(Seen { failed, slow }));
    }
}

impl Call {
    /// Says how an HTTP request ended. A request that Golden itself refused says nothing of the host.
    pub fn answered(self, answer: &Result<OutboundResponse, OutboundError>, is_fault: impl FnOnce(u16) -> bool) {
        match answer {
            Ok(answer) => self.ended(is_fault(answer.status)),
            Err(OutboundError::Timeout(_) | OutboundError::Connection(_)) => self.ended(true),
            Err(OutboundError::Refused(_)) => {}
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.told {
            self.board.end(self, None);
        }
    }
}

fn is_ahead(time: Option<Instant>, now: Instant) -> bool {
    time.is_some_and(|time| now < time)
}

#[cfg(test)]
mod tests;
