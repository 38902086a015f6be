//! `golden queues`: what waits and runs in each role, held back and let go.

use std::str::FromStr;

use clap::{Args, Subcommand};
use golden_jobs::Role;
use serde_json::{Value, json};

use super::ClientArgs;
use crate::{
    client::{Client, Request},
    config::Settings,
    exit::{Exit, Usage},
    output::{Cell, Output},
};

/// See what waits and runs in each role; hold it back and let it go
#[derive(Debug, Args)]
pub(crate) struct QueuesArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: QueuesCommand,
}

#[derive(Debug, Subcommand)]
enum QueuesCommand {
    /// List the queues of all roles: the tenant's own, and for an admin those of all tenants together
    #[command(after_help = "Example:\n  golden queues list")]
    List,
    /// Show a tenant's queue in a role: its figures, quotas, and whether it is paused
    #[command(after_help = "Example:\n  golden queues show sandbox --tenant acme")]
    Show {
        /// orchestrator, peer-hub, sandbox, supervisor or webhook
        role: Role,
        /// Another tenant's than the token's, for an admin
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Begin no more jobs of a queue; what runs goes on, and jobs still come in
    #[command(after_help = "Examples:\n  golden queues pause sandbox\n  golden queues pause sandbox --all-tenants")]
    Pause {
        /// orchestrator, peer-hub, sandbox, supervisor or webhook
        role: Role,
        #[command(flatten)]
        whose: Whose,
    },
    /// Let a queue go on
    #[command(after_help = "Example:\n  golden queues resume sandbox")]
    Resume {
        /// orchestrator, peer-hub, sandbox, supervisor or webhook
        role: Role,
        #[command(flatten)]
        whose: Whose,
    },
    /// Set how much a tenant may have in a role at a time; what is not named stays as it is
    #[command(
        after_help = "Examples:\n  golden queues limit sandbox --tenant acme --max-running 8\n  golden queues limit sandbox --tenant acme --max-queued none"
    )]
    Limit {
        /// orchestrator, peer-hub, sandbox, supervisor or webhook
        role: Role,
        /// Another tenant's than the token's
        #[arg(long)]
        tenant: Option<String>,
        /// Jobs that wait for a worker or for their time, or none for no bound
        #[arg(long, value_name = "N|none")]
        max_queued: Option<Bound>,
        /// Runs under way, or none for no bound
        #[arg(long, value_name = "N|none")]
        max_running: Option<Bound>,
    },
}

/// Whose queue of a role; where nothing is said, that of the token's tenant.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Whose {
    /// Another tenant's, for an admin
    #[arg(long)]
    tenant: Option<String>,
    /// The whole role, for an admin
    #[arg(long)]
    all_tenants: bool,
}

/// A quota; `None` is no bound.
#[derive(Debug, Clone, Copy)]
struct Bound(Option<u64>);

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            _ => match text.parse() {
                Ok(most) if most > 0 => Ok(Self(Some(most))),
                _ => Err("expected a number, 1 or more, or none".to_owned()),
            },
        }
    }
}

pub(crate) async fn run(args: QueuesArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    match args.command {
        QueuesCommand::List => list(&client, output).await?,
        QueuesCommand::Show { role, tenant } => {
            let path = Path::of(&client, role, tenant)?;
            show(&client.send(Request::get(&path.segments())).await?, output)?;
        }
        QueuesCommand::Pause { role, whose } => act(&client, role, whose, "pause", output).await?,
        QueuesCommand::Resume { role, whose } => act(&client, role, whose, "resume", output).await?,
        QueuesCommand::Limit { role, tenant, max_queued, max_running } => {
            let path = Path::of(&client, role, tenant)?;
            limit(&client, &path, max_queued, max_running, output).await?;
        }
    }
    Ok(Exit::Ok)
}

/// Where a tenant's queue is.
struct Path {
    role: Role,
    tenant: String,
}

impl Path {
    fn of(client: &Client, role: Role, tenant: Option<String>) -> anyhow::Result<Self> {
        let tenant = match tenant {
            Some(tenant) => tenant,
            None => client.tenant()?.ok_or_else(|| Usage("GOLDEN_TOKEN names no tenant: say --tenant T".to_owned()))?,
        };
        Ok(Self { role, tenant })
    }

    fn segments(&self) -> [&str; 4] {
        ["queues", self.role.as_str(), "tenants", &self.tenant]
    }
}

async fn act(client: &Client, role: Role, whose: Whose, what: &str, output: Output) -> anyhow::Result<()> {
    if whose.all_tenants {
        let queue = client.send(Request::post(&["queues", role.as_str(), what])).await?;
        if output.is_json() {
            output.json(&queue)?;
        } else {
            output.table(None, &[[Cell::of(&queue, "/role"), Cell::plain("all tenants"), standing(&queue)]])?;
        }
        return Ok(());
    }
    let path = Path::of(client, role, whose.tenant)?;
    one(&client.send(Request::post(&[&path.segments()[..], &[what]].concat())).await?, output)?;
    Ok(())
}

