//! What a message broker is to be told, until it has it.
//!
//! The relay writes publications together with the events that they tell of, while somebody listens
//! to [everybody](super::events::EVERYBODY). They are complete: neither an event nor its job needs
//! to be there any more when the broker comes back.

use async_trait::async_trait;
use uuid::Uuid;

use super::StoreError;
use crate::{
    id::{DeadLetterId, JobId, MessageId},
    trace::TraceContext,
};

/// What waits for the broker.
#[async_trait]
pub trait Publications: Send + Sync {
    /// Up to `limit` of what waits, oldest first.
    async fn unpublished(&self, limit: u32) -> Result<Vec<Publication>, StoreError>;

    /// The broker has these and answers for them.
    async fn published(&self, publications: &[Uuid]) -> Result<(), StoreError>;
}

/// A message to whoever subscribed at the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    pub what: Published,
    pub tenant_id: String,
    /// Of the job; of what else there is, what stands before the dot of its event.
    pub kind: String,
    /// What it is about. Of two publications about one job, the broker takes the older one first.
    pub job_id: Option<JobId>,
    /// JSON.
    pub body: String,
    /// What its readers are to go on from: that of the job.
    pub trace: Option<TraceContext>,
}

/// What a publication tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// That something came about, for example that a job `succeeded`.
    Event { id: MessageId, state: String },
    /// What a job left that died.
    DeadLetter(DeadLetterId),
}

impl Published {
    pub fn id(&self) -> Uuid {
        match self {
            Self::Event { id, .. } => id.0,
            Self::DeadLetter(id) => id.0,
        }
    }

    pub(super) fn state(&self) -> Option<&str> {
        match self {
            Self::Event { state, .. } => Some(state),
            Self::DeadLetter(_) => None,
        }
    }

    /// As it was recorded.
    pub(super) fn of(id: Uuid, state: Option<String>) -> Self {
        match state {
            Some(state) => Self::Event { id: MessageId(id), state },
            None => Self::DeadLetter(DeadLetterId(id)),
        }
    }
}
