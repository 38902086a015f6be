//! `golden token mint`: makes a token that the API accepts.

use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use golden_api::{Auth, CallerRole, Grant};

use crate::{
    config::{Settings, SettingsError, Verifier},
    duration,
    exit::Exit,
    output::Output,
    state::StateDir,
};

/// Make tokens that the API accepts
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, and nothing else, on standard output
    ///
    /// It is signed with JWT_SECRET or, where that is not set, with the secret that `golden dev`
    /// keeps in this directory.
    #[command(
        verbatim_doc_comment,
        after_help = "Example:\n  export GOLDEN_TOKEN=$(golden token mint --tenant acme --role developer --ttl 12h)"
    )]
    Mint {
        /// Whose jobs it sees and makes
        #[arg(long, value_parser = golden_jobs::text::name)]
        tenant: String,
        /// observer, developer, operator or admin
        #[arg(long)]
        role: CallerRole,
        /// The person or program that will hold it, for the record
        #[arg(long, default_value = "golden-cli", value_name = "SUBJECT")]
        sub: String,
        /// How long it is good for
        #[arg(long, default_value = "1h", value_parser = lifetime, value_name = "DURATION")]
        ttl: Duration,
        /// Requests a minute instead of its role's; more only as GOLDEN_RATE_LIMITS has service=…
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        rate_limit: Option<u32>,
    },
}

/// A token that has ended before it is printed helps nobody.
fn lifetime(text: &str) -> Result<Duration, String> {
    match duration::parse(text).map_err(|error| error.to_string())? {
        ttl if ttl < Duration::from_secs(1) => Err("expected a second or more".to_owned()),
        ttl => Ok(ttl),
    }
}

const CANNOT_SIGN: &str = "GOLDEN_JWKS is set: its public keys verify tokens and cannot sign them. Get tokens from \
     their issuer, with the claims `tenant`, `role` and `exp`.";

pub(crate) fn run(command: TokenCommand, settings: &Settings) -> anyhow::Result<Exit> {
    let TokenCommand::Mint { tenant, role, sub, ttl, rate_limit } = command;
    let secret = match settings.verifier() {
        Ok(Verifier::Secret(secret)) => secret.to_owned(),
        Ok(Verifier::Jwks(_)) => return Err(SettingsError::Together(CANNOT_SIGN).into()),
        Err(missing @ SettingsError::Missing { .. }) => StateDir::known_secret().ok_or(missing)?,
        Err(wrong) => return Err(wrong.into()),
    };
    let auth = Auth::hs256(secret.as_bytes(), settings.expected.clone())?;
    let grant = Grant { tenant, role, subject: sub, rate_limit };
    let token = auth.mint(&grant, ttl).context("no token was made")?;
    Output::new(false, true).line(&token)?;
    Ok(Exit::Ok)
}
