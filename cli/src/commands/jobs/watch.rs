//! `golden jobs watch`.

use clap::Args;
use serde_json::Value;

use super::{end, show};
use crate::{
    client::{Client, Request},
    exit::Exit,
    follow::Following,
    output::Output,
};

mod all;
mod view;

use view::View;

/// Watch a job, or all that goes on
///
/// With an ID: its state, progress and log as they come, until it has ended; the exit status says
/// how. Without: the newest jobs and how they end, until Ctrl-C; in a pipe, a line for each end.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  golden jobs watch job_0199… && echo it succeeded
  golden jobs watch --kind http.call
  golden jobs watch --json | jq -r 'select(.event == \"job.dead\").data.data.id'"
)]
pub(crate) struct WatchArgs {
    /// As `jobs submit` or `jobs list` printed it
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Only jobs of this kind, where there is no ID
    #[arg(long, conflicts_with = "id")]
    kind: Option<String>,
}

pub(crate) async fn run(args: WatchArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    match args.id {
        Some(id) => follow(&id, client, output).await,
        None => all::run(args.kind, client, output).await,
    }
}

/// Shows one job until it has ended, and what became of it.
async fn follow(id: &str, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let job = until_end(id, client, output).await?;
    if output.is_live() {
        show(&job, output)?;
    }
    Ok(end(&job).unwrap_or(Exit::Pending))
}

/// Shows one job until it has ended, and in a pipe how; answers it.
pub(in crate::commands) async fn until_end(id: &str, client: &Client, output: Output) -> anyhow::Result<Value> {
    let request = Request::get(&["jobs", id, "events"]).header("accept", Some("text/event-stream"));
    let mut following = Following::open(client, request).await?;
    let view = View::new(output);
    let mut job = Value::Null;
    while let Some(event) = following.next().await? {
        let data: Value = serde_json::from_str(&event.data)?;
        view.show(&event.name, &data)?;
        match event.name.as_str() {
            "state" => job = data,
            "end" => break,
            _ => {}
        }
    }
    view.close(&job)?;
    Ok(job)
}
