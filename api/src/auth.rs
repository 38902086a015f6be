//! Who calls: bearer tokens (JWT, RFC 7519) and what they say.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, get_current_timestamp};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::permission::CallerRole;

/// HMAC-SHA256 is as strong as its secret, up to the hash's own 32 bytes (RFC 7518, 3.2).
const SECRET_MIN: usize = 32;
/// How far the clocks of issuer and server may differ, in seconds.
const LEEWAY: u64 = 30;
/// Tokens remembered as verified, at most.
const REMEMBERED: usize = 10_000;

/// Verifies tokens, and makes them for the command line.
///
/// One kind of key only: a verifier that took shared secrets and public keys alike could be
/// handed the public key as a secret.
pub struct Auth {
    verify: DecodingKey,
    sign: EncodingKey,
    rules: Validation,
    issuer: Option<String>,
    audience: Option<String>,
    verified: Mutex<HashMap<[u8; 32], Verified>>,
}

/// Whom a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub tenant: String,
    pub role: CallerRole,
    /// The person or program behind it; the role's name where the token does not say.
    pub subject: String,
    /// Requests a minute that the token asks for, in place of its role's.
    pub rate_limit: Option<u32>,
}

#[derive(Clone)]
struct Verified {
    grant: Grant,
    expires: u64,
}

/// The secret can be guessed.
#[derive(Debug, thiserror::Error)]
#[error("JWT_SECRET has {found} bytes and needs at least {SECRET_MIN}: try `openssl rand -hex 32`")]
pub struct WeakSecret {
    found: usize,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    #[error("the tenant: {0}")]
    Tenant(golden_jobs::text::NotAName),
    #[error("the token could not be signed: {0}")]
    Signing(String),
}

/// Why a token does not count. Shown to its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the token is not a JWT signed with this server's key and algorithm (HS256)")]
    Signature,
    #[error("the token has expired: mint a new one")]
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

impl Auth {
    /// Tokens signed with a shared secret. `issuer` and `audience` are checked where given.
    pub fn hs256(secret: &[u8], issuer: Option<&str>, audience: Option<&str>) -> Result<Self, WeakSecret> {
        if secret.len() < SECRET_MIN {
            return Err(WeakSecret { found: secret.len() });
        }
        let mut rules = Validation::new(Algorithm::HS256);
        rules.leeway = LEEWAY;
        rules.validate_nbf = true;
        // An audience says nothing to a server that was not told its own.
        rules.validate_aud = audience.is_some();
        if let Some(issuer) = issuer {
            rules.set_issuer(&[issuer]);
            rules.required_spec_claims.insert("iss".to_owned());
        }
        if let Some(audience) = audience {
            rules.set_audience(&[audience]);
            rules.required_spec_claims.insert("aud".to_owned());
        }
        Ok(Self {
            verify: DecodingKey::from_secret(secret),
            sign: EncodingKey::from_secret(secret),
            rules,
            issuer: issuer.map(str::to_owned),
            audience: audience.map(str::to_owned),
            verified: Mutex::default(),
        })
    }

