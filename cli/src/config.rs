//! Settings: flags over the environment over `golden.toml` over defaults.
//!
//! The environment is read here and nowhere else. Every setting has one name: the variable
//! `GOLDEN_DRAIN_TIMEOUT` is the key `drain_timeout` of the file and the flag
//! `--drain-timeout`. Whatever the layer, a value is text until it is parsed as the one `table`
//! says, so a wrong one is reported in the same words wherever it came from.

use std::{fmt, net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use golden_api::{RateLimits, TlsFiles, auth::Expected};
use golden_jobs::{
    budgets::Allowance,
    egress::Egress,
    governance::rules::Rules,
    sandbox::Limits,
    store::{Keep, PoolMode},
};
use golden_nats::StreamLimits;
use golden_sandbox::{Image, KeepWarm};
use reqwest::Url;
use tracing_subscriber::EnvFilter;

mod audit_key;
pub(crate) mod example;
mod file;
mod images;
mod layers;
mod models;
mod near;
#[cfg(test)]
mod page;
mod setting;
pub(crate) mod table;
mod traces;
mod values;

pub(crate) use audit_key::AuditKey;
pub(crate) use layers::Layers;
pub(crate) use models::{Answerer, Roles};
pub(crate) use setting::{AnySetting, Setting, without_password};
pub(crate) use traces::Collector;
pub(crate) use values::{DispatchBy, Jwks, LogFormat, Secret};

use setting::Unset;

/// The settings as help shows them.
pub(crate) fn help() -> String {
    let mut help = "Settings are taken from flags, else from the environment, else from golden.toml:\n".to_owned();
    let width = table::all().map(|setting| setting.about().name.len()).max().unwrap_or(0);
    for about in table::all().map(AnySetting::about) {
        let default = match about.unset {
            Unset::Value(value) => format!(" [{value}]"),
            Unset::Otherwise(_) => String::new(),
        };
        help += &format!("  {:<width$} {}{default}\n", about.name, about.what);
    }
    help + "\
In the file, a key is the name in lower case without GOLDEN_: drain_timeout = \"1m\".
A duration is 500ms, 90s, 5m, 2h, 7d or 1h30m; a bare number is seconds.
`golden doctor` shows which are set, and where."
}

/// What a process is told, parsed and checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) database_url: Option<Secret>,
    /// For how long its connections have a session of PostgreSQL.
    pub(crate) pool_mode: PoolMode,
    /// How many it may have, where the operator says so.
    pub(crate) connections: Option<u32>,
    pub(crate) jwt_secret: Option<Secret>,
    pub(crate) jwks: Option<Jwks>,
    /// What tokens must say, and minted ones do.
    pub(crate) expected: Expected,
    pub(crate) listen: SocketAddr,
    /// Where KEDA's external scaler is answered, if anywhere.
    pub(crate) scaler_listen: Option<SocketAddr>,
    /// How it is encrypted, if it is.
    pub(crate) scaler_tls: Option<TlsFiles>,
    /// Where a worker answers probes, if anywhere.
    pub(crate) probes_listen: Option<SocketAddr>,
    /// `None` lets the command choose.
    pub(crate) rate_limits: Option<RateLimits>,
    pub(crate) trusted_proxies: usize,
    pub(crate) docker_host: Option<String>,
    /// What sandboxed programs run in.
    pub(crate) sandbox_images: Vec<Image>,
    /// The most that a sandboxed program gets.
    pub(crate) sandbox_limits: Limits,
    /// How many sandboxes wait for programs.
    pub(crate) sandbox_warm: KeepWarm,
    /// Who answers agents, if anybody does.
    pub(crate) models: Option<Answerer>,
    /// Shows whoever it is that we may ask.
    pub(crate) models_key: Option<Secret>,
    /// Which model a role of agents has, where anybody said.
    pub(crate) model_roles: Option<Roles>,
    /// What servers log.
    pub(crate) log: EnvFilter,
    pub(crate) log_format: LogFormat,
    /// Where spans go; `None` where none are made.
    pub(crate) traces: Option<Collector>,
    pub(crate) drain_timeout: Duration,
    pub(crate) lost_after: Duration,
    /// How long jobs stay on record after they ended.
    pub(crate) keep: Keep,
    /// What a tenant may spend for which nothing else was set.
    pub(crate) budget: Allowance,
    pub(crate) governance: Rules,
    /// The wait before each attempt to deliver a webhook; the first is always zero.
    pub(crate) webhook_schedule: Option<Vec<Duration>>,
    /// Webhooks that a process delivers to one host at the same time.
    pub(crate) webhook_per_host: NonZeroUsize,
    /// Where Redis is, if there is one.
    pub(crate) redis: Option<Secret>,
    /// Whom workers ask for jobs.
    pub(crate) dispatch: DispatchBy,
    /// `None` where there is no NATS.
    pub(crate) nats: Option<Nats>,
    /// Signs heads of the audit log, where there is one.
    pub(crate) audit_key: Option<AuditKey>,
    /// How long a circuit breaker is open at first.
    pub(crate) breaker_open: Duration,
    /// Where requests to addresses that users name may go.
    pub(crate) egress: Egress,
    /// Runs at once in each pool, where the operator says so.
    pub(crate) concurrency: Option<NonZeroUsize>,
    /// Where client commands find the API.
    pub(crate) server: Url,
    pub(crate) token: Option<Secret>,
    /// Colour is unwanted, terminal or not (see no-color.org).
    pub(crate) no_color: bool,
    /// What is probably not as it was meant, to be told once.
    pub(crate) warnings: Vec<String>,
}

