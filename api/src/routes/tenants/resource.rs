//! Tenants as admins see them.

use chrono::{DateTime, TimeDelta, Utc};
use golden_jobs::{
    sandbox::AskedLimits,
    store::{Queue, Tenant},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    auth::Grant,
    reach::segment,
    routes::queues::{self, resource::TenantQueue},
};

/// A tenant.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Tenant", example = example())]
pub(crate) struct TenantResource {
    pub(super) id: String,
    /// Its share of a role's capacity, in proportion to those of the others who have work there.
    weight: u32,
    /// The longest payload of its jobs, in bytes; null is 256 KiB.
    max_payload: Option<u64>,
    /// The longest result of its jobs, in bytes; null is 256 KiB.
    max_result: Option<u64>,
    /// The most that a program of its may use, within what the operator allows.
    sandbox_limits: AskedLimits,
    /// Whether its requests are refused.
    suspended: bool,
    suspended_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    links: TenantLinks,
}

/// A tenant with what it has in each role.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(example = detail_example())]
pub(crate) struct TenantDetail {
    #[serde(flatten)]
    tenant: TenantResource,
    /// Its figures and quotas, one entry a role.
    queues: Vec<TenantQueue>,
}

/// Paths of what can be done to a tenant.
#[derive(Debug, Serialize, JsonSchema)]
struct TenantLinks {
    #[serde(rename = "self")]
    itself: String,
    suspend: String,
    resume: String,
    tokens: String,
}

/// A token that was made. It is shown once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token", example = token_example())]
pub(crate) struct TokenResource {
    token: String,
    tenant: String,
    role: &'static str,
    sub: String,
    expires_at: DateTime<Utc>,
}

/// Where a tenant is read.
pub(super) fn tenant_path(id: &str) -> String {
    format!("/v1/tenants/{}", segment(id))
}

impl From<Tenant> for TenantResource {
    fn from(tenant: Tenant) -> Self {
        let itself = tenant_path(&tenant.id);
        Self {
            links: TenantLinks {
                suspend: format!("{itself}/suspend"),
                resume: format!("{itself}/resume"),
                tokens: format!("{itself}/tokens"),
                itself,
            },
            id: tenant.id,
            weight: tenant.terms.weight,
            max_payload: tenant.terms.max_payload,
            max_result: tenant.terms.max_result,
            sandbox_limits: tenant.terms.sandbox_limits,
            suspended: tenant.terms.suspended,
            suspended_at: tenant.suspended_at,
            created_at: tenant.created_at,
        }
    }
}

impl TenantDetail {
    pub(super) fn of(tenant: Tenant, queues: Vec<Queue>) -> Self {
        Self { tenant: tenant.into(), queues: queues.into_iter().map(Into::into).collect() }
    }
}

impl TokenResource {
    pub(super) fn of(token: String, grant: Grant, now: DateTime<Utc>, ttl: u32) -> Self {
        let Grant { tenant, role, subject: sub, .. } = grant;
        Self { token, tenant, role: role.as_str(), sub, expires_at: now + TimeDelta::seconds(ttl.into()) }
    }
}

fn example() -> Value {
    let path = "/v1/tenants/acme";
    json!({
        "id": "acme",
        "weight": 3,
        "max_payload": 524288,
        "max_result": null,
        "sandbox_limits": {"wall_ms": 20000, "memory_mib": 512},
        "suspended": false,
        "suspended_at": null,
        "created_at": "2026-01-02T03:04:05Z",
        "links": {
            "self": path,
            "suspend": format!("{path}/suspend"),
            "resume": format!("{path}/resume"),
            "tokens": format!("{path}/tokens"),
        },
    })
}

fn detail_example() -> Value {
    let mut detail = example();
    detail["queues"] = json!([queues::resource::tenants_example()]);
    detail
}

fn token_example() -> Value {
    json!({
        "token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
        "tenant": "acme",
        "role": "developer",
        "sub": "alice",
        "expires_at": "2026-01-02T15:04:05Z",
    })
}
