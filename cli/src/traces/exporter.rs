//! Batches on their way to the collector.

use std::{
    sync::{Mutex, PoisonError},
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

/// How it goes with the collector.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trouble {
    told: Option<Instant>,
    /// Spans that were lost since.
    lost: usize,
}

impl Trouble {
    /// Notes a failure, and answers how many spans are to be told of, if any are now.
    fn failed(&mut self, spans: usize, now: Instant) -> Option<usize> {
        self.lost += spans;
        let due = self.told.is_none_or(|told| now - told >= QUIET);
        due.then(|| {
            self.told = Some(now);
            std::mem::take(&mut self.lost)
        })
    }
}

impl<E: SpanExporter> Reported<E> {
    pub(super) fn new(collector: E) -> Self {
        Self { collector, trouble: Mutex::default() }
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
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match sent {
            Ok(()) if *trouble == Trouble::default() => {}
            Ok(()) => {
                *trouble = Trouble::default();
                tracing::info!("the collector takes spans again");
            }
            Err(error) => {
                if let Some(spans) = trouble.failed(count, Instant::now()) {
                    tracing::warn!(%error, spans, "the collector does not take spans: these are lost, and so are others");
                }
            }
        }
        // Whoever sends would only say the same again.
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
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
}
