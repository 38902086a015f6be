//! `/v1/queues`: what waits and runs in each role, held back and let go.

use std::sync::Arc;

use axum::{Json, extract::State};
use golden_jobs::{
    Role,
    store::{Queue, QueueName, Quota},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    app::App,
    auth::Grant,
    body::JsonObject,
    cursor::List,
    guard::Caller,
    problem::{Code, FieldError, Problem},
    query::{Id, Within},
    reach::TenantName,
};
use resource::{QueueResource, TenantQueue};

pub(super) mod doc;
pub(super) mod resource;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
) -> Result<Json<List<QueueResource>>, Problem> {
    Ok(Json(List::whole(queues(&app, &caller).await?)))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(role): Id<Role>,
) -> Result<Json<QueueResource>, Problem> {
    whole(&app, &caller, role).await
}

pub(super) async fn pause(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(role): Id<Role>,
) -> Result<Json<QueueResource>, Problem> {
    app.store.pause(&QueueName { role, tenant_id: None }, &caller.actor()).await?;
    whole(&app, &caller, role).await
}

pub(super) async fn resume(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(role): Id<Role>,
) -> Result<Json<QueueResource>, Problem> {
    app.store.resume(&QueueName { role, tenant_id: None }, &caller.actor()).await?;
    whole(&app, &caller, role).await
}

pub(super) async fn show_tenants(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Within(role, tenant): Within<Role, TenantName>,
) -> Result<Json<TenantQueue>, Problem> {
    let tenant = caller.reaches(tenant, &app).await?;
    of_tenant(&app, role, &tenant).await
}

pub(super) async fn pause_tenants(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Within(role, tenant): Within<Role, TenantName>,
) -> Result<Json<TenantQueue>, Problem> {
    let tenant = caller.reaches(tenant, &app).await?;
    app.store.pause(&QueueName { role, tenant_id: Some(tenant.clone()) }, &caller.actor()).await?;
    of_tenant(&app, role, &tenant).await
}

pub(super) async fn resume_tenants(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Within(role, tenant): Within<Role, TenantName>,
) -> Result<Json<TenantQueue>, Problem> {
    let tenant = caller.reaches(tenant, &app).await?;
    app.store.resume(&QueueName { role, tenant_id: Some(tenant.clone()) }, &caller.actor()).await?;
    of_tenant(&app, role, &tenant).await
}

/// How much a tenant may have in a role at a time. What is absent or null is without bound.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuotaRequest {
    /// Jobs that wait for a worker or for their time. More are refused with `queue-full`.
    #[schemars(range(min = 1, max = MOST_QUEUED))]
    max_queued: Option<u64>,
    /// Runs under way.
    #[schemars(range(min = 1, max = MOST_RUNNING))]
    max_running: Option<u32>,
}

/// What the store can hold. Nobody has as many jobs.
const MOST_QUEUED: u64 = i64::MAX as u64;
const MOST_RUNNING: u32 = i32::MAX as u32;

pub(super) async fn limit(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Within(role, tenant): Within<Role, TenantName>,
    body: JsonObject<QuotaRequest>,
) -> Result<Json<TenantQueue>, Problem> {
    let QuotaRequest { max_queued, max_running } = body.parse()?;
    let mut errors = Vec::new();
    let mut bounded = |pointer: &str, most: u64, asked: Option<u64>| {
        if asked.is_some_and(|asked| asked == 0 || asked > most) {
            errors
                .push(FieldError::new(pointer, format!("1 to {most}, or null for no bound; a pause lets nothing run")));
        }
    };
    bounded("/max_queued", MOST_QUEUED, max_queued);
    bounded("/max_running", MOST_RUNNING.into(), max_running.map(u64::from));
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let tenant = caller.reaches(tenant, &app).await?;
    app.store.limit(role, &tenant, Quota { max_queued, max_running }, &caller.actor()).await?;
    of_tenant(&app, role, &tenant).await
}

/// The caller's queue in every role, and what all tenants have there where that is for it to know.
async fn queues(app: &App, caller: &Grant) -> Result<Vec<QueueResource>, Problem> {
    let queues = app.store.queues(&caller.tenant).await?;
    let depths = if caller.runs_all() { app.vitals.depths().last().await?.roles } else { Vec::new() };
    let total = |queue: &Queue| depths.iter().find(|depth| depth.role == queue.role);
    Ok(queues.into_iter().map(|queue| QueueResource::of(total(&queue), queue, caller.runs_all())).collect())
}

async fn whole(app: &App, caller: &Grant, role: Role) -> Result<Json<QueueResource>, Problem> {
    let queue = queues(app, caller).await?.into_iter().find(|queue| queue.role == role);
    queue.map(Json).ok_or_else(|| missing(role))
}

async fn of_tenant(app: &App, role: Role, tenant: &str) -> Result<Json<TenantQueue>, Problem> {
    let queue = app.store.queues(tenant).await?.into_iter().find(|queue| queue.role == role);
    queue.map(|queue| Json(queue.into())).ok_or_else(|| missing(role))
}

fn missing(role: Role) -> Problem {
    Problem::new(Code::Internal, format!("the store knows no queue of the role {role}"))
}
