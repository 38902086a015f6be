//! What signs the webhooks that go to the `callback_url` of a tenant's jobs.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreError;
use crate::audit::Actor;

/// The record of the secrets of callbacks: one a tenant, and for a while the one before it.
#[async_trait]
pub trait Callbacks: Send + Sync {
    /// A tenant's secrets, of which the first is made at first use.
    async fn callback_secrets(&self, tenant: &str) -> Result<CallbackSecrets, StoreError>;

    /// Gives a tenant a new secret. The one it had signs as well for another `overlap`.
    async fn rotate_callback_secret(
        &self,
        tenant: &str,
        secret: [u8; 32],
        overlap: Duration,
        by: &Actor,
    ) -> Result<CallbackRotated, StoreError>;

    /// Ends the overlap of a rotation now.
    async fn revoke_old_callback_secret(&self, tenant: &str, by: &Actor) -> Result<CallbackSecrets, StoreError>;
}

/// What signs a tenant's callbacks.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackSecrets {
    pub newest: [u8; 32],
    /// The one before it, and until when it signs as well.
    pub old: Option<([u8; 32], DateTime<Utc>)>,
}

/// What became of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackRotated {
    /// The new secret signs, and the one before it for the time of the overlap.
    Done(CallbackSecrets),
    /// The secret of the rotation before still signs, until then. A third is not kept: whoever
    /// counts on the first would find it gone.
    StillRotating(DateTime<Utc>),
}

impl CallbackSecrets {
    /// All that sign now, the newest first.
    pub fn all(&self) -> impl Iterator<Item = [u8; 32]> {
        std::iter::once(self.newest).chain(self.old.map(|(secret, _)| secret))
    }

    /// Until when the old one signs, if there is one.
    pub fn old_until(&self) -> Option<DateTime<Utc>> {
        self.old.map(|(_, until)| until)
    }
}

impl fmt::Debug for CallbackSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackSecrets").field("old_until", &self.old_until()).finish_non_exhaustive()
    }
}
