//! `golden jobs watch`.

use clap::Args;
use serde_json::Value;

use super::end;
use crate::{
    client::{Client, Request},
    exit::Exit,
    follow::Following,
    output::Output,
};

mod view;

use view::View;

/// Watch a job: its state, progress and log as they come; the exit status says how it ended
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  golden jobs watch job_0199… && echo it succeeded\n  golden jobs watch job_0199… --json | jq -r 'select(.event == \"log\").data.text'"
)]
pub(crate) struct WatchArgs {
    /// As `jobs submit` or `jobs list` printed it
    #[arg(value_name = "ID")]
    id: String,
}

pub(crate) async fn run(args: WatchArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let request = Request::get(&["jobs", &args.id, "events"]).header("accept", Some("text/event-stream"));
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
    Ok(end(&job).unwrap_or(Exit::Pending))
}
