//! What the calls of the last minute came to.

use std::time::{Duration, Instant};

/// Failures in a row that are enough.
const IN_A_ROW: u32 = 5;
/// Shares are taken of so many calls at least.
const ENOUGH: u32 = 20;
/// A call that takes longer is slow.
pub const SLOW: Duration = Duration::from_secs(30);
/// For how long a call counts towards the shares, in steps.
const STEPS: usize = 12;
const STEP: Duration = Duration::from_secs(5);

/// How a call ended, as far as its dependency is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// It did not connect, did not answer in time, or said itself that it cannot.
    pub failed: bool,
    /// It took longer than [`SLOW`].
    pub slow: bool,
}

/// Counts calls while a circuit is closed.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    failures_in_a_row: u32,
    begun: Instant,
    /// The step that was counted in last, and what it and those before it hold, at its number modulo their
    /// number.
    step: u64,
    steps: [Counts; STEPS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    calls: u32,
    failed: u32,
    slow: u32,
}

impl Calls {
    pub(super) fn new(now: Instant) -> Self {
        Self { failures_in_a_row: 0, begun: now, step: 0, steps: Default::default() }
    }

    /// Counts a call, and answers whether these are too many that ended badly.
    pub(super) fn count(&mut self, seen: Seen, now: Instant) -> bool {
        self.advance(now);
        self.failures_in_a_row = if seen.failed { self.failures_in_a_row.saturating_add(1) } else { 0 };
        let last = &mut self.steps[place(self.step)];
        last.calls += 1;
        last.failed += u32::from(seen.failed);
        last.slow += u32::from(seen.slow);

        let sum = |of: fn(&Counts) -> u32| self.steps.iter().map(of).fold(0, u32::saturating_add);
        let (calls, failed, slow) = (sum(|step| step.calls), sum(|step| step.failed), sum(|step| step.slow));
        let share = |bad: u32, percent: u64| calls >= ENOUGH && u64::from(bad) * 100 >= u64::from(calls) * percent;
        self.failures_in_a_row >= IN_A_ROW || share(failed, 50) || share(slow, 80)
    }

    /// Empties the steps that began since the last call.
    fn advance(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.begun);
        let step = since.as_secs() / STEP.as_secs();
        let passed = step.saturating_sub(self.step).min(STEPS as u64);
        for n in 1..=passed {
            self.steps[place(self.step + n)] = Counts::default();
        }
        self.step = self.step.max(step);
        if passed == STEPS as u64 {
            self.steps = Default::default();
        }
    }
}

fn place(step: u64) -> usize {
    // Less than STEPS, which is few.
    (step % STEPS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Seen = Seen { failed: false, slow: false };
    const BAD: Seen = Seen { failed: true, slow: false };
    const LATE: Seen = Seen { failed: false, slow: true };

    /// Counts these calls so many seconds apart; at which of them it was too much, from 1.
    fn too_much(calls: &[Seen], apart: u64) -> Option<usize> {
        let begin = Instant::now();
        let mut counted = Calls::new(begin);
        let mut at = begin;
        for (n, seen) in calls.iter().enumerate() {
            if counted.count(*seen, at) {
                return Some(n + 1);
            }
            at += Duration::from_secs(apart);
        }
        None
    }

    #[test]
    fn five_failures_in_a_row_are_too_many_however_far_apart() {
        for apart in [0, 1, 3600] {
            assert_eq!(too_much(&[BAD; 9], apart), Some(5));
            assert_eq!(too_much(&[BAD, BAD, BAD, BAD, GOOD, BAD, BAD, BAD, BAD, GOOD], apart), None, "{apart}");
        }
    }

    #[test]
    fn half_of_twenty_calls_in_a_minute_are_too_many() {
        let alternating = [BAD, GOOD].repeat(20);
        assert_eq!(too_much(&alternating, 0), Some(20));
        assert_eq!(too_much(&alternating, 2), Some(20));
        assert_eq!(too_much(&alternating, 4), None, "fifteen in a minute tell nothing");
        let few = [BAD, GOOD, GOOD].repeat(20);
        assert_eq!(too_much(&few, 0), None);
    }

    #[test]
    fn four_in_five_that_are_slow_are_too_many() {
        assert_eq!(too_much(&[LATE; 40], 1), Some(20));
        assert_eq!(too_much(&[LATE, LATE, LATE, LATE, GOOD].repeat(8), 1), Some(20));
        assert_eq!(too_much(&[LATE, LATE, LATE, GOOD].repeat(10), 1), None);
    }
}
