//! `golden worker`: pools, for production.

use clap::Args;
use golden_jobs::{Registry, Role, metrics::Metrics};

use super::ProcessArgs;
use crate::{
    config::Settings,
    exit::Exit,
    signals::Signals,
    wire::{self, Process},
};

/// Run jobs of one or several roles
///
/// Needs DATABASE_URL, with a schema from `golden migrate`. Any number may run at once. The first
/// Ctrl-C or SIGTERM stops taking jobs and lets runs finish for the drain timeout; what is left
/// goes back to the queue with no attempt spent. A second one ends at once.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  golden worker --role orchestrator,webhook
  golden worker --role sandbox --concurrency 8
`golden kinds` shows which role runs what. Webhooks, retries and schedules need some worker, of whatever role;
callbacks are sent by the role webhook."
)]
pub(crate) struct WorkerArgs {
    /// orchestrator, peer-hub, sandbox, supervisor, webhook; several with commas between
    #[arg(long = "role", required = true, value_delimiter = ',', value_name = "ROLE")]
    roles: Vec<Role>,
    /// Runs at once for each role [default: by role]
    #[arg(long, value_name = "N")]
    pub(super) concurrency: Option<String>,
    #[command(flatten)]
    pub(super) process: ProcessArgs,
}

pub(crate) async fn run(mut args: WorkerArgs, settings: Settings, registry: Registry) -> anyhow::Result<Exit> {
    args.roles.sort_unstable();
    args.roles.dedup();
    let metrics = Metrics::new();
    let sandbox = if args.roles.contains(&Role::Sandbox) {
        // Asked for by name: a worker that could only fail its jobs must not take them.
        Ok(wire::sandbox(&settings, &metrics).await?)
    } else {
        Err("this worker has no sandbox role".to_owned())
    };
    let url = settings.database_url()?.to_owned();
    let mut process = Process::start(settings, registry, metrics, &url).await?;
    let signals = Signals::listen()?;
    process.add_pools(&args.roles, sandbox)?;
    process.run_until(signals).await
}
