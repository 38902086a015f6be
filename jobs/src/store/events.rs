//! Events: state changes that somebody listens to, and the log that keeps them in order.
//!
//! A change writes its event to the outbox in its own transaction, if its job names a
//! `callback_url` or somebody listens to its tenant. The relay moves events from there into the
//! log, where each gets its number, and records the webhooks that tell of them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::{
    DeadLetter, JobSummary, StoreError, deliveries::NewDelivery, endpoints::Endpoint, publications::Publication,
};
use crate::id::{JobId, MessageId};

/// How long an event stays in the log.
pub const EVENT_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Whoever listens renews it in less than this, by [`Events::listen`].
pub const LISTEN_LEASE: Duration = Duration::from_secs(10 * 60);

/// The name under which one listens to all tenants, which none of them has.
pub const EVERYBODY: &str = "";

/// Who listens, and what they hear.
#[async_trait]
pub trait Events: Send + Sync {
    /// Somebody listens to a tenant for the next `lease`: its changes from now on become events.
    /// The longest of several leases counts. [`EVERYBODY`] is all tenants. Answers whether somebody was listening until now: if
    /// not, there are changes before this one that became no events.
    async fn listen(&self, tenant: &str, lease: Duration) -> Result<bool, StoreError>;

    /// Moves up to `limit` events from the outbox into the log, oldest first, with what `tell`
    /// makes of them for those who are called back and for the broker, all or nothing. Answers how many; none while another process
    /// is at it.
    async fn pass_on(&self, limit: u32, tell: &Telling) -> Result<usize, StoreError>;

    /// Up to `limit` events of a tenant that come after number `seq`, in order.
    ///
    /// Numbers begin with 1, have no gaps and are in the order of commits: whoever goes on after
    /// the last one it saw misses nothing, unless the first that is answered is not the next
    /// number. Then those between have left the log by their age.
    async fn events_after(&self, tenant: &str, seq: u64, limit: u32) -> Result<Vec<Event>, StoreError>;

    /// The numbers of these tenants' newest events. Those that have none are not answered.
    async fn newest_events(&self, tenants: &[&str]) -> Result<Vec<(String, u64)>, StoreError>;

    /// Forgets up to `limit` events older than [`EVENT_WINDOW`], and who listens no more. Answers
    /// how many events there were.
    async fn forget_events(&self, limit: u32) -> Result<u64, StoreError>;
}

/// Something that happened, as it stands in the log.
#[derive(Debug, Clone)]
pub struct Event {
    pub tenant_id: String,
    /// Counts the tenant's events, from 1.
    pub seq: u64,
    /// That of the message which tells it to a job's `callback_url`.
    pub id: MessageId,
    /// The job it is about; its data is then the job's, to be read from there.
    pub job_id: Option<JobId>,
    /// For example `job.succeeded`.
    pub event: String,
    /// What there is to say of an event that is about no job.
    pub data: Option<Box<RawValue>>,
    /// When it happened.
    pub at: DateTime<Utc>,
}

/// Makes what tells others of events. A pure function: it runs within the transaction, and again
/// should that be tried again.
pub type Telling = Arc<dyn Fn(&Outgoing) -> Told + Send + Sync>;

/// What tells others of events.
#[derive(Debug, Default)]
pub struct Told {
    /// To those who are called back.
    pub deliveries: Vec<NewDelivery>,
    /// To the broker.
    pub publications: Vec<Publication>,
}

impl From<Vec<NewDelivery>> for Told {
    fn from(deliveries: Vec<NewDelivery>) -> Self {
        Self { deliveries, publications: Vec::new() }
    }
}

/// Events on their way into the log, and what is to be known to tell others of them.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Oldest first.
    pub events: Vec<Event>,
    /// The jobs they are about.
    pub jobs: HashMap<JobId, JobSummary>,
    /// The endpoints of their tenants that take events, by tenant.
    pub endpoints: HashMap<String, Vec<Endpoint>>,
    /// Whether a broker takes what happens.
    pub published: bool,
    /// The newest letters of jobs that died, where a broker takes them.
    pub letters: HashMap<JobId, DeadLetter>,
}

/// The jobs that died by these events, with their tenants.
pub(super) fn deaths(events: &[Event]) -> impl Iterator<Item = (&str, JobId)> {
    let dead = events.iter().filter(|event| event.event == "job.dead");
    dead.filter_map(|event| Some((event.tenant_id.as_str(), event.job_id?)))
}
