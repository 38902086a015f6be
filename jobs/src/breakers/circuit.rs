//! One breaker's state: a pure function of what happened and of the time.
//!
//! ```text
//!            too many failures                    its time is over
//!   CLOSED ───────────────────► OPEN ─────────────────────────────► HALF_OPEN
//!      ▲                          ▲                                   │    │
//!      │                          └── a trial failed, or its permit ──┘    │
//!      │                              lapsed: open twice as long           │
//!      └───────────────────────────────── three trials succeeded ──────────┘
//! ```
//!
//! Whatever nobody tells it, it goes on by the clock: it is never open for longer than six minutes without
//! letting somebody try, a trial that is never heard of again gives its place back when its permit lapses, and what
//! an operator said of it holds for an hour at most.

use std::time::{Duration, Instant};

use super::calls::{Calls, Seen};

/// Trials at a time while half open, and how many must succeed.
const TRIALS: usize = 3;
/// The longest time open, of the first.
const LONGEST: u32 = 10;
/// How far a time open is from what it is in the middle.
const JITTER: f64 = 0.2;

/// What operators may say of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Nothing goes through.
    ForcedOpen,
    /// Everything goes through, and nothing is counted.
    Disabled,
}

/// What a breaker does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Disabled,
    Closed,
    HalfOpen,
    Open,
    ForcedOpen,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
        }
    }

    /// The value of `circuit_breaker_state`.
    pub const fn value(self) -> i64 {
        match self {
            Self::Closed | Self::Disabled => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
            Self::ForcedOpen => 3,
        }
    }
}

/// The answer to a call that wants to go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It may, and is to tell how it ended.
    Go(Permit),
    /// Not before this time.
    Wait(Instant),
    /// All trials are under way.
    Later,
    /// It would be a trial, which the caller is not to make.
    Trial,
}

/// What a call that went through shows when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    /// Of which state it is: what an earlier one let through says nothing of this one.
    period: u64,
    number: u64,
}

/// A breaker.
#[derive(Debug, Clone)]
pub struct Circuit {
    /// The first time open, and where in the jitter all of its times are: every replica has its own.
    first: Duration,
    chance: f64,
    phase: Phase,
    /// Times it opened since it was closed.
    opened: u32,
    word: Option<(Word, Instant)>,
    period: u64,
    permits: u64,
}

#[derive(Debug, Clone)]
enum Phase {
    Closed(Calls),
    Open { until: Instant },
    Trying { since: Instant, trials: Vec<Trial>, succeeded: usize },
}

#[derive(Debug, Clone, Copy)]
struct Trial {
    number: u64,
    /// When it is given up.
    lapses: Instant,
}

impl Circuit {
    /// A closed one. It opens for `first` at first, and at most ten times as long; `chance` is uniform in 0..1.
    pub fn new(first: Duration, chance: f64, now: Instant) -> Self {
        Self { first, chance, phase: Phase::Closed(Calls::new(now)), opened: 0, word: None, period: 0, permits: 0 }
    }

    pub fn state(&self, now: Instant) -> State {
        match self.word_at(now) {
            Some((Word::ForcedOpen, _)) => return State::ForcedOpen,
            Some((Word::Disabled, _)) => return State::Disabled,
            None => {}
        }
        let mut seen = self.clone();
        seen.pass(now);
        match seen.phase {
            Phase::Closed(_) => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::Trying { .. } => State::HalfOpen,
        }
    }

    /// Times it opened since it was closed.
    pub fn opened(&self) -> u32 {
        self.opened
    }

