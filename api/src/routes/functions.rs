//! `/v1/functions`: programs to be called as the kind `fn.NAME`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use golden_jobs::{
    Job,
    functions::{Definition, FunctionName, Version, files::Files},
    job::Invalid,
    kinds::SandboxRun,
    store::functions::{FUNCTIONS_LIMIT, Function, FunctionDeleted, Most, NewVersion, Registered, VERSIONS_LIMIT},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    app::App,
    body::JsonObject,
    cursor::{self, Cursor, Limit, List},
    guard::Caller,
    problem::{Code, FieldError, Problem},
    query::{Id, Params},
    resource::functions::{FunctionResource, VersionResource, version_path},
};

pub(super) mod doc;

/// Whoever describes themselves at length is cut off, in characters.
const SUBJECT_SHOWN: usize = 512;

/// A program to be called as the kind `fn.NAME`, or a new version of one.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewFunction {
    name: FunctionName,
    /// The language of the program, one that there is an image for. Either this or `image` is needed.
    #[schemars(length(min = 1, max = 64))]
    language: Option<String>,
    /// The image that it runs in, by its name in the operator's settings.
    #[schemars(length(min = 1, max = 64))]
    image: Option<String>,
    /// Its files by their paths, at most 256 and 512 KiB in all: text, or `{"base64": "…"}`.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 256))]
    files: Files,
    /// Which of the files is run; where there is one, that.
    entry: Option<String>,
    /// JSON Schema (2020-12) of the payload, at most 64 KiB and without references to elsewhere or to
    /// itself. Any JSON where absent.
    schema: Option<Value>,
    /// What a call may use, as `sandbox.run` takes it: `{"wall_ms": 5000}`.
    limits: Option<Map<String, Value>>,
    /// Whether `fn.NAME` means this version from now on. The first one always is live.
    #[schemars(extend("default" = true))]
    live: Option<bool>,
}

/// Answers 201 with the new version, or 200 with the newest one where it is the same.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    body: JsonObject<NewFunction>,
) -> Result<Response, Problem> {
    let NewFunction { name, language, image, files, entry, schema, limits, live } = body.parse()?;
    let entry = match (entry, files.len()) {
        (Some(entry), _) => entry,
        (None, 0 | 1) => files.keys().next().cloned().unwrap_or_default(),
        (None, _) => return Err(wrong(vec![Invalid::new("/entry", "say which of the files is run")])),
    };
    let definition = Definition { language, image, files, entry, schema, limits: limits.unwrap_or_default() };
    let size = definition.check(app.registry.get(SandboxRun::KIND)).map_err(wrong)?;
    let unreadable = |error: serde_json::Error| Problem::malformed(error.to_string());
    let by = caller.actor();
    let new = NewVersion {
        tenant_id: caller.tenant,
        name,
        digest: definition.digest().map_err(unreadable)?,
        definition: definition.to_json().map_err(unreadable)?,
        language: definition.runs_in().to_owned(),
        size: size as u64,
        created_by: caller.subject.chars().take(SUBJECT_SHOWN).collect(),
        live: live.unwrap_or(true),
    };
    let (status, version) = match app.store.register_function(&new, Most::default(), &by).await? {
        Registered::New(version) => (StatusCode::CREATED, version),
        Registered::Same(version) => (StatusCode::OK, version),
        Registered::TooManyFunctions => {
            let detail = format!("a tenant has at most {FUNCTIONS_LIMIT} functions: delete one that is not needed");
            return Err(Problem::new(Code::LimitReached, detail));
        }
        Registered::TooManyVersions => {
            let detail = format!("a function keeps at most {VERSIONS_LIMIT} versions: delete one that is not needed");
            return Err(Problem::new(Code::LimitReached, detail));
        }
    };
    let recorded = app.store.function_version(&new.tenant_id, &new.name, version).await?;
    let recorded = recorded.ok_or_else(|| Problem::not_found("version any more"))?;
    let location = version_path(&new.name, version);
    let resource = VersionResource::new(&new.name, recorded.facts, recorded.live);
    Ok((status, [(header::LOCATION, location)], Json(resource)).into_response())
}

fn wrong(wrong: Vec<Invalid>) -> Problem {
    Problem::invalid(wrong.into_iter().map(|wrong| FieldError::new(wrong.pointer, wrong.detail)).collect())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    /// Entries on a page, 20 where absent.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<Limit>,
    /// The `next_cursor` of the page before.
    cursor: Option<Cursor>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(Pages { limit, cursor }): Params<Pages>,
) -> Result<Json<List<FunctionResource>>, Problem> {
    let page = cursor::page(limit, cursor, |id| id);
    let functions = app.store.functions(&caller.tenant, page).await?;
    Ok(Json(List::of(functions, page, |function| function.id)))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(name): Id<FunctionName>,
) -> Result<Json<FunctionResource>, Problem> {
    Ok(Json(with_versions(&app, &caller.tenant, &name).await?))
}

/// What to change of a function.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FunctionChange {
    /// The version that `fn.NAME` is to mean from now on.
    live: Version,
}

/// Jobs that were accepted before run the version they were accepted for.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(name): Id<FunctionName>,
    body: JsonObject<FunctionChange>,
) -> Result<Json<FunctionResource>, Problem> {
    find(&app, &caller.tenant, &name).await?;
    let FunctionChange { live } = body.parse()?;
    if !app.store.set_live(&caller.tenant, &name, live, &caller.actor()).await? {
        return Err(wrong(vec![Invalid::new("/live", format!("there is no version {live}"))]));
    }
    Ok(Json(with_versions(&app, &caller.tenant, &name).await?))
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(name): Id<FunctionName>,
) -> Result<StatusCode, Problem> {
    deleted(app.store.delete_function(&caller.tenant, &name, None, &caller.actor()).await?)
}

/// What a deletion comes to for whoever asked for it.
pub(super) fn deleted(deleted: FunctionDeleted) -> Result<StatusCode, Problem> {
    match deleted {
        FunctionDeleted::Gone => Ok(StatusCode::NO_CONTENT),
        FunctionDeleted::NoSuch => Err(Problem::not_found("function or version")),
        FunctionDeleted::Live => Err(Problem::new(
            Code::Conflict,
            "the version is live: make another one live first, or delete the whole function",
        )),
        FunctionDeleted::Busy => {
            Err(Problem::new(Code::Conflict, "jobs of it are open: let them end, or cancel them first"))
        }
    }
}

async fn find(app: &App, tenant: &str, name: &FunctionName) -> Result<Function, Problem> {
    app.store.function(tenant, name).await?.ok_or_else(|| Problem::not_found("function"))
}

async fn with_versions(app: &App, tenant: &str, name: &FunctionName) -> Result<FunctionResource, Problem> {
    let function = find(app, tenant, name).await?;
    let versions = app.store.function_versions(tenant, name).await?;
    Ok(FunctionResource::with_versions(function, versions))
}
