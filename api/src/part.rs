//! A part of the system whose readiness the intake reports.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use golden_jobs::store::SharedStore;

type Check = dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync;

/// A check that does not answer in this time has failed.
const DEADLINE: Duration = Duration::from_secs(2);

/// Something the process needs, by name, and how to ask whether it works.
#[derive(Clone)]
pub struct Part {
    name: &'static str,
    check: Arc<Check>,
    needed: bool,
}

impl Part {
    /// `check` answers `Err` with the reason and, if possible, what to do about it. The
    /// reason is shown to anybody who asks `/readyz`: no addresses with passwords in it.
    pub fn new<F, Fut>(name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name, check: Arc::new(move || Box::pin(check())), needed: true }
    }

    /// The same of a part without which everything goes on, if worse: it degrades the process and does not make it
    /// unready.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { needed: false, ..self }
    }

    pub(crate) fn is_needed(&self) -> bool {
        self.needed
    }

    /// The store.
    pub(crate) fn store(store: SharedStore) -> Self {
        Self::new("store", move || {
            let store = SharedStore::clone(&store);
            async move { store.ping().await.map_err(|_| "does not answer".to_owned()) }
        })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) async fn ready(&self) -> Result<(), String> {
        match tokio::time::timeout(DEADLINE, (self.check)()).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("did not answer within {} s", DEADLINE.as_secs())),
        }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Part").field(&self.name).finish()
    }
}
