//! Keeps one slow receiver from taking all the places that there are for deliveries.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Deliveries to one host at a time, where the operator does not say.
pub const HOST_LIMIT: NonZeroUsize = NonZeroUsize::new(10).unwrap();

/// What a delivery is taken to last at a host that nothing is known of.
const USUAL: Duration = Duration::from_millis(200);

/// The longest that a delivery is told to stay away, so that a host which has recovered is soon
/// made use of; and where so many stand in line that their coming and going is itself work.
const LONGEST: Duration = Duration::from_secs(30);
const UTMOST: Duration = Duration::from_secs(600);
const SHORTEST: Duration = Duration::from_millis(50);

/// Deliveries that may be turned away in a second, where the host does not serve more.
const NUISANCE: f64 = 100.0;
/// For how long they are counted.
const COUNTED: Duration = Duration::from_secs(5);

/// The deliveries of this process that are under way, by host. Clones share them.
#[derive(Clone)]
pub struct Hosts {
    limit: NonZeroUsize,
    busy: Arc<Mutex<HashMap<String, Host>>>,
}

struct Host {
    under_way: usize,
    /// How long a delivery has lasted lately.
    lasts: Duration,
    /// When the one that was turned away last may come.
    line_ends: Instant,
    /// The longest that one is told to stay away, for now.
    longest: Duration,
    turned_away: u32,
    since: Instant,
}

/// A place at a host, until it is dropped.
pub struct Place {
    hosts: Hosts,
    host: String,
    since: Instant,
}

impl Default for Hosts {
    fn default() -> Self {
        Self::new(HOST_LIMIT)
    }
}

impl Hosts {
    /// Lets at most `limit` deliveries go to one host at the same time.
    pub fn new(limit: NonZeroUsize) -> Self {
        Self { limit, busy: Arc::default() }
    }

    /// A place for a delivery to `host`, or how long to stay away because all are taken.
    ///
    /// Those who are turned away stand in line, in thought: each is told to come when the host
    /// will have got round to it, so that they come as fast as it serves them and no faster.
    pub fn enter(&self, host: &str) -> Result<Place, Duration> {
        let now = Instant::now();
        let mut busy = self.busy();
        let there = busy.entry(host.to_owned()).or_insert_with(|| Host::new(now));
        if there.under_way < self.limit.get() {
            there.under_way += 1;
            return Ok(Place { hosts: self.clone(), host: host.to_owned(), since: now });
        }
        Err(there.turn_away(self.limit, now))
    }

    fn busy(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    fn new(now: Instant) -> Self {
        Self { under_way: 0, lasts: USUAL, line_ends: now, longest: LONGEST, turned_away: 0, since: now }
    }

    /// For how long the next one stays away.
    fn turn_away(&mut self, limit: NonZeroUsize, now: Instant) -> Duration {
        let each = self.lasts / u32::try_from(limit.get()).unwrap_or(u32::MAX);
        self.turned_away += 1;
        let counted = now - self.since;
        if counted >= COUNTED {
            // However many stand in line, as many come in a second as the host serves, and as many again.
            let come = f64::from(self.turned_away) / counted.as_secs_f64();
            let welcome = (2.0 / each.as_secs_f64()).max(NUISANCE);
            self.longest = self.longest.mul_f64(come / welcome).clamp(LONGEST, UTMOST);
            (self.turned_away, self.since) = (0, now);
        }
        let line_ends = self.line_ends.max(now) + each;
        self.line_ends = line_ends.min(now + self.longest);
        // Those at the end of a long line would all come in the same moment.
        let spread = if line_ends > self.line_ends { 0.5 } else { 0.8 };
        (self.line_ends - now).mul_f64(rand::random_range(spread..1.0)).max(SHORTEST)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut busy = self.hosts.busy();
        if let Some(there) = busy.get_mut(&self.host) {
            there.under_way -= 1;
            there.lasts = (there.lasts * 4 + (now - self.since)) / 5;
            if there.under_way == 0 && there.line_ends <= now {
                busy.remove(&self.host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(limit: usize) -> Hosts {
        Hosts::new(NonZeroUsize::new(limit).unwrap())
    }

    #[test]
    fn a_host_has_so_many_places_and_others_have_their_own() {
        let hosts = hosts(2);
        let first = hosts.enter("slow").ok().unwrap();
        let _second = hosts.enter("slow").ok().unwrap();
        assert!(hosts.clone().enter("slow").is_err(), "clones share the places");
        assert!(hosts.enter("other").is_ok());

        drop(first);
        assert!(hosts.enter("slow").is_ok());
    }

    #[test]
    fn those_who_are_turned_away_stand_in_line_up_to_a_limit() {
        let hosts = hosts(1);
        let _place = hosts.enter("slow").ok().unwrap();
        let waits: Vec<Duration> = (0..1000).map(|_| hosts.enter("slow").err().unwrap()).collect();
        let (first, last) = (waits[0], waits[999]);
        assert!(first <= USUAL, "{first:?}");
        assert!(last > LONGEST / 2 && last <= LONGEST, "{last:?}");
    }

    /// A tenth of a second is a step. Gives how many came in the last minute of so many minutes.
    fn comings(host: &mut Host, deliveries: usize, minutes: u64) -> usize {
        let begin = Instant::now();
        let limit = NonZeroUsize::new(10).unwrap();
        let step = Duration::from_millis(100);
        let mut due = vec![begin; deliveries];
        let mut came = 0;
        for tick in 0..minutes * 600 {
            let now = begin + step * u32::try_from(tick).unwrap();
            for due in due.iter_mut().filter(|due| **due <= now) {
                *due = now + host.turn_away(limit, now);
                came += usize::from(tick >= (minutes - 1) * 600);
            }
        }
        came
    }

    #[test]
    fn a_long_line_at_a_host_that_never_answers_does_not_keep_the_store_busy() {
        let dead = || Host { lasts: Duration::from_secs(15), ..Host::new(Instant::now()) };
        let few = comings(&mut dead(), 200, 3);
        assert!((200..800).contains(&few), "they look again within half a minute: {few}");
        let many = comings(&mut dead(), 20_000, 20);
        let nuisance = 60.0 * NUISANCE;
        assert!((many as f64) < 2.0 * nuisance, "{many} in a minute");
    }

    #[test]
    fn a_host_that_serves_many_is_not_kept_waiting_for_them() {
        let mut quick = Host { lasts: Duration::from_millis(20), ..Host::new(Instant::now()) };
        // It serves 500 in a second.
        let came = comings(&mut quick, 20_000, 5);
        assert!(came > 60 * 500, "{came} in a minute");
    }

    #[test]
    fn a_host_that_nothing_goes_to_is_forgotten() {
        let hosts = hosts(1);
        drop(hosts.enter("host").ok().unwrap());
        assert!(hosts.busy().is_empty());
    }
}
