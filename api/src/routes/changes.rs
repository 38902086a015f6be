//! `/v1/policies/{role}/changes`: proposals to make another version active, and how far they came.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use golden_jobs::{
    ChangeId,
    governance::{
        change::{Order, Proposal, Step},
        document::{PolicyDocument, by_name},
        state::ChangeState,
    },
    models::exchange::AgentRole,
    store::policies::ChangeFilter,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    app::App,
    body::JsonObject,
    clock::Time,
    cursor::{self, Cursor, Limit, List},
    governing::{REASON_LIMIT, ReasonRequest, find, governed, reason},
    guard::Caller,
    problem::{FieldError, Problem},
    query::{Id, Params, Within},
    resource::policies::{ChangeResource, change_path},
};

pub(super) mod doc;

/// How far ahead an activation may be put.
const AHEAD: chrono::Duration = chrono::Duration::days(30);

/// A document that is to become a role's policy.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeRequest {
    #[serde(deserialize_with = "by_name")]
    document: PolicyDocument,
    /// What it is made for. Refused with `stale` where another version is active; the active one where absent.
    base_version: Option<u32>,
    /// What it is for: 1 to 500 characters.
    #[schemars(length(min = 1, max = REASON_LIMIT), example = &"shorter answers")]
    reason: String,
    /// Activates it at this time, or as soon after as the rules allow, once it is approved: a time that is past means
    /// at once. Within 30 days. Where absent, somebody says so when it is approved.
    activate_at: Option<Time>,
}

/// When to activate it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivationRequest {
    /// At this time, or as soon after as the rules allow, within 30 days; now where absent.
    at: Option<Time>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    /// Those in this state alone.
    state: Option<ChangeState>,
    /// Entries on a page, 20 where absent.
    limit: Option<Limit>,
    /// The `next_cursor` of the page before.
    cursor: Option<Cursor>,
}

pub(super) async fn propose(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(role): Id<AgentRole>,
    body: JsonObject<ChangeRequest>,
) -> Result<Response, Problem> {
    let ChangeRequest { document, base_version, reason: why, activate_at } = body.parse()?;
    let wrong = document.wrong().into_iter();
    let wrong: Vec<_> =
        wrong.map(|invalid| FieldError::new(format!("/document{}", invalid.pointer), invalid.detail)).collect();
    if !wrong.is_empty() {
        return Err(Problem::invalid(wrong));
    }
    let reason = reason(&why)?;
    let activate_at = near(&app, activate_at, "/activate_at").await?;
    let proposal = Proposal { id: ChangeId::new(), role, document, base_version, reason, activate_at };
    let change = governed(&app, &caller, Order::Propose(proposal)).await?;
    let location = change_path(role, change.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(ChangeResource::from(change))).into_response())
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(role): Id<AgentRole>,
    Params(Pages { state, limit, cursor }): Params<Pages>,
) -> Result<Json<List<ChangeResource>>, Problem> {
    let page = cursor::page(limit, cursor, ChangeId);
    let filter = ChangeFilter { tenant_id: caller.tenant, role: Some(role), state, waiting: false };
    let found = app.store.policy_changes(&filter, page).await?;
    Ok(Json(List::of(found, page, |change| change.id.0)))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Within(role, id): Within<AgentRole, ChangeId>,
) -> Result<Json<ChangeResource>, Problem> {
    Ok(Json(find(&app, &caller, role, id).await?.into()))
}

pub(super) async fn withdraw(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Within(role, id): Within<AgentRole, ChangeId>,
    body: JsonObject<ReasonRequest>,
) -> Result<Json<ChangeResource>, Problem> {
    let reason = body.parse()?.read()?;
    find(&app, &caller, role, id).await?;
    Ok(Json(governed(&app, &caller, Order::Take(id, Step::Withdraw(reason))).await?.into()))
}

pub(super) async fn activate(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Within(role, id): Within<AgentRole, ChangeId>,
    body: JsonObject<ActivationRequest>,
) -> Result<Json<ChangeResource>, Problem> {
    let at = near(&app, body.parse()?.at, "/at").await?;
    find(&app, &caller, role, id).await?;
    Ok(Json(governed(&app, &caller, Order::Take(id, Step::Activate(at))).await?.into()))
}

pub(super) async fn break_glass(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Within(role, id): Within<AgentRole, ChangeId>,
    body: JsonObject<ReasonRequest>,
) -> Result<Json<ChangeResource>, Problem> {
    let reason = body.parse()?.read()?;
    find(&app, &caller, role, id).await?;
    let change = governed(&app, &caller, Order::Take(id, Step::BreakGlass(reason))).await?;
    tracing::warn!(change = %id, %role, by = caller.subject, "a policy was activated against the rules");
    Ok(Json(change.into()))
}

pub(super) async fn review(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Within(role, id): Within<AgentRole, ChangeId>,
    body: JsonObject<ReasonRequest>,
) -> Result<Json<ChangeResource>, Problem> {
    let reason = body.parse()?.read()?;
    find(&app, &caller, role, id).await?;
    Ok(Json(governed(&app, &caller, Order::Take(id, Step::Review(reason))).await?.into()))
}

/// A time that is near enough to be meant.
async fn near(app: &App, time: Option<Time>, pointer: &str) -> Result<Option<chrono::DateTime<chrono::Utc>>, Problem> {
    let Some(Time(time)) = time else { return Ok(None) };
    match time <= app.store.time().await? + AHEAD {
        true => Ok(Some(time)),
        false => Err(Problem::invalid(vec![FieldError::new(pointer, "a time within 30 days")])),
    }
}