async fn limit(
    client: &Client,
    path: &Path,
    max_queued: Option<Bound>,
    max_running: Option<Bound>,
    output: Output,
) -> anyhow::Result<()> {
    if max_queued.is_none() && max_running.is_none() {
        return Err(Usage("say what to set: --max-queued or --max-running".to_owned()).into());
    }
    let queue = client.send(Request::get(&path.segments())).await?;
    let kept = |asked: Option<Bound>, name: &str| match asked {
        Some(Bound(most)) => json!(most),
        None => queue[name].clone(),
    };
    let quota = json!({
        "max_queued": kept(max_queued, "max_queued"),
        "max_running": kept(max_running, "max_running"),
    });
    let put = Request::put(&[&path.segments()[..], &["quota"]].concat()).body(&quota)?;
    show(&client.send(put).await?, output)?;
    Ok(())
}

async fn list(client: &Client, output: Output) -> anyhow::Result<()> {
    let answer = client.send(Request::get(&["queues"])).await?;
    if output.is_json() {
        output.json(&answer)?;
        return Ok(());
    }
    let queues = answer["data"].as_array().map_or(&[][..], Vec::as_slice);
    let total = queues.iter().any(|queue| queue["total"].is_object());
    let rows: Vec<_> = queues.iter().map(row).collect();
    output.table(Some(TITLES), &rows)?;
    if total {
        eprintln!("What all tenants have there together:");
        let rows: Vec<_> = queues.iter().map(total_row).collect();
        output.table(Some(TOTAL_TITLES), &rows)?;
    }
    Ok(())
}

const TITLES: [&str; 6] = ["ROLE", "TENANT", "QUEUED", "SCHEDULED", "RUNNING", "STANDING"];
const TOTAL_TITLES: [&str; 6] = ["ROLE", "TENANT", "QUEUED", "SCHEDULED", "RUNNING", "OLDEST"];

fn row(queue: &Value) -> [Cell; 6] {
    let own = &queue["own"];
    [
        Cell::of(queue, "/role"),
        Cell::of(own, "/tenant"),
        figure(own, "/queued"),
        figure(own, "/scheduled"),
        Cell::of(own, "/running"),
        if queue["paused"] == true { Cell::plain("paused for all tenants") } else { standing(own) },
    ]
}

fn total_row(queue: &Value) -> [Cell; 6] {
    let total = &queue["total"];
    [
        Cell::of(queue, "/role"),
        Cell::plain("*"),
        figure(total, "/queued"),
        figure(total, "/scheduled"),
        Cell::of(total, "/running"),
        wait(total, "/oldest_wait"),
    ]
}

/// One line about a tenant's queue.
fn one(queue: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(queue);
    }
    output.table(None, &[[Cell::of(queue, "/role"), Cell::of(queue, "/tenant"), standing(queue)]])
}

fn show(queue: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(queue);
    }
    output.facts(&[
        ("role", Cell::of(queue, "/role")),
        ("tenant", Cell::of(queue, "/tenant")),
        ("standing", standing(queue)),
        ("paused by", Cell::of(queue, "/paused_by")),
        ("paused at", Cell::of(queue, "/paused_at")),
        ("queued", figure(queue, "/queued")),
        ("scheduled", figure(queue, "/scheduled")),
        ("running", Cell::of(queue, "/running")),
        ("oldest", wait(queue, "/oldest_wait")),
        ("max queued", Cell::of(queue, "/max_queued")),
        ("max running", Cell::of(queue, "/max_running")),
    ])
}

fn standing(queue: &Value) -> Cell {
    Cell::plain(if queue["paused"] == true { "paused" } else { "open" })
}

/// A figure that may be a lower bound.
fn figure(queue: &Value, pointer: &str) -> Cell {
    match queue["at_least"] == true {
        true => Cell::plain(&format!("{}+", Cell::of(queue, pointer))),
        false => Cell::of(queue, pointer),
    }
}

fn wait(queue: &Value, pointer: &str) -> Cell {
    let seconds = queue.pointer(pointer).and_then(Value::as_f64).unwrap_or_default();
    Cell::plain(&format!("{seconds:.0} s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_number_or_none() {
        assert_eq!("none".parse::<Bound>().unwrap().0, None);
        assert_eq!("7".parse::<Bound>().unwrap().0, Some(7));
        for wrong in ["0", "-1", "", "all"] {
            assert!(wrong.parse::<Bound>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_figure_that_is_only_a_lower_bound_says_so() {
        assert_eq!(figure(&json!({"queued": 5, "at_least": true}), "/queued").to_string(), "5+");
        assert_eq!(figure(&json!({"queued": 5, "at_least": false}), "/queued").to_string(), "5");
    }
}
