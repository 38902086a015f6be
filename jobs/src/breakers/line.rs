//! Keeps one slow dependency from taking all the places that there are for calls, and those who were turned away
//! from all coming again in the same moment.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

/// What a call is taken to last where nothing is known of it.
const USUAL: Duration = Duration::from_millis(200);

/// The longest that a call is told to stay away once its time has come, so that a dependency which has
/// recovered is soon made use of; and where so many stand in line that their coming and going is itself work.
const LONGEST: Duration = Duration::from_secs(30);
const UTMOST: Duration = Duration::from_secs(600);
const SHORTEST: Duration = Duration::from_millis(50);

/// Calls that may be turned away in a second, where the dependency does not serve more.
const NUISANCE: u32 = 100;
/// For how long they are counted.
const COUNTED: Duration = Duration::from_secs(5);

/// What a place is counted as where there is no limit to them: only those turned away are spread by it.
const UNLIMITED: u32 = 10;

/// The calls of this process to one dependency that are under way, and those that were turned away.
#[derive(Debug)]
pub(super) struct Line {
    limit: Option<NonZeroUsize>,
    under_way: usize,
    /// How long a call has lasted lately.
    lasts: Duration,
    /// When the one that was turned away last may come.
    ends: Instant,
    /// The longest that one is told to stay away, for now.
    longest: Duration,
    turned_away: u32,
    since: Instant,
}

impl Line {
    /// Lets at most `limit` calls go at the same time.
    pub(super) fn new(limit: Option<NonZeroUsize>, now: Instant) -> Self {
        Self { limit, under_way: 0, lasts: USUAL, ends: now, longest: LONGEST, turned_away: 0, since: now }
    }

    pub(super) fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.under_way >= limit.get())
    }

    pub(super) fn enter(&mut self) {
        self.under_way += 1;
    }

    pub(super) fn leave(&mut self, lasted: Duration) {
        self.under_way = self.under_way.saturating_sub(1);
        self.lasts = (self.lasts * 4 + lasted) / 5;
    }

    /// Whether no call is under way.
    pub(super) fn is_vacant(&self) -> bool {
        self.under_way == 0
    }

    /// Whether nothing is lost when it is forgotten.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.is_vacant() && self.ends <= now
    }

    /// For how long the next one stays away, given that nothing is served before `opens`.
    ///
    /// Those who are turned away stand in line, in thought: each is told to come when the dependency will have
    /// got round to it, so that they come as fast as it serves them and no faster.
    pub(super) fn turn_away(&mut self, opens: Instant, now: Instant) -> Duration {
        let places = self.limit.map_or(UNLIMITED, |limit| u32::try_from(limit.get()).unwrap_or(u32::MAX));
        let each = self.lasts / places;
        // As many as it serves, and as many again. How fast it will be once it opens is not known.
        let (each, welcome) = match opens > now {
            true => (each.max(Duration::from_secs(1) / NUISANCE), NUISANCE.into()),
            false => (each, (2.0 / each.as_secs_f64()).max(NUISANCE.into())),
        };
        self.turned_away += 1;
        let counted = now - self.since;
        if counted >= COUNTED {
            // However many stand in line, no more are to come.
            let come = f64::from(self.turned_away) / counted.as_secs_f64();
            self.longest = self.longest.mul_f64(come / welcome).clamp(LONGEST, UTMOST);
            (self.turned_away, self.since) = (0, now);
        }
        let begins = opens.max(now);
        let ends = self.ends.max(begins) + each;
        self.ends = ends.min(begins + self.longest);
        // Those at the end of a long line would all come in the same moment.
        let spread = if ends > self.ends { 0.5 } else { 0.8 };
        let in_line = (self.ends - begins).mul_f64(rand::random_range(spread..1.0)).max(SHORTEST);
        begins - now + in_line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(limit: usize) -> Line {
        Line::new(NonZeroUsize::new(limit), Instant::now())
    }

    #[test]
    fn there_are_so_many_places() {
        let mut line = line(2);
        line.enter();
        assert!(!line.is_full());
        line.enter();
        assert!(line.is_full());
        line.leave(USUAL);
        assert!(!line.is_full());
        let mut endless = Line::new(None, Instant::now());
        (0..1000).for_each(|_| endless.enter());
        assert!(!endless.is_full());
    }

    #[test]
    fn those_who_are_turned_away_stand_in_line_up_to_a_limit() {
        let (mut line, now) = (line(1), Instant::now());
        let waits: Vec<Duration> = (0..1000).map(|_| line.turn_away(now, now)).collect();
        let (first, last) = (waits[0], waits[999]);
        assert!(first <= USUAL, "{first:?}");
        assert!(last > LONGEST / 2 && last <= LONGEST, "{last:?}");
    }

    #[test]
    fn nobody_is_told_to_come_before_it_opens_nor_all_at_once_when_it_does() {
        let (mut line, now) = (line(10), Instant::now());
        line.lasts = Duration::from_millis(1);
        let closed = Duration::from_secs(60);
        let waits: Vec<Duration> = (0..500).map(|_| line.turn_away(now + closed, now)).collect();
        assert!(waits.iter().all(|wait| *wait >= closed && *wait <= closed + LONGEST), "{waits:?}");
        let at_first = waits.iter().filter(|wait| **wait < closed + Duration::from_secs(1)).count();
        assert!(at_first <= 2 * NUISANCE as usize, "{at_first} come in the first second");
    }

    /// A tenth of a second is a step. Gives how many came in the last minute of so many minutes.
    fn comings(line: &mut Line, calls: usize, minutes: u64, closed: Duration) -> usize {
        let begin = Instant::now();
        let step = Duration::from_millis(100);
        let mut due = vec![begin; calls];
        let mut came = 0;
        for tick in 0..minutes * 600 {
            let now = begin + step * u32::try_from(tick).unwrap();
            for due in due.iter_mut().filter(|due| **due <= now) {
                *due = now + line.turn_away(now + closed, now);
                came += usize::from(tick >= (minutes - 1) * 600);
            }
        }
        came
    }

    #[test]
    fn a_long_line_at_a_host_that_never_answers_does_not_keep_the_store_busy() {
        let dead = |lasts| Line { lasts: Duration::from_millis(lasts), ..line(10) };
        let few = comings(&mut dead(15_000), 200, 3, Duration::ZERO);
        assert!((200..800).contains(&few), "they look again within half a minute: {few}");
        let nuisance = 60 * NUISANCE as usize;
        for (lasts, closed, minutes) in [(15_000, 0, 20), (1, 30, 8)] {
            let many = comings(&mut dead(lasts), 20_000, minutes, Duration::from_secs(closed));
            assert!(many < 2 * nuisance, "{many} in a minute, of calls that last {lasts} ms");
        }
    }

    #[test]
    fn a_host_that_serves_many_is_not_kept_waiting_for_them() {
        let mut quick = Line { lasts: Duration::from_millis(20), ..line(10) };
        // It serves 500 in a second.
        let came = comings(&mut quick, 20_000, 5, Duration::ZERO);
        assert!(came > 60 * 500, "{came} in a minute");
    }
}
