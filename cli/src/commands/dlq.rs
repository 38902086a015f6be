//! `golden dlq`: what to do about jobs that died.

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{
    ClientArgs,
    list::{self, PagingArgs},
};
use crate::{
    client::{Client, Request},
    config::Settings,
    duration,
    exit::{Exit, Usage},
    output::{Cell, Output},
};

mod purge;
mod replay;

/// The most that the API does in one request.
const CHUNK: u32 = 1000;

/// Look at dead letters (jobs that failed for good), put them back to work, or give them up
#[derive(Debug, Args)]
pub(crate) struct DlqArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: DlqCommand,
}

#[derive(Debug, Subcommand)]
enum DlqCommand {
    /// List unresolved dead letters, newest first
    #[command(after_help = "Example:\n  golden dlq list --kind http.call --since 2h")]
    List {
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        paging: PagingArgs,
    },
    /// Show one dead letter
    #[command(after_help = "Example:\n  golden dlq show dlq_0199…")]
    Show {
        /// As `dlq list` printed it
        #[arg(value_name = "ID")]
        id: String,
    },
    Replay(replay::ReplayArgs),
    Purge(purge::PurgeArgs),
}

/// Which dead letters are meant; all of these must hold.
#[derive(Debug, Default, Args)]
struct FilterArgs {
    /// Of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Of this original subject, for example jobs.orchestrator.noop
    #[arg(long)]
    subject: Option<String>,
    /// Whose last error has this text in it
    // Every error has an empty text in it: `--error "$UNSET"` must not mean all of them.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    error: Option<String>,
    /// That died no longer ago than this
    #[arg(long, value_parser = duration::ago, value_name = "DURATION")]
    since: Option<DateTime<Utc>>,
    /// Of this tenant, which must be the token's own
    #[arg(long)]
    tenant: Option<String>,
}

impl FilterArgs {
    /// The filter as the query of a list.
    fn query(&self, request: Request) -> Request {
        request
            .query("kind", self.kind.as_ref())
            .query("subject", self.subject.as_ref())
            .query("error", self.error.as_ref())
            .query("since", self.since.map(duration::exact))
    }

    /// A token sees its own tenant only, so any other one would find nothing and look like success.
    fn check_tenant(&self, of_token: Option<&str>) -> Result<(), Usage> {
        match (self.tenant.as_deref(), of_token) {
            (Some(asked), Some(own)) if asked != own => Err(Usage(format!(
                "--tenant {asked} is not the token's tenant, {own}: \
                 use a token of {asked} (`golden token mint --tenant {asked} …`)"
            ))),
            _ => Ok(()),
        }
    }
}

/// Dead letters to act upon, as the API takes them; fixed when the command begins.
#[derive(Debug, Serialize)]
struct Selection {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ids: Vec<String>,
    all: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
}

/// One step's request.
#[derive(Serialize)]
struct Step<'a> {
    #[serde(flatten)]
    selection: &'a Selection,
    limit: u32,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
}

impl Selection {
    /// The dead letters of `ids` or, without any, those that match now. `None` when there is none at all.
    ///
    /// Those that come later are not meant: else a replay whose jobs die again would go on for
    /// ever. The newest one there is sets the bound, by the store's own clock.
    async fn of(ids: Vec<String>, filter: FilterArgs, client: &Client) -> anyhow::Result<Option<Self>> {
        filter.check_tenant(client.tenant()?.as_deref())?;
        let until = if ids.is_empty() {
            let newest = client.send(Request::get(&["dlq"]).query("limit", Some(1))).await?;
            let Some(newest) = newest["data"].get(0) else {
                return Ok(None);
            };
            let died: DateTime<Utc> = serde_json::from_value(newest["created_at"].clone())
                .context("the server did not say when a dead letter came")?;
            Some(died + TimeDelta::microseconds(1))
        } else if ids.len() > CHUNK as usize {
            return Err(Usage(format!("name at most {CHUNK} dead letters at once, or use --all with filters")).into());
        } else {
            None
        };
        let FilterArgs { kind, subject, error, since, tenant: _ } = filter;
        Ok(Some(Self { all: ids.is_empty(), ids, kind, subject, error, since, until }))
    }

    /// How many there are.
    async fn count(&self, client: &Client, verb: &str) -> anyhow::Result<u64> {
        let answer = self.send(client, verb, Step { selection: self, limit: 1, dry_run: true, payload: None }).await?;
        answer["matched"].as_u64().context("the server did not say how many match")
    }

    /// Does it to so many of them.
    async fn request(
        &self,
        client: &Client,
        verb: &str,
        limit: u32,
        payload: Option<&RawValue>,
    ) -> anyhow::Result<Value> {
        self.send(client, verb, Step { selection: self, limit, dry_run: false, payload }).await
    }

    async fn send(&self, client: &Client, verb: &str, step: Step<'_>) -> anyhow::Result<Value> {
        Ok(client.send(Request::post(&["dlq", verb]).body(&step)?).await?)
    }
}

pub(crate) async fn run(args: DlqArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    match args.command {
        DlqCommand::List { filter, paging } => {
            filter.check_tenant(client.tenant()?.as_deref())?;
            let letters = || filter.query(Request::get(&["dlq"]));
            let columns = ["ID", "JOB", "KIND", "ATTEMPTS", "DIED", "ERROR"];
            list::print(&client, output, letters, &paging, columns, row).await
        }
        DlqCommand::Show { id } => {
            show(&client.send(Request::get(&["dlq", &id])).await?, output)?;
            Ok(Exit::Ok)
        }
        DlqCommand::Replay(args) => replay::run(args, &client, output).await,
        DlqCommand::Purge(args) => purge::run(args, &client, output).await,
    }
}

/// What a step that failed is told with, once there were steps before it.
fn stopped(error: anyhow::Error, done: u64, matched: u64) -> anyhow::Error {
    match done {
        0 => error,
        done => error.context(format!("stopped after {done} of {matched}; run the same command again to go on")),
    }
}

fn letters(count: u64) -> String {
    format!("{count} dead letter{}", if count == 1 { "" } else { "s" })
}

fn show(letter: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(letter);
    }
    output.facts(&[
        ("id", Cell::of(letter, "/id")),
        ("job", Cell::of(letter, "/job_id")),
        ("kind", Cell::of(letter, "/kind")),
        ("subject", Cell::of(letter, "/original_subject")),
        ("attempts", Cell::of(letter, "/attempts")),
        ("died", Cell::of(letter, "/created_at")),
        ("error", Cell::of(letter, "/error/message")),
        ("code", Cell::of(letter, "/error/code")),
        ("resolution", Cell::of(letter, "/resolution")),
        ("resolved by", Cell::of(letter, "/resolved_by")),
        ("resolved at", Cell::of(letter, "/resolved_at")),
        ("payload", Cell::of(letter, "/payload")),
    ])
}

fn row(letter: &Value) -> [Cell; 6] {
    [
        Cell::of(letter, "/id"),
        Cell::of(letter, "/job_id"),
        Cell::of(letter, "/kind"),
        Cell::of(letter, "/attempts"),
        Cell::of(letter, "/created_at"),
        Cell::of(letter, "/error/message").cut(60),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_tenant_than_the_tokens_is_a_mistake() {
        let args = FilterArgs { tenant: Some("acme".to_owned()), ..FilterArgs::default() };
        assert!(args.check_tenant(Some("acme")).is_ok() && args.check_tenant(None).is_ok());
        assert!(args.check_tenant(Some("other")).is_err());
        assert!(FilterArgs::default().check_tenant(Some("other")).is_ok());
    }
}
