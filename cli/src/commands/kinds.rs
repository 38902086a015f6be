//! `golden kinds`: what can be submitted.

use clap::Args;
use serde_json::Value;

use super::{ClientArgs, list};
use crate::{client::Request, config::Settings, exit::Exit, output::Cell};

/// Show what can be submitted: all kinds, or one with the schema of its payload
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  golden kinds sandbox.run")]
pub(crate) struct KindsArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    /// The kind to show
    kind: Option<String>,
}

pub(crate) async fn run(args: KindsArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    if let Some(kind) = args.kind {
        output.json(&client.send(Request::get(&["kinds", &kind])).await?)?;
        return Ok(Exit::Ok);
    }
    list::whole(&client, output, Request::get(&["kinds"]), ["KIND", "ROLE", "ATTEMPTS", "WHAT"], row).await
}

fn row(kind: &Value) -> [Cell; 4] {
    [
        Cell::of(kind, "/name"),
        Cell::of(kind, "/role"),
        Cell::of(kind, "/policy/max_attempts"),
        Cell::of(kind, "/schema/description").cut(80),
    ]
}
