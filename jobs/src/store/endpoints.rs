//! Webhook endpoints: where a tenant wants its events sent, and what signs them.

use std::{fmt, str::FromStr, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::{audit::Actor, id::EndpointId};

/// Endpoints a tenant may have.
pub const ENDPOINTS_LIMIT: u32 = 20;

/// An endpoint that fails for so long without a success in between is disabled.
pub const FAILING_LIMIT: Duration = Duration::from_secs(5 * 24 * 3600);

/// The record of endpoints.
#[async_trait]
pub trait Endpoints: Send + Sync {
    /// Records an endpoint, which listens from then on. `None` when the tenant has
    /// [`ENDPOINTS_LIMIT`] of them already.
    async fn add_endpoint(
        &self,
        tenant: &str,
        settings: &EndpointSettings,
        secret: [u8; 32],
        by: &Actor,
    ) -> Result<Option<Endpoint>, StoreError>;

    /// One endpoint; `None` when the tenant has no such endpoint.
    async fn endpoint(&self, tenant: &str, id: EndpointId) -> Result<Option<Endpoint>, StoreError>;

    /// All endpoints of a tenant, oldest first.
    async fn endpoints(&self, tenant: &str) -> Result<Vec<Endpoint>, StoreError>;

    /// Changes an endpoint; `None` when the tenant has no such endpoint.
    async fn change_endpoint(
        &self,
        tenant: &str,
        id: EndpointId,
        change: &EndpointChange,
        by: &Actor,
    ) -> Result<Option<Endpoint>, StoreError>;

    /// Removes an endpoint. Answers whether there was one.
    async fn remove_endpoint(&self, tenant: &str, id: EndpointId, by: &Actor) -> Result<bool, StoreError>;

    /// Gives an endpoint a new secret. The one it had signs as well for another `overlap`.
    async fn rotate_secret(
        &self,
        tenant: &str,
        id: EndpointId,
        secret: [u8; 32],
        overlap: Duration,
        by: &Actor,
    ) -> Result<Rotated, StoreError>;

    /// Ends the overlap of a rotation now; `None` when the tenant has no such endpoint.
    async fn revoke_old_secret(&self, tenant: &str, id: EndpointId, by: &Actor)
    -> Result<Option<Endpoint>, StoreError>;

    /// Where deliveries to an endpoint go, and what signs them: for Golden's own work, never for an
    /// answer to a caller. `None` when the tenant has no such endpoint: whatever names one is
    /// signed for its own tenant and no other.
    async fn target(&self, tenant: &str, id: EndpointId) -> Result<Option<Target>, StoreError>;
}

/// An endpoint as its owner sees it. Its secrets are not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub tenant_id: String,
    pub settings: EndpointSettings,
    pub disabled: Option<Disabled>,
    /// The first failure since the last success.
    pub failing_since: Option<DateTime<Utc>>,
    /// Until when the secret that was replaced signs as well.
    pub old_secret_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What its owner decides about an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSettings {
    pub url: String,
    /// For people; may be empty.
    pub description: String,
    /// Types of events: whole ones, `job.*`, or `*`.
    pub events: Vec<String>,
    /// Kinds of jobs whose events it takes; none for all. Events about no job are not held back.
    pub kinds: Vec<String>,
    pub format: Format,
    /// Whether messages hold ids and links alone.
    pub thin: bool,
}

/// A change of an endpoint. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointChange {
    pub url: Option<String>,
    pub description: Option<String>,
    pub events: Option<Vec<String>>,
    pub kinds: Option<Vec<String>>,
    pub format: Option<Format>,
    pub thin: Option<bool>,
    /// Enabling forgets earlier failures.
    pub enabled: Option<bool>,
}

/// How a message's body is laid out. Headers and signatures are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As Standard Webhooks recommends.
    #[default]
    Standard,
    /// A CloudEvent 1.0 in the structured JSON mode.
    CloudEvents,
}

/// Why and since when an endpoint takes no messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Disabled {
    pub reason: DisabledReason,
    pub at: DateTime<Utc>,
}

/// Why an endpoint takes no messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DisabledReason {
    /// Somebody disabled it.
    Asked,
    /// It answered 410 Gone.
    Gone,
    /// It failed for five days without a success.
    Failing,
}

/// What became of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// The tenant has none of that id.
    NoSuchEndpoint,
    /// The new secret signs, and the one before it until the time that the endpoint says.
    Done(Endpoint),
    /// The secret of the rotation before still signs, until then. A third is not kept: whoever
    /// counts on the first would find it gone.
    StillRotating(DateTime<Utc>),
}

/// Where a delivery goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    pub url: String,
    /// The newest first.
    pub secrets: Vec<[u8; 32]>,
    pub disabled: bool,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the secrets nor the URL, which may hold one.
        f.debug_struct("Target").field("disabled", &self.disabled).finish_non_exhaustive()
    }
}

impl Format {
    /// The one spelling, in the API as in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::CloudEvents => "cloudevents",
        }
    }
}

impl DisabledReason {
    /// The one spelling, in the API as in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

/// Not a word that the record of endpoints has.
#[derive(Debug, thiserror::Error)]
#[error("unknown word `{0}` in the record of an endpoint")]
pub struct UnknownWord(String);

impl FromStr for Format {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let known = [Self::Standard, Self::CloudEvents].into_iter().find(|format| format.as_str() == text);
        known.ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

impl FromStr for DisabledReason {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let known = [Self::Asked, Self::Gone, Self::Failing].into_iter().find(|reason| reason.as_str() == text);
        known.ok_or_else(|| UnknownWord(text.to_owned()))
    }
}
