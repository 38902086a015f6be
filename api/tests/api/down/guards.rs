//! Guards.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use golden_jobs::{
    WorkerId,
    guards::{Guard, Looked},
    store::guards::{Backlog, Dying, GuardRecord, Guards},
};

use super::{Down, Result, down};

#[async_trait]
impl Guards for Down {
    async fn take_guards(&self, _: WorkerId, _: &[Guard], _: Duration) -> Result<Vec<GuardRecord>> {
        down()
    }

    async fn guard_looked(&self, _: WorkerId, _: Guard, _: &Looked) -> Result<bool> {
        down()
    }

    async fn guards(&self) -> Result<Vec<GuardRecord>> {
        down()
    }

    async fn dying(&self, _: u32, _: Duration, _: DateTime<Utc>) -> Result<Vec<Dying>> {
        down()
    }

    async fn backlog(&self) -> Result<Backlog> {
        down()
    }
}
