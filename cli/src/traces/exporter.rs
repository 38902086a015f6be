//! Batches on their way to the collector.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};

use super::words;

/// Between two lines about a collector that does not take spans.
const QUIET: Duration = Duration::from_secs(60);

/// Says in [`words`] what leaves the process, and says seldom that it does not get there.
#[derive(Debug)]
pub(super) struct Reported<E> {
    collector: E,
    trouble: Mutex<Trouble>,
}

/// How it goes with the collector. Every span that is lost is told of once, at the latest when the process ends.
#[derive(Debug, Default)]
struct Trouble {
    /// When a failure was told of. Kept when the collector takes spans again: one that comes and goes is no news.
    told: Option<Instant>,
    /// Whether nothing better has been told since.
    away: bool,
    /// Spans that were lost and not yet told of.
    lost: usize,
}

impl Trouble {
    /// Notes a failure, and answers how many spans are to be told of, if any are now.
    fn failed(&mut self, spans: usize, now: Instant) -> Option<usize> {
        self.lost += spans;
        self.due(now).then(|| {
            (self.told, self.away) = (Some(now), true);
            mem::take(&mut self.lost)
        })
    }

    /// Notes a success, and answers how many spans were lost meanwhile, if it is to be told of.
    fn worked(&mut self, now: Instant) -> Option<usize> {
        let news = self.away || (self.lost > 0 && self.due(now));
        news.then(|| {
            if !self.away {
                self.told = Some(now);
            }
            self.away = false;
            mem::take(&mut self.lost)
        })
    }

    fn due(&self, now: Instant) -> bool {
        self.told.is_none_or(|told| now - told >= QUIET)
    }
}

impl<E: SpanExporter> Reported<E> {
    pub(super) fn new(collector: E) -> Self {
        Self { collector, trouble: Mutex::default() }
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: SpanExporter> SpanExporter for Reported<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans: Vec<SpanData> = batch.into_iter().filter_map(words::spoken).collect();
        if spans.is_empty() {
            return Ok(());
        }
        let count = spans.len();
        let sent = self.collector.export(spans).await;
        let (mut trouble, now) = (self.trouble(), Instant::now());
        match sent {
            Ok(()) => {
                if let Some(lost) = trouble.worked(now) {
                    tracing::info!(lost, "the collector takes spans again");
                }
            }
            Err(error) => {
                if let Some(lost) = trouble.failed(count, now) {
                    tracing::warn!(%error, lost, "the collector does not take spans");
                }
            }
        }
        // Whoever sends would only say the same again.
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let lost = mem::take(&mut self.trouble().lost);
        if lost > 0 {
            tracing::warn!(lost, "spans were lost, since the collector did not take them");
        }
        self.collector.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.collector.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.collector.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_told_of_once_a_minute() {
        let (mut trouble, start) = (Trouble::default(), Instant::now());
        assert_eq!(trouble.failed(3, start), Some(3));
        assert_eq!(trouble.failed(5, start + QUIET / 2), None);
        assert_eq!(trouble.failed(2, start + QUIET), Some(7));
    }

    #[test]
    fn that_it_works_again_is_told_with_what_was_lost_meanwhile() {
        let (mut trouble, start) = (Trouble::default(), Instant::now());
        assert_eq!(trouble.worked(start), None, "it never did otherwise");
        assert_eq!(trouble.failed(3, start), Some(3));
        assert_eq!(trouble.failed(5, start + QUIET / 4), None);
        assert_eq!(trouble.worked(start + QUIET / 3), Some(5));
        // One that comes and goes is told of no more often.
        assert_eq!(trouble.failed(2, start + QUIET / 2), None);
        assert_eq!(trouble.worked(start + QUIET * 2 / 3), None);
        assert_eq!(trouble.worked(start + QUIET), Some(2));
        assert_eq!(trouble.failed(1, start + QUIET * 3 / 2), None);
        assert_eq!(trouble.failed(1, start + QUIET * 2), Some(2));
    }
}
