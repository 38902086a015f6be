//! `/v1/approvals`: changes of policies that wait for somebody's decision.

use std::sync::Arc;

use axum::{Json, extract::State};
use golden_jobs::{
    ChangeId,
    audit::Hash,
    governance::change::{Order, Step},
    models::exchange::AgentRole,
    store::policies::ChangeFilter,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    app::App,
    body::JsonObject,
    cursor::{self, Cursor, Limit, List},
    governing::{REASON_LIMIT, ReasonRequest, governed, reason},
    guard::Caller,
    problem::Problem,
    query::{Id, Params},
    resource::policies::ChangeResource,
};

pub(super) mod doc;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    /// Those of this agent role alone.
    role: Option<AgentRole>,
    /// Entries on a page, 20 where absent.
    limit: Option<Limit>,
    /// The `next_cursor` of the page before.
    cursor: Option<Cursor>,
}

/// A yes, and to what: both as the change has them, so that nobody approves what they have not read.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalRequest {
    /// The change's.
    content_sha256: Hash,
    /// The change's.
    base_version: u32,
    /// For those who read it later: 1 to 500 characters.
    #[schemars(length(min = 1, max = REASON_LIMIT), example = &"read it, and tried it on last week's questions")]
    reason: String,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(Pages { role, limit, cursor }): Params<Pages>,
) -> Result<Json<List<ChangeResource>>, Problem> {
    let page = cursor::page(limit, cursor, ChangeId);
    let filter = ChangeFilter { tenant_id: caller.tenant, role, state: None, waiting: true };
    let found = app.store.policy_changes(&filter, page).await?;
    Ok(Json(List::of(found, page, |change| change.id.0)))
}

pub(super) async fn approve(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(change): Id<ChangeId>,
    body: JsonObject<ApprovalRequest>,
) -> Result<Json<ChangeResource>, Problem> {
    let ApprovalRequest { content_sha256, base_version, reason: why } = body.parse()?;
    let Hash(sha256) = content_sha256;
    let step = Step::Approve { sha256, base_version, reason: reason(&why)? };
    Ok(Json(governed(&app, &caller, Order::Take(change, step)).await?.into()))
}

pub(super) async fn reject(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(change): Id<ChangeId>,
    body: JsonObject<ReasonRequest>,
) -> Result<Json<ChangeResource>, Problem> {
    let step = Step::Reject(body.parse()?.read()?);
    Ok(Json(governed(&app, &caller, Order::Take(change, step)).await?.into()))
}
