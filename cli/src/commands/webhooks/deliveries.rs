//! `golden webhooks deliveries`.

use std::io;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use golden_jobs::store::deliveries::DeliveryStatus;
use serde::Serialize;
use serde_json::Value;

use super::replay;
use crate::{
    client::{Client, Request},
    commands::list::{self, PagingArgs},
    duration,
    exit::Exit,
    output::{Cell, Output},
};

#[derive(Debug, Subcommand)]
pub(super) enum DeliveriesCommand {
    /// List deliveries, newest first
    #[command(after_help = "Example:\n  golden webhooks deliveries list --status failed --since 2d")]
    List {
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        paging: PagingArgs,
    },
    /// Show one delivery with every attempt that was made
    #[command(after_help = "Example:\n  golden webhooks deliveries show msg_0199…")]
    Show {
        /// The message's id, as `webhooks deliveries list` printed it and as receivers see it
        #[arg(value_name = "ID")]
        id: String,
    },
    Replay(replay::ReplayArgs),
}

/// Which deliveries are meant; all of these must hold.
#[derive(Debug, Args, Serialize)]
pub(super) struct FilterArgs {
    /// To this endpoint
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    /// About this job
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    /// pending, delivered, failed or cancelled
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<DeliveryStatus>,
    /// Of events of this type, for example job.dead
    #[arg(long, value_name = "TYPE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// Of events that happened no longer ago than this
    #[arg(long, value_parser = duration::ago, value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<DateTime<Utc>>,
    /// Of events that happened longer ago than this
    #[arg(long, value_parser = duration::ago, value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
}

impl FilterArgs {
    /// The filter as the query of a list.
    fn query(&self, request: Request) -> Request {
        request
            .query("endpoint", self.endpoint.as_ref())
            .query("job", self.job.as_ref())
            .query("status", self.status)
            .query("event", self.event.as_ref())
            .query("since", self.since.map(duration::exact))
            .query("until", self.until.map(duration::exact))
    }
}

pub(super) async fn run(command: DeliveriesCommand, client: &Client, output: Output) -> anyhow::Result<Exit> {
    match command {
        DeliveriesCommand::List { filter, paging } => {
            let deliveries = || filter.query(Request::get(&["webhooks", "deliveries"]));
            let columns = ["ID", "EVENT", "STATUS", "ATTEMPT", "CREATED", "URL", "ERROR"];
            list::print(client, output, deliveries, &paging, columns, row).await
        }
        DeliveriesCommand::Show { id } => {
            show(&client.send(Request::get(&["webhooks", "deliveries", &id])).await?, output)?;
            Ok(Exit::Ok)
        }
        DeliveriesCommand::Replay(args) => replay::run(args, client, output).await,
    }
}

/// Prints a delivery, and below it a line for each attempt.
pub(super) fn show(delivery: &Value, output: Output) -> io::Result<()> {
    if output.is_json() {
        return output.json(delivery);
    }
    output.facts(&[
        ("id", Cell::of(delivery, "/id")),
        ("event", Cell::of(delivery, "/event")),
        ("status", Cell::status(delivery)),
        ("attempt", Cell::plain(&format!("{} of {}", delivery["attempt"], delivery["max_attempts"]))),
        ("url", Cell::of(delivery, "/url")),
        ("endpoint", Cell::of(delivery, "/endpoint_id")),
        ("job", Cell::of(delivery, "/job_id")),
        ("created", Cell::of(delivery, "/created_at")),
        ("next attempt", Cell::of(delivery, "/next_attempt_at")),
        ("finished", Cell::of(delivery, "/finished_at")),
        ("error", Cell::of(delivery, "/error/message")),
    ])?;
    let attempts: Vec<_> = delivery["attempts"].as_array().into_iter().flatten().map(attempt).collect();
    if attempts.is_empty() {
        return Ok(());
    }
    output.line("")?;
    output.table(Some(["AT", "STATUS", "TOOK", "ANSWER", "ERROR"]), &attempts)
}

fn attempt(attempt: &Value) -> [Cell; 5] {
    [
        Cell::of(attempt, "/at"),
        Cell::of(attempt, "/status"),
        Cell::plain(&format!("{} ms", attempt["latency_ms"])),
        Cell::of(attempt, "/answer").cut(60),
        Cell::of(attempt, "/error").cut(60),
    ]
}

/// How a delivery's end is told to scripts.
pub(super) fn end(delivery: &Value) -> Exit {
    match delivery["status"].as_str().and_then(|status| status.parse().ok()) {
        Some(DeliveryStatus::Delivered) => Exit::Ok,
        Some(DeliveryStatus::Cancelled) => Exit::Cancelled,
        Some(DeliveryStatus::Pending) => Exit::Pending,
        Some(DeliveryStatus::Failed) | None => Exit::Failed,
    }
}

pub(super) fn row(delivery: &Value) -> [Cell; 7] {
    [
        Cell::of(delivery, "/id"),
        Cell::of(delivery, "/event"),
        Cell::status(delivery),
        Cell::plain(&format!("{}/{}", delivery["attempt"], delivery["max_attempts"])),
        Cell::of(delivery, "/created_at"),
        Cell::of(delivery, "/url").cut(50),
        Cell::of(delivery, "/error/message").cut(60),
    ]
}
