//! `golden webhooks`: where events are sent, what became of them, and how receivers know them.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{ClientArgs, list};
use crate::{client::Request, config::Settings, duration, exit::Exit, output::Cell};

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
    Secret {
        #[command(subcommand)]
        command: Option<SecretCommand>,
    },
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

#[derive(Debug, Subcommand)]
enum SecretCommand {
    /// Give callbacks a new secret, and print it
    ///
    /// The secret they had signs as well until the overlap is over, so that receivers can change
    /// over when they like.
    #[command(verbatim_doc_comment, after_help = "Example:\n  golden webhooks secret rotate --overlap 2d")]
    Rotate {
        #[command(flatten)]
        overlap: OverlapArgs,
    },
    /// Let the secret before the last rotation sign no more
    #[command(after_help = "Example:\n  golden webhooks secret revoke-old")]
    RevokeOld,
}

#[derive(Debug, Args)]
struct OverlapArgs {
    /// For how long the secret that is replaced signs as well, at most 7d; 0 ends it now [default: 24h]
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    overlap: Option<Duration>,
}

impl OverlapArgs {
    fn query(&self, request: Request) -> Request {
        // Part of a second would be none, and end what was asked to go on.
        request.query("overlap", self.overlap.map(|overlap| overlap.as_millis().div_ceil(1000)))
    }
}

pub(crate) async fn run(args: WebhooksArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    match args.command {
        WebhooksCommand::Secret { command } => {
            let request = match command {
                None => Request::get(&["webhooks", "secret"]),
                Some(SecretCommand::Rotate { overlap }) => {
                    overlap.query(Request::post(&["webhooks", "secret", "rotate"]))
                }
                Some(SecretCommand::RevokeOld) => Request::post(&["webhooks", "secret", "revoke-old"]),
            };
            let answer = client.send(request).await?;
            if output.is_json() {
                output.json(&answer)?;
                return Ok(Exit::Ok);
            }
            output.table(None, &[[Cell::of(&answer, "/secret")]])?;
            if let Some(until) = answer["old_secret_until"].as_str() {
                eprintln!(
                    "The secret before it signs as well until {until}: `golden webhooks secret revoke-old` ends that."
                );
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
