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

use super::{end, show};
use crate::{
    client::{Client, Request},
    duration,
    exit::{Exit, Usage},
    output::{Cell, Output},
};

/// Submit a job, and wait for it if wanted
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  golden jobs submit noop '{\"output\": \"hello\"}' --wait 10
  golden jobs submit http.call @request.json --delay 5m --max-attempts 3
  generate | golden jobs submit sandbox.run - --idempotency-key build-17")]
pub(crate) struct SubmitArgs {
    /// One of `golden kinds`
    kind: String,
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
    #[arg(long, value_name = "TIME")]
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
    /// Wait for its end, so many seconds at most; the exit status says how it ended
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=30), value_name = "SECONDS")]
    wait: Option<u8>,
}

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
    let payload = read_payload(&args.payload)?;
    let request = Request::post(&["jobs"])
        .header("prefer", args.wait.map(|secs| format!("wait={secs}")))
        .header("idempotency-key", args.idempotency_key.as_ref())
        .body(&Submission {
            kind: &args.kind,
            payload: &payload,
            priority: args.priority,
            delay: args.delay.map(|delay| delay.as_secs_f64()),
            run_at: args.run_at,
            max_attempts: args.max_attempts,
            timeout: args.timeout.map(|timeout| timeout.as_secs_f64()),
            callback_url: args.callback_url.as_deref(),
            metadata: args.metadata.into_iter().map(|(name, value)| (name, Value::String(value))).collect(),
        })?;
    let job = client.send(request).await?;
    let Some(secs) = args.wait else {
        if output.is_json() {
            output.json(&job)?;
        } else {
            output.table(None, &[[Cell::of(&job, "/id"), Cell::state(&job)]])?;
        }
        return Ok(Exit::Ok);
    };
    show(&job, output)?;
    Ok(end(&job).unwrap_or_else(|| {
        eprintln!("Not ended within {secs} s: `golden jobs watch` waits longer.");
        Exit::Ok
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

fn pair(text: &str) -> Result<(String, String), String> {
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
    }
}
