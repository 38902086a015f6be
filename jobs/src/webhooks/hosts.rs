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
/// made use of.
const LONGEST: Duration = Duration::from_secs(30);
const SHORTEST: Duration = Duration::from_millis(50);

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
        let there = busy.entry(host.to_owned()).or_insert(Host { under_way: 0, lasts: USUAL, line_ends: now });
        if there.under_way < self.limit.get() {
            there.under_way += 1;
            return Ok(Place { hosts: self.clone(), host: host.to_owned(), since: now });
        }
        let each = there.lasts / u32::try_from(self.limit.get()).unwrap_or(u32::MAX);
        there.line_ends = (there.line_ends.max(now) + each).min(now + LONGEST);
        let wait = there.line_ends - now;
        // Those at the end of a long line would all come in the same moment.
        Err(wait.mul_f64(rand::random_range(0.8..1.0)).max(SHORTEST))
    }

    fn busy(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn a_host_that_nothing_goes_to_is_forgotten() {
        let hosts = hosts(1);
        drop(hosts.enter("host").ok().unwrap());
        assert!(hosts.busy().is_empty());
    }
}
