//! `/tasks` and `/v1/tasks`: jobs of the kind `task` in fewer words, and with their steps.

use std::sync::Arc;

use axum::{Json, extract::State as Extract, http::HeaderMap, response::Response};
use chrono::{DateTime, Utc};
use golden_jobs::{Job, JobId, State, budgets::Micros, canonical, kinds::Task, store::Idempotency, text};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::jobs;
use crate::{
    app::App,
    body::JsonObject,
    clock::Time,
    cursor::{Cursor, Limit, List},
    guard::Caller,
    problem::{FieldError, Problem},
    query::{Filtered, Id, Text},
    resource::{JobResource, tasks::TaskResource},
    submission::{self, Fields, Rules},
};

pub(super) mod doc;

/// The scope of idempotency keys, beside the tenant: the two paths are one route.
const SUBMIT: &str = "POST /v1/tasks";

/// A task to be done: what its kind takes, and what may be said of any job, side by side.
// Only described, as a submission is.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("not" = {
    "required": ["run_at", "delay"],
    "properties": {"run_at": {"type": "string"}, "delay": {"type": "number"}},
}))]
#[expect(dead_code, reason = "only described, never made")]
pub(super) struct TaskSubmission {
    /// What it is called: 1 to 128 letters and digits of any script, spaces and . _ : / @ # -
    #[schemars(length(min = 1, max = 128))]
    name: String,
    /// What the program is to do.
    #[schemars(length(min = 1, max = 8192))]
    goal: String,
    /// What it is written in: `python`, `javascript` or `bash`, as far as the operator has a sandbox for it.
    #[schemars(length(min = 1, max = 64))]
    language: String,
    /// What else there is to know, such as examples or a text to work from.
    #[schemars(length(max = 65_536))]
    context: Option<String>,
    /// How often failing tests are repaired.
    #[schemars(range(max = 5), extend("default" = 3))]
    max_rounds: Option<u32>,
    /// Who looks at what came of it.
    review: Option<golden_jobs::kinds::ReviewTerms>,
    /// Names this request, as the header `Idempotency-Key` does: sent again, it is the same task. 1 to 255 visible
    /// ASCII characters.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[!-~]+$"))]
    request_id: Option<String>,
    /// 0 is the most urgent, 9 the least.
    #[schemars(range(max = 9), extend("default" = submission::DEFAULT_PRIORITY))]
    priority: Option<u8>,
    /// When it is due, at most a year ahead. A time that has passed is now.
    run_at: Option<DateTime<Utc>>,
    /// In how many seconds it is due, at most a year. Instead of `run_at`, not beside it.
    #[schemars(range(min = 0, max = 31_536_000))]
    delay: Option<f64>,
    /// What it may cost with all jobs that it makes, in millionths of a US dollar.
    max_cost: Option<Micros>,
    /// Told by a webhook when the task ends. `https`, port 443 and a global address, unless the operator allows more.
    #[schemars(url)]
    callback_url: Option<String>,
    /// What you attach for yourself: names with texts of at most 512 characters, at most 32.
    #[schemars(extend("maxProperties" = submission::METADATA_ENTRIES))]
    metadata: Option<std::collections::BTreeMap<String, String>>,
}

/// What belongs to the payload, and to the job. `request_id` is neither's.
const OF_PAYLOAD: [&str; 6] = ["name", "goal", "language", "context", "max_rounds", "review"];
const OF_JOB: [&str; 6] = ["priority", "run_at", "delay", "max_cost", "callback_url", "metadata"];
const REQUEST_ID: &str = "request_id";

/// As of any job; only the words are fewer.
pub(super) async fn submit(
    Extract(app): Extract<Arc<App>>,
    Caller(caller): Caller,
    headers: HeaderMap,
    body: JsonObject<TaskSubmission>,
) -> Result<Response, Problem> {
    let mut short = body.value;
    let id = short.remove(REQUEST_ID).filter(|id| !id.is_null());
    let key = key(submission::idempotency_key(&headers)?, id.as_ref())?;
    let mut draft = {
        let long = in_full(&short)?;
        let mut rules = Rules::of(&app, &caller.tenant, &[&long.value]).await?.by(&caller);
        rules.payload_at = "";
        submission::read(&long, &caller.tenant, &rules)?
    };
    draft.job.idempotency = key.map(|key| Idempotency {
        route: SUBMIT.to_owned(),
        key,
        fingerprint: canonical::fingerprint(&Value::Object(short)),
    });
    jobs::record(&app, &caller.tenant, &headers, draft).await
}

