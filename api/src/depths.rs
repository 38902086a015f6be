//! How much there is of what over all tenants, asked of the store at most once a second however many want to know.

use std::time::Duration;

use golden_jobs::store::{Depths, SharedStore, StoreError};
use tokio::{sync::Mutex, time::Instant};

/// How old the figures may be that are shown.
const FRESH: Duration = Duration::from_secs(1);

/// The depths as they were a moment ago.
pub(crate) struct KnownDepths {
    store: SharedStore,
    known: Mutex<Option<(Instant, Result<Depths, StoreError>)>>,
}

impl KnownDepths {
    pub(crate) fn new(store: SharedStore) -> Self {
        Self { store, known: Mutex::default() }
    }

    /// As they were a second ago at most.
    pub(crate) async fn last(&self) -> Result<Depths, StoreError> {
        self.within(FRESH).await
    }

    /// As they were so long ago at most. Those who ask at the same time wait for one answer. That the store does not
    /// answer is kept as long.
    pub(crate) async fn within(&self, fresh: Duration) -> Result<Depths, StoreError> {
        let mut known = self.known.lock().await;
        if let Some((at, depths)) = &*known
            && at.elapsed() < fresh
        {
            return depths.clone();
        }
        let asked = Instant::now();
        let depths = self.store.depths().await;
        *known = Some((asked, depths.clone()));
        depths
    }
}
