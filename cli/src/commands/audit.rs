//! `golden audit`: who changed what, and whether that is what was written.

use std::{
    io::{Write, stdout},
    path::PathBuf,
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use golden_jobs::audit::{Action, head::Bytes};
use serde_json::Value;

use super::{
    ClientArgs,
    list::{self, PagingArgs},
};
use crate::{
    client::{Client, Request},
    config::{Settings, SettingsError},
    duration,
    exit::Exit,
    output::Cell,
};

mod heads;
mod lines;
mod verify;

/// See who changed what, and find out whether that was tampered with
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// List entries, newest first
    #[command(after_help = "Example:\n  golden audit list --action tenant.changed --since 7d")]
    List {
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        chain: ChainArgs,
        #[command(flatten)]
        paging: PagingArgs,
    },
    /// Write the whole chain to standard output, one entry a line
    #[command(after_help = "Example:\n  golden audit export > acme.ndjson")]
    Export {
        /// Begin with the entry of this number
        #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
        first: Option<u64>,
        #[command(flatten)]
        chain: ChainArgs,
    },
    /// Hold a chain against itself, and name the first entry that is not as it was written
    ///
    /// Of a file it asks no server. It ends with 0 where everything is good, and with 1 where something is not.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  golden audit verify --from acme.ndjson\n  golden audit export | golden audit verify --from -\n  golden audit verify --from acme.ndjson --heads api.log --key 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    )]
    Verify {
        /// What `audit export` wrote; - is standard input. Without it, the server's chain is read
        #[arg(long, value_name = "FILE", conflicts_with_all = ["tenant", "installation"])]
        from: Option<PathBuf>,
        /// Hold the chain against the signed heads in this file, too: a log of Golden, or an older export
        #[arg(long, value_name = "FILE")]
        heads: Vec<PathBuf>,
        /// The chain begins with the entry of this number, as it was exported
        #[arg(long, value_name = "SEQ", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        first: u64,
        /// The public key that is to have signed heads, as `audit key` prints it
        #[arg(long, value_name = "KEY", value_parser = key)]
        key: Option<Bytes<32>>,
        #[command(flatten)]
        chain: ChainArgs,
    },
    /// Print the public key of GOLDEN_AUDIT_KEY, for those who verify
    #[command(after_help = "Example:\n  golden audit key")]
    Key,
}

fn key(text: &str) -> Result<Bytes<32>, String> {
    Bytes::try_from(text.to_owned()).map_err(|_| "a public key is 32 bytes in base64".to_owned())
}

/// Which entries are meant; all of these must hold.
#[derive(Debug, Args)]
struct FilterArgs {
    /// Of this action, for example queue.paused
    #[arg(long)]
    action: Option<Action>,
    /// Of this actor, for example user:alice
    #[arg(long)]
    actor: Option<String>,
    /// No older than this
    #[arg(long, value_parser = duration::ago, value_name = "DURATION")]
    since: Option<DateTime<Utc>>,
    /// Older than this
    #[arg(long, value_parser = duration::ago, value_name = "DURATION")]
    until: Option<DateTime<Utc>>,
}

/// Whose chain; that of the token's tenant where neither is given.
#[derive(Debug, Args)]
struct ChainArgs {
    /// Of this tenant; another one than the token's takes an admin
    #[arg(long, conflicts_with = "installation")]
    tenant: Option<String>,
    /// Of the installation, with what concerns all tenants; takes an admin
    #[arg(long)]
    installation: bool,
}

impl ChainArgs {
    fn query(&self, request: Request) -> Request {
        request.query("tenant", self.tenant.as_ref()).query("installation", self.installation.then_some(true))
    }

    fn export(&self, first: Option<u64>) -> Request {
        self.query(Request::get(&["audit", "export"]).query("from", first))
    }
}

pub(crate) async fn run(args: AuditArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    match args.command {
        AuditCommand::List { filter, chain, paging } => {
            let request = || {
                chain
                    .query(Request::get(&["audit"]))
                    .query("action", filter.action)
                    .query("actor", filter.actor.as_ref())
                    .query("since", filter.since.map(duration::exact))
                    .query("until", filter.until.map(duration::exact))
            };
            list::print(&client, output, request, &paging, TITLES, row).await
        }
        AuditCommand::Export { first, chain } => export(&client, &chain.export(first)).await,
        AuditCommand::Verify { from, first, heads, key, chain } => {
            let heads = heads::Heads::read(&heads, key)?;
            let lines = match &from {
                Some(file) => lines::Lines::of_file(file)?,
                None => lines::Lines::of_answer(client.stream(&chain.export(Some(first)), None).await?),
            };
            verify::run(lines, first, heads, output).await
        }
        AuditCommand::Key => {
            let key = settings.audit_key.as_ref().ok_or(SettingsError::Missing {
                name: "GOLDEN_AUDIT_KEY",
                hint: "it is what signs heads of the audit log; `openssl rand -base64 32` makes one",
            })?;
            output.line(&key.read()?.public().to_string())?;
            Ok(Exit::Ok)
        }
    }
}

const TITLES: [&str; 6] = ["SEQ", "AT", "ACTION", "ACTOR", "TARGET", "DETAILS"];

fn row(entry: &Value) -> [Cell; 6] {
    [
        Cell::of(entry, "/seq"),
        Cell::of(entry, "/payload/at"),
        Cell::of(entry, "/payload/action"),
        Cell::of(entry, "/payload/actor"),
        Cell::of(entry, "/payload/target"),
        Cell::of(entry, "/payload/details").cut(80),
    ]
}

/// As it comes: a chain may be longer than memory.
async fn export(client: &Client, request: &Request) -> anyhow::Result<Exit> {
    let Some(mut answer) = client.stream(request, None).await? else { return Ok(Exit::Ok) };
    let mut out = stdout().lock();
    while let Some(piece) = answer.chunk().await.context("the export broke off")? {
        out.write_all(&piece)?;
    }
    out.flush()?;
    Ok(Exit::Ok)
}
