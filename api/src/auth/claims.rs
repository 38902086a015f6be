//! From a token to whom it speaks for.

use std::{collections::HashSet, time::Duration};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind, get_current_timestamp};
use serde_json::{Map, Value};

use super::Grant;
use crate::permission::CallerRole;

/// How far the clocks of issuer and server may differ, in seconds.
const LEEWAY: u64 = 30;

/// What the server was told about its issuer. What it was not told, it does not ask of tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// What `iss` must say.
    pub issuer: Option<String>,
    /// What `aud` must say or contain.
    pub audience: Option<String>,
}

/// Why a token does not count. Shown to its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the token is not a JWT signed with this server's key and algorithm")]
    Signature,
    #[error("the token's key (`kid`) is not among those that the issuer publishes")]
    UnknownKey,
    #[error("the token names no key (`kid`), and the issuer has several")]
    NoKeyNamed,
    #[error("the issuer's keys have not been read yet")]
    NoKeys,
    #[error("the token has expired: get a new one")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token has no `exp` in seconds since 1970: every token must end")]
    Expiry,
    #[error("the token is from another issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token's claim `rate_limit` must be a whole number of requests a minute, 1 or more")]
    RateLimit,
    #[error("the token needs the claims `tenant` (a name) and `role` (admin, operator, developer or observer)")]
    Claims,
}

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) grant: Grant,
    /// In seconds since 1970, leeway included.
    pub(super) expires: u64,
}

impl Verified {
    /// How long the token counts from now on.
    pub(crate) fn left(&self) -> Duration {
        Duration::from_secs(self.expires.saturating_sub(get_current_timestamp()))
    }
}

impl Expected {
    /// What `token` says, if `key` signed it by `algorithm` and it counts now.
    pub(super) fn verified(&self, token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Verified, Refused> {
        let token = jsonwebtoken::decode::<Map<String, Value>>(token, key, &self.rules(algorithm))
            .map_err(|error| refusal(error.kind()))?;
        // RFC 7515, 4.1.11: an extension that must be understood, and is not.
        if token.header.crit.is_some() {
            return Err(Refused::Signature);
        }
        let claim = |name| token.claims.get(name).filter(|value| !value.is_null());
        let text = |name| claim(name).and_then(Value::as_str);
        let tenant = text("tenant").and_then(|tenant| golden_jobs::text::name(tenant).ok()).ok_or(Refused::Claims)?;
        let role: CallerRole = text("role").and_then(|role| role.parse().ok()).ok_or(Refused::Claims)?;
        let subject = text("sub").map(golden_jobs::text::free_text).filter(|sub| !sub.is_empty());
        let rate_limit = match claim("rate_limit") {
            None => None,
            Some(limit) => Some(limit.as_u64().filter(|limit| *limit > 0).ok_or(Refused::RateLimit)?),
        };
        // RFC 7519 allows a fraction of a second; a float beyond the range saturates, which is meant.
        let expires = claim("exp").and_then(Value::as_f64).ok_or(Refused::Expiry)? as u64;
        Ok(Verified {
            grant: Grant {
                tenant,
                role,
                subject: subject.unwrap_or_else(|| role.to_string()),
                // More than can be counted is as much as one could want; the operator's limit decides.
                rate_limit: rate_limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
            },
            expires: expires.saturating_add(LEEWAY),
        })
    }

    fn rules(&self, algorithm: Algorithm) -> Validation {
        let mut rules = Validation::new(algorithm);
        rules.leeway = LEEWAY;
        rules.validate_nbf = true;
        // An audience says nothing to a server that was not told its own.
        rules.validate_aud = self.audience.is_some();
        for (name, value) in [("iss", &self.issuer), ("aud", &self.audience)] {
            rules.required_spec_claims.extend(value.as_ref().map(|_| name.to_owned()));
        }
        rules.iss = self.issuer.clone().map(|issuer| HashSet::from([issuer]));
        rules.aud = self.audience.clone().map(|audience| HashSet::from([audience]));
        rules
    }
}

fn refusal(error: &ErrorKind) -> Refused {
    match error {
        ErrorKind::ExpiredSignature => Refused::Expired,
        ErrorKind::ImmatureSignature => Refused::NotYet,
        ErrorKind::InvalidIssuer => Refused::Issuer,
        ErrorKind::InvalidAudience => Refused::Audience,
        ErrorKind::MissingRequiredClaim(claim) | ErrorKind::InvalidClaimFormat(claim) => match claim.as_str() {
            "iss" => Refused::Issuer,
            "aud" => Refused::Audience,
            "nbf" => Refused::NotYet,
            _ => Refused::Expiry,
        },
        _ => Refused::Signature,
    }
}
