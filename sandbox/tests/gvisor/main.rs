//! Programs in real sandboxes. `make test` brings Docker with `runsc` and the image; by hand,
//! `tests/services up` does, and `eval "$(tests/services env)"` says where they are.

mod containers;
mod limits;
mod missing;
mod programs;

use std::{collections::BTreeMap, time::Duration};

use golden_jobs::{
    JobId, WorkerId,
    sandbox::{Executor, Program, RunReport},
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
        language: "python".to_owned(),
        source: source.to_owned(),
        args: vec![],
        stdin: vec![],
        env: BTreeMap::new(),
        wall: Duration::from_secs(20),
    }
}

async fn run(program: Program) -> RunReport {
    executor().await.run(program).await.expect("the sandbox works")
}
