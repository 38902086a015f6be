//! `golden jobs watch`.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::{end, show};
use crate::{
    client::{Client, Request},
    exit::Exit,
    output::{Cell, Output},
};

/// Wait for a job's end and show it; the exit status says how it ended
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  golden jobs watch job_0199… && echo it succeeded")]
pub(crate) struct WatchArgs {
    /// As `jobs submit` or `jobs list` printed it
    id: String,
}

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: WatchArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let mut wait = FIRST_WAIT;
    let mut seen = String::new();
    loop {
        let job = client.send(Request::get(&["jobs", &args.id])).await?;
        if let Some(exit) = end(&job) {
            show(&job, output)?;
            return Ok(exit);
        }
        let now = moment(&job);
        if now != seen {
            eprintln!("{now}");
            seen = now;
            // What moves is looked at closely again.
            wait = FIRST_WAIT;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 3 / 2).min(LONGEST_WAIT);
    }
}

/// Where the job is now, in a line.
fn moment(job: &Value) -> String {
    let mut line = format!("{} attempt {} of {}", Cell::of(job, "/state"), job["attempt"], job["max_attempts"]);
    for (name, pointer) in [("progress", "/progress"), ("last error", "/error/message")] {
        let cell = Cell::of(job, pointer);
        if !cell.is_empty() {
            line.push_str(&format!(", {name}: {cell}"));
        }
    }
    line
}
