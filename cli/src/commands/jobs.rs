//! `golden jobs`: submit, look, cancel, run again.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use golden_jobs::{Role, State};
use serde_json::Value;

use super::{
    ClientArgs,
    each::each,
    list::{self, PagingArgs},
};
use crate::{
    client::{Client, Request},
    config::Settings,
    duration,
    exit::Exit,
    output::{Cell, Output},
};

mod batch;
mod job;
mod logs;
mod submit;
mod watch;

pub(super) use job::{Job, JobArgs, metadata, pair, read_json, read_payload, read_text};
pub(super) use submit::wait;
pub(super) use watch::until_end;

/// Submit jobs, look at them, cancel them, run them again
#[derive(Debug, Args)]
pub(crate) struct JobsArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: JobsCommand,
}

#[derive(Debug, Subcommand)]
enum JobsCommand {
    Submit(submit::SubmitArgs),
    /// List jobs, newest first
    #[command(
        after_help = "Examples:\n  golden jobs list --state dead --kind http.call\n  golden jobs list --metadata team=core --since 2d --limit 500\n  golden jobs list --all --json | jq .id"
    )]
    List(ListArgs),
    /// Show one job
    #[command(after_help = "Example:\n  golden jobs show job_0199… --json | jq .result")]
    Show {
        /// As `jobs submit` or `jobs list` printed it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Cancel jobs, and their children with them
    #[command(after_help = "Example:\n  golden jobs cancel job_0199…")]
    Cancel {
        /// One or several jobs
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Run dead or cancelled jobs again, with all their attempts; waiting retries go now
    #[command(after_help = "Example:\n  golden jobs retry job_0199…")]
    Retry {
        /// One or several jobs
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    Logs(logs::LogsArgs),
    Watch(watch::WatchArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// One of `golden kinds`
    #[arg(long)]
    kind: Option<String>,
    /// scheduled, queued, running, retrying, waiting, succeeded, dead or cancelled
    #[arg(long)]
    state: Option<State>,
    /// orchestrator, peer-hub, sandbox, supervisor or webhook
    #[arg(long)]
    role: Option<Role>,
    /// Made by this job
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    #[command(flatten)]
    submitted: SubmittedArgs,
    #[command(flatten)]
    paging: PagingArgs,
}

/// With what and when jobs were submitted.
#[derive(Debug, Args)]
pub(super) struct SubmittedArgs {
    /// Submitted with this; may be given several times, and all must match
    #[arg(long, value_parser = job::pair, value_name = "NAME=VALUE")]
    metadata: Vec<(String, String)>,
    /// Submitted no longer ago than this
    #[arg(long, value_parser = duration::ago, value_name = "DURATION")]
    since: Option<DateTime<Utc>>,
}

impl SubmittedArgs {
    /// The request for those alone.
    pub(super) fn of(&self, request: Request) -> Request {
        let request = request.query("created_after", self.since.map(duration::exact));
        let metadata = self.metadata.iter();
        metadata.fold(request, |request, (name, value)| request.query(format!("metadata.{name}"), Some(value)))
    }
}

pub(crate) async fn run(args: JobsArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    let shown = |id: &str, job: &Value| match output.is_json() {
        true => output.json(job),
        false => output.table(None, &[[Cell::plain(id), Cell::state(job)]]),
    };
    match args.command {
        JobsCommand::Submit(args) => submit::run(args, &client, output).await,
        JobsCommand::List(args) => list_jobs(&args, &client, output).await,
        JobsCommand::Show { id } => {
            show(&client.send(Request::get(&["jobs", &id])).await?, output)?;
            Ok(Exit::Ok)
        }
        JobsCommand::Cancel { ids } => each(&ids, |id| Request::post(&["jobs", id, "cancel"]), &client, shown).await,
        JobsCommand::Retry { ids } => each(&ids, |id| Request::post(&["jobs", id, "retry"]), &client, shown).await,
        JobsCommand::Logs(args) => logs::run(args, &client, output).await,
        JobsCommand::Watch(args) => watch::run(args, &client, output).await,
    }
}

async fn list_jobs(args: &ListArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let jobs = || {
        let request = Request::get(&["jobs"])
            .query("kind", args.kind.as_ref())
            .query("state", args.state)
            .query("role", args.role)
            .query("parent_id", args.parent.as_ref());
        args.submitted.of(request)
    };
    let columns = ["ID", "KIND", "STATE", "ATTEMPT", "CREATED", "ERROR"];
    list::print(client, output, jobs, &args.paging, columns, row).await
}

/// Prints one job with what it left behind.
fn show(job: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(job);
    }
    let attempts = format!("{} of {}", job["attempt"], job["max_attempts"]);
    output.facts(&[
        ("id", Cell::of(job, "/id")),
        ("kind", Cell::of(job, "/kind")),
        ("state", Cell::state(job)),
        ("attempt", Cell::plain(&attempts)),
        ("priority", Cell::of(job, "/priority")),
        ("run at", Cell::of(job, "/run_at")),
        ("created", Cell::of(job, "/created_at")),
        ("started", Cell::of(job, "/started_at")),
        ("finished", Cell::of(job, "/finished_at")),
        ("parent", Cell::of(job, "/parent_id")),
        ("callback", Cell::of(job, "/callback_url")),
        ("metadata", Cell::of(job, "/metadata")),
        ("progress", Cell::of(job, "/progress")),
        ("error", Cell::of(job, "/error/message")),
        ("payload", Cell::of(job, "/payload")),
        ("result", Cell::of(job, "/result")),
    ])
}

/// How a job's end is told to scripts; `None` while it goes on.
pub(super) fn end(job: &Value) -> Option<Exit> {
    match job["state"].as_str()?.parse().ok()? {
        State::Succeeded => Some(Exit::Ok),
        State::Dead => Some(Exit::Failed),
        State::Cancelled => Some(Exit::Cancelled),
        _ => None,
    }
}

fn row(job: &Value) -> [Cell; 6] {
    [
        Cell::of(job, "/id"),
        Cell::of(job, "/kind"),
        Cell::state(job),
        Cell::plain(&format!("{}/{}", job["attempt"], job["max_attempts"])),
        Cell::of(job, "/created_at"),
        Cell::of(job, "/error/message").cut(60),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_ended_job_has_an_exit_status() {
        let of = |state: &str| end(&json!({ "state": state })).map(Exit::code);
        assert_eq!([of("succeeded"), of("dead"), of("cancelled")], [Some(0), Some(1), Some(5)]);
        assert_eq!([of("running"), of("waiting"), of("?")], [None, None, None]);
    }
}
