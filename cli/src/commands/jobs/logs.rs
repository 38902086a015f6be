//! `golden jobs logs`.

use clap::Args;
use serde_json::Value;

use crate::{
    client::{Client, Request},
    exit::Exit,
    follow::Following,
    output::{Cell, Output},
};

/// Print what a job's runs wrote, the oldest line first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  golden jobs logs job_0199…\n  golden jobs logs job_0199… --follow --timestamps")]
pub(crate) struct LogsArgs {
    /// As `jobs submit` or `jobs list` printed it
    #[arg(value_name = "ID")]
    id: String,
    /// Go on with what comes later, until the job has ended
    #[arg(long, short)]
    follow: bool,
    /// Only what this attempt wrote
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// When and in which stream each line was written: log, stdout, stderr or system
    #[arg(long)]
    timestamps: bool,
}

/// Lines on a page: the most there can be.
const PAGE: u32 = 1000;

pub(crate) async fn run(args: LogsArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let request = || Request::get(&["jobs", &args.id, "logs"]).query("attempt", args.attempt);
    if args.follow {
        let request = request().query("follow", Some(1)).header("accept", Some("text/event-stream"));
        let mut following = Following::open(client, request).await?;
        while let Some(event) = following.next().await? {
            match event.name.as_str() {
                "log" => print(&serde_json::from_str(&event.data)?, args.timestamps, output)?,
                "end" => break,
                _ => {}
            }
        }
        return Ok(Exit::Ok);
    }
    let mut after = None;
    loop {
        let page = client.send(request().query("limit", Some(PAGE)).query("after", after)).await?;
        for line in page["data"].as_array().map_or(&[][..], Vec::as_slice) {
            print(line, args.timestamps, output)?;
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => after = Some(cursor.to_owned()),
            None => return Ok(Exit::Ok),
        }
    }
}

fn print(line: &Value, timestamps: bool, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.line(&line.to_string());
    }
    if timestamps {
        return output.line(&format!(
            "{}\t{}\t{}",
            Cell::of(line, "/at"),
            Cell::of(line, "/stream"),
            Cell::of(line, "/text")
        ));
    }
    output.log(line)
}
