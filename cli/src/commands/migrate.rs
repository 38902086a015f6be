//! `golden migrate`: brings the database up to this binary's schema.

use anyhow::anyhow;
use clap::Args;
use golden_jobs::store;

use crate::{config::Settings, exit::Exit, output::Output, wire};

/// Bring the database up to this binary's schema
///
/// Safe to run again and from several places at once. `golden api` and `golden worker` refuse to
/// start on an older schema. Where NATS_URL is set, makes or changes the streams there as well; servers do
/// that by themselves, too.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, after_help = "Example:\n  DATABASE_URL=postgres://golden@db/golden golden migrate")]
pub(crate) struct MigrateArgs {
    /// sqlite://PATH or postgres://…; put one with a password in the environment instead
    #[arg(long, value_name = "URL")]
    pub(super) database_url: Option<String>,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<Exit> {
    let url = settings.database_url()?;
    let version = store::migrate(url).await.map_err(|error| anyhow!(wire::no_store(url, &error)))?;
    let output = Output::new(false, true);
    output.line(&format!("the schema is at version {version}"))?;
    if let Some(nats) = &settings.nats {
        wire::nats(nats).await?.reconcile().await?;
        output.line("the streams in NATS are as they should be")?;
    }
    Ok(Exit::Ok)
}
