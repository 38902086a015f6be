//! How many hints of a role to have waiting in Redis.

use std::time::{Duration, Instant};

/// In Redis for a role at most, taken ones included. What more there is, the store has.
pub(super) const MOST: usize = 2000;
/// Enough for workers that are at work for long.
const FEWEST: usize = 32;
/// Workers that leave as much behind for so long would not miss half of it.
const IDLE: Duration = Duration::from_secs(1);

/// A depth that follows how fast hints are taken. What is ahead of a job that comes late is as little as that allows.
pub(super) struct Depth {
    wanted: usize,
    /// Since when more than half of it has waited.
    full_since: Option<Instant>,
}

impl Depth {
    pub(super) fn new() -> Self {
        Self { wanted: FEWEST, full_since: None }
    }

    /// How many to add where `waiting` are there; none while that is more than half of what there should be.
    /// `backlog` is whether there was more than was given last.
    pub(super) fn wants(&mut self, waiting: usize, backlog: bool, now: Instant) -> usize {
        if 2 * waiting <= self.wanted {
            self.full_since = None;
            if waiting == 0 && backlog {
                self.wanted = (2 * self.wanted).min(MOST);
            }
            return self.wanted - waiting;
        }
        let since = *self.full_since.get_or_insert(now);
        if now - since >= IDLE {
            self.wanted = (self.wanted / 2).max(FEWEST);
            self.full_since = Some(now);
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_as_fast_as_hints_are_taken_and_no_further_than_the_most() {
        let (mut depth, now) = (Depth::new(), Instant::now());
        assert_eq!(depth.wants(0, false, now), FEWEST);
        assert_eq!(depth.wants(FEWEST / 2, true, now), FEWEST / 2, "they keep up");
        assert_eq!(depth.wants(FEWEST / 2 + 1, true, now), 0);
        for expected in [64, 128, 256, 512, 1024, MOST, MOST] {
            assert_eq!(depth.wants(0, true, now), expected);
        }
    }

    #[test]
    fn what_is_left_behind_for_a_while_makes_it_shrink() {
        let (mut depth, now) = (Depth::new(), Instant::now());
        while depth.wants(0, true, now) < MOST {}
        assert_eq!(depth.wants(MOST, true, now), 0);
        assert_eq!(depth.wants(MOST, true, now + IDLE), 0);
        assert_eq!(depth.wants(MOST / 4, true, now + IDLE), MOST / 4, "half as many as before");
        for seconds in 2..20 {
            depth.wants(MOST, true, now + seconds * IDLE);
        }
        assert_eq!(depth.wants(0, false, now), FEWEST);
    }
}
