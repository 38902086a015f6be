//! The waiting sandboxes of one class, and how many there should be.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::warm::KeepWarm;

/// None waits longer: what it is made of may be out of date.
pub(crate) const OLDEST: Duration = Duration::from_secs(600);
/// How long one waits that is more than there should be.
const SPARE: Duration = Duration::from_secs(60);
/// As many as were asked for within this time should be there: about what it takes to make that many.
const LATELY: Duration = Duration::from_secs(2);

pub(crate) struct Shelf<S> {
    /// With when they began to wait, the oldest first.
    waiting: VecDeque<(S, Instant)>,
    /// When some were asked for lately.
    asked: VecDeque<Instant>,
    /// Whether programs that ask for nothing special get these.
    pub(crate) usual: bool,
}

impl<S> Default for Shelf<S> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), asked: VecDeque::new(), usual: false }
    }
}

impl<S> Shelf<S> {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn put(&mut self, sandbox: S, now: Instant) {
        self.waiting.push_back((sandbox, now));
    }

    /// Notes that one is needed.
    pub(crate) fn ask(&mut self, keep: KeepWarm, now: Instant) {
        self.asked.push_back(now);
        // More would not make more.
        if self.asked.len() > keep.max + 1 {
            self.asked.pop_front();
        }
    }

    /// The one that has waited longest, and how long.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(S, Duration)> {
        self.waiting.pop_front().map(|(sandbox, since)| (sandbox, now - since))
    }

    /// How many there should be.
    pub(crate) fn target(&self, keep: KeepWarm, now: Instant) -> usize {
        let lately = self.asked.iter().filter(|asked| now - **asked < LATELY).count();
        let wanted = if self.usual {
            lately.max(keep.min)
        } else {
            // One program with special wishes is no reason to expect another.
            lately.saturating_sub(1)
        };
        wanted.min(keep.max)
    }

    /// Takes out those that should not wait any longer: the dead, the old, and what is too many.
    pub(crate) fn retire(&mut self, keep: KeepWarm, now: Instant, mut alive: impl FnMut(&mut S) -> bool) -> Vec<S> {
        let target = self.target(keep, now);
        let mut retired = Vec::new();
        let mut staying = VecDeque::new();
        let mut left = self.waiting.len();
        for (mut sandbox, since) in self.waiting.drain(..) {
            let age = now - since;
            if age >= OLDEST || (left > target && age >= SPARE) || !alive(&mut sandbox) {
                retired.push(sandbox);
                left -= 1;
            } else {
                staying.push_back((sandbox, since));
            }
        }
        self.waiting = staying;
        retired
    }

    pub(crate) fn into_all(self) -> impl Iterator<Item = S> {
        self.waiting.into_iter().map(|(sandbox, _)| sandbox)
    }

    /// Whether there is nothing to remember of it.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        !self.usual && self.waiting.is_empty() && self.asked.back().is_none_or(|asked| now - *asked >= LATELY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: KeepWarm = KeepWarm { min: 2, max: 5 };

    fn shelf(usual: bool, waiting: usize, now: Instant) -> Shelf<usize> {
        let mut shelf = Shelf { usual, ..Shelf::default() };
        (0..waiting).for_each(|n| shelf.put(n, now));
        shelf
    }

    #[test]
    fn as_many_should_be_there_as_were_asked_for_lately() {
        let now = Instant::now();
        let mut usual = shelf(true, 0, now);
        let mut special = shelf(false, 0, now);
        let mut targets = Vec::new();
        for _ in 0..9 {
            targets.push((usual.target(KEEP, now), special.target(KEEP, now)));
            usual.ask(KEEP, now);
            special.ask(KEEP, now);
        }
        assert_eq!(targets, [(2, 0), (2, 0), (2, 1), (3, 2), (4, 3), (5, 4), (5, 5), (5, 5), (5, 5)]);
        let later = now + LATELY;
        assert_eq!((usual.target(KEEP, later), special.target(KEEP, later)), (2, 0));
        assert!(special.is_idle(later) && !special.is_idle(now) && !usual.is_idle(later));
    }

    #[test]
    fn the_oldest_goes_first_and_nothing_twice() {
        let now = Instant::now();
        let mut shelf = shelf(true, 2, now);
        let second = Duration::from_secs(1);
        assert_eq!(shelf.next(now + second), Some((0, second)));
        assert_eq!(shelf.next(now + second), Some((1, second)));
        assert_eq!(shelf.next(now + second), None);
    }

    #[test]
    fn the_dead_the_old_and_the_spare_retire() {
        let now = Instant::now();
        let mut shelf = shelf(true, 5, now);
        let none: [usize; 0] = [];
        assert_eq!(shelf.retire(KEEP, now, |n| *n != 1), [1]);
        assert_eq!(shelf.retire(KEEP, now, |_| true), none);
        // Two of four are more than there should be.
        assert_eq!(shelf.retire(KEEP, now + SPARE, |_| true), [0, 2]);
        shelf.put(5, now + OLDEST);
        assert_eq!(shelf.retire(KEEP, now + OLDEST, |_| true), [3, 4]);
        assert_eq!(shelf.into_all().collect::<Vec<_>>(), [5]);
    }
}
