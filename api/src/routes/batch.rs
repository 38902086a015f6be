//! `/v1/jobs/batch`: many jobs in one request.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::future::join_all;
use golden_jobs::{
    JobId, canonical,
    record::JobRecord,
    store::{Idempotency, Inserted, InsertedBatch, NewBatch, NewJob},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    app::App,
    auth::Grant,
    body::JsonObject,
    guard::Caller,
    lines::Lines,
    problem::{Code, Problem, ProblemBody},
    query::Params,
    resource::{JobResource, accepted, as_it_was_accepted},
    submission::{self, Draft, Rules, Submission},
};

pub(super) mod doc;

/// The scope of idempotency keys, beside the tenant.
const SUBMIT: &str = "POST /v1/jobs/batch";
/// Jobs that are read in one go: what else this thread serves must not wait for all of them.
const STRIDE: usize = 32;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mode {
    /// Whether what can be accepted is, and the rest refused job by job.
    #[serde(default)]
    partial: bool,
}

/// Records up to 1,000 jobs: all or none (202, the jobs), or with `?partial=true` those that can
/// be (200, what became of each).
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(mode): Params<Mode>,
    headers: HeaderMap,
    Lines(lines): Lines<Submission>,
) -> Result<Response, Problem> {
    let key = submission::idempotency_key(&headers)?;
    match mode.partial {
        true => each(&app, &caller, key, lines).await,
        false => all(&app, &caller, key, lines).await,
    }
}

/// Jobs as they were accepted.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AcceptedBatch")]
struct Accepted {
    /// In the order of the request.
    data: Vec<JobResource>,
}

async fn all(
    app: &App,
    caller: &Grant,
    key: Option<String>,
    lines: Vec<Result<JsonObject<Submission>, Problem>>,
) -> Result<Response, Problem> {
    let (tenant, rules) = (caller.tenant.as_str(), rules(app, caller, &lines).await?);
    let mut jobs = Vec::with_capacity(lines.len());
    let mut request = Vec::with_capacity(lines.len());
    let (mut wrong, mut refused) = (Vec::new(), Vec::new());
    for (place, (line, id)) in lines.into_iter().zip(JobId::new_series().series()).enumerate() {
        match line.and_then(|line| Ok((submission::read(&line, tenant, &rules)?, line))) {
            Ok((draft, line)) => {
                jobs.push(NewJob { id, ..draft.job });
                refused.extend(draft.refused.map(|problem| (format!("/{place}"), problem)));
                request.push(Value::Object(line.value));
            }
            Err(problem) => wrong.push((format!("/{place}"), problem)),
        }
        breathe(place).await;
    }
    if !wrong.is_empty() {
        return Err(Problem::gathered(wrong));
    }
    let idempotency = key.map(|key| idempotency(key, &Value::Array(request)));
    // What was accepted once has its answer, whatever is missing by now.
    let known = match &idempotency {
        Some(key) if !refused.is_empty() => app.store.knows(tenant, key).await?,
        _ => false,
    };
    if !refused.is_empty() && !known {
        return Err(Problem::gathered(refused));
    }
    let (jobs, replayed) = match app.intake.insert_batch(NewBatch { jobs: jobs.clone(), idempotency }).await? {
        InsertedBatch::New(times) => {
            let new = jobs.into_iter().zip(times);
            (new.map(|(job, (run_at, created_at))| accepted(job.id, job, run_at, created_at)).collect(), false)
        }
        InsertedBatch::Replayed { first } => {
            app.metrics.idempotency_hits.inc();
            let ids: Vec<JobId> = first.series().take(jobs.len()).collect();
            let records = records(app, &ids).await?;
            (jobs.into_iter().zip(&ids).map(|(job, id)| replay(job, *id, &records)).collect::<Result<_, _>>()?, true)
        }
        InsertedBatch::QueueFull { max_queued } => return Err(Problem::queue_full(max_queued)),
        InsertedBatch::KeyReused => return Err(Problem::key_reused()),
    };
    let mut response = (StatusCode::ACCEPTED, Json(Accepted { data: jobs })).into_response();
    if replayed {
        let header = HeaderName::from_static("idempotent-replayed");
        response.headers_mut().insert(header, HeaderValue::from_static("true"));
    }
    Ok(response)
}

async fn rules<'a>(
    app: &'a App,
    caller: &Grant,
    lines: &[Result<JsonObject<Submission>, Problem>],
) -> Result<Rules<'a>, Problem> {
    let submissions: Vec<_> = lines.iter().flatten().map(|line| &line.value).collect();
    Ok(Rules::of(app, &caller.tenant, &submissions).await?.by(caller))
}

/// What became of each job.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BatchOutcomes")]
struct Outcomes {
    /// In the order of the request.
    data: Vec<LineOutcome>,
}

