//! `golden jobs submit`.

use std::{
    fs,
    io::{self, Read},
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::{batch, end, show};
use crate::{
    client::{Client, Request},
    duration,
    exit::{Exit, Usage},
    output::{Cell, Output},
};

/// Submit a job, and wait for it if wanted; or many at once
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  golden jobs submit noop '{\"output\": \"hello\"}' --wait 10
  golden jobs submit http.call @request.json --delay 5m --max-attempts 3
  generate | golden jobs submit sandbox.run - --idempotency-key build-17
  golden jobs submit --batch jobs.ndjson
  generate | golden jobs submit --batch - --partial --json
A line of a batch has the fields of POST /v1/jobs: {\"kind\": \"noop\", \"payload\": {}, \"delay\": 60}.
Without --partial, each 1,000 lines are accepted as a whole or refused as a whole.")]
pub(crate) struct SubmitArgs {
    /// One of `golden kinds`
    #[arg(required_unless_present = "batch")]
    kind: Option<String>,
    /// JSON as it stands, @FILE, or - for standard input
    #[arg(default_value = "{}")]
    payload: String,
    /// 0 (most urgent) to 9 [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9), value_name = "N")]
    priority: Option<u8>,
    /// Run it so much later
    #[arg(long, value_parser = duration::parse, value_name = "DURATION", conflicts_with = "run_at")]
    delay: Option<Duration>,
    /// Run it at this time, for example 2026-01-02T03:04:05Z
    #[arg(long, value_parser = time, value_name = "TIME")]
    run_at: Option<chrono::DateTime<chrono::Utc>>,
    /// Runs it may begin before it is dead
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// Wall time of one run
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    timeout: Option<Duration>,
    /// Called when it has ended
    #[arg(long, value_name = "URL")]
    callback_url: Option<String>,
    /// Kept with it; may be given several times
    #[arg(long, value_parser = pair, value_name = "NAME=VALUE")]
    metadata: Vec<(String, String)>,
    /// Makes it safe to submit again: one key, one job
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Submit many: a file of one JSON object a line, or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = SINGLE)]
    batch: Option<String>,
    /// Accept those of a batch that can be, and say what is wrong with the others
    #[arg(long, requires = "batch")]
    partial: bool,
    /// Wait for its end, at most so long, up to 30s; the exit status says how it ended
    #[arg(long, value_parser = wait, value_name = "DURATION")]
    wait: Option<Duration>,
}

/// What is said of one job, and in a batch by each line for itself.
const SINGLE: [&str; 10] =
    ["kind", "payload", "priority", "delay", "run_at", "max_attempts", "timeout", "callback_url", "metadata", "wait"];

/// The body of `POST /v1/jobs`.
#[derive(Serialize)]
struct Submission<'a> {
    kind: &'a str,
    payload: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_at: Option<chrono::DateTime<chrono::Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
}

pub(crate) async fn run(args: SubmitArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    if let Some(file) = &args.batch {
        let idempotency_key = args.idempotency_key.as_deref();
        return batch::run(batch::Batch { file, partial: args.partial, idempotency_key }, client, output).await;
    }
    let payload = read_payload(&args.payload)?;
    let request = Request::post(&["jobs"])
        .header("prefer", args.wait.map(|wait| format!("wait={}", wait.as_secs())))
        .header("idempotency-key", args.idempotency_key.as_ref())
        .body(&Submission {
            kind: args.kind.as_deref().unwrap_or_default(),
            payload: &payload,
            priority: args.priority,
            delay: args.delay.map(|delay| delay.as_secs_f64()),
            run_at: args.run_at,
            max_attempts: args.max_attempts,
            timeout: args.timeout.map(|timeout| timeout.as_secs_f64()),
            callback_url: args.callback_url.as_deref(),
            metadata: metadata(args.metadata)?,
        })?;
    let job = client.send(request).await?;
    if args.wait.is_none() {
        if output.is_json() {
            output.json(&job)?;
        } else {
            output.table(None, &[[Cell::of(&job, "/id"), Cell::state(&job)]])?;
        }
        return Ok(Exit::Ok);
    }
    show(&job, output)?;
    Ok(end(&job).unwrap_or_else(|| {
        eprintln!("It has not ended yet: `golden jobs watch {}` waits longer.", Cell::of(&job, "/id"));
        Exit::Pending
    }))
}

/// Reads a payload from where the argument says, and makes sure that it is JSON.
pub(in crate::commands) fn read_payload(argument: &str) -> anyhow::Result<Box<RawValue>> {
    let text = if argument == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("cannot read the payload from standard input")?;
        text
    } else if let Some(path) = argument.strip_prefix('@') {
        fs::read_to_string(path).map_err(|error| Usage(format!("cannot read the payload from {path}: {error}")))?
    } else {
        argument.to_owned()
    };
    let payload = serde_json::from_str(&text).map_err(|error| Usage(format!("the payload is not JSON: {error}")))?;
    Ok(payload)
}

/// The API counts whole seconds, and waits for no more than 30.
fn wait(text: &str) -> Result<Duration, String> {
    let wait = duration::parse(text).map_err(|error| error.to_string())?;
    if wait.subsec_nanos() == 0 && (1..=30).contains(&wait.as_secs()) {
        Ok(wait)
    } else {
        Err("expected whole seconds from 1s to 30s; `golden jobs watch` waits longer".to_owned())
    }
}

fn time(text: &str) -> Result<chrono::DateTime<chrono::Utc>, String> {
    let time = chrono::DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    time.map_err(|_| "expected a time as in RFC 3339, for example 2026-01-02T03:04:05Z".to_owned())
}

fn metadata(pairs: Vec<(String, String)>) -> Result<Map<String, Value>, Usage> {
    let mut metadata = Map::new();
    for (name, value) in pairs {
        if metadata.contains_key(&name) {
            return Err(Usage(format!("--metadata {name} is given twice")));
        }
        metadata.insert(name, Value::String(value));
    }
    Ok(metadata)
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_goes_out_as_it_was_typed() {
        let typed = r#"{"b": 1.0, "a": 12345678901234567890123}"#;
        assert_eq!(read_payload(typed).unwrap().get(), typed);
        assert!(read_payload("{").is_err() && read_payload("@/does/not/exist").is_err());
    }

    #[test]
    fn metadata_is_a_name_and_a_value() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(pair("a").is_err() && pair("=b").is_err());
        let pairs = |names: [&str; 2]| metadata(names.map(|name| (name.to_owned(), String::new())).into());
        assert!(pairs(["a", "b"]).is_ok() && pairs(["a", "a"]).is_err());
    }

    #[test]
    fn a_wait_is_whole_seconds_that_the_api_grants() {
        assert_eq!(["1", "30s"].map(wait), [Ok(Duration::from_secs(1)), Ok(Duration::from_secs(30))]);
        assert!(["0", "31", "1m", "500ms", "x"].into_iter().all(|text| wait(text).is_err()));
    }
}
