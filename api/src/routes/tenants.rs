//! `/v1/tenants`: whose jobs these are, and on what terms each is served.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use golden_jobs::{
    audit::acts,
    store::{Deleted, Tenant, TermsChange, audit::ChainName},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    app::App,
    auth::{Grant, MintError},
    body::JsonObject,
    clock,
    cursor::{Limit, List},
    guard::Caller,
    problem::{Code, Problem},
    query::{Id, Params, Text},
    reach::TenantName,
};
use request::{NewTenant, TermsPatch, TokenRequest};
use resource::{TenantDetail, TenantResource, TokenResource, tenant_path};

pub(super) mod doc;
mod request;
mod resource;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    /// Entries on a page, 20 where absent.
    limit: Option<Limit>,
    /// The `next_cursor` of the page before.
    cursor: Option<Text>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(_): Caller,
    Params(Pages { limit, cursor }): Params<Pages>,
) -> Result<Json<List<TenantResource>>, Problem> {
    let limit = Limit::entries(limit);
    let after = cursor.map(|Text(name)| name);
    let tenants = app.store.tenants(after.as_deref(), limit + 1).await?;
    let tenants = tenants.into_iter().map(TenantResource::from).collect();
    Ok(Json(List::numbered(tenants, limit, |tenant: &TenantResource| tenant.id.clone())))
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    body: JsonObject<NewTenant>,
) -> Result<Response, Problem> {
    let (id, terms) = body.parse()?.check()?;
    if !app.store.create_tenant(&id, &terms, &caller.actor()).await? {
        return Err(Problem::new(Code::NameTaken, format!("there is a tenant {id:?} already")));
    }
    tracing::info!(of = id, by = caller.subject, "a tenant was created");
    let tenant = app.store.tenant(&id).await?.ok_or_else(unknown)?;
    let location = tenant_path(&id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(TenantResource::from(tenant))).into_response())
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(_): Caller,
    Id(TenantName(id)): Id<TenantName>,
) -> Result<Json<TenantDetail>, Problem> {
    let tenant = app.store.tenant(&id).await?.ok_or_else(unknown)?;
    Ok(Json(TenantDetail::of(tenant, app.store.queues(&id).await?)))
}

/// Changes what the body names, and nothing else.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(TenantName(id)): Id<TenantName>,
    body: JsonObject<TermsPatch>,
) -> Result<Json<TenantResource>, Problem> {
    let change = body.parse()?.check()?;
    Ok(Json(set(&app, &caller, &id, change).await?.into()))
}

pub(super) async fn suspend(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(TenantName(id)): Id<TenantName>,
) -> Result<Json<TenantResource>, Problem> {
    not_ones_own(&caller, &id)?;
    let change = TermsChange { suspended: Some(true), ..TermsChange::default() };
    Ok(Json(set(&app, &caller, &id, change).await?.into()))
}

pub(super) async fn resume(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(TenantName(id)): Id<TenantName>,
) -> Result<Json<TenantResource>, Problem> {
    let change = TermsChange { suspended: Some(false), ..TermsChange::default() };
    Ok(Json(set(&app, &caller, &id, change).await?.into()))
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(TenantName(id)): Id<TenantName>,
) -> Result<StatusCode, Problem> {
    not_ones_own(&caller, &id)?;
    match app.store.delete_tenant(&id, &caller.actor()).await? {
        Deleted::Gone => {
            tracing::info!(of = id, by = caller.subject, "a tenant was deleted");
            Ok(StatusCode::NO_CONTENT)
        }
        Deleted::NoSuchTenant => Err(unknown()),
        Deleted::Busy => Err(Problem::new(
            Code::Conflict,
            "jobs of the tenant are open: suspend it, and cancel them or wait until they have ended",
        )),
    }
}

/// Makes a token, where this server signs them itself.
pub(super) async fn token(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(TenantName(id)): Id<TenantName>,
    body: JsonObject<TokenRequest>,
) -> Result<Response, Problem> {
    let (asked, ttl) = body.parse()?.check()?;
    let tenant = app.store.tenant(&id).await?.ok_or_else(unknown)?.id;
    let grant = Grant { tenant, ..asked };
    let token = app.auth.mint(&grant, Duration::from_secs(ttl.into())).map_err(|error| match error {
        MintError::PublicKeys => Problem::new(Code::TokensMadeElsewhere, error.to_string()),
        MintError::Tenant(_) | MintError::Signing(_) => {
            tracing::error!(%error, "no token was made");
            Problem::new(Code::Internal, "no token was made")
        }
    })?;
    let minted = acts::minted(&grant.tenant, &grant.subject, grant.role.as_str(), ttl.into());
    app.store.record_acts(&ChainName::of(&grant.tenant), &[(caller.actor(), minted)]).await?;
    tracing::info!(of = grant.tenant, role = %grant.role, to = grant.subject, by = caller.subject, "a token was made");
    Ok((StatusCode::CREATED, Json(TokenResource::of(token, grant, clock::now(), ttl))).into_response())
}

async fn set(app: &App, caller: &Grant, id: &str, change: TermsChange) -> Result<Tenant, Problem> {
    let tenant = app.store.set_terms(id, &change, &caller.actor()).await?.ok_or_else(unknown)?;
    tracing::info!(of = id, by = caller.subject, ?change, "the terms of a tenant were changed");
    Ok(tenant)
}

/// Who shuts out its own tenant could not let it in again.
fn not_ones_own(caller: &Grant, id: &str) -> Result<(), Problem> {
    if caller.tenant != id {
        return Ok(());
    }
    let detail = "the token speaks for this tenant, and would shut itself out: use an admin's token of another one";
    Err(Problem::new(Code::Conflict, detail))
}

fn unknown() -> Problem {
    Problem::not_found("tenant")
}
