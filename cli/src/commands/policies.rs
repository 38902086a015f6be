//! `golden policies`: what agents are told, and what may change it.

use clap::{Args, Subcommand};
use golden_jobs::{ChangeId, governance::state::ChangeState, models::exchange::AgentRole};
use serde_json::{Value, json};

use super::{
    ClientArgs,
    jobs::read_json,
    list::{self, PagingArgs},
};
use crate::{
    client::{Client, Request},
    config::Settings,
    exit::Exit,
    output::{Cell, Output},
};

/// See what agents are told, propose other versions of it, and decide which becomes active
#[derive(Debug, Args)]
pub(crate) struct PoliciesArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: PoliciesCommand,
}

#[derive(Debug, Subcommand)]
enum PoliciesCommand {
    /// List the policy of each agent role: what is active, and when another version may be
    #[command(after_help = "Example:\n  golden policies list")]
    List,
    /// Show the policy of an agent role, or a version of it
    #[command(after_help = "Examples:\n  golden policies show developer\n  golden policies show developer --version 3")]
    Show {
        /// architect, developer, reviewer, tester or security
        role: AgentRole,
        /// What agents are told under this version
        #[arg(long, value_name = "N")]
        version: Option<u32>,
    },
    /// List the versions of an agent role's policy, newest first
    #[command(after_help = "Example:\n  golden policies versions developer")]
    Versions {
        /// architect, developer, reviewer, tester or security
        role: AgentRole,
        #[command(flatten)]
        paging: PagingArgs,
    },
    /// Propose a version; it is approved, or waits for an approval, by the rule of its role
    #[command(
        after_help = "Examples:\n  golden policies propose developer @policy.json --reason 'shorter answers'\n  golden policies propose tester @tester.json --reason edges --activate-at 2030-01-02T22:00:00Z"
    )]
    Propose {
        /// architect, developer, reviewer, tester or security
        role: AgentRole,
        /// {"prompt": …, "parameters": …, "thresholds": …}: JSON, @FILE, or - for standard input
        document: String,
        /// What it is for
        #[arg(long)]
        reason: String,
        /// Refuse it where another version is active than this one
        #[arg(long, value_name = "N")]
        base_version: Option<u32>,
        /// Activate it then, or as soon after as the rules allow, once it is approved
        #[arg(long, value_name = "TIME")]
        activate_at: Option<String>,
    },
    /// List the changes of an agent role's policy, newest first
    #[command(after_help = "Example:\n  golden policies changes developer --state approved")]
    Changes {
        /// architect, developer, reviewer, tester or security
        role: AgentRole,
        /// Those in this state alone
        #[arg(long)]
        state: Option<ChangeState>,
        #[command(flatten)]
        paging: PagingArgs,
    },
    /// Show a change: how far it came, and what it changes
    #[command(after_help = "Example:\n  golden policies change developer chg_01981d2c-3f6a-7b1e-8c4d-2a9e5b7f0d13")]
    Change(Which),
    /// List what waits for a decision: approvals, and reviews of what was activated against the rules
    #[command(after_help = "Example:\n  golden policies approvals")]
    Approvals {
        #[command(flatten)]
        paging: PagingArgs,
    },
    /// Approve a change as it is now
    #[command(
        after_help = "Example:\n  golden policies approve security chg_01981d2c-3f6a-7b1e-8c4d-2a9e5b7f0d13 --reason 'read it'"
    )]
    Approve(Decided),
    /// Reject a change, which ends it
    #[command(
        after_help = "Example:\n  golden policies reject security chg_01981d2c-3f6a-7b1e-8c4d-2a9e5b7f0d13 --reason 'it trusts what it reads'"
    )]
    Reject(Decided),
    /// Take a change back that is not on trial yet
    #[command(
        after_help = "Example:\n  golden policies withdraw developer chg_01981d2c-3f6a-7b1e-8c4d-2a9e5b7f0d13 --reason 'there is a better one'"
    )]
    Withdraw(Decided),
    /// Begin the trial of an approved change: a tenth of the role's jobs are asked under it, then all
    #[command(
        after_help = "Examples:\n  golden policies activate developer chg_01981d2c-3f6a-7b1e-8c4d-2a9e5b7f0d13\n  golden policies activate developer chg_01981d2c-3f6a-7b1e-8c4d-2a9e5b7f0d13 --at 2026-01-02T22:00:00Z"
    )]
    Activate {
        #[command(flatten)]
        which: Which,
        /// Then, or as soon after as the rules allow
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// End the trial that is on; where none is, go back to the version before the active one
    #[command(after_help = "Example:\n  golden policies rollback developer --reason 'answers became longer'")]
    Rollback(OfRole),
    /// Keep an agent role's policy as it is until an admin says otherwise
    #[command(after_help = "Example:\n  golden policies freeze developer --reason 'we compare two models this week'")]
    Freeze(OfRole),
    /// Let versions be activated again
    #[command(after_help = "Example:\n  golden policies unfreeze developer --reason 'looked at what was rolled back'")]
    Unfreeze(OfRole),
    /// Activate a change at once, against the rules; somebody else has to review that within 24 hours
    #[command(
        after_help = "Example:\n  golden policies break-glass developer chg_01981d2c-3f6a-7b1e-8c4d-2a9e5b7f0d13 --reason 'no answer is valid'"
    )]
    BreakGlass(Decided),
    /// Review what somebody else activated against the rules
    #[command(
        after_help = "Example:\n  golden policies review developer chg_01981d2c-3f6a-7b1e-8c4d-2a9e5b7f0d13 --reason 'it was right'"
    )]
    Review(Decided),
}

