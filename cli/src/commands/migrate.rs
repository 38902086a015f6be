//! `golden migrate`: brings the database up to this binary's schema.

use clap::Args;
use golden_jobs::store;

use crate::{config::Settings, exit::Exit, output::Output};

/// Bring the database up to this binary's schema
///
/// Safe to run again and from several places at once. `golden api` and `golden worker` refuse to
/// start on an older schema.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, after_help = "Example:\n  DATABASE_URL=postgres://golden@db/golden golden migrate")]
pub(crate) struct MigrateArgs {
    /// sqlite://PATH or postgres://…; put one with a password in the environment instead
    #[arg(long, value_name = "URL")]
    pub(super) database_url: Option<String>,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<Exit> {
    let version = store::migrate(settings.database_url()?).await?;
    Output::new(false, true).line(&format!("the schema is at version {version}"))?;
    Ok(Exit::Ok)
}
