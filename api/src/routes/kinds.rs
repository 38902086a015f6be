//! `/v1/kinds`: what may be submitted, and how.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use golden_jobs::{Job, Policy, Role, backoff::Backoff, functions::Callee, kinds::FunctionCall, registry::Kind};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{app::App, cursor::List, guard::Visitor, problem::Problem, query::Id};

pub(super) mod doc;

/// A kind of job.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Kind")]
pub(super) struct KindResource {
    #[schemars(example = &"noop")]
    name: String,
    /// The workers that run it.
    role: Role,
    policy: PolicyResource,
    /// JSON Schema (2020-12) of the payload.
    #[schemars(example = json!({"type": "object", "properties": {"sleep_ms": {"type": ["integer", "null"]}}}))]
    schema: Value,
}

/// How jobs of a kind are retried and bounded. Times in seconds.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Policy", example = PolicyResource::from(Policy::DEFAULT))]
struct PolicyResource {
    /// Runs a job may begin before it is dead.
    max_attempts: u32,
    /// The most attempts a submission may ask for.
    max_attempts_limit: u32,
    /// Of one run.
    timeout: f64,
    /// The longest timeout a submission may ask for.
    timeout_limit: f64,
    backoff: BackoffResource,
}

/// The wait between attempts.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "type")]
#[schemars(rename = "Backoff")]
enum BackoffResource {
    Exponential { base: f64, factor: f64, cap: f64, jitter: f64 },
    Steps { steps: Vec<f64>, jitter: f64 },
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Json<List<KindResource>> {
    let kinds = app.registry.iter().filter(|kind| kind.public).map(KindResource::from);
    Json(List::whole(kinds.chain(functions(&app)).collect()))
}

/// What stands for the functions of every tenant.
const FUNCTIONS: &str = "fn.NAME";

fn functions(app: &App) -> Option<KindResource> {
    let about = "A function of your tenant, by its name: GET /v1/functions lists them, and a kind such as fn.area \
                 shows the schema of one.";
    let kind = app.registry.get(FunctionCall::KIND)?;
    Some(KindResource { name: FUNCTIONS.to_owned(), schema: json!({ "description": about }), ..kind.into() })
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    Id(name): Id<String>,
) -> Result<Json<KindResource>, Problem> {
    let tenant = caller.map_or_else(String::new, |caller| caller.tenant);
    let called = app.functions.called(&[(&tenant, &name)]).await?;
    let found = match Callee::find(&app.registry, &called, &tenant, &name) {
        Some(Callee::Kind(kind)) => Some(kind.into()),
        Some(Callee::Function(kind, contract)) => {
            let schema = contract.schema.clone().unwrap_or_else(|| json!({}));
            Some(KindResource { name: contract.kind.clone(), schema, ..kind.into() })
        }
        None => functions(&app).filter(|functions| functions.name == name),
    };
    found.map(Json).ok_or_else(|| Problem::not_found("kind"))
}

impl From<&Kind> for KindResource {
    fn from(kind: &Kind) -> Self {
        Self { name: kind.name.to_owned(), role: kind.role, policy: kind.policy.into(), schema: kind.schema.clone() }
    }
}

impl From<Policy> for PolicyResource {
    fn from(policy: Policy) -> Self {
        Self {
            max_attempts: policy.max_attempts,
            max_attempts_limit: policy.max_attempts_limit,
            timeout: policy.timeout.as_secs_f64(),
            timeout_limit: policy.timeout_limit.as_secs_f64(),
            backoff: match policy.backoff {
                Backoff::Exponential { base, factor, cap, jitter } => {
                    BackoffResource::Exponential { base: base.as_secs_f64(), factor, cap: cap.as_secs_f64(), jitter }
                }
                Backoff::Steps { steps, jitter } => {
                    BackoffResource::Steps { steps: steps.iter().map(Duration::as_secs_f64).collect(), jitter }
                }
            },
        }
    }
}