/// How to reach NATS, and what is to be there.
#[derive(Debug, Clone)]
pub(crate) struct Nats {
    pub(crate) url: Secret,
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) streams: StreamLimits,
}

/// Why no process can be run with these settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingsError {
    /// All that cannot be used, so that it can be mended in one go.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<Fault>),
    #[error("{name} is not set: {hint}")]
    Missing { name: &'static str, hint: &'static str },
    #[error("{0}")]
    Together(&'static str),
}

/// Something in a layer that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where it stands, and what it is called there.
    pub(crate) place: String,
    /// What is wrong with it, and what would be right. Quotes no secret.
    pub(crate) problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl Settings {
    pub(crate) fn from_layers(layers: &Layers) -> Result<Self, SettingsError> {
        let faults = layers.faults();
        if !faults.is_empty() {
            return Err(SettingsError::Wrong(faults));
        }
        let (allow_hosts, allow_networks) = layers.get(&table::EGRESS_ALLOW)?.unwrap_or_default();
        Ok(Self {
            database_url: layers.get(&table::DATABASE_URL)?,
            pool_mode: layers.value(&table::POOL_MODE)?,
            connections: layers.get(&table::CONNECTIONS)?,
            jwt_secret: layers.get(&table::JWT_SECRET)?,
            jwks: layers.get(&table::JWKS)?,
            expected: Expected { issuer: layers.get(&table::JWT_ISSUER)?, audience: layers.get(&table::JWT_AUDIENCE)? },
            listen: layers.value(&table::LISTEN)?,
            scaler_listen: layers.get(&table::SCALER_LISTEN)?,
            scaler_tls: scaler_tls(layers)?,
            probes_listen: layers.get(&table::PROBES_LISTEN)?,
            rate_limits: layers.get(&table::RATE_LIMITS)?,
            trusted_proxies: layers.value(&table::TRUSTED_PROXIES)?,
            docker_host: layers.get(&table::DOCKER_HOST)?,
            sandbox_images: layers.get(&table::SANDBOX_IMAGES)?.unwrap_or_else(Image::defaults),
            sandbox_limits: layers.value(&table::SANDBOX_LIMITS)?,
            sandbox_warm: layers.value(&table::SANDBOX_WARM)?,
            models: layers.get(&table::LLM_BASE_URL)?,
            models_key: layers.get(&table::LLM_API_KEY)?,
            model_roles: layers.get(&table::MODELS)?,
            log: layers.value(&table::LOG)?,
            log_format: layers.value(&table::LOG_FORMAT)?,
            traces: traces::collector(layers)?,
            drain_timeout: layers.value(&table::DRAIN_TIMEOUT)?,
            lost_after: layers.value(&table::LOST_AFTER)?,
            keep: layers.value(&table::RETENTION)?,
            budget: layers.value(&table::BUDGET)?,
            governance: layers.get(&table::GOVERNANCE)?.unwrap_or_default(),
            webhook_schedule: layers.get(&table::WEBHOOK_SCHEDULE)?,
            webhook_per_host: layers.value(&table::WEBHOOK_PER_HOST)?,
            redis: layers.get(&table::REDIS_URL)?,
            dispatch: layers.value(&table::DISPATCH)?,
            nats: match layers.get(&table::NATS_URL)? {
                Some(url) => Some(Nats {
                    url,
                    credentials: layers.get(&table::NATS_CREDENTIALS)?,
                    streams: layers.value(&table::NATS_STREAMS)?,
                }),
                None => None,
            },
            audit_key: layers.get(&table::AUDIT_KEY)?,
            breaker_open: layers.value(&table::BREAKER_OPEN)?,
            egress: Egress {
                allow_http: layers.value(&table::EGRESS_HTTP)?,
                allow_ports: layers.value(&table::EGRESS_PORTS)?,
                allow_hosts,
                allow_networks,
                allow_loopback: false,
            },
            concurrency: layers.get(&table::CONCURRENCY)?,
            server: layers.value(&table::SERVER)?,
            token: layers.get(&table::TOKEN)?,
            no_color: layers.environment("NO_COLOR").is_some(),
            warnings: layers.warnings().into_iter().chain(traces::warning(layers)).collect(),
        })
    }

    /// The database, for commands that do not choose one themselves.
    pub(crate) fn database_url(&self) -> Result<&str, SettingsError> {
        self.database_url.as_ref().map(Secret::reveal).ok_or(SettingsError::Missing {
            name: "DATABASE_URL",
            hint: "use postgres://USER:PASSWORD@HOST/DATABASE, or sqlite://PATH for one machine",
        })
    }

    /// Whether what one setting asks for is there by another, for commands that run a server.
    pub(crate) fn is_complete(&self) -> Result<(), SettingsError> {
        if self.dispatch == DispatchBy::Redis && self.redis.is_none() {
            return Err(SettingsError::Missing {
                name: table::REDIS_URL.about.name,
                hint: "GOLDEN_DISPATCH is `redis`: say where Redis is, or let workers ask the store",
            });
        }
        if matches!(self.models, Some(Answerer::At(_))) && self.model_roles.is_none() {
            return Err(SettingsError::Missing {
                name: table::MODELS.about.name,
                hint: "LLM_BASE_URL says where models are: say which, for example [{\"model\": \"gpt-5\"}]",
            });
        }
        Ok(())
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

/// What encrypts the external scaler: both files that it takes, or none.
fn scaler_tls(layers: &Layers) -> Result<Option<TlsFiles>, SettingsError> {
    let client_ca = layers.get(&table::SCALER_TLS_CLIENT_CA)?;
    match (layers.get(&table::SCALER_TLS_CERT)?, layers.get(&table::SCALER_TLS_KEY)?) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key, client_ca })),
        (None, None) if client_ca.is_none() => Ok(None),
        _ => Err(SettingsError::Together(
            "TLS of the external scaler needs both GOLDEN_SCALER_TLS_CERT and GOLDEN_SCALER_TLS_KEY",
        )),
    }
}

/// What verifies tokens.
#[derive(Debug)]
pub(crate) enum Verifier<'a> {
    Secret(&'a str),
    Jwks(&'a Jwks),
}