#[derive(Debug, Args)]
struct Which {
    /// architect, developer, reviewer, tester or security
    role: AgentRole,
    /// Its id
    change: ChangeId,
}

#[derive(Debug, Args)]
struct Decided {
    #[command(flatten)]
    which: Which,
    /// Why, for those who read it later
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Args)]
struct OfRole {
    /// architect, developer, reviewer, tester or security
    role: AgentRole,
    /// Why, for those who read it later
    #[arg(long)]
    reason: String,
}

pub(crate) async fn run(args: PoliciesArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    match args.command {
        PoliciesCommand::List => policies(&client.send(Request::get(&["policies"])).await?, output)?,
        PoliciesCommand::Show { role, version: None } => {
            policy(&client.send(Request::get(&["policies", role.as_str()])).await?, output)?;
        }
        PoliciesCommand::Show { role, version: Some(version) } => {
            let path = ["policies", role.as_str(), "versions", &version.to_string()];
            output.json(&client.send(Request::get(&path)).await?)?;
        }
        PoliciesCommand::Versions { role, paging } => {
            let columns = ["VERSION", "BY", "AT", "SHA-256"];
            let request = || Request::get(&["policies", role.as_str(), "versions"]);
            return list::print(&client, output, request, &paging, columns, version_row).await;
        }
        PoliciesCommand::Propose { role, document, reason, base_version, activate_at } => {
            let document = read_json("document", &document)?;
            let body = json!({
                "document": document, "reason": reason, "base_version": base_version, "activate_at": activate_at,
            });
            let request = Request::post(&["policies", role.as_str(), "changes"]).body(&body)?;
            change(&client.send(request).await?, output)?;
        }
        PoliciesCommand::Changes { role, state, paging } => {
            let request = || Request::get(&["policies", role.as_str(), "changes"]).query("state", state);
            return list::print(&client, output, request, &paging, CHANGES, row).await;
        }
        PoliciesCommand::Change(which) => change(&shown(&client, &which).await?, output)?,
        PoliciesCommand::Approvals { paging } => {
            return list::print(&client, output, || Request::get(&["approvals"]), &paging, CHANGES, row).await;
        }
        PoliciesCommand::Approve(decided) => change(&approve(&client, decided).await?, output)?,
        PoliciesCommand::Reject(Decided { which, reason }) => {
            let path = ["approvals", &which.change.to_string(), "reject"];
            change(&client.send(Request::post(&path).body(&json!({"reason": reason}))?).await?, output)?;
        }
        PoliciesCommand::Withdraw(decided) => take(&client, &decided, "withdraw", output).await?,
        PoliciesCommand::BreakGlass(decided) => take(&client, &decided, "break-glass", output).await?,
        PoliciesCommand::Review(decided) => take(&client, &decided, "review", output).await?,
        PoliciesCommand::Activate { which: Which { role, change: id }, at } => {
            let path = ["policies", role.as_str(), "changes", &id.to_string(), "activate"];
            change(&client.send(Request::post(&path).body(&json!({"at": at}))?).await?, output)?;
        }
        PoliciesCommand::Rollback(OfRole { role, reason }) => {
            let request = Request::post(&["policies", role.as_str(), "rollback"]).body(&json!({"reason": reason}))?;
            change(&client.send(request).await?, output)?;
        }
        PoliciesCommand::Freeze(of) => hold(&client, &of, "freeze", output).await?,
        PoliciesCommand::Unfreeze(of) => hold(&client, &of, "unfreeze", output).await?,
    }
    Ok(Exit::Ok)
}

