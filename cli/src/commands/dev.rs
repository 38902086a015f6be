//! `golden dev`: all of Golden in one process, with nothing else needed.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use clap::Args;
use golden_api::{Auth, CallerRole, Grant, RateLimits};
use golden_jobs::{Registry, Role, metrics::Metrics, store};

use super::ProcessArgs;
use crate::{
    config::{Answerer, Settings, SettingsError, Verifier, table},
    exit::Exit,
    output::Output,
    signals::Signals,
    state::StateDir,
    wire::{self, Client, Process},
};

/// Run everything in this one process: API, every pool, SQLite
///
/// Keeps its state in .golden/ in the current directory, unless DATABASE_URL and JWT_SECRET say
/// otherwise. Prints a token and a line to paste. The first Ctrl-C drains, a second one ends at
/// once.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, after_help = "Example:\n  golden dev --listen 127.0.0.1:8001")]
pub(crate) struct DevArgs {
    /// Address to listen on [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    #[command(flatten)]
    pub(super) process: ProcessArgs,
}

const MAKES_ITS_OWN: &str =
    "GOLDEN_JWKS is set, and golden dev makes its own tokens: unset it, or use `golden api` and `golden worker`";

const TENANT: &str = "dev";
const TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);

pub(crate) async fn run(mut settings: Settings, registry: Registry) -> anyhow::Result<Exit> {
    let listener = wire::listen(settings.listen, &table::LISTEN).await?;
    let secret = match settings.verifier() {
        Ok(Verifier::Secret(secret)) => secret.to_owned(),
        Ok(Verifier::Jwks(_)) => return Err(SettingsError::Together(MAKES_ITS_OWN).into()),
        Err(SettingsError::Missing { .. }) => StateDir::open()?.jwt_secret()?,
        Err(wrong) => return Err(wrong.into()),
    };
    let (database_url, database) = match &settings.database_url {
        Some(url) => (url.reveal().to_owned(), "the one that DATABASE_URL names".to_owned()),
        None => {
            let state = StateDir::open()?;
            (state.database_url(), format!("SQLite in {}/; remove the directory to begin anew", state.path().display()))
        }
    };
    store::migrate(&database_url).await?;

    let auth = Auth::hs256(secret.as_bytes(), settings.expected.clone())?;
    let grant = Grant {
        tenant: TENANT.to_owned(),
        role: CallerRole::Admin,
        subject: "golden dev".to_owned(),
        rate_limit: None,
    };
    let token = auth.mint(&grant, TOKEN_TTL)?;
    let metrics = Metrics::new();
    let sandbox = wire::sandbox(&settings, &metrics).await.map_err(|missing| missing.to_string());
    let missing = sandbox.as_ref().err().cloned();
    // Whoever tries things out is not to wait for a minute to pass.
    let limits = *settings.rate_limits.get_or_insert(RateLimits::Off);
    let welcome = welcome(listener.local_addr()?, &token, &database, limits, missing.as_deref());

    // Everything can be tried without a provider of models.
    settings.models.get_or_insert(Answerer::Offline);
    // What developers call back is on their own machine.
    settings.egress.allow_loopback = true;
    let mut process = Process::start(settings, registry, metrics, Client::DEV, &database_url).await?;
    let signals = Signals::listen()?;
    process.add_api(listener, auth, missing);
    process.add_scaler().await?;
    process.add_pools(&Role::ALL, sandbox, None)?;
    Output::new(false, true).line(&welcome)?;
    process.run_until(signals).await
}

/// What a newcomer needs to know and paste.
fn welcome(
    address: SocketAddr,
    token: &str,
    database: &str,
    limits: RateLimits,
    sandbox_missing: Option<&str>,
) -> String {
    let server = server(address);
    let sandbox = match sandbox_missing {
        None => "on: programs run in gVisor".to_owned(),
        Some(missing) => format!("off: {missing}"),
    };
    let limits = match limits {
        RateLimits::Off => "off; GOLDEN_RATE_LIMITS=on turns them on, as golden api has them",
        RateLimits::PerMinute(_) => "on, as GOLDEN_RATE_LIMITS says",
    };
    // As it was started: after `make run` it is on nobody's PATH.
    let golden = std::env::args_os().next().and_then(|path| path.into_string().ok());
    let golden = golden.unwrap_or_else(|| "golden".to_owned());
    let body = r#"{"kind": "noop", "payload": {"output": "hello from golden"}}"#;
    format!(
        "golden dev listens on {server}

  docs       {server}/docs
  kinds      {server}/v1/kinds
  database   {database}
  sandbox    {sandbox}
  limits     {limits}
  network    jobs and webhooks may reach this machine itself (loopback), which only golden dev allows
  token      admin of tenant `{TENANT}`, good for 24 h

Paste this into another terminal: it runs a job and shows its result.

curl -sS {server}/v1/jobs -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -H 'Prefer: wait=10' -d '{body}' -w '\\n'

Or use the command line (`{golden} webhooks secret` shows what signs the webhooks of your jobs):

export GOLDEN_SERVER={server} GOLDEN_TOKEN={token}
{golden} jobs submit noop '{{\"output\": \"hello\"}}' --wait 10

Ctrl-C drains and ends; a second one ends at once.
"
    )
}

/// Where a client on this machine finds a listener.
fn server(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        // All addresses is none that one can connect to.
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_address_is_one_to_connect_to() {
        let of = |address: &str| server(address.parse().unwrap());
        assert_eq!(of("0.0.0.0:8000"), "http://127.0.0.1:8000");
        assert_eq!(of("[::]:80"), "http://127.0.0.1:80");
        assert_eq!(of("[::1]:80"), "http://[::1]:80");
    }
}
