//! `/v1/jobs`: submit, read, cancel, retry.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State as Extract,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use golden_jobs::{
    ChangeId, Job, JobId, Role, State, canonical,
    kinds::LearningUpdate,
    record::{Attempt, JobRecord},
    store::{Idempotency, Inserted, JobFilter, JobPage, Retried},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    app::App,
    body::JsonObject,
    clock::Time,
    cursor,
    cursor::{Cursor, Limit, List},
    guard::Caller,
    problem::{Code, Problem},
    query::{Filtered, Id, Text},
    resource::{JobResource, accepted, as_it_was_accepted, job_path},
    submission::{self, Draft, Rules, Submission},
    wait,
};

pub(super) mod doc;

/// The scope of idempotency keys, beside the tenant.
const SUBMIT: &str = "POST /v1/jobs";

/// Records a job and answers 202, or 200 with the finished job if the client would rather
/// wait (`Prefer: wait=N`) and it ends in time.
pub(super) async fn submit(
    Extract(app): Extract<Arc<App>>,
    Caller(caller): Caller,
    headers: HeaderMap,
    body: JsonObject<Submission>,
) -> Result<Response, Problem> {
    let key = submission::idempotency_key(&headers)?;
    let mut draft = {
        let rules = Rules::of(&app, &caller.tenant, &[&body.value]).await?.by(&caller);
        submission::read(&body, &caller.tenant, &rules)?
    };
    draft.job.idempotency = key.map(|key| Idempotency {
        route: SUBMIT.to_owned(),
        key,
        fingerprint: canonical::fingerprint(&Value::Object(body.value)),
    });
    record(&app, &caller.tenant, &headers, draft).await
}

/// Records a job with which nothing is wrong, and answers as its client would have it.
pub(super) async fn record(app: &App, tenant: &str, headers: &HeaderMap, draft: Draft) -> Result<Response, Problem> {
    let wait = wait::preferred(headers);
    let job = draft.unless_refused_anew(app).await?;

    // Watched before it is recorded: a short job may end before this request goes on.
    let watch = wait.map(|limit| (app.waiting.watch(job.id), limit));
    let submitted = match app.intake.insert(&job).await? {
        Inserted::New { id, run_at, created_at } => {
            Submitted { watch, replayed: false, ended: None, job: accepted(id, job, run_at, created_at), id }
        }
        Inserted::Replayed { id } => {
            app.metrics.idempotency_hits.inc();
            let record = find(app, tenant, id).await?;
            let job = as_it_was_accepted(job, &record);
            let watch = wait.map(|limit| (app.waiting.watch(id), limit));
            Submitted { watch, replayed: true, ended: Some(record).filter(|r| r.state.is_terminal()), job, id }
        }
        Inserted::QueueFull { max_queued } => return Err(Problem::queue_full(max_queued)),
        Inserted::Failed(error) => return Err(error.into()),
        Inserted::KeyReused => return Err(Problem::key_reused()),
    };
    Ok(submitted.answer(app, tenant).await)
}

/// What a submission came to, before any waiting.
struct Submitted {
    id: JobId,
    job: JobResource,
    replayed: bool,
    /// A replayed job that has ended by now.
    ended: Option<JobRecord>,
    watch: Option<(wait::Watch, Duration)>,
}

impl Submitted {
    async fn answer(self, app: &App, tenant: &str) -> Response {
        let location = HeaderValue::try_from(job_path(self.id));
        let applied = self.watch.as_ref().map(|(_, limit)| format!("wait={}", limit.as_secs()));
        let seen = match (self.watch, self.ended) {
            (None, _) => None,
            (Some(_), Some(ended)) => Some(ended),
            (Some((watch, limit)), None) => match app.waiting.finished(tenant, watch, limit).await {
                Some(ended) => Some(ended),
                // Who waited in vain is told how far the job is, if the store can say.
                None => app.store.job(tenant, self.id).await.ok().flatten(),
            },
        };
        let ended = seen.as_ref().is_some_and(|job| job.state.is_terminal());
        let status = if ended { StatusCode::OK } else { StatusCode::ACCEPTED };
        let mut response = (status, Json(seen.map_or(self.job, JobResource::from))).into_response();
        let headers = response.headers_mut();
        if let Ok(location) = location {
            headers.insert(header::LOCATION, location);
        }
        if let Some(Ok(applied)) = applied.map(HeaderValue::try_from) {
            headers.insert(HeaderName::from_static("preference-applied"), applied);
        }
        if self.replayed {
            headers.insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
        }
        response
    }
}

