//! What verifies tokens: a secret that nobody guesses, or keys that can be read.

use std::collections::BTreeSet;

use super::Check;
use crate::{
    config::{Jwks, Settings, Verifier, without_password},
    state::StateDir,
    wire,
};

/// Different bytes that 32 random ones of an alphabet of 16 have, nearly always.
const LEAST_DIFFERENT: usize = 8;
/// What is in secrets that were copied from somewhere, in lower case.
const SAMPLES: [&str; 5] = ["secret", "password", "changeme", "change-me", "example"];

pub(super) async fn check(settings: &Settings) -> Vec<Check> {
    match settings.verifier() {
        Ok(Verifier::Secret(secret)) => vec![judged(secret)],
        Ok(Verifier::Jwks(jwks)) => keys(jwks, settings).await,
        Err(missing) => vec![match StateDir::known_secret() {
            Some(_) => Check::ok("tokens", "verified by the secret that `golden dev` keeps in .golden/"),
            None => Check::warning("tokens", format!("{missing}; `golden dev` makes one of its own")),
        }],
    }
}

fn judged(secret: &str) -> Check {
    let different = secret.bytes().collect::<BTreeSet<_>>().len();
    let small = secret.to_ascii_lowercase();
    let why = if different < LEAST_DIFFERENT {
        "has few different characters"
    } else if SAMPLES.iter().any(|sample| small.contains(sample)) {
        "looks like a sample"
    } else {
        return Check::ok("tokens", format!("verified by JWT_SECRET, which has {} bytes", secret.len()));
    };
    Check::warning(
        "tokens",
        format!("JWT_SECRET {why}, and whoever guesses it is everybody: use `openssl rand -hex 32`"),
    )
}

async fn keys(jwks: &Jwks, settings: &Settings) -> Vec<Check> {
    let place = match jwks {
        Jwks::File(path) => path.display().to_string(),
        Jwks::Url(url) => without_password(url.as_str()),
    };
    let read = match wire::auth(settings).await {
        Ok(auth) => auth.public_keys().unwrap_or(Ok(0)).map_err(|reason| format!("GOLDEN_JWKS: {reason}")),
        Err(error) => Err(crate::exit::describe(&error)),
    };
    let mut checks = vec![match read {
        Ok(count) => Check::ok("tokens", format!("verified by the public keys at {place}: {count} can be used")),
        Err(reason) => Check::failure("tokens", format!("{reason}: no token counts until {place} can be read")),
    }];
    if settings.expected.audience.is_none() {
        checks.push(Check::warning(
            "tokens",
            "GOLDEN_JWT_AUDIENCE is not set: tokens that the issuer makes for other services count here, too",
        ));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::{super::Status, *};

    #[test]
    fn a_secret_is_judged_and_never_shown() {
        for (secret, status) in [
            ("8f1c0b7e2d934a56f0e1c2b3a4958677", Status::Ok),
            ("aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb", Status::Warning),
            ("a-string-Secret-at-least-256-bits-long", Status::Warning),
        ] {
            let check = judged(secret);
            assert_eq!(check.status, status, "{check:?}");
            assert!(!check.found.contains(secret));
        }
    }
}
