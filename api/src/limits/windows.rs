//! Sliding windows: who asked how often within the last minute, to the request.
//!
//! A window is the list of the moments at which its owner was let through, so a limit of 30 a
//! minute holds over every minute there is, not only over those that begin at :00. Each
//! moment is written once and removed once: a request costs the same whatever the limit.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    mem,
    time::Duration,
};

use tokio::time::Instant;

/// What a limit is counted over.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// The windows of many, by key, in bounded memory.
///
/// Windows are kept in two generations. A request moves its window to the young one; once a
/// minute the old one is dropped, and the young one becomes old. What is dropped was not
/// asked for in a whole minute, and is empty. Only when more than `most` keys come within one
/// minute do the generations turn earlier, and then the longest silent begin anew.
pub(crate) struct Windows<K> {
    young: HashMap<K, Window>,
    old: HashMap<K, Window>,
    turned: Instant,
    most: usize,
}

/// The moments at which one owner was let through, the oldest first.
#[derive(Default)]
struct Window(VecDeque<Instant>);

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub admitted: bool,
    /// How many more would be let through now.
    pub remaining: u32,
    /// How long until one more would be.
    pub wait: Duration,
}

impl<K: Eq + Hash> Windows<K> {
    pub(crate) fn new(most: usize, now: Instant) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), turned: now, most }
    }

    /// Lets one request of `key` through if fewer than `quota` were within the last minute.
    /// One that is not let through does not count, so that asking too early costs nothing.
    pub(crate) fn take(&mut self, key: K, quota: u32, now: Instant) -> Taken {
        self.window(key, now).take(quota, now)
    }

    /// What `take` would say if it let nothing through; `None` where it would.
    pub(crate) fn refusal(&self, key: &K, quota: u32, now: Instant) -> Option<Taken> {
        self.young.get(key).or_else(|| self.old.get(key))?.refusal(quota, now)
    }

    /// One request of `key` was let through, whatever is said of it here.
    pub(crate) fn note(&mut self, key: K, at: Instant, now: Instant) {
        self.window(key, now).note(at, now);
    }

    fn window(&mut self, key: K, now: Instant) -> &mut Window {
        if now.duration_since(self.turned) >= WINDOW || self.young.len() >= self.most {
            self.old = mem::take(&mut self.young);
            self.turned = now;
        }
        let known = self.old.remove(&key);
        let window = self.young.entry(key).or_default();
        if let Some(known) = known {
            *window = known;
        }
        window
    }
}

impl Window {
    fn take(&mut self, quota: u32, now: Instant) -> Taken {
        self.forget(now);
        let Self(moments) = self;
        let quota = usize::try_from(quota).unwrap_or(usize::MAX);
        let admitted = moments.len() < quota;
        if admitted {
            moments.push_back(now);
        }
        Taken {
            admitted,
            remaining: u32::try_from(quota.saturating_sub(moments.len())).unwrap_or(u32::MAX),
            wait: self.wait(quota, now),
        }
    }

    fn refusal(&self, quota: u32, now: Instant) -> Option<Taken> {
        let Self(moments) = self;
        let quota = usize::try_from(quota).unwrap_or(usize::MAX);
        let over = moments.partition_point(|at| now.duration_since(*at) >= WINDOW);
        let is_full = moments.len() - over >= quota;
        is_full.then(|| Taken { admitted: false, remaining: 0, wait: self.wait(quota, now) })
    }

    /// Those who are asked elsewhere come back in any order.
    fn note(&mut self, at: Instant, now: Instant) {
        self.forget(now);
        let Self(moments) = self;
        let place = moments.partition_point(|before| *before <= at);
        moments.insert(place, at);
    }

    fn forget(&mut self, now: Instant) {
        let Self(moments) = self;
        while moments.front().is_some_and(|at| now.duration_since(*at) >= WINDOW) {
            moments.pop_front();
        }
    }