pub(super) async fn show(
    Extract(app): Extract<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<JobId>,
) -> Result<Json<JobResource>, Problem> {
    Ok(Json(find(&app, &caller.tenant, id).await?.into()))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Only jobs of this kind; `fn.NAME` means all versions of the function.
    pub(super) kind: Option<Text>,
    /// Only jobs of this role.
    pub(super) role: Option<Role>,
    /// Only jobs in this state.
    pub(super) state: Option<State>,
    /// Only jobs that this one made.
    pub(super) parent_id: Option<JobId>,
    /// Only jobs submitted at this time or later.
    pub(super) created_after: Option<Time>,
    /// Only jobs submitted before this time.
    pub(super) created_before: Option<Time>,
    pub(super) limit: Option<Limit>,
    pub(super) cursor: Option<Cursor>,
}

pub(super) async fn list(
    Extract(app): Extract<Arc<App>>,
    Caller(caller): Caller,
    filter: Filtered<Filter>,
) -> Result<Json<List<JobResource>>, Problem> {
    listed(&app, caller.tenant, filter).await
}

/// A page of a tenant's jobs.
pub(super) async fn listed(
    app: &App,
    tenant_id: String,
    Filtered { params: filter, metadata }: Filtered<Filter>,
) -> Result<Json<List<JobResource>>, Problem> {
    let page = cursor::page(filter.limit, filter.cursor, JobId);
    let filter = JobFilter {
        tenant_id,
        kind: filter.kind.map(|text| text.0),
        role: filter.role,
        state: filter.state,
        parent_id: filter.parent_id,
        metadata,
        created_after: filter.created_after.map(|time| time.0),
        created_before: filter.created_before.map(|time| time.0),
    };
    let JobPage { jobs, looked_to } = app.store.jobs(&filter, page).await?;
    Ok(Json(List::as_far_as(looked_to.map(|id| id.0), jobs, page, |job| job.id.0)))
}

pub(super) async fn attempts(
    Extract(app): Extract<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<JobId>,
) -> Result<Json<List<Attempt>>, Problem> {
    find(&app, &caller.tenant, id).await?;
    Ok(Json(List::whole(app.store.attempts(id).await?)))
}

/// Answers 200 once the job is cancelled, 202 while its run has yet to stop, and 409 where
/// it ended otherwise. Asking again is harmless.
pub(super) async fn cancel(
    Extract(app): Extract<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<JobId>,
) -> Result<(StatusCode, Json<JobResource>), Problem> {
    let found = find(&app, &caller.tenant, id).await?;
    if found.kind == LearningUpdate::KIND && !found.state.is_terminal() {
        // Nobody would look at the trial any more that it judges.
        let detail = format!(
            "it sees to the change {} of a policy: withdraw that, or roll the policy back, and the job ends by itself",
            ChangeId(id.0)
        );
        return Err(Problem::new(Code::Conflict, detail));
    }
    let Some(stopped_something) = app.store.cancel(&caller.tenant, id, &caller.actor()).await? else {
        return Err(Problem::not_found("job"));
    };
    let job = find(&app, &caller.tenant, id).await?;
    match job.state {
        State::Succeeded | State::Dead if !stopped_something => {
            Err(Problem::new(Code::Conflict, format!("the job is {} and cannot be cancelled any more", job.state)))
        }
        state if state.is_terminal() => Ok((StatusCode::OK, Json(job.into()))),
        _ => Ok((StatusCode::ACCEPTED, Json(job.into()))),
    }
}

pub(super) async fn retry(
    Extract(app): Extract<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<JobId>,
) -> Result<Json<JobResource>, Problem> {
    match app.store.retry(&caller.tenant, id, &caller.actor()).await? {
        Retried::Requeued => Ok(Json(find(&app, &caller.tenant, id).await?.into())),
        Retried::NoSuchJob => Err(Problem::not_found("job")),
        Retried::NotNow(state) => {
            let detail = format!("the job is {state}; dead, cancelled, scheduled and retrying jobs can be retried");
            Err(Problem::new(Code::Conflict, detail))
        }
    }
}

pub(super) async fn find(app: &App, tenant: &str, id: JobId) -> Result<JobRecord, Problem> {
    app.store.job(tenant, id).await?.ok_or_else(|| Problem::not_found("job"))
}