/// The same, for those who know no versions.
pub(super) async fn submit_at_root(
    app: Extract<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    body: JsonObject<TaskSubmission>,
) -> Result<Response, Problem> {
    submit(app, caller, headers, body).await
}

/// The submission in the words of `POST /v1/jobs`, its texts without what only deceives readers.
fn in_full(short: &Map<String, Value>) -> Result<JsonObject<submission::Submission>, Problem> {
    let mut fields = Fields::of(short);
    let known: Vec<&str> = OF_PAYLOAD.into_iter().chain([REQUEST_ID]).chain(OF_JOB).collect();
    fields.known(&known);
    if !fields.errors.is_empty() {
        return Err(Problem::invalid(fields.errors));
    }
    let (mut payload, mut long) = (Map::new(), Map::new());
    for (name, value) in short.iter().filter(|(_, value)| !value.is_null()) {
        let place = if OF_PAYLOAD.contains(&name.as_str()) { &mut payload } else { &mut long };
        place.insert(name.clone(), value.clone());
    }
    for name in ["name", "goal", "context"] {
        if let Some(Value::String(typed)) = payload.get_mut(name) {
            // What is no name is told as it was typed.
            *typed = if name == "name" { text::name(typed).unwrap_or(typed.clone()) } else { text::free_text(typed) };
        }
    }
    long.insert("kind".to_owned(), Task::KIND.into());
    long.insert("payload".to_owned(), Value::Object(payload));
    Ok(JsonObject::of(long))
}

/// The key of the header or of the body, which are the same where both are there.
fn key(header: Option<String>, id: Option<&Value>) -> Result<Option<String>, Problem> {
    let wrong = |detail: &str| Problem::invalid(vec![FieldError::new(format!("/{REQUEST_ID}"), detail)]);
    let Some(id) = id else { return Ok(header) };
    let id = id.as_str().and_then(|id| submission::checked_key(id).ok());
    let id = id.ok_or_else(|| wrong("a text of 1 to 255 visible ASCII characters"))?;
    match header {
        Some(header) if header != id => {
            Err(wrong("it differs from the header Idempotency-Key: one of the two is enough"))
        }
        _ => Ok(Some(id)),
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Only tasks in this state.
    state: Option<State>,
    /// Only tasks that this job made.
    parent_id: Option<JobId>,
    /// Only tasks submitted at this time or later.
    created_after: Option<Time>,
    /// Only tasks submitted before this time.
    created_before: Option<Time>,
    limit: Option<Limit>,
    cursor: Option<Cursor>,
}

pub(super) async fn list(
    Extract(app): Extract<Arc<App>>,
    Caller(caller): Caller,
    Filtered { params: filter, metadata }: Filtered<Filter>,
) -> Result<Json<List<JobResource>>, Problem> {
    let Filter { state, parent_id, created_after, created_before, limit, cursor } = filter;
    let kind = Some(Text(Task::KIND.to_owned()));
    let params = jobs::Filter { kind, role: None, state, parent_id, created_after, created_before, limit, cursor };
    jobs::listed(&app, caller.tenant, Filtered { params, metadata }).await
}

pub(super) async fn show(
    Extract(app): Extract<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<JobId>,
) -> Result<Json<TaskResource>, Problem> {
    let job = app.store.job(&caller.tenant, id).await?.filter(|job| job.kind == Task::KIND);
    let job = job.ok_or_else(|| Problem::not_found("task"))?;
    let (children, cost) = tokio::join!(app.store.children(id), app.store.tree_cost(id));
    Ok(Json(TaskResource::new(job, children?, cost?)))
}
