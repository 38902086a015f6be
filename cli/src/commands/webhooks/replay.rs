//! `golden webhooks deliveries replay`.

use std::time::Duration;

use clap::{ArgGroup, Args};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::deliveries::{FilterArgs, row};
use crate::{
    client::{Client, Request},
    exit::{Exit, Usage},
    output::Output,
    rate::Rate,
};

/// Send messages again, under the same ids and with all their attempts
///
/// Several are told how many of them went: not what is pending, nor what goes to an endpoint that
/// is disabled or deleted. Of all that match a filter, those that failed are meant unless --status
/// says otherwise.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    group = ArgGroup::new("which").args(["ids", "all"]).required(true),
    after_help = "Examples:
  golden webhooks deliveries replay msg_0199…
  golden webhooks deliveries replay --all --endpoint hook_0199… --since 2d --dry-run
  golden webhooks deliveries replay --all --status delivered --since 3h --until 2h --rate 20/s"
)]
pub(super) struct ReplayArgs {
    /// One or several deliveries, as `webhooks deliveries list` printed them
    #[arg(value_name = "ID", conflicts_with_all = ["endpoint", "job", "status", "event", "since", "until"])]
    ids: Vec<String>,
    /// All that match the filters
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: FilterArgs,
    /// Only say how many there are
    #[arg(long)]
    dry_run: bool,
    /// No faster than this
    #[arg(long, default_value = "50/s", value_name = "N/s")]
    rate: Rate,
    /// Where a replay before this one stopped
    #[arg(long, requires = "all")]
    cursor: Option<String>,
}

/// The most that the API does in one request.
const CHUNK: u32 = 1000;

/// One step takes about this long at the rate asked for, so that a developer's steps are within its limit of requests.
const STEP: Duration = Duration::from_secs(4);

/// One step's request.
#[derive(Serialize)]
struct Step<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    ids: &'a [String],
    all: bool,
    #[serde(flatten)]
    filter: &'a FilterArgs,
    limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
    dry_run: bool,
}

pub(super) async fn run(args: ReplayArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    if args.ids.len() > CHUNK as usize {
        return Err(Usage(format!("name at most {CHUNK} deliveries at once, or use --all with filters")).into());
    }
    // Why one is not sent again, its own route says.
    if let ([id], false) = (args.ids.as_slice(), args.dry_run) {
        let delivery = client.send(Request::post(&["webhooks", "deliveries", id, "replay"])).await?;
        if output.is_json() {
            output.json(&delivery)?;
        } else {
            output.table(None, &[row(&delivery)])?;
        }
        return Ok(Exit::Ok);
    }
    let (matched, replayed) = replay(&args, client).await?;
    if output.is_json() {
        output.json(&json!({ "matched": matched, "replayed": replayed, "dry_run": args.dry_run }))?;
    } else if args.dry_run {
        output.line(&format!("{} would be replayed", deliveries(matched)))?;
    } else {
        output.line(&format!("replayed {replayed} of {}", deliveries(matched)))?;
    }
    let asked = matched.max(args.ids.len() as u64);
    if args.dry_run && matched < asked {
        eprintln!("{} of the {asked} named are not there.", asked - matched);
    }
    if args.dry_run || replayed == asked {
        return Ok(Exit::Ok);
    }
    eprintln!("{} not: pending, not there, or to an endpoint that is disabled or deleted.", asked - replayed);
    // Who names them means every one.
    Ok(if args.ids.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn deliveries(count: u64) -> String {
    format!("{count} {}", if count == 1 { "delivery" } else { "deliveries" })
}

/// Replays step by step, at the rate asked for. What is replayed may soon match again, so the steps go by
/// the cursor, from the newest to the oldest.
async fn replay(args: &ReplayArgs, client: &Client) -> anyhow::Result<(u64, u64)> {
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{pos} replayed in {elapsed}")?);
    let limit = if args.dry_run { CHUNK } else { args.rate.chunk(STEP, CHUNK) };
    let (mut matched, mut replayed, mut cursor) = (0, 0, args.cursor.clone());
    loop {
        let begun = Instant::now();
        let (ids, all, filter, dry_run) = (&args.ids, args.all, &args.filter, args.dry_run);
        let step = Step { ids, all, filter, limit, cursor: cursor.as_deref(), dry_run };
        let request = Request::post(&["webhooks", "deliveries", "replay"]).body(&step)?;
        let answer = client.send(request).await.map_err(|error| stopped(error.into(), replayed, cursor.as_deref()))?;
        let count = |name: &str| answer[name].as_array().map_or(0, |ids| ids.len() as u64);
        let sent = count("replayed");
        (matched, replayed) = (matched + count("matched"), replayed + sent);
        bar.set_position(replayed);
        cursor = answer["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            bar.finish_and_clear();
            return Ok((matched, replayed));
        }
        tokio::time::sleep_until(begun + args.rate.time_for(sent)).await;
    }
}

/// What a step that failed is told with, once there were steps before it.
fn stopped(error: anyhow::Error, replayed: u64, cursor: Option<&str>) -> anyhow::Error {
    match cursor {
        None => error,
        Some(cursor) => error.context(format!("stopped after {replayed}; --cursor {cursor} goes on from there")),
    }
}
