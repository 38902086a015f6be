//! How many streams may be open at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use golden_jobs::metrics::Metrics;

use crate::problem::{Code, Problem};

/// How many event streams a process holds open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Of one tenant.
    pub tenant: usize,
    /// Of all tenants together.
    pub process: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { tenant: 100, process: 1000 }
    }
}

/// A stream ends by itself at some time: others may do better then.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The streams that are open, by tenant.
pub(crate) struct Places {
    limits: StreamLimits,
    metrics: Metrics,
    taken: Mutex<HashMap<String, usize>>,
}

/// The place of one stream, free again when this is dropped.
pub(crate) struct Place {
    tenant: String,
    places: Arc<Places>,
}

impl Places {
    pub(crate) fn new(limits: StreamLimits, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { limits, metrics, taken: Mutex::default() })
    }

    pub(crate) fn take(self: &Arc<Self>, tenant: &str) -> Result<Place, Problem> {
        let mut taken = self.taken();
        if taken.get(tenant).copied().unwrap_or(0) >= self.limits.tenant {
            let detail = format!("the tenant has {} streams open here, which is the most", self.limits.tenant);
            return Err(Problem::new(Code::TooManyStreams, detail).retry_after(RETRY_AFTER));
        }
        if taken.values().sum::<usize>() >= self.limits.process {
            let detail = format!("this process has {} streams open, which is the most", self.limits.process);
            return Err(Problem::new(Code::StreamsFull, detail).retry_after(RETRY_AFTER));
        }
        *taken.entry(tenant.to_owned()).or_default() += 1;
        self.metrics.streams.inc();
        drop(taken);
        Ok(Place { tenant: tenant.to_owned(), places: Arc::clone(self) })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.tenant);
            }
        }
        self.places.metrics.streams.dec();
    }
}