    /// Until there is room for one more. Tokens of one subject may differ in their limits: there may be more moments
    /// than this one allows.
    fn wait(&self, quota: usize, now: Instant) -> Duration {
        let Self(moments) = self;
        let first_to_go = moments.get(moments.len().saturating_sub(quota));
        first_to_go.map_or(WINDOW, |at| WINDOW.saturating_sub(now.duration_since(*at)))
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    struct Bed {
        windows: Windows<u32>,
        start: Instant,
    }

    impl Bed {
        fn new(most: usize) -> Self {
            let start = Instant::now();
            Self { windows: Windows::new(most, start), start }
        }

        fn take(&mut self, key: u32, quota: u32, millis: u64) -> Taken {
            self.windows.take(key, quota, self.start + Duration::from_millis(millis))
        }
    }

    #[test]
    fn the_limit_holds_over_every_minute_and_ends_to_the_moment() {
        let mut bed = Bed::new(10);
        // Two at the end of one minute and one at the start of the next: a counter a minute would forget.
        for (at, remaining) in [(58_000, 2), (59_000, 1), (61_000, 0)] {
            let taken = bed.take(1, 3, at);
            assert_eq!((taken.admitted, taken.remaining), (true, remaining));
        }
        let refused = bed.take(1, 3, 117_999);
        assert_eq!(refused, Taken { admitted: false, remaining: 0, wait: Duration::from_millis(1) });
        assert!(bed.take(1, 3, 118_000).admitted);
        assert!(!bed.take(1, 3, 118_999).admitted);
        assert!(bed.take(2, 3, 118_999).admitted, "another key has its own");
    }

    #[test]
    fn asking_too_early_costs_nothing() {
        let mut bed = Bed::new(10);
        bed.take(1, 1, 0);
        for at in (1_000..60_000).step_by(1_000) {
            assert!(!bed.take(1, 1, at).admitted);
        }
        assert!(bed.take(1, 1, 60_000).admitted);
    }

    #[test]
    fn what_was_let_through_elsewhere_counts_here() {
        let mut bed = Bed::new(10);
        let moment = |millis| bed.start + Duration::from_millis(millis);
        let (early, late, now) = (moment(1_000), moment(2_000), moment(3_000));
        let full = moment(60_999);
        bed.windows.note(1, late, now);
        bed.windows.note(1, early, now);
        assert_eq!(bed.windows.refusal(&1, 3, now), None);
        assert_eq!(bed.windows.refusal(&2, 1, now), None);
        let refusal = Taken { admitted: false, remaining: 0, wait: Duration::from_millis(1) };
        assert_eq!(bed.windows.refusal(&1, 2, full), Some(refusal));
        assert_eq!(bed.take(1, 2, 60_999), refusal);
        assert_eq!(bed.take(1, 2, 61_000).remaining, 0);
    }

    #[test]
    fn a_smaller_limit_waits_until_enough_have_left() {
        let mut bed = Bed::new(10);
        for second in 0..4 {
            bed.take(1, 10, second * 1_000);
        }
        let refused = bed.take(1, 2, 4_000);
        assert_eq!((refused.admitted, refused.remaining, refused.wait), (false, 0, Duration::from_secs(58)));
        assert!(!bed.take(1, 2, 61_999).admitted);
        assert!(bed.take(1, 2, 62_000).admitted);
    }

    /// Against the plain definition: at most `quota` within the 60 s before any moment.
    #[test]
    fn random_traffic_is_let_through_exactly_as_the_definition_says() {
        let seed = rand::random();
        let mut random = StdRng::seed_from_u64(seed);
        let mut bed = Bed::new(1_000);
        let mut through: HashMap<u32, Vec<u64>> = HashMap::new();
        let mut now = 0;
        for _ in 0..20_000 {
            // Long silences too, so that generations turn.
            now +=
                if random.random_ratio(1, 500) { random.random_range(0..200_000) } else { random.random_range(0..400) };
            let key = random.random_range(0..5);
            let quota = 10 * (key + 1);
            let before = through.entry(key).or_default();
            let within = before.iter().filter(|at| now - **at < 60_000).count();
            let taken = bed.take(key, quota, now);
            assert_eq!(taken.admitted, within < quota as usize, "seed {seed}, at {now}");
            if taken.admitted {
                before.push(now);
            }
        }
    }

    #[test]
    fn memory_is_bounded_and_the_silent_are_forgotten() {
        let mut bed = Bed::new(100);
        for key in 0..10_000 {
            bed.take(key, 5, u64::from(key));
        }
        assert!(bed.windows.young.len() + bed.windows.old.len() <= 200);
        bed.take(0, 5, 200_000);
        bed.take(0, 5, 300_000);
        assert_eq!((bed.windows.young.len(), bed.windows.old.len()), (1, 0));
    }
}
