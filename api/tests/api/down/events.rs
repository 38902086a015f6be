//! What happens is not passed on.

use std::time::Duration;

use async_trait::async_trait;
use golden_jobs::{
    DeadLetterId, JobId,
    audit::Actor,
    store::{
        events::{Event, Events, Telling},
        messages::{MessageLetter, Messages},
        publications::{Publication, Publications},
    },
};
use uuid::Uuid;

use super::{Down, Result, down};

#[async_trait]
impl Events for Down {
    async fn listen(&self, _: &str, _: Duration) -> Result<bool> {
        down()
    }

    async fn pass_on(&self, _: u32, _: &Telling) -> Result<usize> {
        down()
    }

    async fn events_after(&self, _: &str, _: u64, _: u32) -> Result<Vec<Event>> {
        down()
    }

    async fn newest_events(&self, _: &[&str]) -> Result<Vec<(String, u64)>> {
        down()
    }

    async fn forget_events(&self, _: u32) -> Result<u64> {
        down()
    }
}

#[async_trait]
impl Messages for Down {
    async fn bury_message(&self, _: &MessageLetter) -> Result<()> {
        down()
    }

    async fn resubmitted(&self, _: &str, _: DeadLetterId, _: JobId, _: &Actor) -> Result<bool> {
        down()
    }
}

#[async_trait]
impl Publications for Down {
    async fn unpublished(&self, _: u32) -> Result<Vec<Publication>> {
        down()
    }

    async fn published(&self, _: &[Uuid]) -> Result<()> {
        down()
    }
}
