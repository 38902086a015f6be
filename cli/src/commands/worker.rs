//! `golden worker`: pools, for production.

use std::time::Duration;

use clap::Args;
use golden_jobs::{Registry, Role, metrics::Metrics};

use super::ProcessArgs;
use crate::{
    config::Settings,
    duration,
    exit::Exit,
    signals::Signals,
    wire::{self, Client, Process},
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
  golden worker --role sandbox --concurrency 1 --exit-when-idle 15s
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
    /// Drain and exit with 0 once nothing has run for so long: for a worker started on demand
    #[arg(long, value_name = "DURATION", value_parser = idle)]
    exit_when_idle: Option<Duration>,
    /// Address where it answers /livez, /readyz, /health and /metrics, without a token [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) probes_listen: Option<String>,
    #[command(flatten)]
    pub(super) process: ProcessArgs,
}

/// Less would end a worker before it has looked for work.
fn idle(text: &str) -> Result<Duration, String> {
    match duration::parse(text).map_err(|error| error.to_string())? {
        idle if idle < Duration::from_secs(2) => Err("expected 2s or more".to_owned()),
        idle => Ok(idle),
    }
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
    let mut process = Process::start(settings, registry, metrics, Client::WORKER, &url).await?;
    let signals = Signals::listen()?;
    process.answer_probes().await?;
    process.add_pools(&args.roles, sandbox, args.exit_when_idle)?;
    process.run_until(signals).await
}
