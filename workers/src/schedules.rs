//! Fires schedules: sees that slots have come, and has the store record what they come to.

use std::{slice, sync::Arc, time::Duration};

use chrono::{DateTime, Timelike, Utc};
use golden_jobs::{
    Registry,
    functions::{Called, KnownFunctions},
    metrics::Metrics,
    schedules::{Template, decide},
    store::{
        SharedStore, StoreError,
        schedules::{Firing, Schedule, SlotOutcome, Written},
    },
};
use rand::Rng;

use crate::clockwork::jittered;

/// Schedules fired in one go: few enough that the largest payloads pass within a verb's deadline.
const BATCH: u32 = 100;
/// Slots are whole minutes, so that is when to look. All processes do, each a little after the
/// minute in its own time: the first takes the slots, and the others find them taken.
const SPREAD: Duration = Duration::from_millis(250);
/// What the owner of a schedule is told whose job the store refuses.
const REFUSED: &str = "the store cannot hold the job as it is";
/// After a look that failed, or that found slots which somebody else was at. Mostly they were
/// fired there; but the schedule may only have been changed, and then its slot is still to come.
const AGAIN: Duration = Duration::from_secs(1);

/// Fires schedules as their slots come.
pub(crate) struct Firer {
    pub(crate) store: SharedStore,
    pub(crate) registry: Arc<Registry>,
    pub(crate) functions: KnownFunctions,
    pub(crate) metrics: Metrics,
}

impl Firer {
    pub(crate) async fn keep_firing(self) {
        loop {
            let wait = self.fire_due().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "schedules were not looked at");
                jittered(AGAIN)
            });
            tokio::time::sleep(wait).await;
        }
    }

    /// Fires what is due, and says how long until it is worth looking again.
    async fn fire_due(&self) -> Result<Duration, StoreError> {
        loop {
            let now = self.store.time().await?;
            let due = self.store.due_schedules(now, BATCH).await?;
            let called = self.called(&due).await?;
            let firings: Vec<Firing> =
                due.iter().map(|schedule| decide(schedule, &self.registry, &called, now)).collect();
            let fired = self.fire(&firings, now).await?;
            match next_look(due.len(), fired) {
                Next::Now => {}
                Next::Soon => return Ok(jittered(AGAIN)),
                Next::Minute => return Ok(until_next_minute(now) + SPREAD.mul_f64(rand::rng().random())),
            }
        }
    }

    /// What the functions that these schedules name mean now.
    async fn called(&self, due: &[Schedule]) -> Result<Called, StoreError> {
        let kinds: Vec<_> = due.iter().map(Template::kind_of).collect();
        let named = due.iter().zip(&kinds).filter_map(|(due, kind)| Some((&*due.tenant_id, kind.as_deref()?)));
        self.functions.called(&named.collect::<Vec<_>>()).await
    }

    /// Answers how many of them this process wrote.
    async fn fire(&self, firings: &[Firing], now: DateTime<Utc>) -> Result<usize, StoreError> {
        match self.store.fire(firings).await {
            // One that the store refuses takes its batch with it: alone, each gets its own answer.
            Err(StoreError::Rejected(_)) => self.fire_each(firings, now).await,
            written => Ok(self.tell(firings, &written?, now)),
        }
    }

    async fn fire_each(&self, firings: &[Firing], now: DateTime<Utc>) -> Result<usize, StoreError> {
        let mut fired = 0;
        for firing in firings {
            let reason = match self.store.fire(slice::from_ref(firing)).await {
                Err(StoreError::Rejected(reason)) => reason,
                written => {
                    fired += self.tell(slice::from_ref(firing), &written?, now);
                    continue;
                }
            };
            tracing::warn!(schedule = %firing.id, reason, "the store refused the job of a schedule");
            let failed = Firing { outcome: SlotOutcome::Failed(REFUSED.to_owned()), ..firing.clone() };
            match self.store.fire(slice::from_ref(&failed)).await {
                Err(StoreError::Rejected(reason)) => {
                    tracing::error!(schedule = %firing.id, reason, "the store refused the schedule itself");
                }
                written => fired += self.tell(slice::from_ref(&failed), &written?, now),
            }
        }
        Ok(fired)
    }

    /// Tells of what was written, and answers how much that is.
    fn tell(&self, firings: &[Firing], written: &[Written], now: DateTime<Utc>) -> usize {
        for Written { id: schedule, error } in written {
            let Some(firing) = firings.iter().find(|firing| firing.id == *schedule) else { continue };
            let slot = firing.slot;
            let outcome = match (&firing.outcome, error) {
                (_, Some(error)) => {
                    tracing::warn!(%schedule, %slot, error, "a slot came to nothing");
                    "failed"
                }
                (outcome, None) => outcome.as_str(),
            };
            self.metrics.schedule_slots.with_label_values(&[outcome]).inc();
            if outcome == "fired" {
                let lag = (now - slot).to_std().unwrap_or_default();
                self.metrics.schedule_lag.observe(lag.as_secs_f64());
            }
        }
        written.len()
    }
}

/// When to look again.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Now,
    Soon,
    Minute,
}

/// After a look that found `due` slots, `fired` of them by this process.
fn next_look(due: usize, fired: usize) -> Next {
    match (due, fired) {
        (1.., 0) => Next::Soon,
        (due, _) if due == BATCH as usize => Next::Now,
        (due, fired) if fired < due => Next::Soon,
        _ => Next::Minute,
    }
}

fn until_next_minute(now: DateTime<Utc>) -> Duration {
    let into = Duration::new(u64::from(now.second()), now.nanosecond() % 1_000_000_000);
    Duration::from_secs(60).saturating_sub(into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_was_left_is_looked_at_again_soon() {
        let full = BATCH as usize;
        assert_eq!(next_look(0, 0), Next::Minute);
        assert_eq!(next_look(3, 3), Next::Minute);
        assert_eq!((next_look(3, 2), next_look(3, 0), next_look(full, 0)), (Next::Soon, Next::Soon, Next::Soon));
        assert_eq!((next_look(full, full), next_look(full, 1)), (Next::Now, Next::Now));
    }

    #[test]
    fn the_next_look_is_at_the_next_whole_minute() {
        let wait = |time: &str| until_next_minute(time.parse().unwrap());
        assert_eq!(wait("2026-01-02T03:04:00Z"), Duration::from_secs(60));
        assert_eq!(wait("2026-01-02T03:04:59.999Z"), Duration::from_millis(1));
        assert_eq!(wait("2026-01-02T03:04:30Z"), Duration::from_secs(30));
    }
}
