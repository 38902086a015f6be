//! No tenant is found, and no queue of one.

use async_trait::async_trait;
use golden_jobs::{
    Role,
    audit::Actor,
    store::{Deleted, Queue, QueueName, Queues, Quota, Tenant, Tenants, Terms, TermsChange},
};

use super::{Down, Result, down};

#[async_trait]
impl Tenants for Down {
    async fn tenant(&self, _: &str) -> Result<Option<Tenant>> {
        down()
    }

    async fn tenants(&self, _: Option<&str>, _: u32) -> Result<Vec<Tenant>> {
        down()
    }

    async fn create_tenant(&self, _: &str, _: &Terms, _: &Actor) -> Result<bool> {
        down()
    }

    async fn set_terms(&self, _: &str, _: &TermsChange, _: &Actor) -> Result<Option<Tenant>> {
        down()
    }

    async fn delete_tenant(&self, _: &str, _: &Actor) -> Result<Deleted> {
        down()
    }
}

#[async_trait]
impl Queues for Down {
    async fn queues(&self, _: &str) -> Result<Vec<Queue>> {
        down()
    }

    async fn pause(&self, _: &QueueName, _: &Actor) -> Result<()> {
        down()
    }

    async fn resume(&self, _: &QueueName, _: &Actor) -> Result<()> {
        down()
    }

    async fn limit(&self, _: Role, _: &str, _: Quota, _: &Actor) -> Result<()> {
        down()
    }
}
