//! Webhook endpoints and deliveries as clients see them.

use chrono::{DateTime, Utc};
use golden_jobs::{
    EndpointId, JobId, MessageId,
    record::RecordedError,
    store::{
        deliveries::{Delivery, DeliveryAttempt, DeliveryStatus},
        endpoints::{Disabled, Endpoint, Format},
    },
    webhooks::Secret,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{example, job_path};

/// Where a tenant wants its events sent.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Endpoint", example = example::endpoint())]
pub(crate) struct EndpointResource {
    id: EndpointId,
    url: String,
    /// For people.
    description: String,
    /// The types of events it takes: whole ones, `job.*`, or `*`.
    events: Vec<String>,
    /// The kinds of jobs whose events it takes, none for all. Events about no job are not held back by it.
    kinds: Vec<String>,
    format: Format,
    /// Whether messages hold ids and links alone.
    thin: bool,
    enabled: bool,
    /// Why and since when it takes no messages; null while it does.
    disabled: Option<Disabled>,
    /// The first failure since the last success. After five days of failing it is disabled.
    failing_since: Option<DateTime<Utc>>,
    /// Until when the secret that was replaced signs as well.
    old_secret_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    links: EndpointLinks,
}

/// Paths of what belongs to an endpoint.
#[derive(Debug, Serialize, JsonSchema)]
struct EndpointLinks {
    #[serde(rename = "self")]
    itself: String,
    deliveries: String,
    test: String,
    rotate: String,
}

/// Where an endpoint is read.
pub(crate) fn endpoint_path(id: EndpointId) -> String {
    format!("/v1/webhooks/endpoints/{id}")
}

impl From<Endpoint> for EndpointResource {
    fn from(endpoint: Endpoint) -> Self {
        let itself = endpoint_path(endpoint.id);
        let settings = endpoint.settings;
        Self {
            links: EndpointLinks {
                deliveries: format!("/v1/webhooks/deliveries?endpoint={}", endpoint.id),
                test: format!("{itself}/test"),
                rotate: format!("{itself}/rotate"),
                itself,
            },
            id: endpoint.id,
            url: settings.url,
            description: settings.description,
            events: settings.events,
            kinds: settings.kinds,
            format: settings.format,
            thin: settings.thin,
            enabled: endpoint.disabled.is_none(),
            disabled: endpoint.disabled,
            failing_since: endpoint.failing_since,
            old_secret_until: endpoint.old_secret_until,
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

/// An endpoint with its new secret, which no other answer shows.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EndpointWithSecret", example = example::endpoint_with_secret())]
pub(crate) struct EndpointWithSecret {
    #[serde(flatten)]
    endpoint: EndpointResource,
    /// Signs what is sent to it from now on, as libraries of the Standard Webhooks specification take it. Shown this
    /// once: keep it.
    secret: String,
}

impl EndpointWithSecret {
    pub(crate) fn new(endpoint: Endpoint, secret: [u8; 32]) -> Self {
        Self { endpoint: endpoint.into(), secret: Secret::from(secret).reveal() }
    }
}

/// A message to one receiver.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Delivery", example = example::delivery())]
pub(crate) struct DeliveryResource {
    /// The `webhook-id` that the receiver sees, the same at every attempt and in every replay.
    id: MessageId,
    /// The endpoint it goes to; null where the receiver is a job's `callback_url`.
    endpoint_id: Option<EndpointId>,
    /// The job it is about; null where it is about none.
    job_id: Option<JobId>,
    /// For example `job.succeeded`.
    event: String,
    /// The receiver's when the message was made.
    url: String,
    status: DeliveryStatus,
    /// Attempts begun since it was made, or replayed.
    attempt: u32,
    max_attempts: u32,
    /// When the next attempt is due, while there is one to come.
    next_attempt_at: Option<DateTime<Utc>>,
    /// What the last attempt failed of.
    error: Option<RecordedError>,
    /// When the event happened.
    created_at: DateTime<Utc>,
    /// When it was delivered or given up.
    finished_at: Option<DateTime<Utc>>,
    links: DeliveryLinks,
}

/// Paths of what belongs to a delivery.
#[derive(Debug, Serialize, JsonSchema)]
struct DeliveryLinks {
    #[serde(rename = "self")]
    itself: String,
    replay: String,
    endpoint: Option<String>,
    /// The job it is about.
    job: Option<String>,
}

impl From<Delivery> for DeliveryResource {
    fn from(delivery: Delivery) -> Self {
        let itself = format!("/v1/webhooks/deliveries/{}", delivery.id);
        Self {
            links: DeliveryLinks {
                replay: format!("{itself}/replay"),
                endpoint: delivery.endpoint_id.map(endpoint_path),
                job: delivery.job_id.map(job_path),
                itself,
            },
            id: delivery.id,
            endpoint_id: delivery.endpoint_id,
            job_id: delivery.job_id,
            event: delivery.event,
            url: delivery.url,
            status: delivery.status,
            attempt: delivery.attempt,
            max_attempts: delivery.max_attempts,
            next_attempt_at: delivery.next_attempt_at,
            error: delivery.error,
            created_at: delivery.created_at,
            finished_at: delivery.finished_at,
        }
    }
}

/// A delivery with every attempt that was made.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeliveryWithAttempts", example = example::delivery_with_attempts())]
pub(crate) struct DeliveryWithAttempts {
    #[serde(flatten)]
    delivery: DeliveryResource,
    /// Oldest first, those before a replay among them.
    attempts: Vec<DeliveryAttempt>,
}

impl DeliveryWithAttempts {
    pub(crate) fn new(delivery: Delivery, attempts: Vec<DeliveryAttempt>) -> Self {
        Self { delivery: delivery.into(), attempts }
    }
}
