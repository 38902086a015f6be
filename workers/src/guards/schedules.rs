//! Slots of schedules that have come, and that nobody fires.

use async_trait::async_trait;
use chrono::TimeDelta;
use golden_jobs::{
    guards::Guard,
    store::{Store, StoreError, guards::GuardRecord},
};

use super::Watch;

/// Every worker process looks for due slots once a minute.
const LATE: TimeDelta = TimeDelta::minutes(2);

pub(super) struct Schedules;

#[async_trait]
impl Watch for Schedules {
    fn guard(&self) -> Guard {
        Guard::Schedules
    }

    async fn check(&self, store: &dyn Store, record: &GuardRecord) -> Result<Option<String>, StoreError> {
        let missed = store.due_schedules(record.looked_at - LATE, 1).await?;
        Ok(missed.first().and_then(|schedule| schedule.next_slot).map(|slot| {
            let late = (record.looked_at - slot).num_minutes();
            format!("slots of schedules have come that nobody fires, the oldest {late} minutes ago")
        }))
    }
}
