//! `golden reviews submit`.

use std::{collections::BTreeMap, fs, io::Read, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Args;
use golden_jobs::{kinds::Review, models::exchange::AgentRole, reviews::Risk, sandbox::Content};
use serde_json::Value;

use super::show;
use crate::{
    client::{Client, Request},
    commands::{functions::folder, jobs::wait},
    exit::{Exit, Usage},
    output::{Cell, Output},
};

/// Have a panel judge a file, or a folder with all its files but hidden ones
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  golden reviews submit add.py --title Adds --goal 'add(a, b) is the sum.' --author developer --wait 30s
  pytest | golden reviews submit src --title Dates --goal 'Reads dates.' --author developer --evidence -
  golden reviews submit src --title Dates --goal 'Reads dates.' --author developer --round-of rev_0199…")]
pub(crate) struct SubmitArgs {
    /// The work: texts in UTF-8
    #[arg(value_name = "PATH")]
    work: PathBuf,
    /// What it is called
    #[arg(long)]
    title: String,
    /// What it is for: what it is judged by
    #[arg(long)]
    goal: String,
    /// Which agent made it: architect, developer, reviewer, tester or security
    #[arg(long, value_name = "ROLE")]
    author: AgentRole,
    /// normal: three seats; high: five, with security among them
    #[arg(long, default_value = "normal")]
    risk: Risk,
    /// Who judges, instead of the usual: 3 to 5 roles
    #[arg(long, value_delimiter = ',', value_name = "ROLE,…")]
    panel: Option<Vec<AgentRole>>,
    /// What shows that it works, such as a report of tests, or - for standard input
    #[arg(long, value_name = "FILE")]
    evidence: Option<String>,
    /// The review whose panel asked for changes: this is its second round
    #[arg(long, value_name = "ID")]
    round_of: Option<golden_jobs::ReviewId>,
    /// Makes it safe to submit again: one key, one review
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait for what the panel says, at most so long, up to 30s
    #[arg(long, value_parser = wait, value_name = "DURATION")]
    wait: Option<Duration>,
}

pub(super) async fn run(args: SubmitArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let work = Review {
        files: texts(&args.work)?,
        title: args.title,
        goal: args.goal,
        author: args.author,
        submitted_by: None,
        risk: args.risk,
        panel: args.panel,
        evidence: args.evidence.as_deref().map(evidence).transpose()?,
        round_of: args.round_of,
    };
    let request = Request::post(&["reviews"])
        .header("prefer", args.wait.map(|wait| format!("wait={}", wait.as_secs())))
        .header("idempotency-key", args.idempotency_key.as_ref())
        .body(&work)?;
    let job = client.send(request).await?;
    let id = job["id"].as_str().unwrap_or_default();
    let review = work.round_of.map_or_else(|| id.replacen("job_", "rev_", 1), |review| review.to_string());
    if args.wait.is_none() {
        match output.is_json() {
            true => output.json(&job)?,
            false => output.table(None, &[[Cell::plain(&review), Cell::plain(id), Cell::state(&job)]])?,
        }
        return Ok(Exit::Ok);
    }
    if job["state"] == "dead" {
        eprintln!("{}", Cell::of(&job, "/error/message"));
        return Ok(Exit::Failed);
    }
    let review = client.send(Request::get(&["reviews", &review])).await?;
    show(&review, output)?;
    Ok(end(&review))
}

/// Whether the work may be used, as an exit status.
fn end(review: &Value) -> Exit {
    match review["state"].as_str() {
        Some("APPROVED") => Exit::Ok,
        Some("REJECTED" | "CHANGES_REQUESTED") => Exit::Failed,
        Some("CANCELLED") => Exit::Cancelled,
        _ => Exit::Pending,
    }
}

fn texts(path: &std::path::Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = |(name, content)| match content {
        Content::Text(text) => Ok((name, text)),
        Content::Bytes(_) => Err(Usage(format!("{name} is no text in UTF-8, which is what a panel can read"))),
    };
    Ok(folder::read(path)?.into_iter().map(text).collect::<Result<_, _>>()?)
}

fn evidence(file: &str) -> anyhow::Result<String> {
    if file == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the evidence from standard input")?;
        return Ok(text);
    }
    Ok(fs::read_to_string(file).map_err(|error| Usage(format!("cannot read the evidence from {file}: {error}")))?)
}