    /// Until when it is open, or was before it let trials through; `None` while it is closed.
    pub fn open_until(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Closed(_) => None,
            Phase::Open { until } => Some(*until),
            Phase::Trying { since, .. } => Some(*since),
        }
    }

    /// Whether trials are under way.
    pub fn is_tried(&self) -> bool {
        matches!(&self.phase, Phase::Trying { trials, succeeded, .. } if *succeeded > 0 || !trials.is_empty())
    }

    /// Asks for a call that takes no longer than `lasts`; `may_try` says whether it may be a trial.
    pub fn ask(&mut self, now: Instant, lasts: Duration, may_try: bool) -> Asked {
        match self.word_at(now) {
            Some((Word::ForcedOpen, until)) => return Asked::Wait(until),
            Some((Word::Disabled, _)) => return Asked::Go(Permit { period: u64::MAX, number: 0 }),
            None => {}
        }
        self.pass(now);
        let permit = Permit { period: self.period, number: self.permits };
        match &mut self.phase {
            Phase::Closed(_) => {}
            Phase::Open { until } => return Asked::Wait(*until),
            Phase::Trying { .. } if !may_try => return Asked::Trial,
            Phase::Trying { trials, succeeded, .. } => {
                if trials.len() + *succeeded >= TRIALS {
                    return Asked::Later;
                }
                trials.push(Trial { number: permit.number, lapses: now + lasts });
            }
        }
        self.permits += 1;
        Asked::Go(permit)
    }

    /// Tells how a call ended.
    pub fn tell(&mut self, permit: Permit, seen: Seen, now: Instant) {
        if self.word_at(now).is_some() {
            return self.give_back(permit, now);
        }
        self.pass(now);
        if permit.period != self.period {
            return;
        }
        match &mut self.phase {
            Phase::Closed(calls) => {
                if calls.count(seen, now) {
                    self.open(now);
                }
            }
            Phase::Open { .. } => {}
            Phase::Trying { .. } if seen.failed => self.open(now),
            Phase::Trying { trials, succeeded, .. } => {
                let under_way = trials.len();
                trials.retain(|trial| trial.number != permit.number);
                *succeeded += under_way - trials.len();
                if *succeeded >= TRIALS {
                    self.close(now);
                }
            }
        }
    }

    /// A call ended that says nothing of its dependency: it was cancelled, or not even made.
    pub fn give_back(&mut self, permit: Permit, now: Instant) {
        self.pass(now);
        if let Phase::Trying { trials, .. } = &mut self.phase
            && permit.period == self.period
        {
            trials.retain(|trial| trial.number != permit.number);
        }
    }

    /// Opens it because others found that it should be, until then at least. Trials that are under way are not
    /// interrupted.
    pub fn open_until_at_least(&mut self, until: Instant, opened: u32, now: Instant) {
        self.pass(now);
        let later = match &self.phase {
            Phase::Closed(_) => true,
            Phase::Open { until: own } => *own < until,
            Phase::Trying { .. } => !self.is_tried() && now < until,
        };
        if later {
            self.opened = self.opened.max(opened);
            self.enter(Phase::Open { until });
        }
    }

    /// Whoever calls next tries it: there is a sign that it is back.
    pub fn try_now(&mut self, now: Instant) {
        self.pass(now);
        if let Phase::Open { .. } = &self.phase {
            self.enter(Phase::Trying { since: now, trials: Vec::new(), succeeded: 0 });
        }
    }

    /// Closes it, as if nothing had been.
    pub fn close(&mut self, now: Instant) {
        self.opened = 0;
        self.enter(Phase::Closed(Calls::new(now)));
    }

    /// What an operator said, and until when; `None` takes it back.
    pub fn set_word(&mut self, word: Option<(Word, Instant)>) {
        self.word = word;
    }

    fn word_at(&self, now: Instant) -> Option<(Word, Instant)> {
        self.word.filter(|(_, until)| now < *until)
    }

    /// What the time alone brings.
    fn pass(&mut self, now: Instant) {
        // A trial that lapsed reopened it then, and that may be over by now; at most twice, since nobody
        // took a permit meanwhile.
        while let Some(at) = self.next_change().filter(|at| *at <= now) {
            match &self.phase {
                Phase::Closed(_) => return,
                Phase::Open { until } => {
                    let since = *until;
                    self.enter(Phase::Trying { since, trials: Vec::new(), succeeded: 0 });
                }
                Phase::Trying { .. } => self.open(at),
            }
        }
    }

    fn next_change(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Closed(_) => None,
            Phase::Open { until } => Some(*until),
            Phase::Trying { trials, .. } => trials.iter().map(|trial| trial.lapses).min(),
        }
    }

    fn open(&mut self, at: Instant) {
        let times = 2_u32.saturating_pow(self.opened).min(LONGEST);
        let lasts = (self.first * times).mul_f64(1.0 - JITTER + 2.0 * JITTER * self.chance);
        self.opened = self.opened.saturating_add(1);
        self.enter(Phase::Open { until: at + lasts });
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.period += 1;
    }
}

#[cfg(test)]
mod tests;
