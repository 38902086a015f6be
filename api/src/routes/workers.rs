//! `/v1/workers`: the processes that run jobs, and what each runs now.

use std::{collections::HashMap, sync::Arc};

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use golden_jobs::{
    JobId, Role, WorkerId,
    store::{RunUnderWay, UnderWay, WorkerInfo},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{app::App, auth::Grant, cursor::List, guard::Caller, problem::Problem, query::Id, resource::job_path};

pub(super) mod doc;

/// Runs of a worker that are told one by one.
const RUNS_SHOWN: u32 = 100;

/// A worker process.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Worker", example = example())]
pub(super) struct WorkerResource {
    id: WorkerId,
    host: String,
    pid: u32,
    /// The roles it has a pool of.
    roles: Vec<Role>,
    /// Of its Golden.
    version: String,
    started_at: DateTime<Utc>,
    /// Its last sign of life, of which there is one every five seconds.
    heartbeat_at: DateTime<Utc>,
    /// Since when it is asked to drain; null while it is not.
    draining_since: Option<DateTime<Utc>>,
    /// Runs under way: an admin is told of all, others of their own tenant's.
    running: u64,
    /// The first hundred of these, those longest under way first.
    runs: Vec<RunResource>,
    links: WorkerLinks,
}

/// A run under way.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Run")]
struct RunResource {
    job_id: JobId,
    tenant: String,
    kind: String,
    role: Role,
    /// The number of this run.
    attempt: u32,
    started_at: DateTime<Utc>,
    /// Whether its job was cancelled meanwhile.
    cancel_requested: bool,
    links: RunLinks,
}

/// Paths of what belongs to a run.
#[derive(Debug, Serialize, JsonSchema)]
struct RunLinks {
    /// Where the job is read, by its own tenant.
    job: String,
}

/// Paths of what can be done to a worker.
#[derive(Debug, Serialize, JsonSchema)]
struct WorkerLinks {
    #[serde(rename = "self")]
    itself: String,
    drain: String,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
) -> Result<Json<List<WorkerResource>>, Problem> {
    let workers = app.store.workers().await?;
    let found = app.store.under_way(None, seen_by(&caller), RUNS_SHOWN).await?;
    let mut under_way: HashMap<_, _> = found.into_iter().map(|found| (found.worker, found)).collect();
    let workers = workers.into_iter().map(|worker| {
        let runs = under_way.remove(&worker.id);
        WorkerResource::of(worker, runs)
    });
    Ok(Json(List::whole(workers.collect())))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<WorkerId>,
) -> Result<Json<WorkerResource>, Problem> {
    find(&app, &caller, id).await
}

pub(super) async fn drain(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<WorkerId>,
) -> Result<Json<WorkerResource>, Problem> {
    if !app.store.drain(id, &caller.actor()).await? {
        return Err(unknown());
    }
    tracing::info!(worker = %id, by = caller.subject, "a worker was asked to drain");
    find(&app, &caller, id).await
}

async fn find(app: &App, caller: &Grant, id: WorkerId) -> Result<Json<WorkerResource>, Problem> {
    let worker = app.store.workers().await?.into_iter().find(|worker| worker.id == id).ok_or_else(unknown)?;
    let runs = app.store.under_way(Some(id), seen_by(caller), RUNS_SHOWN).await?.pop();
    Ok(Json(WorkerResource::of(worker, runs)))
}

fn unknown() -> Problem {
    Problem::not_found("worker: one that has ended or fell silent is not listed")
}

/// The tenant whose runs a caller may know of; `None` is all.
fn seen_by(caller: &Grant) -> Option<&str> {
    (!caller.runs_all()).then_some(caller.tenant.as_str())
}

impl WorkerResource {
    fn of(worker: WorkerInfo, under_way: Option<UnderWay>) -> Self {
        let itself = format!("/v1/workers/{}", worker.id);
        let (running, runs) = under_way.map_or_else(Default::default, |found| (found.count, found.runs));
        Self {
            links: WorkerLinks { drain: format!("{itself}/drain"), itself },
            id: worker.id,
            host: worker.host,
            pid: worker.pid,
            roles: worker.pools.iter().map(|pool| pool.role).collect(),
            version: worker.version,
            started_at: worker.started_at,
            heartbeat_at: worker.heartbeat_at,
            draining_since: worker.draining_since,
            running,
            runs: runs.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<RunUnderWay> for RunResource {
    fn from(run: RunUnderWay) -> Self {
        Self {
            links: RunLinks { job: job_path(run.job) },
            job_id: run.job,
            tenant: run.tenant_id,
            kind: run.kind,
            role: run.role,
            attempt: run.attempt,
            started_at: run.started_at,
            cancel_requested: run.cancel,
        }
    }
}

/// What the documentation shows.
fn example() -> Value {
    let path = "/v1/workers/wrk_01981d2a-0b3e-7c21-9f60-5a4c8e1d7b32";
    let job = "job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41";
    json!({
        "id": "wrk_01981d2a-0b3e-7c21-9f60-5a4c8e1d7b32",
        "host": "golden-worker-7d9f",
        "pid": 7,
        "roles": ["orchestrator", "webhook"],
        "version": "0.1.0",
        "started_at": "2026-01-02T03:00:00Z",
        "heartbeat_at": "2026-01-02T03:04:05Z",
        "draining_since": null,
        "running": 1,
        "runs": [{
            "job_id": job,
            "tenant": "acme",
            "kind": "http.call",
            "role": "orchestrator",
            "attempt": 1,
            "started_at": "2026-01-02T03:04:01Z",
            "cancel_requested": false,
            "links": {"job": format!("/v1/jobs/{job}")},
        }],
        "links": {"self": path, "drain": format!("{path}/drain")},
    })
}
