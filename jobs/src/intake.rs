//! Jobs that come in as messages: a port, which the HTTP intake implements, so that a message is held to the
//! same rules as a request.

use async_trait::async_trait;
use uuid::Uuid;

use crate::{id::JobId, trace::TraceContext};

/// Records the jobs that messages ask for.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Records the job of a message, once however often the message comes: its id is the message's.
    async fn submit(&self, message: &Message) -> Result<JobId, Refused>;
}

/// What came in.
#[derive(Debug, Clone)]
pub struct Message {
    /// The same however often it comes.
    pub id: Uuid,
    pub tenant_id: String,
    pub kind: String,
    /// A job as `POST /v1/jobs` takes it; the kind need not be said again.
    pub body: Vec<u8>,
    /// What tells a repetition in another message.
    pub key: Option<String>,
    /// What it goes on from, where it is part of a trace.
    pub trace: Option<TraceContext>,
}

/// Why a message did not become a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It never will, as it is.
    #[error("{message}")]
    Invalid { code: String, message: String },
    /// It may, later.
    #[error("{0}")]
    Later(String),
}
