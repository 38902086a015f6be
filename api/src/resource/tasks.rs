//! Tasks as clients see them.

use chrono::{DateTime, Utc};
use golden_jobs::{
    JobId, State,
    record::{JobRecord, RecordedError},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{JobResource, example, job_path};

/// A task: its job, and the steps that it took so far.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Task", example = example::task())]
pub(crate) struct TaskResource {
    #[serde(flatten)]
    job: JobResource,
    /// The jobs that it made, the first one first.
    steps: Vec<StepResource>,
    /// What it and all jobs below it have cost, in millionths of a US dollar.
    tree_cost_micros: i64,
}

/// A job that a task made.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TaskStep")]
struct StepResource {
    /// `plan`, `program`, `tests`, `run`, `repair` or `review`; another word for what a task did besides.
    step: String,
    job_id: JobId,
    kind: String,
    state: State,
    /// What it died of.
    error: Option<RecordedError>,
    /// What it cost by itself, in millionths of a US dollar.
    cost_micros: i64,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    /// Where it is read in full.
    link: String,
}

impl TaskResource {
    pub(crate) fn new(job: JobRecord, mut children: Vec<JobRecord>, tree_cost_micros: i64) -> Self {
        children.sort_by_key(|child| (child.created_at, child.id));
        Self { job: job.into(), steps: children.into_iter().map(StepResource::from).collect(), tree_cost_micros }
    }
}

impl From<JobRecord> for StepResource {
    fn from(job: JobRecord) -> Self {
        let metadata: Option<Value> = job.metadata.as_ref().and_then(|text| serde_json::from_str(text.get()).ok());
        let step = metadata.and_then(|metadata| Some(metadata["step"].as_str()?.to_owned()));
        Self {
            step: step.unwrap_or_else(|| job.kind.clone()),
            job_id: job.id,
            kind: job.kind,
            state: job.state,
            error: job.error,
            cost_micros: job.cost_micros,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            link: job_path(job.id),
        }
    }
}
