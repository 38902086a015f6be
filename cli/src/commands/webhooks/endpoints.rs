//! `golden webhooks endpoints`.

use std::io;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;

use super::{OverlapArgs, deliveries};
use crate::{
    client::{Client, Request},
    commands::{each::each, list},
    exit::{Exit, Usage},
    output::{Cell, Output},
};

#[derive(Debug, Subcommand)]
pub(super) enum EndpointsCommand {
    /// List endpoints, oldest first
    #[command(after_help = "Example:\n  golden webhooks endpoints list")]
    List,
    /// Show what an endpoint takes, and how it fares
    #[command(after_help = "Example:\n  golden webhooks endpoints show hook_0199…")]
    Show {
        #[arg(value_name = "ID", help = WHICH)]
        id: String,
    },
    /// Have events sent to a URL, and print the secret that signs them, this once
    ///
    /// Prints the endpoint's id, its URL and its secret, with tabs between them in a pipe.
    #[command(verbatim_doc_comment, after_help = CREATE)]
    Create {
        /// Where messages are posted to: https, to a public address
        url: String,
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Change an endpoint; what is not named stays
    #[command(after_help = "Example:\n  golden webhooks endpoints change hook_0199… --url https://example.com/v2")]
    Change {
        #[arg(value_name = "ID", help = WHICH)]
        id: String,
        /// Post messages there from now on, those that are under way too
        #[arg(long)]
        url: Option<String>,
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Forget endpoints; what was delivered stays on record
    #[command(after_help = "Example:\n  golden webhooks endpoints delete hook_0199…")]
    Delete {
        #[arg(required = true, value_name = "ID", help = WHICH)]
        ids: Vec<String>,
    },
    /// Let endpoints take events again, and forget that they failed
    #[command(after_help = "Example:\n  golden webhooks endpoints enable hook_0199…")]
    Enable {
        #[arg(required = true, value_name = "ID", help = WHICH)]
        ids: Vec<String>,
    },
    /// Send nothing more to endpoints until they are enabled
    #[command(after_help = "Example:\n  golden webhooks endpoints disable hook_0199…")]
    Disable {
        #[arg(required = true, value_name = "ID", help = WHICH)]
        ids: Vec<String>,
    },
    /// Give an endpoint a new secret, and print it, this once
    ///
    /// The secret it had signs as well until the overlap is over, so that receivers can change
    /// over when they like.
    #[command(verbatim_doc_comment, after_help = ROTATE)]
    Rotate {
        #[arg(value_name = "ID", help = WHICH)]
        id: String,
        #[command(flatten)]
        overlap: OverlapArgs,
    },
    /// Let the secret before the last rotation sign no more
    #[command(after_help = "Example:\n  golden webhooks endpoints revoke-old hook_0199…")]
    RevokeOld {
        #[arg(value_name = "ID", help = WHICH)]
        id: String,
    },
    /// Send a test to an endpoint, enabled or not, and wait for what comes of it
    ///
    /// The exit status is 0 if the receiver took it, 1 if not, 6 if no worker has sent it yet.
    #[command(verbatim_doc_comment, after_help = "Example:\n  golden webhooks endpoints test hook_0199…")]
    Test {
        #[arg(value_name = "ID", help = WHICH)]
        id: String,
    },
}

const WHICH: &str = "As `webhooks endpoints list` printed it";

const CREATE: &str = "Examples:
  golden webhooks endpoints create https://example.com/golden --events 'job.*'
  golden webhooks endpoints create https://example.com/dead --events job.dead --kinds http.call --thin
  SECRET=$(golden webhooks endpoints create https://example.com/golden --events '*' | cut -f3)";

const ROTATE: &str = "Examples:
  golden webhooks endpoints rotate hook_0199… --overlap 2d
  SECRET=$(golden webhooks endpoints rotate hook_0199… | cut -f3)";

/// What may be said of an endpoint beside its URL.
#[derive(Debug, Args, Serialize)]
pub(super) struct SettingsArgs {
    /// The types of events it takes, with commas between them: job.dead, 'job.*', or '*'
    #[arg(long, value_delimiter = ',', value_name = "EVENTS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<String>>,
    /// Only events about jobs of these kinds, with commas between them
    #[arg(long, value_delimiter = ',', value_name = "KINDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    kinds: Option<Vec<String>>,
    /// Events about jobs of all kinds
    #[arg(long, conflicts_with = "kinds")]
    #[serde(skip)]
    all_kinds: bool,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// How bodies are laid out
    #[arg(long, value_parser = ["standard", "cloudevents"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    /// Send ids and links alone; --thin=false sends the job again
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    thin: Option<bool>,
}

/// The body of `POST` and `PATCH`.
#[derive(Serialize)]
struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(flatten)]
    settings: SettingsArgs,
}

impl Body {
    fn of(url: Option<String>, mut settings: SettingsArgs) -> Self {
        if settings.all_kinds {
            settings.kinds = Some(Vec::new());
        }
        Self { url, settings }
    }

