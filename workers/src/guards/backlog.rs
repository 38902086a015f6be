//! Events that nobody passes on, and webhooks that nobody sends.

use std::time::Duration;

use async_trait::async_trait;
use golden_jobs::{
    guards::Guard,
    store::{Store, StoreError, guards::GuardRecord},
};

use super::Watch;

/// The relay looks every five seconds at least, in every worker process.
const EVENTS: Duration = Duration::from_secs(60);
/// As the alert on any queue has it.
const WEBHOOKS: Duration = Duration::from_secs(600);

pub(super) struct Backlog;

#[async_trait]
impl Watch for Backlog {
    fn guard(&self) -> Guard {
        Guard::Backlog
    }

    async fn check(&self, store: &dyn Store, _: &GuardRecord) -> Result<Option<String>, StoreError> {
        let backlog = store.backlog().await?;
        let late = [
            (backlog.events, EVENTS, "events wait to be passed on"),
            (backlog.webhooks, WEBHOOKS, "webhooks wait to be sent"),
        ];
        let late = late.iter().filter(|(waited, bound, _)| waited > bound);
        let late: Vec<String> = late.map(|(waited, _, what)| format!("{what}, for {} s", waited.as_secs())).collect();
        Ok((!late.is_empty()).then(|| late.join("; ")))
    }
}
