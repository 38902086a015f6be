//! `golden workers`: the processes that run jobs.

use clap::{Args, Subcommand};
use golden_jobs::WorkerId;
use serde_json::Value;

use super::ClientArgs;
use crate::{
    client::Request,
    config::Settings,
    exit::{Exit, describe},
    output::{Cell, Output},
};

/// See the processes that run jobs, and ask them to go
#[derive(Debug, Args)]
pub(crate) struct WorkersArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: WorkersCommand,
}

#[derive(Debug, Subcommand)]
enum WorkersCommand {
    /// List worker processes, oldest first
    #[command(after_help = "Example:\n  golden workers list")]
    List,
    /// Show one worker, and what it runs
    #[command(after_help = "Example:\n  golden workers show wrk_01981d2a-0b3e-7c21-9f60-5a4c8e1d7b32")]
    Show {
        /// Its id, as `workers list` prints it
        #[arg(value_name = "WORKER")]
        worker: WorkerId,
    },
    /// Ask workers to claim nothing more, and to end once nothing runs
    ///
    /// It takes them up to five seconds to hear of it, and as long as their runs take to end. It cannot
    /// be taken back. `golden dev` ends as a whole.
    #[command(
        verbatim_doc_comment,
        after_help = "Example:\n  golden workers drain wrk_01981d2a-0b3e-7c21-9f60-5a4c8e1d7b32"
    )]
    Drain {
        /// Their ids, as `workers list` prints them
        #[arg(required = true, value_name = "WORKER")]
        workers: Vec<WorkerId>,
    },
}

pub(crate) async fn run(args: WorkersArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    let mut worst = Exit::Ok;
    match args.command {
        WorkersCommand::List => {
            let answer = client.send(Request::get(&["workers"])).await?;
            if output.is_json() {
                output.json(&answer)?;
            } else {
                let workers = answer["data"].as_array().map_or(&[][..], Vec::as_slice);
                let rows: Vec<_> = workers.iter().map(row).collect();
                if rows.is_empty() {
                    eprintln!("No worker runs.");
                } else {
                    output.table(Some(TITLES), &rows)?;
                }
            }
        }
        WorkersCommand::Show { worker } => {
            show(&client.send(Request::get(&["workers", &worker.to_string()])).await?, output)?;
        }
        // One that is gone does not keep the others from it.
        WorkersCommand::Drain { workers } => {
            for worker in workers {
                match client.send(Request::post(&["workers", &worker.to_string(), "drain"])).await {
                    Ok(drained) if output.is_json() => output.json(&drained)?,
                    Ok(drained) => output.table(None, &[row(&drained)])?,
                    Err(error) => {
                        let error = anyhow::Error::new(error);
                        eprintln!("error: {worker}: {}", describe(&error));
                        worst = Exit::of(&error);
                    }
                }
            }
        }
    }
    Ok(worst)
}

const TITLES: [&str; 7] = ["ID", "HOST", "PID", "ROLES", "RUNNING", "STANDING", "HEARTBEAT"];

fn row(worker: &Value) -> [Cell; 7] {
    [
        Cell::of(worker, "/id"),
        Cell::of(worker, "/host"),
        Cell::of(worker, "/pid"),
        roles(worker),
        Cell::of(worker, "/running"),
        Cell::plain(if worker["draining_since"].is_null() { "open" } else { "draining" }),
        Cell::of(worker, "/heartbeat_at"),
    ]
}

fn roles(worker: &Value) -> Cell {
    let roles = worker["roles"].as_array().map_or(&[][..], Vec::as_slice);
    Cell::plain(&roles.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
}

fn show(worker: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(worker);
    }
    let mut facts = vec![
        ("id", Cell::of(worker, "/id")),
        ("host", Cell::of(worker, "/host")),
        ("pid", Cell::of(worker, "/pid")),
        ("roles", roles(worker)),
        ("version", Cell::of(worker, "/version")),
        ("started", Cell::of(worker, "/started_at")),
        ("heartbeat", Cell::of(worker, "/heartbeat_at")),
        ("draining since", Cell::of(worker, "/draining_since")),
        ("running", Cell::of(worker, "/running")),
    ];
    // One a line below their number.
    let runs = worker["runs"].as_array().map_or(&[][..], Vec::as_slice);
    facts.extend(runs.iter().map(|run| {
        let [job, kind, tenant, attempt, since] =
            ["/job_id", "/kind", "/tenant", "/attempt", "/started_at"].map(|pointer| Cell::of(run, pointer));
        ("", Cell::plain(&format!("{job}  {kind}  {tenant}  attempt {attempt} since {since}")))
    }));
    output.facts(&facts)
}
