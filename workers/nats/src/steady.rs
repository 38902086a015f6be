//! Whether a connection is one to build upon.

use std::time::{Duration, Instant};

/// How long one has to be good until it is.
pub(crate) const LASTS: Duration = Duration::from_secs(1);

/// Tells once of each connection that it lasts: what is good whenever it is looked at, and fails whoever uses it, must
/// not have its breaker tried again and again ahead of its time.
#[derive(Debug, Default)]
pub(crate) struct Steady {
    /// Which one is good, since when, and whether that was told.
    good: Option<(u64, Instant, bool)>,
}

impl Steady {
    /// Takes down which connection was found good just now, if one was. Answers whether it is news that it lasts.
    pub(crate) fn is_news(&mut self, found: Option<u64>, now: Instant) -> bool {
        let known = self.good.filter(|(connection, ..)| Some(*connection) == found);
        self.good = found.map(|connection| known.unwrap_or((connection, now, false)));
        let Some((_, since, told)) = &mut self.good else { return false };
        let lasts = now.saturating_duration_since(*since) >= LASTS;
        lasts && !std::mem::replace(told, lasts)
    }

    /// Whether there is one of which that is still to be told.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.good.is_some_and(|(.., told)| !told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_connection_that_lasts_it_is_told_once_and_of_one_that_was_lost_again() {
        let (mut steady, begun) = (Steady::default(), Instant::now());
        // When it is looked at, which one is good, whether that it lasts is news, or is still to be told.
        for (at, found, is_news, is_waited_for) in [
            (0, Some(1), false, true),
            (400, Some(1), false, true),
            (1000, Some(1), true, false),
            // However often it is looked at.
            (1001, Some(1), false, false),
            (90_000, Some(1), false, false),
            // Another, which was lost before it could last, and the one after that.
            (90_100, Some(2), false, true),
            (90_900, Some(3), false, true),
            (91_300, Some(3), false, true),
            (91_900, Some(3), true, false),
            // Its streams could not be had for a while.
            (92_000, None, false, false),
            (92_100, Some(3), false, true),
            (93_100, Some(3), true, false),
        ] {
            let told = steady.is_news(found, begun + Duration::from_millis(at));
            assert_eq!((told, steady.is_waited_for()), (is_news, is_waited_for), "after {at} ms");
        }
    }
}
