//! `golden dlq replay`.

use std::{io, time::Duration};

use clap::{ArgGroup, Args};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{json, value::RawValue};
use tokio::time::Instant;

use super::{CHUNK, FilterArgs, Selection, letters, stopped};
use crate::{
    client::Client,
    commands::jobs::read_payload,
    exit::{Exit, Usage},
    output::Output,
    rate::Rate,
};

/// Put the jobs of dead letters back to work, with all their attempts
///
/// Each job goes back once, however often and by however many it is asked for. It is done in
/// steps that are kept as they are made: one that was cut off is continued by running it again.
/// Jobs that die again meanwhile stay dead.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    group = ArgGroup::new("which").args(["ids", "all"]).required(true),
    after_help = "Examples:
  golden dlq replay dlq_0199…
  golden dlq replay --all --kind http.call --error 'connection refused' --dry-run
  golden dlq replay --all --kind http.call --rate 20/s
  golden dlq replay dlq_0199… --edit-payload mended.json"
)]
pub(crate) struct ReplayArgs {
    /// One or several dead letters, as `dlq list` printed them
    #[arg(value_name = "ID")]
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
    /// Run the job with the payload in this file instead of its own; for one id
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    edit_payload: Option<String>,
}

/// One step takes about this long at the rate asked for.
const STEP: Duration = Duration::from_secs(2);

pub(crate) async fn run(args: ReplayArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    if args.edit_payload.is_some() && args.ids.len() != 1 {
        return Err(Usage("--edit-payload is for one dead letter: name one ID".to_owned()).into());
    }
    let payload = args.edit_payload.map(|path| read_payload(&format!("@{path}"))).transpose()?;
    let asked = args.ids.len() as u64;
    let Some(selection) = Selection::of(args.ids, args.filter, client).await? else {
        report(0, 0, args.dry_run, output)?;
        return Ok(Exit::Ok);
    };
    let matched = selection.count(client, "replay").await?;
    if matched < asked {
        eprintln!("{} of the {asked} named: resolved already, or not there.", asked - matched);
    }
    let replayed =
        if args.dry_run { 0 } else { replay(&selection, payload.as_deref(), matched, args.rate, client).await? };
    report(matched, replayed, args.dry_run, output)?;
    Ok(Exit::Ok)
}

/// Replays step by step, at the rate asked for. Each step is kept by the server as it is made.
async fn replay(
    selection: &Selection,
    payload: Option<&RawValue>,
    matched: u64,
    rate: Rate,
    client: &Client,
) -> anyhow::Result<u64> {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} replayed in {elapsed}")?;
    let bar = ProgressBar::new(matched).with_style(style);
    let mut replayed = 0;
    loop {
        let begun = Instant::now();
        let limit = rate.chunk(STEP, CHUNK);
        let answer = selection.request(client, "replay", limit, payload).await;
        let answer = answer.map_err(|error| stopped(error, replayed, matched))?;
        let step = answer["replayed"].as_array().map_or(0, |jobs| jobs.len() as u64);
        replayed += step;
        bar.set_position(replayed);
        if step == 0 || answer["remaining"] == 0 {
            bar.finish_and_clear();
            return Ok(replayed);
        }
        tokio::time::sleep_until(begun + rate.time_for(step)).await;
    }
}

fn report(matched: u64, replayed: u64, dry_run: bool, output: Output) -> io::Result<()> {
    if output.is_json() {
        return output.json(&json!({ "matched": matched, "replayed": replayed, "dry_run": dry_run }));
    }
    output.line(&match dry_run {
        true => format!("{} would be replayed", letters(matched)),
        false => format!("replayed {replayed} of {}", letters(matched)),
    })
}
