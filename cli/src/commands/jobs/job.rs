//! What a job is, as `jobs submit` and `schedules create` take it.

use std::{
    fs,
    io::{self, Read},
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use golden_jobs::budgets::Micros;
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{duration, exit::Usage};

/// What may be said of a job beside its kind, its payload and its time.
#[derive(Debug, Default, Args)]
pub(in crate::commands) struct JobArgs {
    /// 0 (most urgent) to 9 [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9), value_name = "N")]
    priority: Option<u8>,
    /// Runs it may begin before it is dead
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// Wall time of one run
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    timeout: Option<Duration>,
    /// What it may cost with all jobs that it makes, in US dollars
    #[arg(long, value_name = "DOLLARS")]
    max_cost: Option<Micros>,
    /// Called when it has ended
    #[arg(long, value_name = "URL")]
    callback_url: Option<String>,
    /// Kept with it; may be given several times
    #[arg(long, value_parser = pair, value_name = "NAME=VALUE")]
    metadata: Vec<(String, String)>,
}

/// A job without its time, as the API takes it.
#[derive(Serialize)]
pub(in crate::commands) struct Job {
    kind: String,
    payload: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_cost: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_url: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
}

impl JobArgs {
    /// That of this kind, with the payload read from where `payload` says.
    pub(in crate::commands) fn of(self, kind: String, payload: &str) -> anyhow::Result<Job> {
        Ok(Job {
            kind,
            payload: read_payload(payload)?,
            priority: self.priority,
            max_attempts: self.max_attempts,
            timeout: self.timeout.map(|timeout| timeout.as_secs_f64()),
            max_cost: self.max_cost,
            callback_url: self.callback_url,
            metadata: metadata(self.metadata)?,
        })
    }
}

pub(in crate::commands) fn read_payload(argument: &str) -> anyhow::Result<Box<RawValue>> {
    read_json("payload", argument)
}

/// Reads JSON from where the argument says. `what` is what an error calls it.
pub(in crate::commands) fn read_json(what: &str, argument: &str) -> anyhow::Result<Box<RawValue>> {
    let text = read_text(what, argument)?;
    let json = serde_json::from_str(&text).map_err(|error| Usage(format!("the {what} is not JSON: {error}")))?;
    Ok(json)
}

/// Reads a text from where the argument says.
pub(in crate::commands) fn read_text(what: &str, argument: &str) -> anyhow::Result<String> {
    if argument == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).with_context(|| format!("cannot read the {what} from standard input"))?;
        Ok(text)
    } else if let Some(path) = argument.strip_prefix('@') {
        let text = fs::read_to_string(path);
        Ok(text.map_err(|error| Usage(format!("cannot read the {what} from {path}: {error}")))?)
    } else {
        Ok(argument.to_owned())
    }
}

pub(in crate::commands) fn metadata(pairs: Vec<(String, String)>) -> Result<Map<String, Value>, Usage> {
    let mut metadata = Map::new();
    for (name, value) in pairs {
        if metadata.contains_key(&name) {
            return Err(Usage(format!("--metadata {name} is given twice")));
        }
        metadata.insert(name, Value::String(value));
    }
    Ok(metadata)
}

pub(in crate::commands) fn pair(text: &str) -> Result<(String, String), String> {
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
}
