//! `/v1/policies`: what a tenant's agents are told, and which version of it is active.

use std::sync::Arc;

use axum::{Json, extract::State};
use golden_jobs::{
    escalations::{Answer, Resolution, Subject},
    governance::change::{Order, Step},
    models::exchange::AgentRole,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    app::App,
    auth::Grant,
    body::JsonObject,
    cursor::{Limit, List},
    governing::{ReasonRequest, governed, problem},
    guard::Caller,
    problem::{Code, Problem},
    query::{Id, Params, Within},
    resource::policies::{ChangeResource, PolicyResource, VersionResource},
};

pub(super) mod doc;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    /// Entries on a page, 20 where absent.
    limit: Option<Limit>,
    /// The `next_cursor` of the page before.
    cursor: Option<u32>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
) -> Result<Json<List<PolicyResource>>, Problem> {
    let mut policies = Vec::new();
    for role in AgentRole::ALL {
        policies.push(read(&app, &caller, role).await?);
    }
    Ok(Json(List::whole(policies)))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(role): Id<AgentRole>,
) -> Result<Json<PolicyResource>, Problem> {
    Ok(Json(read(&app, &caller, role).await?))
}

async fn read(app: &App, caller: &Grant, role: AgentRole) -> Result<PolicyResource, Problem> {
    let docket = app.store.policy_docket(&caller.tenant, role).await?;
    Ok(PolicyResource::new(&docket))
}

pub(super) async fn versions(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(role): Id<AgentRole>,
    Params(Pages { limit, cursor }): Params<Pages>,
) -> Result<Json<List<VersionResource>>, Problem> {
    let limit = Limit::entries(limit);
    let found = app.store.policy_versions(&caller.tenant, role, cursor, limit + 1).await?;
    let found = found.into_iter().map(|version| VersionResource::new(role, version)).collect();
    Ok(Json(List::numbered(found, limit, |version: &VersionResource| version.version)))
}

pub(super) async fn version(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Within(role, version): Within<AgentRole, u32>,
) -> Result<Json<VersionResource>, Problem> {
    let found = app.store.policy_version(&caller.tenant, role, version).await?;
    let found = found.ok_or_else(|| Problem::not_found("version of a policy"))?;
    Ok(Json(VersionResource::new(role, found)))
}

/// Of what is on trial, where something is; else of what is active.
pub(super) async fn rollback(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(role): Id<AgentRole>,
    body: JsonObject<ReasonRequest>,
) -> Result<Json<ChangeResource>, Problem> {
    let reason = body.parse()?.read()?;
    let docket = app.store.policy_docket(&caller.tenant, role).await?;
    let active = docket.changes.iter().find(|change| change.version == docket.slot.active).map(|change| change.id);
    let none = || Problem::new(Code::Conflict, format!("no version of the policy of the role {role} is active"));
    let change = docket.slot.canary.or(active).ok_or_else(none)?;
    let changed = governed(&app, &caller, Order::Take(change, Step::RollBack(reason))).await?;
    Ok(Json(changed.into()))
}

pub(super) async fn freeze(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(role): Id<AgentRole>,
    body: JsonObject<ReasonRequest>,
) -> Result<Json<PolicyResource>, Problem> {
    order(&app, &caller, role, Order::Freeze(role, body.parse()?.read()?)).await
}

pub(super) async fn unfreeze(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(role): Id<AgentRole>,
    body: JsonObject<ReasonRequest>,
) -> Result<Json<PolicyResource>, Problem> {
    let reason = body.parse()?.read()?;
    let policy = order(&app, &caller, role, Order::Unfreeze(role, reason.clone())).await?;
    let answer = Answer { resolution: Resolution::Fixed, note: Some(reason) };
    app.store.settle_escalations(&caller.tenant, Subject::Policy, role.as_str(), &answer, &caller.actor()).await?;
    Ok(policy)
}

async fn order(app: &App, caller: &Grant, role: AgentRole, order: Order) -> Result<Json<PolicyResource>, Problem> {
    let ruled = app.store.govern(&caller.tenant, &order, &caller.actor()).await?;
    match ruled {
        Ok(_) => Ok(Json(read(app, caller, role).await?)),
        Err(refused) => Err(problem(app, refused).await),
    }
}
