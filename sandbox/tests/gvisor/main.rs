//! Programs in real sandboxes. `make test` brings Docker with `runsc` and the images; by hand,
//! `tests/services up` does, and `eval "$(tests/services env)"` says where they are.

mod away;
mod containers;
mod files;
mod hostile;
mod images;
mod limits;
mod missing;
mod programs;
mod warm;

use std::{collections::BTreeMap, time::Duration};

use tokio::sync::mpsc;

use golden_jobs::{
    JobId, WorkerId,
    sandbox::{Entry, Executor, ExecutorError, Limits, Program, RunReport},
};
use golden_sandbox::{GvisorExecutor, SandboxOptions};

/// The harness says where Docker is.
fn options() -> SandboxOptions {
    SandboxOptions { docker_host: std::env::var("DOCKER_HOST").ok(), ..SandboxOptions::new(WorkerId::new()) }
}

async fn executor() -> GvisorExecutor {
    GvisorExecutor::connect(options()).await.unwrap_or_else(|missing| panic!("{missing}; `make test` brings it all"))
}

fn python(source: &str) -> Program {
    Program {
        label: JobId::new().to_string(),
        image: "python".to_owned(),
        entry: Entry::Source(source.to_owned()),
        files: BTreeMap::new(),
        args: vec![],
        stdin: vec![],
        env: BTreeMap::new(),
        limits: limits(20_000),
        artifacts: vec![],
    }
}

fn limits(wall_ms: u64) -> Limits {
    Limits { wall: Duration::from_millis(wall_ms), cpu: None, memory: 256 << 20 }
}

/// Runs a program that nobody reads along with.
async fn unread(executor: &GvisorExecutor, program: Program) -> Result<RunReport, ExecutorError> {
    let (live, _) = mpsc::channel(1);
    let report = executor.run(program, live).await;
    // Nothing is left of a test when its process ends.
    executor.close().await;
    report
}

async fn run(program: Program) -> RunReport {
    unread(&executor().await, program).await.expect("the sandbox works")
}
