//! `golden webhooks`: where events are sent, what became of them, and how receivers know them.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{ClientArgs, list};
use crate::{client::Request, config::Settings, exit::Exit, output::Cell};

mod deliveries;
mod endpoints;
mod replay;

/// Have events sent to endpoints, and see what became of each message
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
    /// It is for what goes to a job's own callback URL; endpoints have a secret each.
    /// Give it to any library of the Standard Webhooks specification to verify them.
    #[command(verbatim_doc_comment, after_help = "Example:\n  WEBHOOK_SECRET=$(golden webhooks secret)")]
    Secret,
    /// List the types of events that there are
    #[command(after_help = "Example:\n  golden webhooks events")]
    Events,
    /// Where the events of all your jobs are sent
    #[command(subcommand)]
    Endpoints(endpoints::EndpointsCommand),
    /// Messages to endpoints and to callback URLs, with every attempt
    #[command(subcommand)]
    Deliveries(deliveries::DeliveriesCommand),
}

pub(crate) async fn run(args: WebhooksArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    match args.command {
        WebhooksCommand::Secret => {
            let answer = client.send(Request::get(&["webhooks", "secret"])).await?;
            if output.is_json() {
                output.json(&answer)?;
            } else {
                output.table(None, &[[Cell::of(&answer, "/secret")]])?;
            }
            Ok(Exit::Ok)
        }
        WebhooksCommand::Events => {
            list::whole(&client, output, Request::get(&["webhooks", "events"]), ["EVENT", "WHAT"], event).await
        }
        WebhooksCommand::Endpoints(command) => endpoints::run(command, &client, output).await,
        WebhooksCommand::Deliveries(command) => deliveries::run(command, &client, output).await,
    }
}

fn event(event: &Value) -> [Cell; 2] {
    [Cell::of(event, "/event"), Cell::of(event, "/about")]
}
