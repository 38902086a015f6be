//! Sandboxes that wait for programs, so that programs need not wait for sandboxes.
//!
//! Each waits for one program, booted and attached, and is never used twice. To claim one is to
//! take it from a list: the program is then written to the stream that is held to it. One task
//! makes them, one at a time, so that their starts do not slow each other down.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    boot::{Booted, NotBooted},
    ground::{Class, Ground},
    shelf::{OLDEST, Shelf},
};

/// How often it is looked whether those that wait still do, and should.
const LOOK: Duration = Duration::from_secs(5);
/// While others wait, what takes the place of a claimed one is not made at once: most programs are
/// short, and are not to share the machine with it.
const QUIET: Duration = Duration::from_millis(250);
/// After one that could not be made.
const FAILED: Duration = Duration::from_secs(10);

/// How many sandboxes are kept waiting for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepWarm {
    /// For each image, whether or not programs come.
    pub min: usize,
    /// For all images together, however many programs come. Where this is 0, none is kept.
    pub max: usize,
}

impl KeepWarm {
    pub const OFF: Self = Self { min: 0, max: 0 };
}

/// The sandboxes of one worker that wait.
pub(crate) struct Warm {
    ground: Ground,
    keep: KeepWarm,
    /// The memory of programs that ask for nothing special, in bytes.
    usual: u64,
    /// The longest that a program may run.
    wall: Duration,
    stock: Mutex<Stock>,
    claimed: Notify,
}

#[derive(Default)]
struct Stock {
    shelves: HashMap<Class, Shelf<Booted>>,
    /// To be removed.
    retired: Vec<Booted>,
}

impl Warm {
    pub(crate) fn new(ground: Ground, keep: KeepWarm, usual: u64, wall: Duration) -> Self {
        Self { ground, keep, usual, wall, stock: Mutex::default(), claimed: Notify::new() }
    }

    /// Takes one that waits, if there is. It is the caller's, and so is its removal.
    pub(crate) fn claim(&self, class: &Class, image: &str) -> Option<Booted> {
        if self.keep.max == 0 {
            return None;
        }
        let claimed = self.stock().claim(class, self.keep);
        self.claimed.notify_one();
        let metrics = &self.ground.metrics;
        let count = if claimed.is_some() { &metrics.sandbox_warm_hits } else { &metrics.sandbox_warm_misses };
        count.with_label_values(&[image]).inc();
        let (sandbox, age) = claimed?;
        metrics.sandbox_warm_age.observe(age.as_secs_f64());
        metrics.sandbox_warm.dec();
        Some(sandbox)
    }

    /// Keeps some waiting until told to stop; then there are none.
    pub(crate) async fn keep(&self, stop: CancellationToken) {
        while self.keep.max > 0 && !stop.is_cancelled() {
            let (wanted, retired) = self.look();
            self.discard(retired).await;
            // Each wait ends early when it is time to stop.
            let claimed = |within| timeout(within, stop.run_until_cancelled(self.claimed.notified()));
            match wanted {
                None => drop(claimed(LOOK).await),
                Some(Wanted { others: true, .. }) if claimed(QUIET).await.is_ok() => {}
                Some(Wanted { class, .. }) => {
                    // Not to be given up half-way.
                    match self.ground.boot(&class, None, OLDEST + self.wall).await {
                        Ok(sandbox) => {
                            self.stock().shelves.entry(class).or_default().put(sandbox, Instant::now());
                            self.ground.metrics.sandbox_warm.inc();
                        }
                        Err(not) => {
                            self.failed(not).await;
                            let _ = timeout(FAILED, stop.cancelled()).await;
                        }
                    }
                }
            }
        }
        let left = std::mem::take(&mut *self.stock());
        self.ground.metrics.sandbox_warm.set(0);
        self.discard(left.retired.into_iter().chain(left.shelves.into_values().flat_map(Shelf::into_all))).await;
    }

    /// What is to be made next, and what is to be removed.
    fn look(&self) -> (Option<Wanted>, Vec<Booted>) {
        let (now, bases) = (Instant::now(), self.ground.images.bases());
        let mut stock = self.stock();
        for base in &bases {
            stock.shelves.entry(Class { base: base.clone(), memory: self.usual }).or_default().usual = true;
        }
        stock.retire(&bases, self.keep, now);
        let waiting: usize = stock.shelves.values().map(Shelf::len).sum();
        self.ground.metrics.sandbox_warm.set(waiting.try_into().unwrap_or(i64::MAX));
        let wanted = stock.wanted(self.keep, now).filter(|_| waiting < self.keep.max);
        (wanted, std::mem::take(&mut stock.retired))
    }

    async fn failed(&self, not: NotBooted) {
        let (container, reason) = match not {
            NotBooted::Failed(container, reason) => (Some(container), reason),
            NotBooted::Docker(container, error) => (container, error.to_string()),
        };
        tracing::warn!(reason, "cannot keep a sandbox waiting");
        self.ground.remove_all(container).await;
    }

    /// Closes their streams, and removes them.
    async fn discard(&self, sandboxes: impl IntoIterator<Item = Booted>) {
        let containers: Vec<_> = sandboxes.into_iter().map(|sandbox| sandbox.container).collect();
        self.ground.remove_all(containers).await;
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sandbox that should wait and does not yet.
struct Wanted {
    class: Class,
    /// Whether there are others to take meanwhile.
    others: bool,
}

impl Stock {
    fn claim(&mut self, class: &Class, keep: KeepWarm) -> Option<(Booted, Duration)> {
        let now = Instant::now();
        let shelf = self.shelves.entry(class.clone()).or_default();
        shelf.ask(keep, now);
        while let Some((mut sandbox, age)) = shelf.next(now) {
            if sandbox.is_waiting() {
                return Some((sandbox, age));
            }
            self.retired.push(sandbox);
        }
        None
    }

    /// Of images that were built anew, none is kept.
    fn retire(&mut self, bases: &[String], keep: KeepWarm, now: Instant) {
        for (class, shelf) in &mut self.shelves {
            shelf.usual &= bases.contains(&class.base);
            let current = bases.contains(&class.base);
            self.retired.extend(shelf.retire(keep, now, |sandbox| current && sandbox.is_waiting()));
        }
        self.shelves.retain(|_, shelf| !shelf.is_idle(now));
    }

    /// The class that has the fewest of those that are short of some.
    fn wanted(&self, keep: KeepWarm, now: Instant) -> Option<Wanted> {
        let short = self.shelves.iter().filter(|(_, shelf)| shelf.len() < shelf.target(keep, now));
        let (class, shelf) = short.min_by_key(|(_, shelf)| (shelf.len(), !shelf.usual))?;
        Some(Wanted { class: class.clone(), others: shelf.len() > 0 })
    }
}
