//! Whether this process's clock and the store's show the same time.
//!
//! The store decides by its own what is due and whose lease is alive, so a process that is wrong by little does no harm.
//! One that is wrong by much makes ids that sort wrongly, takes tokens and certificates for what they are not, and
//! leaves marks of a wrong time on what it makes for others; so it claims nothing until it is right again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use golden_jobs::{
    guards::Guard,
    metrics::Metrics,
    store::{Store, StoreClock, StoreError},
};
use tokio::sync::watch;

use crate::clockwork::jittered;

/// How often to compare: one statement.
const LOOK: Duration = Duration::from_secs(30);
/// And while this process claims nothing because of it.
const SOON: Duration = Duration::from_secs(2);
/// From where on somebody should know.
const OFF: Duration = Duration::from_secs(1);
/// From where on nothing is claimed.
const FAR_OFF: Duration = Duration::from_secs(10);

/// This process's clock, as it stands to the store's.
pub(crate) struct Clocks {
    clock: StoreClock,
    metrics: Metrics,
    agreed: watch::Sender<Agreed>,
}

/// How far two clocks agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Agreed {
    Well,
    Off,
    FarOff,
}

impl Agreed {
    fn within(skew: Duration) -> Self {
        match skew {
            skew if skew > FAR_OFF => Self::FarOff,
            skew if skew > OFF => Self::Off,
            _ => Self::Well,
        }
    }
}

impl Clocks {
    /// They agree until they are compared.
    pub(crate) fn new(clock: StoreClock, metrics: Metrics) -> Self {
        Self { clock, metrics, agreed: watch::Sender::new(Agreed::Well) }
    }

    /// Compares, and says so where it makes a difference.
    pub(crate) async fn compare(&self, store: &dyn Store) -> Result<(), StoreError> {
        let before = self.now();
        let time = store.time().await?;
        let skew = skew(before, time, self.now());
        self.metrics.clock_skew.set(skew.as_secs_f64());
        let (was, is) = (self.agreed.send_replace(Agreed::within(skew)), Agreed::within(skew));
        if was == is {
            return Ok(());
        }
        match is {
            Agreed::Well => tracing::info!("this process's clock and the store's agree again"),
            Agreed::Off => tracing::warn!(?skew, "this process's clock is not the store's"),
            Agreed::FarOff => {
                self.metrics.guarded(Guard::Clocks, true);
                tracing::error!(
                    ?skew,
                    "this process's clock is far from the store's: claiming nothing until it is right"
                );
            }
        }
        Ok(())
    }

    pub(crate) async fn keep_comparing(&self, store: &dyn Store) {
        loop {
            tokio::time::sleep(jittered(if self.may_claim() { LOOK } else { SOON })).await;
            // What is not known now is as it was.
            if let Err(error) = self.compare(store).await {
                tracing::debug!(%error, "the store's time is not known");
            }
        }
    }

    pub(crate) fn may_claim(&self) -> bool {
        *self.agreed.borrow() != Agreed::FarOff
    }

    /// Waits until something may be claimed.
    pub(crate) async fn right_again(&self) {
        // Its other end is this one.
        let _ = self.agreed.subscribe().wait_for(|agreed| *agreed != Agreed::FarOff).await;
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place in this crate that asks, to hold it against the store's"
    )]
    fn now(&self) -> DateTime<Utc> {
        self.clock.held().unwrap_or_else(Utc::now)
    }
}

/// How far a clock that showed `time` at some moment between `before` and `after` is from the one that showed these: at
/// least so much, however long the answer was on its way.
fn skew(before: DateTime<Utc>, time: DateTime<Utc>, after: DateTime<Utc>) -> Duration {
    let behind = (before - time).to_std().unwrap_or_default();
    behind.max((time - after).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_long_on_its_way_is_no_skew() {
        let at = |ms: i64| DateTime::from_timestamp_millis(1_000_000 + ms).unwrap();
        let skew = |time, after| skew(at(0), at(time), at(after)).as_millis();
        assert_eq!((skew(0, 0), skew(3000, 5000), skew(5000, 5000)), (0, 0, 0));
        assert_eq!((skew(-1, 5000), skew(5001, 5000), skew(-12_000, 3)), (1, 1, 12_000));
    }

    #[test]
    fn a_second_is_told_and_ten_stop_claims() {
        let within = |ms| Agreed::within(Duration::from_millis(ms));
        assert_eq!((within(0), within(1000), within(1001)), (Agreed::Well, Agreed::Well, Agreed::Off));
        assert_eq!((within(10_000), within(10_001)), (Agreed::Off, Agreed::FarOff));
    }
}