    /// Makes a token that this verifier accepts for `ttl`.
    pub fn mint(&self, grant: &Grant, ttl: Duration) -> Result<String, MintError> {
        let tenant = golden_jobs::text::name(&grant.tenant).map_err(MintError::Tenant)?;
        let now = get_current_timestamp();
        let mut claims = json!({
            "tenant": tenant,
            "role": grant.role,
            "sub": grant.subject,
            "iat": now,
            "exp": now.saturating_add(ttl.as_secs()),
        });
        if let Some(rate_limit) = grant.rate_limit {
            claims["rate_limit"] = rate_limit.into();
        }
        if let Some(issuer) = &self.issuer {
            claims["iss"] = issuer.as_str().into();
        }
        if let Some(audience) = &self.audience {
            claims["aud"] = audience.as_str().into();
        }
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign)
            .map_err(|error| MintError::Signing(error.to_string()))
    }

    /// Whom `token` speaks for. A token that was verified before costs one hash.
    pub(crate) fn verify(&self, token: &str) -> Result<Grant, Refused> {
        Ok(self.verified(token)?.grant)
    }

    /// How long `token` counts from now on.
    pub(crate) fn left(&self, token: &str) -> Duration {
        let expires = self.verified(token).map_or(0, |verified| verified.expires);
        Duration::from_secs(expires.saturating_sub(get_current_timestamp()))
    }

    fn verified(&self, token: &str) -> Result<Verified, Refused> {
        let now = get_current_timestamp();
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.remembered().get(&hash)
            && now <= known.expires
        {
            return Ok(known.clone());
        }
        let verified = self.decode(token)?;
        let mut remembered = self.remembered();
        if remembered.len() >= REMEMBERED {
            remembered.retain(|_, known| now <= known.expires);
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
        }
        remembered.insert(hash, verified.clone());
        Ok(verified)
    }

    fn decode(&self, token: &str) -> Result<Verified, Refused> {
        use jsonwebtoken::errors::ErrorKind as E;

        let token =
            jsonwebtoken::decode::<Map<String, Value>>(token, &self.verify, &self.rules).map_err(
                |error| match error.kind() {
                    E::ExpiredSignature => Refused::Expired,
                    E::ImmatureSignature => Refused::NotYet,
                    E::InvalidIssuer => Refused::Issuer,
                    E::InvalidAudience => Refused::Audience,
                    E::MissingRequiredClaim(claim) if claim == "iss" => Refused::Issuer,
                    E::MissingRequiredClaim(claim) if claim == "aud" => Refused::Audience,
                    E::MissingRequiredClaim(_) | E::InvalidClaimFormat(_) => Refused::Expiry,
                    _ => Refused::Signature,
                },
            )?;
        // RFC 7515, 4.1.11: an extension that must be understood, and is not.
        if token.header.crit.is_some() {
            return Err(Refused::Signature);
        }
        let text = |claim| token.claims.get(claim).and_then(Value::as_str);
        let tenant = text("tenant").and_then(|tenant| golden_jobs::text::name(tenant).ok()).ok_or(Refused::Claims)?;
        let role: CallerRole = text("role").and_then(|role| role.parse().ok()).ok_or(Refused::Claims)?;
        let subject = text("sub").map(golden_jobs::text::free_text).filter(|sub| !sub.is_empty());
        let rate_limit = match token.claims.get("rate_limit") {
            None | Some(Value::Null) => None,
            // More than can be counted is as much as one could want; the operator's limit decides.
            Some(claim) => {
                let number = claim.as_u64().filter(|number| *number > 0).ok_or(Refused::RateLimit)?;
                Some(u32::try_from(number).unwrap_or(u32::MAX))
            }
        };
        // RFC 7519 allows a fraction of a second; a float beyond the range saturates, which is meant.
        let expires = token.claims.get("exp").and_then(Value::as_f64).ok_or(Refused::Expiry)? as u64;
        Ok(Verified {
            grant: Grant { tenant, role, subject: subject.unwrap_or_else(|| role.to_string()), rate_limit },
            expires: expires.saturating_add(LEEWAY),
        })
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Verified>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn auth() -> Auth {
        Auth::hs256(SECRET, None, None).unwrap()
    }

    fn signed(algorithm: Algorithm, secret: &[u8], claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap()
    }

    fn in_secs(secs: i64) -> u64 {
        get_current_timestamp().saturating_add_signed(secs)
    }

    fn refused(claims: &Value) -> Refused {
        auth().verify(&signed(Algorithm::HS256, SECRET, claims)).unwrap_err()
    }

    #[test]
    fn a_minted_token_says_who_it_was_minted_for_also_the_second_time() {
        let auth = auth();
        let grant =
            Grant { tenant: "acme".into(), role: CallerRole::Operator, subject: "eve".into(), rate_limit: Some(7) };
        let token = auth.mint(&grant, Duration::from_secs(60)).unwrap();
        assert_eq!(auth.verify(&token), Ok(grant.clone()));
        assert_eq!(auth.verify(&token), Ok(grant));
    }

    #[test]
    fn a_secret_under_32_bytes_is_refused() {
        assert!(Auth::hs256(&SECRET[..31], None, None).is_err());
    }

    #[test]
    fn what_is_remembered_ends_with_its_token() {
        let auth = auth();
        let token = signed(Algorithm::HS256, SECRET, &json!({"tenant": "t", "role": "admin", "exp": in_secs(60)}));
        auth.verify(&token).unwrap();
        for known in auth.remembered().values_mut() {
            known.expires = 1;
            known.grant.tenant = "stale".into();
        }
        assert_eq!(auth.verify(&token).unwrap().tenant, "t");
    }

    #[test]
    fn the_algorithm_is_pinned_and_the_signature_checked() {
        let claims = json!({"tenant": "t", "role": "admin", "exp": in_secs(60)});
        let good = signed(Algorithm::HS256, SECRET, &claims);
        let body = good.split('.').nth(1).unwrap();
        for token in [
            signed(Algorithm::HS512, SECRET, &claims),
            signed(Algorithm::HS256, b"another secret of at least 32 bytes", &claims),
            // {"alg":"none","typ":"JWT"}
            format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}."),
            format!("{good}x"),
            "a.b.c".to_owned(),
            String::new(),
        ] {
            assert_eq!(auth().verify(&token), Err(Refused::Signature), "{token}");
        }
    }

    #[test]
    fn time_is_checked_with_thirty_seconds_of_leeway() {
        let at = |exp: Value| json!({"tenant": "t", "role": "admin", "exp": exp});
        assert_eq!(refused(&at(in_secs(-35).into())), Refused::Expired);
        assert!(auth().verify(&signed(Algorithm::HS256, SECRET, &at(in_secs(-25).into()))).is_ok());
        assert_eq!(refused(&json!({"tenant": "t", "role": "admin"})), Refused::Expiry);
        assert_eq!(refused(&at("tomorrow".into())), Refused::Expiry);
        let early = json!({"tenant": "t", "role": "admin", "exp": in_secs(99), "nbf": in_secs(60)});
        assert_eq!(refused(&early), Refused::NotYet);
    }

    #[test]
    fn tenant_and_role_are_required_and_checked() {
        let exp = in_secs(60);
        for claims in [
            json!({"role": "admin", "exp": exp}),
            json!({"tenant": "t", "exp": exp}),
            json!({"tenant": "t", "role": "root", "exp": exp}),
            json!({"tenant": "'; DROP TABLE jobs", "role": "admin", "exp": exp}),
            json!({"tenant": 7, "role": "admin", "exp": exp}),
        ] {
            assert_eq!(refused(&claims), Refused::Claims, "{claims}");
        }
    }

    #[test]
    fn a_rate_limit_is_a_whole_number_or_absent() {
        let claims = |limit: Value| json!({"tenant": "t", "role": "admin", "exp": in_secs(60), "rate_limit": limit});
        let limit = |claim: Value| {
            auth().verify(&signed(Algorithm::HS256, SECRET, &claims(claim))).map(|grant| grant.rate_limit)
        };
        assert_eq!(limit(600.into()), Ok(Some(600)));
        assert_eq!(limit(u64::MAX.into()), Ok(Some(u32::MAX)));
        assert_eq!(limit(Value::Null), Ok(None));
        for wrong in [json!(0), json!(-1), json!(1.5), json!("600"), json!([600])] {
            assert_eq!(limit(wrong.clone()), Err(Refused::RateLimit), "{wrong}");
        }
    }

    #[test]
    fn issuer_and_audience_are_checked_where_configured() {
        let auth = Auth::hs256(SECRET, Some("https://issuer"), Some("golden")).unwrap();
        let verify = |iss: Option<&str>, aud: Option<&str>| {
            let claims = json!({"tenant": "t", "role": "admin", "exp": in_secs(60), "iss": iss, "aud": aud});
            auth.verify(&signed(Algorithm::HS256, SECRET, &claims)).map(|_| ())
        };
        assert_eq!(verify(Some("https://issuer"), Some("golden")), Ok(()));
        assert_eq!(verify(Some("https://other"), Some("golden")), Err(Refused::Issuer));
        assert_eq!(verify(None, Some("golden")), Err(Refused::Issuer));
        assert_eq!(verify(Some("https://issuer"), Some("other")), Err(Refused::Audience));
        assert_eq!(verify(Some("https://issuer"), None), Err(Refused::Audience));
    }
}
