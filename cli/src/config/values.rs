//! What each setting may say.

mod addresses;
mod limits;

use std::{fmt, num::NonZeroUsize, str::FromStr, time::Duration};

use golden_jobs::{
    budgets::{Allowance, MalformedAllowance},
    store::PoolMode,
};
use tracing_subscriber::EnvFilter;

use crate::duration as durations;
pub(crate) use addresses::Jwks;
pub(super) use {addresses::*, limits::*};

/// Workers beat every 5 s; a shorter silence than two beats takes jobs from the living.
const LEAST_LOST_AFTER: Duration = Duration::from_secs(10);
const LEAST_JWT_SECRET: usize = 32;
/// Proxies behind each other beyond which a number is a mistake.
const MOST_PROXIES: usize = 16;

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Pretty,
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err(format!("`{text}` is neither `pretty` nor `json`")),
        }
    }
}

/// How workers learn which jobs to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DispatchBy {
    /// They ask the store.
    Store,
    /// They ask Redis, and the store where it does not answer.
    Redis,
}

impl FromStr for DispatchBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "store" => Ok(Self::Store),
            "redis" => Ok(Self::Redis),
            _ => Err(format!("`{text}` is neither `store` nor `redis`")),
        }
    }
}

pub(super) fn pool_mode(text: &str) -> Result<PoolMode, String> {
    match text {
        "session" => Ok(PoolMode::Session),
        "transaction" => Ok(PoolMode::Transaction),
        _ => Err(format!("`{text}` is neither `session` nor `transaction`")),
    }
}

/// One listens and one is for all else, at the least.
pub(super) fn connections(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(most @ 2..=1000) => Ok(most),
        _ => Err("expected a number from 2 to 1000".to_owned()),
    }
}

/// The parts of a list, which has commas between them and perhaps spaces.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

pub(super) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

pub(super) fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret(text.to_owned()))
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    durations::parse(text).map_err(|error| error.to_string())
}

pub(super) fn jwt_secret(text: &str) -> Result<Secret, String> {
    match text.len() {
        length if length < LEAST_JWT_SECRET => Err(format!(
            "{length} bytes are too few: use at least {LEAST_JWT_SECRET}, for example from `openssl rand -hex 32`"
        )),
        _ => Ok(Secret(text.to_owned())),
    }
}

pub(super) fn budget(text: &str) -> Result<Allowance, String> {
    text.parse().map_err(|wrong: MalformedAllowance| wrong.to_string())
}

pub(super) fn lost_after(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        silence if silence < LEAST_LOST_AFTER => Err(format!(
            "`{text}` is too short: workers beat every 5 s, and taking jobs from a living one costs an attempt; use 10s or more"
        )),
        silence => Ok(silence),
    }
}

pub(super) fn breaker_open(text: &str) -> Result<Duration, String> {
    let open = duration(text)?;
    match (Duration::from_secs(1)..=Duration::from_secs(600)).contains(&open) {
        true => Ok(open),
        false => Err(format!("`{text}` is not from 1s to 10m")),
    }
}

pub(super) fn webhook_schedule(text: &str) -> Result<Vec<Duration>, String> {
    let waits: Vec<_> = list(text).map(duration).collect::<Result<_, _>>()?;
    match waits.first() {
        Some(&Duration::ZERO) => Ok(waits),
        _ => Err(format!(
            "`{text}` must begin with 0s, since the first attempt is made at once: for example 0s,5s,5m,30m"
        )),
    }
}

pub(super) fn log(text: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(text)
        .map_err(|error| format!("`{text}` is not a log filter like info or golden_api=debug: {error}"))
}

pub(super) fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("`{text}` is neither `on` nor `off`")),
    }
}

pub(super) fn trusted_proxies(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|proxies| *proxies <= MOST_PROXIES).ok_or_else(|| {
        format!("`{text}` is not how many proxies requests pass on their way here, from 0 to {MOST_PROXIES}")
    })
}

pub(super) fn concurrency(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(runs) if runs.get() <= 10_000 => Ok(runs),
        _ => Err(format!("`{text}` is not a number of runs from 1 to 10000")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_begins_at_once() {
        let secs = |text| webhook_schedule(text).map(|waits| waits.iter().map(Duration::as_secs).collect::<Vec<_>>());
        assert_eq!(secs("0s,5s,5m,30m"), Ok(vec![0, 5, 300, 1800]));
        assert!(secs("5s,5m").is_err() && secs("").is_err() && secs("0s,soon").is_err());
    }

    #[test]
    fn a_secret_is_long_enough_and_stays_one() {
        assert!(jwt_secret("hunter2").is_err_and(|error| !error.contains("hunter2")));
        let secret = jwt_secret(&"x".repeat(32)).unwrap();
        assert!(!format!("{secret:?}").contains('x'));
    }

    #[test]
    fn numbers_have_bounds() {
        assert!(trusted_proxies("2") == Ok(2) && trusted_proxies("10.0.0.1").is_err());
        assert!(concurrency("0").is_err() && concurrency("1").is_ok());
        assert!(lost_after("5s").is_err() && lost_after("1m").is_ok());
    }
}
