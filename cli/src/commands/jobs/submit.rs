//! `golden jobs submit`.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::{
    batch, end,
    job::{Job, JobArgs},
    show,
};
use crate::{
    client::{Client, Request},
    duration,
    exit::Exit,
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
    #[command(flatten)]
    job: JobArgs,
    /// Run it so much later
    #[arg(long, value_parser = duration::parse, value_name = "DURATION", conflicts_with = "run_at")]
    delay: Option<Duration>,
    /// Run it at this time, for example 2026-01-02T03:04:05Z
    #[arg(long, value_parser = time, value_name = "TIME")]
    run_at: Option<chrono::DateTime<chrono::Utc>>,
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
struct Submission {
    #[serde(flatten)]
    job: Job,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_at: Option<chrono::DateTime<chrono::Utc>>,
}

pub(crate) async fn run(args: SubmitArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    if let Some(file) = &args.batch {
        let idempotency_key = args.idempotency_key.as_deref();
        return batch::run(batch::Batch { file, partial: args.partial, idempotency_key }, client, output).await;
    }
    let request = Request::post(&["jobs"])
        .header("prefer", args.wait.map(|wait| format!("wait={}", wait.as_secs())))
        .header("idempotency-key", args.idempotency_key.as_ref())
        .body(&Submission {
            job: args.job.of(args.kind.unwrap_or_default(), &args.payload)?,
            delay: args.delay.map(|delay| delay.as_secs_f64()),
            run_at: args.run_at,
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

/// The API counts whole seconds, and waits for no more than 30.
pub(in crate::commands) fn wait(text: &str) -> Result<Duration, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_holds_the_payload_as_it_was_typed() {
        let typed = r#"{"b": 1.0, "a": 12345678901234567890123}"#;
        let job = JobArgs::default().of("noop".to_owned(), typed).unwrap();
        let body = serde_json::to_string(&Submission { job, delay: Some(1.5), run_at: None }).unwrap();
        assert_eq!(body, format!(r#"{{"kind":"noop","payload":{typed},"delay":1.5}}"#));
    }

    #[test]
    fn a_wait_is_whole_seconds_that_the_api_grants() {
        assert_eq!(["1", "30s"].map(wait), [Ok(Duration::from_secs(1)), Ok(Duration::from_secs(30))]);
        assert!(["0", "31", "1m", "500ms", "x"].into_iter().all(|text| wait(text).is_err()));
    }
}
