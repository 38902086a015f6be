//! Deliveries: one message to one receiver each, with every attempt and what came of it.

use std::{fmt, str::FromStr};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NewJob, Page, StoreError};
use crate::{
    audit::Actor,
    id::{EndpointId, JobId, MessageId},
    record::RecordedError,
};

/// The record of deliveries.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Records deliveries with the jobs that make them. One whose id is recorded already is left
    /// as it is.
    async fn add_deliveries(&self, deliveries: Vec<NewDelivery>) -> Result<(), StoreError>;

    /// Records one attempt, and what it says of the endpoint it went to: one that is gone, or has
    /// failed for longer than [`FAILING_LIMIT`](super::endpoints::FAILING_LIMIT), is disabled, and
    /// whoever listens to its tenant is told. Recording an attempt again replaces what was
    /// recorded.
    async fn record_attempt(&self, attempt: &NewAttempt) -> Result<(), StoreError>;

    /// One delivery; `None` when the tenant has no such delivery.
    async fn delivery(&self, tenant: &str, id: MessageId) -> Result<Option<Delivery>, StoreError>;

    /// Deliveries newest first. A page takes no longer where few match or none: at most
    /// [`LOOK`](super::LOOK) are looked at for it.
    async fn deliveries(&self, filter: &DeliveryFilter, page: Page<MessageId>) -> Result<DeliveryPage, StoreError>;

    /// The attempts of a delivery, oldest first.
    async fn delivery_attempts(&self, id: MessageId) -> Result<Vec<DeliveryAttempt>, StoreError>;

    /// Sends deliveries again that have ended, with fresh attempts and the same id, and resolves
    /// their dead letters. Not those of an endpoint that is disabled or gone. Answers which.
    async fn redeliver(&self, tenant: &str, ids: &[MessageId], by: &Actor) -> Result<Vec<MessageId>, StoreError>;
}

/// A message to record, and the job that delivers it.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Its id is the message's, and its role that of webhooks.
    pub job: NewJob,
    /// Absent where the receiver is a job's `callback_url`.
    pub endpoint_id: Option<EndpointId>,
    /// What the message is about, where it is about a job.
    pub about: Option<JobId>,
    /// For example `job.succeeded`.
    pub event: String,
    /// The receiver's.
    pub url: String,
    /// When the event happened.
    pub at: DateTime<Utc>,
}

/// A message to one receiver, as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub id: MessageId,
    pub tenant_id: String,
    /// Absent where the receiver is a job's `callback_url`.
    pub endpoint_id: Option<EndpointId>,
    /// What the message is about, where it is about a job.
    pub job_id: Option<JobId>,
    /// For example `job.succeeded`.
    pub event: String,
    /// The receiver's when the message was made.
    pub url: String,
    pub status: DeliveryStatus,
    /// Attempts begun since it was made, or replayed.
    pub attempt: u32,
    pub max_attempts: u32,
    /// When the next attempt is due, while there is one to come.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// What the last attempt failed of.
    pub error: Option<RecordedError>,
    /// When the event happened.
    pub created_at: DateTime<Utc>,
    /// When it was delivered or given up.
    pub finished_at: Option<DateTime<Utc>>,
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// Under way, or due for another attempt.
    Pending,
    /// The receiver took it.
    Delivered,
    /// Given up: its last attempt failed, or no further one could help.
    Failed,
    /// Somebody cancelled its job.
    Cancelled,
}

/// Which deliveries of a tenant to list. Absent means any.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    pub tenant_id: String,
    /// Just these, where any are named.
    pub ids: Vec<MessageId>,
    pub endpoint_id: Option<EndpointId>,
    pub job_id: Option<JobId>,
    pub status: Option<DeliveryStatus>,
    /// A whole type of events.
    pub event: Option<String>,
    /// Of events that happened then or later.
    pub since: Option<DateTime<Utc>>,
    /// Of events that happened before.
    pub until: Option<DateTime<Utc>>,
}

/// What was found for a page of a list of deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryPage {
    pub deliveries: Vec<Delivery>,
    /// Where looking ended before the page was full: there may be more below this one.
    pub looked_to: Option<MessageId>,
}

/// An attempt to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttempt {
    pub message_id: MessageId,
    pub endpoint_id: Option<EndpointId>,
    /// Whether the receiver took it.
    pub delivered: bool,
    /// Whether it wants no more of them (410).
    pub gone: bool,
    pub attempt: DeliveryAttempt,
}

/// One attempt to deliver a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DeliveryAttempt {
    /// The lease of the run that made the attempt: a replayed delivery counts attempts anew.
    #[serde(skip)]
    pub run_lease: i64,
    /// Counts from 1, and again from 1 after a replay.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// Where it went.
    #[schemars(example = &"https://example.com/golden")]
    pub url: String,
    /// The receiver's status, if it answered.
    #[schemars(example = 204)]
    pub status: Option<u16>,
    /// From sending to the answer, or to giving up on one.
    #[schemars(example = 87)]
    pub latency_ms: u64,
    /// The first KiB of the receiver's answer.
    pub answer: Option<String>,
    /// Why the attempt failed; absent when it delivered.
    pub error: Option<String>,
    /// When it ended.
    // By the store's clock; ignored when written.
    pub at: DateTime<Utc>,
}

impl DeliveryStatus {
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Failed, Self::Cancelled];

    /// The one spelling, in the API as in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for DeliveryStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not one of the four statuses.
#[derive(Debug, thiserror::Error)]
#[error("unknown status `{0}`: expected one of pending, delivered, failed, cancelled")]
pub struct UnknownStatus(String);

impl FromStr for DeliveryStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}
