//! `golden webhooks`: what a receiver of callbacks needs to know.

use clap::{Args, Subcommand};

use super::ClientArgs;
use crate::{client::Request, config::Settings, exit::Exit, output::Cell};

/// Show what a receiver of webhooks needs
#[derive(Debug, Args)]
pub(crate) struct WebhooksArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: WebhooksCommand,
}

#[derive(Debug, Subcommand)]
enum WebhooksCommand {
    /// Print the secret that signs the webhooks of your jobs
    ///
    /// Give it to any library of the Standard Webhooks specification to verify them.
    #[command(verbatim_doc_comment, after_help = "Example:\n  WEBHOOK_SECRET=$(golden webhooks secret)")]
    Secret,
}

pub(crate) async fn run(args: WebhooksArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    let WebhooksCommand::Secret = args.command;
    let answer = client.send(Request::get(&["webhooks", "secret"])).await?;
    if output.is_json() {
        output.json(&answer)?;
    } else {
        output.table(None, &[[Cell::of(&answer, "/secret")]])?;
    }
    Ok(Exit::Ok)
}
