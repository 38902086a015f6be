//! Queues as clients see them.

use chrono::{DateTime, Utc};
use golden_jobs::{
    Role,
    store::{Pause, Queue, RoleDepth},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::reach::segment;

/// The queue of a role.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Queue", example = whole_example())]
pub(crate) struct QueueResource {
    pub(super) role: Role,
    /// Whether the role is paused for all tenants.
    paused: bool,
    /// Who paused it. Only an admin is told.
    paused_by: Option<String>,
    paused_at: Option<DateTime<Utc>>,
    /// What all tenants have here together, at most a second old. Only an admin is told.
    total: Option<Depth>,
    /// The share of the caller's tenant.
    own: TenantQueue,
    links: QueueLinks,
}

/// How many jobs are where.
#[derive(Debug, Serialize, JsonSchema)]
struct Depth {
    /// Ready for a worker, held back or not.
    queued: u64,
    /// Due later, retries included.
    scheduled: u64,
    running: u64,
    /// For how many seconds the oldest queued job has been due; 0 where none is queued.
    oldest_wait: f64,
    /// Whether there may be more queued or scheduled than these figures say, since no more than 10,000 of each
    /// are looked at: of a role's queued jobs, of all roles' scheduled ones; and for a tenant, of the role's queued
    /// jobs in each priority, whoever they are from, and of its scheduled ones.
    at_least: bool,
}

/// What one tenant has in a role.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(example = tenants_example())]
pub(crate) struct TenantQueue {
    role: Role,
    tenant: String,
    /// Whether this queue is paused. The role's may be as well, which holds back all tenants'.
    paused: bool,
    /// Who paused it.
    paused_by: Option<String>,
    paused_at: Option<DateTime<Utc>>,
    /// The most jobs it may hold that wait for a worker or for their time; null is no bound.
    max_queued: Option<u64>,
    /// The most runs at a time; null is no bound.
    max_running: Option<u32>,
    #[serde(flatten)]
    depth: Depth,
    links: QueueLinks,
}

/// Paths of what can be done to a queue.
#[derive(Debug, Serialize, JsonSchema)]
struct QueueLinks {
    #[serde(rename = "self")]
    itself: String,
    pause: String,
    resume: String,
}

impl From<String> for QueueLinks {
    fn from(itself: String) -> Self {
        Self { pause: format!("{itself}/pause"), resume: format!("{itself}/resume"), itself }
    }
}

impl QueueResource {
    /// `runs_all`: whether the caller is to know more than its own.
    pub(super) fn of(total: Option<&RoleDepth>, mut queue: Queue, runs_all: bool) -> Self {
        let role = queue.role;
        let paused = queue.role_pause.is_some();
        let Pause { by, at } = queue.role_pause.take().unwrap_or_default();
        Self {
            role,
            paused,
            paused_by: by.filter(|_| runs_all),
            paused_at: at,
            total: total.map(|total| Depth {
                queued: total.queued(),
                scheduled: total.scheduled,
                running: total.running,
                oldest_wait: total.oldest_wait.as_secs_f64(),
                at_least: total.at_least,
            }),
            own: queue.into(),
            links: format!("/v1/queues/{role}").into(),
        }
    }
}

impl From<Queue> for TenantQueue {
    fn from(queue: Queue) -> Self {
        let paused = queue.pause.is_some();
        let Pause { by, at } = queue.pause.unwrap_or_default();
        Self {
            links: format!("/v1/queues/{}/tenants/{}", queue.role, segment(&queue.tenant_id)).into(),
            role: queue.role,
            tenant: queue.tenant_id,
            paused,
            paused_by: by,
            paused_at: at,
            max_queued: queue.quota.max_queued,
            max_running: queue.quota.max_running,
            depth: Depth {
                queued: queue.ready,
                scheduled: queue.scheduled,
                running: queue.running,
                oldest_wait: queue.oldest_wait.as_secs_f64(),
                at_least: queue.at_least,
            },
        }
    }
}

fn links_example(path: &str) -> Value {
    json!({"self": path, "pause": format!("{path}/pause"), "resume": format!("{path}/resume")})
}

pub(crate) fn tenants_example() -> Value {
    json!({
        "role": "sandbox",
        "tenant": "acme",
        "paused": true,
        "paused_by": "ops@acme",
        "paused_at": "2026-01-02T03:04:05Z",
        "max_queued": 1000,
        "max_running": 8,
        "queued": 42,
        "scheduled": 3,
        "running": 8,
        "oldest_wait": 12.25,
        "at_least": false,
        "links": links_example("/v1/queues/sandbox/tenants/acme"),
    })
}

fn whole_example() -> Value {
    json!({
        "role": "sandbox",
        "paused": false,
        "paused_by": null,
        "paused_at": null,
        "total": {"queued": 120, "scheduled": 9, "running": 12, "oldest_wait": 30.5, "at_least": false},
        "own": tenants_example(),
        "links": links_example("/v1/queues/sandbox"),
    })
}
