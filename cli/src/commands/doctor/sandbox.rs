//! The sandbox: whether a program really runs in it.

use std::{collections::BTreeMap, time::Duration};

use golden_jobs::sandbox::{Cause, Entry, Executor, Limits, Program};
use golden_sandbox::{GvisorExecutor, Image, Missing};
use tokio::sync::mpsc;

use super::Check;
use crate::{config::Settings, wire};

/// What the program prints.
const WORD: &str = "golden";
/// From its start; a cold container takes less than a second of it.
const PATIENCE: Duration = Duration::from_secs(20);
/// In bytes.
const MEMORY: u64 = 256 << 20;

pub(super) async fn check(settings: &Settings) -> Vec<Check> {
    let executor = match Box::pin(GvisorExecutor::connect(wire::sandbox_options(settings))).await {
        Ok(executor) => executor,
        // Whoever names a Docker wants one; without that, the role is off.
        Err(missing @ Missing::Docker { .. }) if settings.docker_host.is_some() => {
            return vec![Check::failure("sandbox", missing.to_string())];
        }
        Err(missing) => return vec![Check::warning("sandbox", format!("sandbox jobs cannot run here: {missing}"))],
    };
    let present = executor.images();
    let mut checks = Vec::new();
    for image in &settings.sandbox_images {
        let name = format!("sandbox {}", image.name);
        checks.push(if present.contains(&image.name) {
            tried(name, image, &executor).await
        } else {
            Check::warning(name, format!("no image: {}", image.hint()))
        });
    }
    executor.close().await;
    checks
}

/// Has a program in that image print a word.
async fn tried(name: String, image: &Image, executor: &GvisorExecutor) -> Check {
    let source = match image.language.as_ref().unwrap_or(&image.name).as_str() {
        "python" => format!("print('{WORD}')"),
        "javascript" => format!("console.log('{WORD}')"),
        "bash" => format!("echo {WORD}"),
        _ => return Check::ok(name, "there is an image; no program was tried in it"),
    };
    let program = Program {
        label: "doctor".to_owned(),
        image: image.name.clone(),
        entry: Entry::Source(source),
        files: BTreeMap::new(),
        args: Vec::new(),
        stdin: Vec::new(),
        env: BTreeMap::new(),
        limits: Limits { wall: PATIENCE, memory: MEMORY, ..Limits::MOST },
        artifacts: Vec::new(),
    };
    // Nobody reads along.
    let (live, _) = mpsc::channel(1);
    match executor.run(program, live).await {
        Ok(report) if report.cause == Cause::Exited && report.stdout.trim() == WORD => Check::ok(
            name,
            format!("a program ran in gVisor ({}), {} ms after it was asked for", report.runtime, report.usage.boot_ms),
        ),
        Ok(report) => Check::failure(
            name,
            format!(
                "a program that prints a word ended with {:?} and {:?}: {}",
                report.cause, report.exit_code, report.stderr
            ),
        ),
        Err(error) => Check::failure(name, error.to_string()),
    }
}
