//! Who calls: bearer tokens (JWT, RFC 7519) and what they say.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, decode_header, get_current_timestamp};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{part::Part, permission::CallerRole};

mod claims;
mod key_set;
mod public_keys;
mod signatures;

pub use claims::{Expected, Refused};
pub use key_set::{MalformedKeySet, UnfitKey};
pub use public_keys::{KeySource, KeysError, Pace, SourceError};

pub(crate) use claims::Verified;
use public_keys::PublicKeys;

/// HMAC-SHA256 is as strong as its secret, up to the hash's own 32 bytes (RFC 7518, 3.2).
const SECRET_MIN: usize = 32;
/// Tokens remembered as verified, at most.
const REMEMBERED: usize = 10_000;

/// Verifies tokens, and makes them for the command line.
pub struct Auth {
    keys: Keys,
    expected: Expected,
    verified: Mutex<HashMap<[u8; 32], Remembered>>,
}

/// One kind of key only: a verifier that took shared secrets and public keys alike could be
/// handed the public key as a secret.
enum Keys {
    Secret { verify: DecodingKey, sign: EncodingKey },
    Public(PublicKeys),
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

struct Remembered {
    verified: Verified,
    /// Of the keys that verified it: what an issuer withdraws counts no longer.
    keys: u64,
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
    #[error("public keys verify tokens and cannot sign them: ask their issuer for one")]
    PublicKeys,
    #[error("the token could not be signed: {0}")]
    Signing(String),
}

impl Auth {
    /// Tokens signed with a shared secret (HS256).
    pub fn hs256(secret: &[u8], expected: Expected) -> Result<Self, WeakSecret> {
        if secret.len() < SECRET_MIN {
            return Err(WeakSecret { found: secret.len() });
        }
        let keys = Keys::Secret { verify: DecodingKey::from_secret(secret), sign: EncodingKey::from_secret(secret) };
        Ok(Self::new(keys, expected))
    }

    /// Tokens signed by an issuer that publishes its keys (RS256, ES256, EdDSA). Needs a tokio
    /// runtime: a task follows what the issuer publishes.
    pub async fn jwks(source: impl KeySource, expected: Expected) -> Result<Self, KeysError> {
        Ok(Self::new(Keys::Public(PublicKeys::open(source).await?), expected))
    }

    /// How many public keys verify tokens now, or why there are none yet. `None` with a shared secret.
    pub fn public_keys(&self) -> Option<Result<usize, String>> {
        let Keys::Public(keys) = &self.keys else { return None };
        let count = || keys.known().map_or(0, |known| known.set.len());
        Some(keys.readiness()().map(|()| count()))
    }

    fn new(keys: Keys, expected: Expected) -> Self {
        signatures::install();
        Self { keys, expected, verified: Mutex::default() }
    }

    /// Makes a token that this verifier accepts for `ttl`.
    pub fn mint(&self, grant: &Grant, ttl: Duration) -> Result<String, MintError> {
        let Keys::Secret { sign, .. } = &self.keys else { return Err(MintError::PublicKeys) };
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
        if let Some(issuer) = &self.expected.issuer {
            claims["iss"] = issuer.as_str().into();
        }
        if let Some(audience) = &self.expected.audience {
            claims["aud"] = audience.as_str().into();
        }
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, sign)
            .map_err(|error| MintError::Signing(error.to_string()))
    }

    /// What `/readyz` names where keys come from elsewhere.
    pub(crate) fn part(&self) -> Option<Part> {
        let Keys::Public(keys) = &self.keys else { return None };
        let readiness = keys.readiness();
        Some(Part::new("keys", move || std::future::ready(readiness())))
    }

    /// Whom `token` speaks for. A token that was verified before costs one hash.
    pub(crate) async fn verify(&self, token: &str) -> Result<Verified, Refused> {
        let version = match &self.keys {
            Keys::Secret { .. } => 0,
            Keys::Public(keys) => keys.known().ok_or(Refused::NoKeys)?.version,
        };
        let now = get_current_timestamp();
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.remembered().get(&hash)
            && known.keys == version
            && now <= known.verified.expires
        {
            return Ok(known.verified.clone());
        }
        let known = match &self.keys {
            Keys::Secret { verify, .. } => {
                Remembered { verified: self.expected.verified(token, verify, Algorithm::HS256)?, keys: version }
            }
            Keys::Public(keys) => self.by_public_key(token, keys).await?,
        };
        let verified = known.verified.clone();
        let mut remembered = self.remembered();
        if remembered.len() >= REMEMBERED {
            remembered.retain(|_, known| known.keys == version && now <= known.verified.expires);
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
        }
        remembered.insert(hash, known);
        Ok(verified)
    }

    async fn by_public_key(&self, token: &str, keys: &PublicKeys) -> Result<Remembered, Refused> {
        let header = decode_header(token).map_err(|_| Refused::Signature)?;
        let id = header.kid.as_deref();
        let mut known = keys.known().ok_or(Refused::NoKeys)?;
        if !known.set.knows(id) {
            known = keys.looked_again().await.ok_or(Refused::NoKeys)?;
        }
        // The algorithm is the key's: a token that names another one has no key here.
        let key = known.set.find(id, header.alg).ok_or(match id {
            None if known.set.len() > 1 => Refused::NoKeyNamed,
            Some(_) if !known.set.knows(id) => Refused::UnknownKey,
            _ => Refused::Signature,
        })?;
        Ok(Remembered { verified: self.expected.verified(token, &key.key, key.algorithm)?, keys: known.version })
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<[u8; 32], Remembered>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