    fn is_empty(&self) -> bool {
        let SettingsArgs { events, kinds, all_kinds: _, description, format, thin } = &self.settings;
        (&self.url, events, kinds, description, format, thin) == (&None, &None, &None, &None, &None, &None)
    }
}

pub(super) async fn run(command: EndpointsCommand, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let path = |id: &str| Request::get(&["webhooks", "endpoints", id]);
    let act = |id: &str, verb: &str| Request::post(&["webhooks", "endpoints", id, verb]);
    let shown = |_: &str, endpoint: &Value| one(endpoint, output);
    match command {
        EndpointsCommand::List => {
            let columns = ["ID", "URL", "EVENTS", "KINDS", "TAKES", "DESCRIPTION"];
            return list::whole(client, output, Request::get(&["webhooks", "endpoints"]), columns, row).await;
        }
        EndpointsCommand::Show { id } => show(&client.send(path(&id)).await?, output)?,
        EndpointsCommand::Create { url, settings } => {
            if settings.events.is_none() {
                return Err(Usage("say which events it takes, for example --events 'job.*'".to_owned()).into());
            }
            let request = Request::post(&["webhooks", "endpoints"]).body(&Body::of(Some(url), settings))?;
            secret(&client.send(request).await?, output)?;
        }
        EndpointsCommand::Change { id, url, settings } => {
            let body = Body::of(url, settings);
            if body.is_empty() {
                return Err(Usage("say what to change, for example --url or --events".to_owned()).into());
            }
            let request = Request::patch(&["webhooks", "endpoints", &id]).body(&body)?;
            one(&client.send(request).await?, output)?;
        }
        EndpointsCommand::Delete { ids } => {
            return each(&ids, |id| Request::delete(&["webhooks", "endpoints", id]), client, shown).await;
        }
        EndpointsCommand::Enable { ids } => return each(&ids, |id| act(id, "enable"), client, shown).await,
        EndpointsCommand::Disable { ids } => return each(&ids, |id| act(id, "disable"), client, shown).await,
        EndpointsCommand::Rotate { id, overlap } => {
            let rotated = client.send(overlap.query(act(&id, "rotate"))).await?;
            secret(&rotated, output)?;
            if let Some(until) = rotated["old_secret_until"].as_str() {
                eprintln!(
                    "The secret before it signs as well until {until}: `golden webhooks endpoints revoke-old {id}` ends that."
                );
            }
        }
        EndpointsCommand::RevokeOld { id } => one(&client.send(act(&id, "revoke-old")).await?, output)?,
        EndpointsCommand::Test { id } => {
            let delivery = client.send(act(&id, "test")).await?;
            deliveries::show(&delivery, output)?;
            return Ok(deliveries::end(&delivery));
        }
    }
    Ok(Exit::Ok)
}

/// An endpoint with its new secret, which no other answer shows.
fn secret(endpoint: &Value, output: Output) -> io::Result<()> {
    if output.is_json() {
        output.json(endpoint)?;
    } else {
        let cells = ["/id", "/url", "/secret"].map(|of| Cell::of(endpoint, of));
        output.table(Some(["ID", "URL", "SECRET"]), &[cells])?;
    }
    eprintln!("The secret is shown this once: give it to the receiver now.");
    Ok(())
}

/// One line about an endpoint: where it is, and whether it takes events.
fn one(endpoint: &Value, output: Output) -> io::Result<()> {
    if output.is_json() {
        return output.json(endpoint);
    }
    output.table(None, &[[Cell::of(endpoint, "/id"), Cell::of(endpoint, "/url"), takes(endpoint)]])
}

fn show(endpoint: &Value, output: Output) -> io::Result<()> {
    if output.is_json() {
        return output.json(endpoint);
    }
    output.facts(&[
        ("id", Cell::of(endpoint, "/id")),
        ("url", Cell::of(endpoint, "/url")),
        ("description", Cell::of(endpoint, "/description")),
        ("events", names(endpoint, "/events")),
        ("kinds", names(endpoint, "/kinds")),
        ("format", Cell::of(endpoint, "/format")),
        ("thin", Cell::of(endpoint, "/thin")),
        ("takes events", takes(endpoint)),
        ("disabled", Cell::of(endpoint, "/disabled/at")),
        ("failing since", Cell::of(endpoint, "/failing_since")),
        ("old secret until", Cell::of(endpoint, "/old_secret_until")),
        ("created", Cell::of(endpoint, "/created_at")),
        ("updated", Cell::of(endpoint, "/updated_at")),
    ])
}

/// Whether it takes events, and why not.
fn takes(endpoint: &Value) -> Cell {
    match endpoint.pointer("/disabled/reason").and_then(Value::as_str) {
        None if endpoint["failing_since"].is_string() => Cell::plain("yes, failing"),
        None => Cell::plain("yes"),
        Some("gone") => Cell::plain("no, it answered 410 Gone"),
        Some("failing") => Cell::plain("no, it failed for five days"),
        Some(_) => Cell::plain("no, disabled"),
    }
}

fn names(endpoint: &Value, list: &str) -> Cell {
    let names = endpoint.pointer(list).and_then(Value::as_array).into_iter().flatten();
    Cell::plain(&names.filter_map(Value::as_str).collect::<Vec<_>>().join(","))
}

fn row(endpoint: &Value) -> [Cell; 6] {
    [
        Cell::of(endpoint, "/id"),
        Cell::of(endpoint, "/url").cut(60),
        names(endpoint, "/events"),
        names(endpoint, "/kinds"),
        takes(endpoint),
        Cell::of(endpoint, "/description").cut(40),
    ]
}
