//! How it stands with one dependency, by what this process found and what the others say.

use std::time::{Duration, Instant};

use super::{
    board::Options,
    circuit::{Circuit, State},
    dependency::Dependency,
    line::Line,
};
use crate::store::breakers::SharedBreaker;

pub(super) struct Entry {
    pub(super) circuit: Circuit,
    pub(super) line: Line,
    /// Whether the others found it open, rather than this process.
    pub(super) from_others: bool,
    /// Whether the others were told that it is open.
    pub(super) told: bool,
    /// Whether it is open for all, so that one tries for all.
    pub(super) shared: bool,
    /// Until when that is this process.
    pub(super) trial: Option<Instant>,
    /// Until when it is another, as far as is known.
    pub(super) tried_elsewhere: Option<Instant>,
    pub(super) used: Instant,
}

impl Entry {
    pub(super) fn new(dependency: &Dependency, options: &Options, now: Instant) -> Self {
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
    pub(super) fn hear(&mut self, breaker: &SharedBreaker, open: bool, untold: bool, now: Instant) {
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

    pub(super) fn hear_nothing(&mut self, untold: bool, now: Instant) {
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
    pub(super) fn is_forgettable(&self, now: Instant) -> bool {
        /// As long as failures are counted as being in a row.
        const KEPT: Duration = Duration::from_secs(600);
        self.circuit.state(now) == State::Closed
            && !self.told
            && self.line.is_idle(now)
            && now.saturating_duration_since(self.used) >= KEPT
    }
}

pub(super) fn is_ahead(time: Option<Instant>, now: Instant) -> bool {
    time.is_some_and(|time| now < time)
}
