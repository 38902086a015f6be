//! `golden escalations`: what needs a human.

use clap::{Args, Subcommand, ValueEnum};
use golden_jobs::{
    EscalationId,
    escalations::{EscalationState, Resolution, Severity, Subject},
};
use serde_json::{Value, json};

use super::{
    ClientArgs,
    list::{self, PagingArgs},
};
use crate::{
    client::Request,
    config::Settings,
    exit::Exit,
    output::{Cell, Output},
};

/// See what needs a human, and answer it
#[derive(Debug, Args)]
pub(crate) struct EscalationsArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: EscalationsCommand,
}

#[derive(Debug, Subcommand)]
enum EscalationsCommand {
    /// List what is not resolved, newest first
    #[command(
        after_help = "Examples:\n  golden escalations list\n  golden escalations list --state resolved --about task"
    )]
    List {
        /// In this state [default: unresolved]
        #[arg(long, value_name = "STATE", default_value = "unresolved", hide_default_value = true)]
        state: Which,
        /// About such a thing: review, task, policy, budget, guard or other
        #[arg(long, value_name = "WHAT")]
        about: Option<Subject>,
        /// About the thing of this id or name
        #[arg(long, value_name = "NAME")]
        subject: Option<String>,
        /// As bad as this: low, medium, high or critical
        #[arg(long)]
        severity: Option<Severity>,
        #[command(flatten)]
        paging: PagingArgs,
    },
    /// Show one: what is asked, who looks at it, what was answered
    #[command(after_help = "Example:\n  golden escalations show esc_01981d2b-0f4e-7c1d-8b6a-5e9d3c7f1a20")]
    Show {
        /// As `escalations list` prints it
        #[arg(value_name = "ID")]
        id: EscalationId,
    },
    /// Say that you look at it, so that others need not
    #[command(after_help = "Example:\n  golden escalations acknowledge esc_01981d2b-0f4e-7c1d-8b6a-5e9d3c7f1a20")]
    Acknowledge {
        /// As `escalations list` prints it
        #[arg(value_name = "ID")]
        id: EscalationId,
    },
    /// Answer it, once and for all; what waits for it goes on, or does not if it is rejected
    ///
    /// One about a review is answered by deciding the review.
    #[command(
        verbatim_doc_comment,
        after_help = "Example:\n  golden escalations resolve esc_01981d2b-0f4e-7c1d-8b6a-5e9d3c7f1a20 fixed --note \"raised the limit\""
    )]
    Resolve {
        /// As `escalations list` prints it
        #[arg(value_name = "ID")]
        id: EscalationId,
        /// What became of it
        resolution: Said,
        /// Why, for whoever reads it later
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    /// Open or acknowledged
    Unresolved,
    /// Nobody looks at it yet
    Open,
    /// Somebody looks at it
    Acknowledged,
    Resolved,
    /// Whatever its state
    Any,
}

impl Which {
    /// As the API has it.
    const fn query(self) -> Option<&'static str> {
        match self {
            Self::Unresolved => Some("unresolved"),
            Self::Open => Some(EscalationState::Open.as_str()),
            Self::Acknowledged => Some(EscalationState::Acknowledged.as_str()),
            Self::Resolved => Some(EscalationState::Resolved.as_str()),
            Self::Any => None,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Said {
    /// Go on
    Approved,
    /// Do not go on
    Rejected,
    /// Go on: what was wrong is not any more
    Fixed,
    /// Go on: nobody was needed
    Dismissed,
}

impl From<Said> for Resolution {
    fn from(said: Said) -> Self {
        match said {
            Said::Approved => Self::Approved,
            Said::Rejected => Self::Rejected,
            Said::Fixed => Self::Fixed,
            Said::Dismissed => Self::Dismissed,
        }
    }
}

pub(crate) async fn run(args: EscalationsArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    let one = |id: EscalationId| id.to_string();
    match args.command {
        EscalationsCommand::List { state, about, subject, severity, paging } => {
            let request = || {
                Request::get(&["escalations"])
                    .query("state", state.query())
                    .query("about", about)
                    .query("subject", subject.as_ref())
                    .query("severity", severity)
            };
            return list::print(&client, output, request, &paging, TITLES, row).await;
        }
        EscalationsCommand::Show { id } => {
            show(&client.send(Request::get(&["escalations", &one(id)])).await?, output)?;
        }
        EscalationsCommand::Acknowledge { id } => {
            show(&client.send(Request::post(&["escalations", &one(id), "acknowledge"])).await?, output)?;
        }
        EscalationsCommand::Resolve { id, resolution, note } => {
            let answer = json!({"resolution": Resolution::from(resolution), "note": note});
            let request = Request::post(&["escalations", &one(id), "resolve"]).body(&answer)?;
            show(&client.send(request).await?, output)?;
        }
    }
    Ok(Exit::Ok)
}

/// Of a reason, in characters: the rest is in `show`.
const REASON: usize = 60;

const TITLES: [&str; 7] = ["ID", "STATE", "SEVERITY", "ABOUT", "SUBJECT", "OPENED", "REASON"];

fn row(escalation: &Value) -> [Cell; 7] {
    [
        Cell::of(escalation, "/id"),
        Cell::state(escalation),
        Cell::of(escalation, "/severity"),
        Cell::of(escalation, "/about"),
        Cell::of(escalation, "/subject"),
        Cell::of(escalation, "/opened_at"),
        Cell::of(escalation, "/reason").cut(REASON),
    ]
}

fn show(escalation: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(escalation);
    }
    let facts = [
        ("id", "/id"),
        ("state", "/state"),
        ("severity", "/severity"),
        ("about", "/about"),
        ("subject", "/subject"),
        ("reason", "/reason"),
        ("job", "/job_id"),
        ("opened", "/opened_at"),
        ("acknowledged by", "/acknowledged_by"),
        ("acknowledged", "/acknowledged_at"),
        ("resolution", "/resolution"),
        ("note", "/note"),
        ("resolved by", "/resolved_by"),
        ("resolved", "/resolved_at"),
    ];
    output.facts(&facts.map(|(name, pointer)| (name, Cell::of(escalation, pointer))))
}
