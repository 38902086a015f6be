//! `golden tasks`: goals that agents reach.

use clap::{Args, Subcommand};
use golden_jobs::State;
use serde_json::Value;

use super::{
    ClientArgs, jobs,
    list::{self, PagingArgs},
};
use crate::{
    client::{Client, Request},
    config::Settings,
    exit::Exit,
    output::{Cell, Output},
};

mod submit;

/// Have agents reach a goal: a program that is planned, written, tested and reviewed; see how far they are
#[derive(Debug, Args)]
pub(crate) struct TasksArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: TasksCommand,
}

#[derive(Debug, Subcommand)]
enum TasksCommand {
    Submit(submit::SubmitArgs),
    /// List tasks, newest first
    #[command(
        after_help = "Examples:\n  golden tasks list --state dead\n  golden tasks list --since 1d --all --json | jq .id"
    )]
    List(ListArgs),
    /// Show a task with its steps and what they cost. It is cancelled and run again by `golden jobs`
    #[command(
        after_help = "Examples:\n  golden tasks show job_0199…\n  golden tasks show job_0199… --json | jq -r '.result.artifact.files[\"main.py\"]'"
    )]
    Show {
        /// As `tasks submit` or `tasks list` printed it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Watch a task: its steps as they come, until it has ended; the exit status says how
    #[command(after_help = "Example:\n  golden tasks watch job_0199… && echo it is done")]
    Watch {
        /// As `tasks submit` or `tasks list` printed it
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Debug, Args)]
struct ListArgs {
    /// scheduled, queued, running, retrying, waiting, succeeded, dead or cancelled
    #[arg(long)]
    state: Option<State>,
    #[command(flatten)]
    submitted: jobs::SubmittedArgs,
    #[command(flatten)]
    paging: PagingArgs,
}

pub(crate) async fn run(args: TasksArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    match args.command {
        TasksCommand::Submit(args) => submit::run(args, &client, output).await,
        TasksCommand::List(args) => list_tasks(&args, &client, output).await,
        TasksCommand::Show { id } => {
            show(&client.send(Request::get(&["tasks", &id])).await?, output)?;
            Ok(Exit::Ok)
        }
        TasksCommand::Watch { id } => {
            // Not every job is a task.
            client.send(Request::get(&["tasks", &id])).await?;
            follow(&id, &client, output).await
        }
    }
}

/// Shows a task until it has ended, and on a terminal what came of it.
async fn follow(id: &str, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let job = jobs::until_end(id, client, output).await?;
    if output.is_live() {
        show(&client.send(Request::get(&["tasks", id])).await?, output)?;
    }
    Ok(jobs::end(&job).unwrap_or(Exit::Pending))
}

async fn list_tasks(args: &ListArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let tasks = || args.submitted.of(Request::get(&["tasks"]).query("state", args.state));
    let columns = ["ID", "NAME", "LANGUAGE", "STATE", "STEP", "CREATED", "ERROR"];
    list::print(client, output, tasks, &args.paging, columns, row).await
}

fn row(task: &Value) -> [Cell; 7] {
    [
        Cell::of(task, "/id"),
        Cell::of(task, "/payload/name").cut(40),
        Cell::of(task, "/payload/language"),
        Cell::state(task),
        Cell::of(task, "/progress/step"),
        Cell::of(task, "/created_at"),
        Cell::of(task, "/error/message").cut(60),
    ]
}

fn show(task: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(task);
    }
    let files = task["result"]["artifact"]["files"].as_object();
    let files: Vec<&str> = files.into_iter().flat_map(|files| files.keys()).map(String::as_str).collect();
    output.facts(&[
        ("id", Cell::of(task, "/id")),
        ("name", Cell::of(task, "/payload/name")),
        ("goal", Cell::of(task, "/payload/goal").cut(200)),
        ("language", Cell::of(task, "/payload/language")),
        ("state", Cell::state(task)),
        ("step", Cell::of(task, "/progress/step")),
        ("repairs", Cell::of(task, "/progress/repairs")),
        ("cost", dollars(&task["tree_cost_micros"])),
        ("created", Cell::of(task, "/created_at")),
        ("finished", Cell::of(task, "/finished_at")),
        ("error", Cell::of(task, "/error/message")),
        ("summary", Cell::of(task, "/result/summary")),
        ("files", Cell::plain(&files.join(", "))),
        ("verdict", Cell::of(task, "/result/verdict/state")),
    ])?;
    let steps = task["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<_> = steps.iter().map(step).collect();
    output.line("")?;
    output.table(Some(["STEP", "STATE", "JOB", "BEGAN", "ENDED", "COST", "ERROR"]), &rows)
}

fn step(step: &Value) -> [Cell; 7] {
    [
        Cell::of(step, "/step"),
        Cell::state(step),
        Cell::of(step, "/job_id"),
        Cell::of(step, "/started_at"),
        Cell::of(step, "/finished_at"),
        dollars(&step["cost_micros"]),
        Cell::of(step, "/error/message").cut(60),
    ]
}

fn dollars(micros: &Value) -> Cell {
    let amount = micros.as_i64().and_then(golden_jobs::budgets::Micros::new);
    Cell::plain(&amount.map(|amount| format!("${amount}")).unwrap_or_default())
}
