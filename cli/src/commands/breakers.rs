//! `golden breakers`: what is left alone because it does not answer.

use std::time::Duration;

use clap::{Args, Subcommand};
use golden_jobs::breakers::{Dependency, WORD_LIMIT};
use serde_json::{Value, json};

use super::ClientArgs;
use crate::{
    client::{Client, Request},
    config::Settings,
    duration,
    exit::Exit,
    output::{Cell, Output},
};

/// See which dependencies are left alone because they do not answer, and overrule that
#[derive(Debug, Args)]
pub(crate) struct BreakersArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: BreakersCommand,
}

#[derive(Debug, Subcommand)]
enum BreakersCommand {
    /// List the breaker of Docker, and for an admin those of hosts that are not closed
    #[command(after_help = "Example:\n  golden breakers list")]
    List,
    /// Close a breaker, or all, whatever was found or said: calls go through again within five seconds
    #[command(after_help = "Examples:\n  golden breakers reset http:api.example.com\n  golden breakers reset --all")]
    Reset {
        /// Its name, as `breakers list` prints it
        #[arg(value_name = "BREAKER", required_unless_present = "all", conflicts_with = "all")]
        breaker: Option<Dependency>,
        /// All of them
        #[arg(long)]
        all: bool,
    },
    /// Let no call through for a while; jobs wait, and keep their attempts
    #[command(
        after_help = "Example:\n  golden breakers force-open webhook:hooks.example.com --for 30m --reason \"maintenance until ten\""
    )]
    ForceOpen(Word),
    /// Let every call through for a while, whatever comes of it
    #[command(after_help = "Example:\n  golden breakers disable docker --for 5m --reason \"looking into it\"")]
    Disable(Word),
}

#[derive(Debug, Args)]
struct Word {
    /// Its name, as `breakers list` prints it: docker, nats, redis, http:HOST or webhook:HOST
    #[arg(value_name = "BREAKER")]
    breaker: Dependency,
    /// Why, for those who see it
    #[arg(long)]
    reason: String,
    /// For how long, an hour at most
    #[arg(long = "for", value_parser = lasts, value_name = "DURATION", default_value = "10m")]
    lasts: Duration,
}

fn lasts(text: &str) -> Result<Duration, String> {
    let lasts = duration::parse(text).map_err(|error| error.to_string())?;
    match (Duration::from_secs(1)..=WORD_LIMIT).contains(&lasts) {
        true => Ok(lasts),
        false => Err("from 1s to 1h".to_owned()),
    }
}

pub(crate) async fn run(args: BreakersArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    match args.command {
        BreakersCommand::List => list(&client.send(Request::get(&["breakers"])).await?, output)?,
        BreakersCommand::Reset { breaker: Some(breaker), .. } => {
            let name = breaker.to_string();
            show(&client.send(Request::post(&["breakers", &name, "reset"])).await?, output)?;
        }
        BreakersCommand::Reset { breaker: None, .. } => reset_all(&client, output).await?,
        BreakersCommand::ForceOpen(word) => say(&client, &word, "force-open", output).await?,
        BreakersCommand::Disable(word) => say(&client, &word, "disable", output).await?,
    }
    Ok(Exit::Ok)
}

/// All that an admin sees, one after the other: one that was opened meanwhile has a reason to be.
async fn reset_all(client: &Client, output: Output) -> anyhow::Result<()> {
    let listed = client.send(Request::get(&["breakers"])).await?;
    for breaker in listed["data"].as_array().map_or(&[][..], Vec::as_slice) {
        if let Some(name) = breaker["name"].as_str() {
            show(&client.send(Request::post(&["breakers", name, "reset"])).await?, output)?;
        }
    }
    Ok(())
}

async fn say(client: &Client, word: &Word, how: &str, output: Output) -> anyhow::Result<()> {
    let name = word.breaker.to_string();
    let body = json!({"reason": word.reason, "seconds": word.lasts.as_secs()});
    show(&client.send(Request::post(&["breakers", &name, how]).body(&body)?).await?, output)?;
    Ok(())
}

const TITLES: [&str; 6] = ["NAME", "STATE", "UNTIL", "VOTES", "REASON", "BY"];

fn list(answer: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(answer);
    }
    let rows: Vec<_> = answer["data"].as_array().map_or(&[][..], Vec::as_slice).iter().map(row).collect();
    output.table(Some(TITLES), &rows)
}

fn show(breaker: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() { output.json(breaker) } else { output.table(None, &[row(breaker)]) }
}

fn row(breaker: &Value) -> [Cell; 6] {
    [
        Cell::of(breaker, "/name"),
        Cell::of(breaker, "/state"),
        Cell::of(breaker, "/until"),
        Cell::plain(&format!("{} of {}", breaker["votes"], breaker["needed"])),
        Cell::of(breaker, "/reason"),
        Cell::of(breaker, "/set_by"),
    ]
}
