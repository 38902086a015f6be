//! `/v1/functions/{function}/versions`: what was registered under each number.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use golden_jobs::functions::{FunctionName, Version};

use super::functions::deleted;
use crate::{app::App, guard::Caller, problem::Problem, query::Within, resource::functions::VersionWithDefinition};

pub(super) mod doc;

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Within(name, version): Within<FunctionName, Version>,
) -> Result<Json<VersionWithDefinition>, Problem> {
    let found = app.store.function_version(&caller.tenant, &name, version).await?;
    let found = found.ok_or_else(|| Problem::not_found("version of a function"))?;
    Ok(Json(VersionWithDefinition::new(&name, found)))
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Within(name, version): Within<FunctionName, Version>,
) -> Result<StatusCode, Problem> {
    deleted(app.store.delete_function(&caller.tenant, &name, Some(version), &caller.actor()).await?)
}