async fn shown(client: &Client, Which { role, change }: &Which) -> anyhow::Result<Value> {
    Ok(client.send(Request::get(&["policies", role.as_str(), "changes", &change.to_string()])).await?)
}

/// The API wants to know what is approved: the change as whoever approves it has just been shown it.
async fn approve(client: &Client, Decided { which, reason }: Decided) -> anyhow::Result<Value> {
    let shown = shown(client, &which).await?;
    let body = json!({
        "content_sha256": shown["content_sha256"], "base_version": shown["base_version"], "reason": reason,
    });
    let path = ["approvals", &which.change.to_string(), "approve"];
    Ok(client.send(Request::post(&path).body(&body)?).await?)
}

async fn take(client: &Client, decided: &Decided, how: &str, output: Output) -> anyhow::Result<()> {
    let Decided { which: Which { role, change: id }, reason } = decided;
    let path = ["policies", role.as_str(), "changes", &id.to_string(), how];
    change(&client.send(Request::post(&path).body(&json!({"reason": reason}))?).await?, output)?;
    Ok(())
}

async fn hold(client: &Client, OfRole { role, reason }: &OfRole, how: &str, output: Output) -> anyhow::Result<()> {
    let request = Request::post(&["policies", role.as_str(), how]).body(&json!({"reason": reason}))?;
    policy(&client.send(request).await?, output)?;
    Ok(())
}

fn policies(answer: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(answer);
    }
    let row = |policy: &Value| {
        [
            Cell::of(policy, "/role"),
            Cell::of(policy, "/active_version"),
            Cell::of(policy, "/canary/version"),
            Cell::of(policy, "/frozen/since"),
            Cell::of(policy, "/activations_left"),
            Cell::of(policy, "/next_activation_at"),
            Cell::of(policy, "/rule/approval"),
        ]
    };
    let rows: Vec<_> = answer["data"].as_array().map_or(&[][..], Vec::as_slice).iter().map(row).collect();
    let titles = ["ROLE", "ACTIVE", "ON TRIAL", "FROZEN SINCE", "LEFT", "NEXT AT", "APPROVAL"];
    output.table(Some(titles), &rows)
}

fn policy(policy: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(policy);
    }
    output.facts(&[
        ("role", Cell::of(policy, "/role")),
        ("active version", Cell::of(policy, "/active_version")),
        ("on trial", Cell::of(policy, "/canary/version")),
        ("questions on trial", Cell::of(policy, "/canary/trial/samples")),
        ("frozen since", Cell::of(policy, "/frozen/since")),
        ("frozen by", Cell::of(policy, "/frozen/by")),
        ("frozen because", Cell::of(policy, "/frozen/reason")),
        ("activations left", Cell::of(policy, "/activations_left")),
        ("next activation", Cell::of(policy, "/next_activation_at")),
        ("not now because", Cell::of(policy, "/refused")),
        ("approval", Cell::of(policy, "/rule/approval")),
    ])
}

fn version_row(version: &Value) -> [Cell; 4] {
    [
        Cell::of(version, "/version"),
        Cell::of(version, "/created_by"),
        Cell::of(version, "/created_at"),
        Cell::of(version, "/content_sha256").cut(16),
    ]
}

const CHANGES: [&str; 7] = ["ID", "ROLE", "VERSION", "BASE", "STATE", "BY", "REASON"];

fn row(change: &Value) -> [Cell; 7] {
    [
        Cell::of(change, "/id"),
        Cell::of(change, "/role"),
        Cell::of(change, "/version"),
        Cell::of(change, "/base_version"),
        Cell::of(change, "/state"),
        Cell::of(change, "/proposed_by"),
        Cell::of(change, "/reason").cut(40),
    ]
}

fn change(change: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(change);
    }
    let patch = change.pointer("/evaluation/patch").map(ToString::to_string).unwrap_or_default();
    output.facts(&[
        ("id", Cell::of(change, "/id")),
        ("role", Cell::of(change, "/role")),
        ("version", Cell::of(change, "/version")),
        ("base version", Cell::of(change, "/base_version")),
        ("state", Cell::of(change, "/state")),
        ("note", Cell::of(change, "/note")),
        ("proposed by", Cell::of(change, "/proposed_by")),
        ("reason", Cell::of(change, "/reason")),
        ("changes", Cell::plain(&patch)),
        ("sha-256", Cell::of(change, "/content_sha256")),
        ("approved by", Cell::of(change, "/approved_by")),
        ("activated at", Cell::of(change, "/activated_at")),
        ("activate at", Cell::of(change, "/activate_at")),
        ("expires at", Cell::of(change, "/expires_at")),
        ("review due", Cell::of(change, "/broken_glass/review_due")),
    ])
}
