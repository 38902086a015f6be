//! `golden dlq purge`.

use clap::Args;
use serde_json::json;

use super::{CHUNK, FilterArgs, Selection, letters, stopped};
use crate::{
    client::Client,
    exit::{Exit, Usage},
    output::Output,
};

/// Give dead letters up: their jobs stay dead and on record, and are not listed any more
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  golden dlq purge --kind http.call --error 'no such host' --yes")]
pub(crate) struct PurgeArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Really do it
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(args: PurgeArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let selection = Selection::of(Vec::new(), args.filter, client).await?;
    let matched = match &selection {
        Some(selection) => selection.count(client, "purge").await?,
        None => 0,
    };
    if !args.yes && matched > 0 {
        return Err(Usage(format!("{} would be purged: add --yes to do it", letters(matched))).into());
    }
    let mut purged = 0;
    while let Some(selection) = &selection {
        let answer = selection.request(client, "purge", CHUNK, None).await;
        let answer = answer.map_err(|error| stopped(error, purged, matched))?;
        let step = answer["purged"].as_u64().unwrap_or(0);
        purged += step;
        if step == 0 || answer["remaining"] == 0 {
            break;
        }
    }
    if output.is_json() {
        output.json(&json!({ "matched": matched, "purged": purged }))?;
    } else {
        output.line(&format!("purged {purged} of {}", letters(matched)))?;
    }
    Ok(Exit::Ok)
}
