//! No process hears of the others' breakers.

use std::time::Duration;

use async_trait::async_trait;
use golden_jobs::{
    WorkerId,
    audit::Actor,
    breakers::Dependency,
    store::breakers::{Breakers, Said, SharedBreakers, Vote},
};

use super::{Down, Result, down};

#[async_trait]
impl Breakers for Down {
    async fn vote(&self, _: WorkerId, _: &[Vote]) -> Result<()> {
        down()
    }

    async fn breakers(&self, _: Option<WorkerId>) -> Result<SharedBreakers> {
        down()
    }

    async fn lease_trial(&self, _: WorkerId, _: &Dependency, _: Duration) -> Result<bool> {
        down()
    }

    async fn say(&self, _: &Dependency, _: &Said, _: &Actor) -> Result<()> {
        down()
    }

    async fn reset_breakers(&self, _: Option<&Dependency>, _: &Actor) -> Result<()> {
        down()
    }
}
