//! Messages that came in and cannot be jobs.

use async_trait::async_trait;
use serde_json::value::RawValue;

use super::StoreError;
use crate::{
    audit::Actor,
    id::{DeadLetterId, JobId},
};

/// The letters of messages. Listed, counted and purged they are as those of jobs.
#[async_trait]
pub trait Messages: Send + Sync {
    /// Records the letter of a message, once however often the message comes.
    async fn bury_message(&self, letter: &MessageLetter) -> Result<(), StoreError>;

    /// Resolves a letter whose message became a job after all. Answers whether it was open until now.
    async fn resubmitted(&self, tenant: &str, letter: DeadLetterId, job: JobId, by: &Actor)
    -> Result<bool, StoreError>;
}

/// A message that cannot be a job.
#[derive(Debug, Clone)]
pub struct MessageLetter {
    /// The same however often the message comes.
    pub id: DeadLetterId,
    pub tenant_id: String,
    /// What it came in on.
    pub original_subject: String,
    /// As the subject has it: there may be none of that name.
    pub kind: String,
    /// The whole message; as a text where it is not JSON.
    pub payload: Box<RawValue>,
    /// A short stable word for what is wrong with it.
    pub error_code: String,
    pub error: String,
    /// How often it was delivered.
    pub attempts: u32,
}
