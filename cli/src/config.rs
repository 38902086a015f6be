//! Settings: flags over the environment over `golden.toml` over defaults.
//!
//! The environment is read here and nowhere else. Every setting has one name: the variable
//! `GOLDEN_DRAIN_TIMEOUT` is the key `drain_timeout` of the file and the flag
//! `--drain-timeout`. Whatever the layer, a value is text until it is parsed below, so a
//! wrong one is reported in the same words wherever it came from.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use golden_api::{RateLimits, auth::Expected};
use golden_jobs::{
    egress::Egress,
    sandbox::Limits,
    store::{Keep, LOST_AFTER},
    webhooks::HOST_LIMIT,
};
use reqwest::Url;
use tracing_subscriber::EnvFilter;

use crate::duration;

mod layers;
mod values;

pub(crate) use layers::{Key, Layers, Place};
pub(crate) use values::{Jwks, LogFormat, Secret};

/// The settings as help shows them.
pub(crate) const HELP: &str = "\
Settings are taken from flags, else from the environment, else from golden.toml:
  DATABASE_URL             sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE
  JWT_SECRET               signs tokens; at least 32 bytes
  GOLDEN_JWKS              instead of JWT_SECRET: file or https address of the public keys of an issuer
  GOLDEN_JWT_ISSUER        what tokens must say in `iss`
  GOLDEN_JWT_AUDIENCE      what tokens must say in `aud`
  GOLDEN_LISTEN            address of the API [127.0.0.1:8000]
  GOLDEN_RATE_LIMITS       off, on, or role=requests a minute: admin=1000,developer=300
  GOLDEN_TRUSTED_PROXIES   proxies of yours before the API: where to read X-Forwarded-For [0]
  GOLDEN_CONCURRENCY       runs at once in each pool [by role]
  GOLDEN_DRAIN_TIMEOUT     how long runs may go on after a shutdown was asked for [30s]
  GOLDEN_LOST_AFTER        silence after which a worker loses its jobs [20s]
  GOLDEN_RETENTION         how long jobs stay after they ended, or off
                           [succeeded=7d,cancelled=7d,dead=30d; dead counts from its resolution]
  GOLDEN_WEBHOOK_SCHEDULE  wait before each attempt to deliver a webhook: 0s,5s,5m,30m
  GOLDEN_WEBHOOK_PER_HOST  webhooks that a process delivers to one host at once [10]
  GOLDEN_EGRESS_ALLOW      hosts and networks that jobs may reach though they are not public
  GOLDEN_EGRESS_PORTS      ports that jobs may reach, or any [443]
  GOLDEN_EGRESS_HTTP       whether jobs may use plain http: on or off [off]
  GOLDEN_SANDBOX_LIMITS    the most that a sandboxed program gets, whatever it asks for
                           [wall=50s,memory_mib=1024; cpu=10s is each process's CPU time]
  DOCKER_HOST              where Docker listens, for sandbox jobs
  GOLDEN_LOG               log filter, for example info or golden_workers=debug [info]
  GOLDEN_LOG_FORMAT        pretty or json [pretty]
  GOLDEN_SERVER            the API that client commands talk to [http://localhost:8000]
  GOLDEN_TOKEN             the token they show; `golden token mint` makes one
In the file, a key is the name in lower case without GOLDEN_: drain_timeout = \"1m\".
A duration is 500ms, 90s, 5m, 2h, 7d or 1h30m; a bare number is seconds.";

/// What a process is told, parsed and checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) database_url: Option<Secret>,
    pub(crate) jwt_secret: Option<Secret>,
    pub(crate) jwks: Option<Jwks>,
    /// What tokens must say, and minted ones do.
    pub(crate) expected: Expected,
    pub(crate) listen: SocketAddr,
    /// `None` lets the command choose.
    pub(crate) rate_limits: Option<RateLimits>,
    pub(crate) trusted_proxies: usize,
    pub(crate) docker_host: Option<String>,
    /// The most that a sandboxed program gets.
    pub(crate) sandbox_limits: Limits,
    /// What to log; `None` lets the command choose.
    pub(crate) log: Option<EnvFilter>,
    pub(crate) log_format: LogFormat,
    pub(crate) drain_timeout: Duration,
    pub(crate) lost_after: Duration,
    /// How long jobs stay on record after they ended.
    pub(crate) keep: Keep,
    /// The wait before each attempt to deliver a webhook; the first is always zero.
    pub(crate) webhook_schedule: Option<Vec<Duration>>,
    /// Webhooks that a process delivers to one host at the same time.
    pub(crate) webhook_per_host: NonZeroUsize,
    /// Where requests to addresses that users name may go.
    pub(crate) egress: Egress,
    /// Runs at once in each pool, where the operator says so.
    pub(crate) concurrency: Option<NonZeroUsize>,
    /// Where client commands find the API.
    pub(crate) server: Url,
    pub(crate) token: Option<Secret>,
    /// Colour is unwanted, terminal or not (see no-color.org).
    pub(crate) no_color: bool,
}

/// A setting that cannot be used: which, where it came from, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("{name} {place}: {problem}")]
    Wrong { name: String, place: Place, problem: String },
    #[error("{name} is not set: {hint}")]
    Missing { name: &'static str, hint: &'static str },
    #[error("{0}")]
    Together(&'static str),
    #[error("{}: {problem}", file.display())]
    File { file: PathBuf, problem: String },
}

impl Settings {
    /// Reads every layer of this process.
    pub(crate) fn load(flags: &[(Key, String)], file: Option<&Path>) -> Result<Self, SettingsError> {
        Self::from_layers(&Layers::of_this_process(flags, file)?)
    }

    pub(crate) fn from_layers(layers: &Layers) -> Result<Self, SettingsError> {
        Ok(Self {
            database_url: layers.text(Key::DATABASE_URL).map(Secret::from),
            jwt_secret: layers.parse(Key::JWT_SECRET, values::jwt_secret)?,
            jwks: layers.parse(Key::JWKS, str::parse)?,
            expected: Expected { issuer: layers.text(Key::JWT_ISSUER), audience: layers.text(Key::JWT_AUDIENCE) },
            listen: layers.parse_or(Key::LISTEN, "127.0.0.1:8000", values::listen)?,
            rate_limits: layers.parse(Key::RATE_LIMITS, str::parse)?,
            trusted_proxies: layers.parse_or(Key::TRUSTED_PROXIES, "0", values::trusted_proxies)?,
            docker_host: layers.text(Key::DOCKER_HOST),
            sandbox_limits: layers.parse(Key::SANDBOX_LIMITS, values::sandbox_limits)?.unwrap_or(Limits::MOST),
            log: layers.parse(Key::LOG, values::log)?,
            log_format: layers.parse(Key::LOG_FORMAT, str::parse)?.unwrap_or_default(),
            drain_timeout: layers.parse_or(Key::DRAIN_TIMEOUT, "30s", duration::parse)?,
            lost_after: layers.parse(Key::LOST_AFTER, values::lost_after)?.unwrap_or(LOST_AFTER),
            keep: layers.parse(Key::RETENTION, values::retention)?.unwrap_or_default(),
            webhook_schedule: layers.parse(Key::WEBHOOK_SCHEDULE, values::webhook_schedule)?,
            webhook_per_host: layers.parse(Key::WEBHOOK_PER_HOST, values::concurrency)?.unwrap_or(HOST_LIMIT),
            egress: egress(layers)?,
            concurrency: layers.parse(Key::CONCURRENCY, values::concurrency)?,
            server: layers.parse_or(Key::SERVER, "http://localhost:8000", values::server)?,
            token: layers.text(Key::TOKEN).map(Secret::from),
            no_color: layers.environment("NO_COLOR").is_some(),
        })
    }

    /// The database, for commands that do not choose one themselves.
    pub(crate) fn database_url(&self) -> Result<&str, SettingsError> {
        self.database_url.as_ref().map(Secret::reveal).ok_or(SettingsError::Missing {
            name: "DATABASE_URL",
            hint: "use postgres://USER:PASSWORD@HOST/DATABASE, or sqlite://PATH for one machine",
        })
    }

    /// What verifies tokens, for commands that do not make a secret themselves.
    pub(crate) fn verifier(&self) -> Result<Verifier<'_>, SettingsError> {
        match (&self.jwt_secret, &self.jwks) {
            (Some(secret), None) => Ok(Verifier::Secret(secret.reveal())),
            (None, Some(jwks)) => Ok(Verifier::Jwks(jwks)),
            (Some(_), Some(_)) => Err(SettingsError::Together(
                "JWT_SECRET and GOLDEN_JWKS are both set: tokens are verified by a shared secret or by an issuer's \
                 public keys, and never by both",
            )),
            (None, None) => Err(SettingsError::Missing {
                name: "JWT_SECRET",
                hint: "set at least 32 random bytes, for example from `openssl rand -hex 32`, or GOLDEN_JWKS",
            }),
        }
    }
}

/// What verifies tokens.
#[derive(Debug)]
pub(crate) enum Verifier<'a> {
    Secret(&'a str),
    Jwks(&'a Jwks),
}

fn egress(layers: &Layers) -> Result<Egress, SettingsError> {
    let (allow_hosts, allow_networks) = layers.parse_or(Key::EGRESS_ALLOW, "", values::hosts_and_networks)?;
    Ok(Egress {
        allow_http: layers.parse_or(Key::EGRESS_HTTP, "off", values::on_or_off)?,
        allow_ports: layers.parse_or(Key::EGRESS_PORTS, "443", values::ports)?,
        allow_hosts,
        allow_networks,
        allow_loopback: false,
    })
}
