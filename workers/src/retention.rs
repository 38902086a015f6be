//! What has ended is removed when its time is over: by one process, and at its leisure.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use golden_jobs::{
    State,
    guards::Guard,
    metrics::Metrics,
    store::{Chore, Keep, Next, Pruned, SharedStore, StoreError},
};

use crate::{clockwork::jittered, heartbeat::Heartbeat};

/// For how long one process is the one that does it. Another takes over should it be gone.
const TURN: Duration = Duration::from_secs(120);
/// Between the end of one walk and the next.
const PAUSE: Duration = Duration::from_secs(60);

/// Removes what is past its time for as long as the process lives.
pub(crate) async fn keep_pruning(store: SharedStore, heartbeat: Arc<Heartbeat>, keep: Keep, metrics: Metrics) {
    let mut pruner = Pruner { store, heartbeat, keep, metrics, pace: Pace::default(), turn: None };
    loop {
        let wait = match pruner.walk().await {
            Ok(true) => PAUSE,
            Ok(false) => TURN,
            Err(error) => {
                pruner.metrics.guarded(Guard::Retention, false);
                tracing::warn!(%error, "what is past its time was not removed");
                pruner.pace.limit = Pace::LEAST;
                PAUSE
            }
        };
        tokio::time::sleep(jittered(wait)).await;
    }
}

struct Pruner {
    store: SharedStore,
    heartbeat: Arc<Heartbeat>,
    keep: Keep,
    metrics: Metrics,
    pace: Pace,
    /// Since when it is this process's turn.
    turn: Option<Instant>,
}

impl Pruner {
    /// Goes once through what there is. `false` when it is another's turn.
    async fn walk(&mut self) -> Result<bool, StoreError> {
        let mut after = None;
        while self.has_turn().await? {
            let begun = Instant::now();
            let pruned = self.store.prune_jobs(&self.keep, after, self.pace.limit).await?;
            self.count(&pruned);
            match pruned.next {
                Next::After(job) => after = Some(job),
                Next::Again => {}
                Next::Done => return self.prune_the_rest().await,
            }
            tokio::time::sleep(self.pace.rest(begun.elapsed())).await;
        }
        Ok(false)
    }

    async fn prune_the_rest(&mut self) -> Result<bool, StoreError> {
        for what in ["dead_letters", "ledger", "idempotency_keys"] {
            while self.has_turn().await? {
                let (begun, limit) = (Instant::now(), self.pace.limit);
                let pruned = match what {
                    "dead_letters" => self.store.prune_dead_letters(&self.keep, limit).await?,
                    "ledger" => self.store.prune_ledger(&self.keep, limit).await?,
                    _ => self.store.prune_keys(limit).await?,
                };
                self.metrics.pruned.with_label_values(&[what]).inc_by(pruned);
                if pruned > 0 {
                    self.metrics.guarded(Guard::Retention, true);
                }
                tokio::time::sleep(self.pace.rest(begun.elapsed())).await;
                if pruned < u64::from(limit) {
                    break;
                }
            }
        }
        Ok(true)
    }

    /// Takes the turn, or makes sure that it is still ours.
    async fn has_turn(&mut self) -> Result<bool, StoreError> {
        if self.turn.is_some_and(|since| since.elapsed() < TURN / 2) {
            return Ok(true);
        }
        let asked = Instant::now();
        let ours = self.store.take_turn(Chore::Retention, self.heartbeat.worker(), TURN).await?;
        self.turn = ours.then_some(asked);
        Ok(ours)
    }

    fn count(&self, pruned: &Pruned) {
        let mut all = 0;
        for state in State::ALL.into_iter().filter(|state| state.is_terminal()) {
            self.metrics.pruned.with_label_values(&[state.as_str()]).inc_by(pruned.of(state));
            all += pruned.of(state);
        }
        if all > 0 {
            self.metrics.guarded(Guard::Retention, true);
        }
    }
}

/// How much at a time, and how long to rest after it: a fifth of one connection at most, in pieces
/// that nobody notices.
struct Pace {
    limit: u32,
}

impl Pace {
    const LEAST: u32 = 25;
    const MOST: u32 = 1000;
    /// What one piece should take.
    const PIECE: Duration = Duration::from_millis(40);
    const SHARE: u32 = 5;
    const LONGEST: Duration = Duration::from_secs(10);

    /// How long to rest after a piece that took so long. The next one is made to take as long as it
    /// should.
    fn rest(&mut self, took: Duration) -> Duration {
        if took > Self::PIECE {
            self.limit = (self.limit / 2).max(Self::LEAST);
        } else if took < Self::PIECE / 4 {
            self.limit = (self.limit * 2).min(Self::MOST);
        }
        took.saturating_mul(Self::SHARE - 1).min(Self::LONGEST)
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self { limit: 100 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_as_large_as_they_are_fast_and_take_a_fifth_of_the_time() {
        let mut pace = Pace::default();
        let ms = Duration::from_millis;
        assert_eq!(pace.rest(ms(20)), ms(80));
        assert_eq!(pace.limit, 100);
        for _ in 0..9 {
            pace.rest(ms(1));
        }
        assert_eq!(pace.limit, Pace::MOST);
        pace.rest(ms(100));
        assert_eq!(pace.limit, Pace::MOST / 2);
        for _ in 0..9 {
            assert_eq!(pace.rest(ms(60_000)), Pace::LONGEST);
        }
        assert_eq!(pace.limit, Pace::LEAST);
    }
}