/// Either a job or a problem.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BatchOutcome")]
struct LineOutcome {
    /// That of the answer, had the job been submitted alone.
    status: u16,
    /// The job as it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<JobResource>,
    /// Whether the job is that of an earlier request with the same key.
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotent_replayed: Option<bool>,
    /// Why there is none. Its pointers begin with the job, not with the batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ProblemBody<'_>>")]
    problem: Option<Problem>,
}

impl From<Result<(JobResource, bool), Problem>> for LineOutcome {
    fn from(outcome: Result<(JobResource, bool), Problem>) -> Self {
        match outcome {
            Ok((job, replayed)) => Self {
                status: StatusCode::ACCEPTED.as_u16(),
                job: Some(job),
                idempotent_replayed: replayed.then_some(true),
                problem: None,
            },
            Err(problem) => {
                Self { status: problem.status().as_u16(), job: None, idempotent_replayed: None, problem: Some(problem) }
            }
        }
    }
}

/// Every line is a submission of its own: its key is its `idempotency_key`, or else that of the
/// request together with its place.
async fn each(
    app: &App,
    caller: &Grant,
    key: Option<String>,
    lines: Vec<Result<JsonObject<Submission>, Problem>>,
) -> Result<Response, Problem> {
    let (tenant, rules) = (caller.tenant.as_str(), rules(app, caller, &lines).await?);
    let mut drafts = Vec::with_capacity(lines.len());
    for (place, line) in lines.into_iter().enumerate() {
        // A space is in no key that a client can name.
        let by_place = key.as_ref().map(|key| format!("{key} {place}"));
        drafts.push(line.and_then(|line| submission_of(line, by_place, tenant, &rules)));
        breathe(place).await;
    }
    let insert = async |draft: Result<Draft, Problem>| {
        let job = draft?.unless_refused_anew(app).await?;
        let inserted = app.intake.insert(&job).await?;
        Ok::<_, Problem>((job, inserted))
    };
    let inserted = join_all(drafts.into_iter().map(insert)).await;
    if let Some(Err(down)) = inserted.iter().find(|line| line.as_ref().is_err_and(|problem| problem.is_ours()))
        && inserted.iter().all(Result::is_err)
    {
        return Err(down.clone());
    }

    let repeats: Vec<JobId> = inserted
        .iter()
        .filter_map(|line| match line {
            Ok((_, Inserted::Replayed { id })) => Some(*id),
            _ => None,
        })
        .collect();
    app.metrics.idempotency_hits.inc_by(repeats.len() as u64);
    let records = records(app, &repeats).await?;
    let outcomes = inserted.into_iter().map(|line| {
        let (job, inserted) = line?;
        match inserted {
            Inserted::New { id, run_at, created_at } => Ok((accepted(id, job, run_at, created_at), false)),
            Inserted::Replayed { id } => Ok((replay(job, id, &records)?, true)),
            Inserted::QueueFull { max_queued } => Err(Problem::queue_full(max_queued)),
            Inserted::Failed(error) => Err(error.into()),
            Inserted::KeyReused => Err(Problem::key_reused()),
        }
    });
    Ok(Json(Outcomes { data: outcomes.map(LineOutcome::from).collect() }).into_response())
}

fn submission_of(
    mut line: JsonObject<Submission>,
    by_place: Option<String>,
    tenant: &str,
    rules: &Rules<'_>,
) -> Result<Draft, Problem> {
    let key = match line.value.remove("idempotency_key") {
        None | Some(Value::Null) => by_place,
        Some(Value::String(key)) => {
            Some(submission::checked_key(&key).map_err(|problem| problem.at("/idempotency_key"))?)
        }
        Some(_) => return Err(Problem::new(Code::BadIdempotencyKey, "the key is a text").at("/idempotency_key")),
    };
    let mut draft = submission::read(&line, tenant, rules)?;
    draft.job.idempotency = key.map(|key| idempotency(key, &Value::Object(line.value)));
    Ok(draft)
}

fn idempotency(key: String, request: &Value) -> Idempotency {
    Idempotency { route: SUBMIT.to_owned(), key, fingerprint: canonical::fingerprint(request) }
}

/// What is on record of jobs that were accepted before.
async fn records(app: &App, ids: &[JobId]) -> Result<HashMap<JobId, JobRecord>, Problem> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(app.store.summaries(ids).await?.into_iter().map(|summary| (summary.job.id, summary.job)).collect())
}

fn replay(job: NewJob, id: JobId, records: &HashMap<JobId, JobRecord>) -> Result<JobResource, Problem> {
    let record = records.get(&id).ok_or_else(|| Problem::not_found("job"))?;
    Ok(as_it_was_accepted(job, record))
}

/// Lets others have this thread after every so many jobs.
async fn breathe(place: usize) {
    if place % STRIDE == STRIDE - 1 {
        tokio::task::yield_now().await;
    }
}
