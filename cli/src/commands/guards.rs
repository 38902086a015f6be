//! `golden guards`: what looks after the installation itself.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::ClientArgs;
use crate::{
    client::Request,
    config::Settings,
    exit::Exit,
    output::{Cell, Output},
};

/// See what looks after the installation itself, and whether it gets by
#[derive(Debug, Args)]
pub(crate) struct GuardsArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: GuardsCommand,
}

#[derive(Debug, Subcommand)]
enum GuardsCommand {
    /// List the guards: who looks after each, what they did in the last hour, and whether a human was asked
    #[command(after_help = "Example:\n  golden guards list")]
    List,
}

pub(crate) async fn run(args: GuardsArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    match args.command {
        GuardsCommand::List => list(&client.send(Request::get(&["guards"])).await?, output)?,
    }
    Ok(Exit::Ok)
}

const TITLES: [&str; 6] = ["NAME", "LOOKED AFTER BY", "LOOKED AT", "REMEDIES", "STANDING", "ABOUT"];

fn list(answer: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(answer);
    }
    let rows: Vec<_> = answer["data"].as_array().map_or(&[][..], Vec::as_slice).iter().map(row).collect();
    output.table(Some(TITLES), &rows)
}

fn row(guard: &Value) -> [Cell; 6] {
    let of = |value: &str, limit: &str| match guard[limit].as_u64() {
        Some(limit) => format!("{} of {limit}", guard[value]),
        None => String::new(),
    };
    let standing = match (&guard["escalated"], guard["failures"].as_u64()) {
        (Value::Bool(true), _) => "a human was asked",
        (_, Some(1..)) => "failing",
        (_, Some(0)) => "well",
        (_, None) => "",
    };
    [
        Cell::of(guard, "/name"),
        Cell::of(guard, "/looked_after_by"),
        Cell::of(guard, "/looked_at"),
        Cell::plain(&of("remedies", "remedies_limit")),
        Cell::plain(standing),
        Cell::of(guard, "/about"),
    ]
}
