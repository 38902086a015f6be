//! Tenants: whose jobs these are, and what each may have.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{audit::Actor, sandbox::AskedLimits, store::StoreError};

/// What operators do to tenants. A tenant appears with its first job, or when it is created.
///
/// What a tenant may have in a role is its queue's: see [`Queues::limit`](super::Queues::limit).
#[async_trait]
pub trait Tenants: Send + Sync {
    /// `None` when nobody by that name is known.
    async fn tenant(&self, id: &str) -> Result<Option<Tenant>, StoreError>;

    /// Tenants in the order of their names, those after `after`.
    async fn tenants(&self, after: Option<&str>, limit: u32) -> Result<Vec<Tenant>, StoreError>;

    /// Makes a tenant known. Answers `false`, and changes nothing, where it is already.
    async fn create_tenant(&self, id: &str, terms: &Terms, by: &Actor) -> Result<bool, StoreError>;

    /// Changes a tenant's terms, and answers it as it is then; `None` where it is not known. A new weight
    /// counts from the next job on.
    async fn set_terms(&self, id: &str, change: &TermsChange, by: &Actor) -> Result<Option<Tenant>, StoreError>;

    /// Forgets a tenant, its queues, schedules and endpoints, unless jobs of it are open. Its ended
    /// jobs stay on record until they are pruned; its audit log and what it spent stay for good.
    ///
    /// What is looked through is what waits and runs, however many jobs have ended. A job that waits for its
    /// children is found by these: they are its tenant's own.
    async fn delete_tenant(&self, id: &str, by: &Actor) -> Result<Deleted, StoreError>;
}

/// A tenant on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: String,
    pub terms: Terms,
    /// Since when it is suspended.
    pub suspended_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// On what terms a tenant is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// 1 to 1000: its share of a role's capacity, in proportion to those of the others who have
    /// work there.
    pub weight: u32,
    /// The longest payload and result of its jobs, in bytes; `None` is the default of either.
    pub max_payload: Option<u64>,
    pub max_result: Option<u64>,
    /// The most that a program of its may use, within what the operator allows.
    pub sandbox_limits: AskedLimits,
    /// Its requests are refused. Jobs that were accepted still run.
    pub suspended: bool,
}

/// A change of terms. What is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TermsChange {
    pub weight: Option<u32>,
    /// `Some(None)` is the default.
    pub max_payload: Option<Option<u64>>,
    pub max_result: Option<Option<u64>>,
    /// All of them.
    pub sandbox_limits: Option<AskedLimits>,
    pub suspended: Option<bool>,
}

/// A change of all of them.
impl From<Terms> for TermsChange {
    fn from(Terms { weight, max_payload, max_result, sandbox_limits, suspended }: Terms) -> Self {
        Self {
            weight: Some(weight),
            max_payload: Some(max_payload),
            max_result: Some(max_result),
            sandbox_limits: Some(sandbox_limits),
            suspended: Some(suspended),
        }
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            weight: 1,
            max_payload: None,
            max_result: None,
            sandbox_limits: AskedLimits::default(),
            suspended: false,
        }
    }
}

/// What [`Tenants::delete_tenant`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    Gone,
    NoSuchTenant,
    /// Jobs of it are open.
    Busy,
}

/// Limits as databases keep them.
pub(super) fn limits(limits: &AskedLimits) -> String {
    json!(limits).to_string()
}
