//! The trait a kind of job implements, and its policy.

use std::{future::Future, time::Duration};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::to_raw_value;

use crate::{
    backoff::Backoff,
    context::Context,
    id::JobId,
    outcome::Outcome,
    role::Role,
    store::{Due, NewJob},
};

/// A kind of job: its payload is the implementing struct, its behaviour is [`run`](Job::run).
///
/// Runs are at-least-once: a worker may die after the work and before its record. Pass
/// [`Context::idempotency_key`] on to whatever must not happen twice.
pub trait Job: Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// The name users submit it by, for example `http.call`.
    const KIND: &'static str;
    /// The pool that runs it.
    const ROLE: Role;
    /// Attempts, backoff and timeout, where a submission does not say otherwise.
    const POLICY: Policy = Policy::DEFAULT;
    /// Whether clients may submit it. Internal kinds are made by Golden itself.
    const PUBLIC: bool = true;
    /// Whether the payload's `submitted_by` says who submitted the job: intake writes it, over whatever is there.
    const SUBMITTED_BY: bool = false;

    /// What a succeeded run leaves as the job's result.
    type Output: Serialize;

    /// Checks what JSON Schema cannot say. Runs at intake; an error is a 422 that names it.
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }

    /// One run of the job.
    fn run(self, cx: &Context) -> impl Future<Output = Outcome<Self::Output>> + Send;
}

impl NewJob {
    /// A job of a kind of this build, due now and on its kind's terms. It is what Golden submits by itself: what clients
    /// submit is checked first.
    pub fn of<K: Job>(id: JobId, tenant: &str, payload: &K) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id,
            tenant_id: tenant.to_owned(),
            kind: K::KIND.to_owned(),
            role: K::ROLE,
            priority: 5,
            payload: to_raw_value(payload)?,
            max_attempts: K::POLICY.max_attempts,
            timeout: K::POLICY.timeout,
            due: Due::Now,
            metadata: None,
            callback_url: None,
            parent_id: None,
            max_cost: None,
            trace: None,
            idempotency: None,
        })
    }
}

/// What is wrong with a payload, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {detail}")]
pub struct Invalid {
    /// JSON pointer into the payload; empty for the whole.
    pub pointer: String,
    /// What to do about it, in a sentence.
    pub detail: String,
}

impl Invalid {
    /// `pointer` is a JSON pointer (RFC 6901) into the payload, for example `/headers/accept`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// How a kind's jobs are retried and bounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Runs a job may begin before it is dead.
    pub max_attempts: u32,
    /// The most attempts a submission may ask for.
    pub max_attempts_limit: u32,
    /// Wall time of one run.
    pub timeout: Duration,
    /// The longest timeout a submission may ask for.
    pub timeout_limit: Duration,
    /// The wait between attempts.
    pub backoff: Backoff,
    /// Whether its runs [reserve](Context::reserve) money. New jobs of such a kind are refused while the tenant's
    /// budget is gone.
    pub spends: bool,
}

impl Policy {
    /// Five attempts, 1 s × 2ⁿ up to 1 h with full jitter, 5 minutes each.
    pub const DEFAULT: Self = Self {
        max_attempts: 5,
        max_attempts_limit: 100,
        timeout: Duration::from_secs(300),
        timeout_limit: Duration::from_secs(3600),
        backoff: Backoff::DEFAULT,
        spends: false,
    };

    /// The policy with so many attempts by default. What a submission may ask for stays.
    #[must_use]
    pub const fn attempts(mut self, max_attempts: u32) -> Self {
        self.max_attempts = max_attempts;
        self
    }

    /// The policy with so many seconds for one run by default. What a submission may ask for
    /// stays.
    #[must_use]
    pub const fn timeout_secs(mut self, secs: u64) -> Self {
        self.timeout = Duration::from_secs(secs);
        self
    }

    /// The policy of a kind whose runs spend money.
    #[must_use]
    pub const fn spends(mut self) -> Self {
        self.spends = true;
        self
    }

    /// The policy with these waits between attempts.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }
}
