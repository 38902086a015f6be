//! `golden health`: how a process is, for people and for health checks of containers.

use clap::Args;
use serde_json::Value;

use super::ClientArgs;
use crate::{client::Request, config::Settings, exit::Exit, output::Cell};

/// Show how a server is, part by part; fails where it lacks one that it needs
///
/// Needs no token. A worker answers too, at its --probes-listen.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  golden health
  golden health --server http://127.0.0.1:9100"
)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
}

pub(crate) async fn run(args: &HealthArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    let health = client.send(Request::health()).await?;
    let list = |name: &str| health[name].as_array().cloned().unwrap_or_default();
    if output.is_json() {
        output.json(&health)?;
    } else {
        let off = list("off")
            .into_iter()
            .map(|role| [Cell::of(&role, "/role"), Cell::plain("off"), Cell::of(&role, "/reason")]);
        let rows: Vec<_> = list("parts").iter().map(row).chain(off).collect();
        output.table(Some(["PART", "STATUS", "WHY"]), &rows)?;
    }
    let well = list("parts").iter().all(|part| part["ready"] == true || part["needed"] == false);
    Ok(if well { Exit::Ok } else { Exit::Failed })
}

fn row(part: &Value) -> [Cell; 3] {
    let status = if part["ready"] == true { "ok" } else { "away" };
    [Cell::of(part, "/name"), Cell::plain(status), Cell::of(part, "/reason")]
}
