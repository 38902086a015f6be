//! `golden api`: the intake, for production.

use clap::Args;
use golden_jobs::{Registry, metrics::Metrics};

use super::ProcessArgs;
use crate::{
    config::{Settings, table},
    exit::Exit,
    signals::Signals,
    wire::{self, Client, Process},
};

/// Serve the API; jobs are run by `golden worker`
///
/// Needs DATABASE_URL, with a schema from `golden migrate`, and JWT_SECRET or GOLDEN_JWKS. Any number may run
/// at once. The first Ctrl-C or SIGTERM lets requests finish, a second one ends at once.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, after_help = "Example:\n  golden api --listen 0.0.0.0:8000")]
pub(crate) struct ApiArgs {
    /// Address to listen on [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// Address where KEDA's external scaler is answered, over gRPC and without a token [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) scaler_listen: Option<String>,
    #[command(flatten)]
    pub(super) process: ProcessArgs,
}

pub(crate) async fn run(settings: Settings, registry: Registry) -> anyhow::Result<Exit> {
    let auth = wire::auth(&settings).await?;
    let url = settings.database_url()?.to_owned();
    let mut process = Process::start(settings, registry, Metrics::new(), Client::API, &url).await?;
    let signals = Signals::listen()?;
    let listener = wire::listen(process.settings.listen, &table::LISTEN).await?;
    tracing::info!(address = %listener.local_addr()?, "the API listens");
    process.add_api(listener, auth, None);
    process.add_scaler().await?;
    process.run_until(signals).await
}
