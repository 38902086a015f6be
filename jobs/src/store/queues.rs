//! Queues: a role's, and within it each tenant's share; paused, limited, looked at.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    audit::Actor,
    role::Role,
    store::{StoreError, audit::ChainName},
};

/// What operators do to queues. A queue appears with its first job or with what is set for it.
#[async_trait]
pub trait Queues: Send + Sync {
    /// A tenant's queues, one for each role. They take no longer to look at the more is queued: see
    /// [`Queue::at_least`]. What all tenants have in a role together is in
    /// [`Store::depths`](super::Store::depths).
    async fn queues(&self, tenant: &str) -> Result<Vec<Queue>, StoreError>;

    /// Stops claims from a queue; what runs goes on, and jobs still come in. Pausing twice
    /// keeps who did it first.
    async fn pause(&self, queue: &QueueName, by: &Actor) -> Result<(), StoreError>;

    /// Lets claims go on.
    async fn resume(&self, queue: &QueueName, by: &Actor) -> Result<(), StoreError>;

    /// Sets a tenant's quotas in a role; what is absent is without bound.
    async fn limit(&self, role: Role, tenant: &str, quota: Quota, by: &Actor) -> Result<(), StoreError>;
}

/// Names a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueName {
    pub role: Role,
    /// `None` is the role itself, with all its tenants.
    pub tenant_id: Option<String>,
}

impl QueueName {
    /// Whose matter it is what is done to the queue.
    pub(super) fn chain(&self) -> ChainName {
        ChainName { tenant_id: self.tenant_id.clone() }
    }
}

/// How much a tenant may have in a role at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Jobs that wait for a worker or for their time. More are refused at the intake; what Golden
    /// adds by itself (children, webhooks) is not.
    pub max_queued: Option<u64>,
    /// Runs under way.
    pub max_running: Option<u32>,
}

/// How many of a thing are looked at to say how many there are: for a tenant's figures, of the ready jobs of a role
/// in each priority.
pub const LOOKED_AT: u32 = 10_000;

/// A tenant's queue in a role, and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    pub role: Role,
    pub tenant_id: String,
    pub pause: Option<Pause>,
    /// Of the role with all its tenants, which holds this queue back as well.
    pub role_pause: Option<Pause>,
    pub quota: Quota,
    /// Ready jobs, held back or not.
    pub ready: u64,
    /// Due later, retries included.
    pub scheduled: u64,
    pub running: u64,
    /// Whether there may be more ready or scheduled jobs than were counted: of each priority, the first
    /// [`LOOKED_AT`] jobs of the role are looked at, whoever they are from.
    pub at_least: bool,
    /// How long the oldest ready job has been due; zero where none is ready.
    pub oldest_wait: Duration,
}

/// Who paused a queue, and when; nobody knows where the table was written by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pause {
    pub by: Option<String>,
    pub at: Option<DateTime<Utc>>,
}

/// How far a job moves its queue's tag on, as `tag_step` of the PostgreSQL schema does. Weights
/// are at most 1000, so that a hundred is left for them.
pub(super) fn tag_step(weight: i64) -> i64 {
    100_000 / weight.max(1)
}
