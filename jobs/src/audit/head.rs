//! Signed heads: what a chain was at a time, on the word of whoever holds a key.
//!
//! A chain alone does not show that all of it was written anew, by somebody who may change the database. A head that
//! was signed before, and kept elsewhere, does. Ed25519 (RFC 8032) over
//! `"golden-audit-head-v1\0" ‖ seq as 8 bytes big-endian ‖ hash ‖ at in microseconds since 1970 as 8 bytes big-endian ‖
//! tenant`, the tenant in UTF-8, empty for the installation.

use std::{borrow::Cow, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Hash, Head};

const DOMAIN: &[u8] = b"golden-audit-head-v1\0";

/// Where a chain ended at a time, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignedHead {
    /// Whose chain it is; null is the installation's.
    pub tenant: Option<String>,
    /// The number of the last entry then.
    pub seq: u64,
    /// That entry's hash.
    pub hash: Hash,
    /// When it was signed, by the store's clock.
    pub at: DateTime<Utc>,
    /// The public key that the signature is held against, in base64.
    pub key: Bytes<32>,
    /// Ed25519, in base64.
    pub signature: Bytes<64>,
}

/// Bytes that are written in base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Bytes<const N: usize>(pub [u8; N]);

/// What signs heads.
pub struct SigningKey(Ed25519KeyPair);

/// It is not what an Ed25519 key is made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it must be 32 bytes in base64: `openssl rand -base64 32` makes one")]
pub struct NotAKey;

impl SigningKey {
    /// `seed` is the private key of RFC 8032, in base64.
    pub fn read(seed: &str) -> Result<Self, NotAKey> {
        let Bytes(seed) = Bytes::<32>::try_from(seed.trim().to_owned())?;
        Ed25519KeyPair::from_seed_unchecked(&seed).map(Self).map_err(|_| NotAKey)
    }

    /// What others hold its signatures against.
    pub fn public(&self) -> Bytes<32> {
        let mut key = [0; 32];
        // An Ed25519 key has 32 bytes (RFC 8032, 5.1.5).
        key.copy_from_slice(self.0.public_key().as_ref());
        Bytes(key)
    }

    pub fn sign(&self, tenant: Option<&str>, Head { seq, hash }: Head, at: DateTime<Utc>) -> SignedHead {
        let mut signature = [0; 64];
        // And a signature has 64 (5.1.6).
        signature.copy_from_slice(self.0.sign(&message(tenant, seq, hash, at)).as_ref());
        let (tenant, key) = (tenant.map(str::to_owned), self.public());
        SignedHead { tenant, seq, hash, at, key, signature: Bytes(signature) }
    }
}

impl SignedHead {
    /// Whether the holder of its key signed it. Whose key that is, is for the reader to know.
    pub fn is_genuine(&self) -> bool {
        let message = message(self.tenant.as_deref(), self.seq, self.hash, self.at);
        UnparsedPublicKey::new(&ED25519, &self.key.0).verify(&message, &self.signature.0).is_ok()
    }
}

fn message(tenant: Option<&str>, seq: u64, hash: Hash, at: DateTime<Utc>) -> Vec<u8> {
    let (seq, at) = (seq.to_be_bytes(), at.timestamp_micros().to_be_bytes());
    [DOMAIN, &seq, &hash.0, &at, tenant.unwrap_or_default().as_bytes()].concat()
}

/// As JSON, which is how logs have it.
impl fmt::Display for SignedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the private key of {}", self.public())
    }
}

impl<const N: usize> fmt::Display for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> From<Bytes<N>> for String {
    fn from(bytes: Bytes<N>) -> Self {
        bytes.to_string()
    }
}

impl<const N: usize> TryFrom<String> for Bytes<N> {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<Self, NotAKey> {
        let bytes = STANDARD.decode(text).map_err(|_| NotAKey)?;
        bytes.try_into().map(Self).map_err(|_| NotAKey)
    }
}

impl<const N: usize> JsonSchema for Bytes<N> {
    fn schema_name() -> Cow<'static, str> {
        format!("Base64Of{N}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "contentEncoding": "base64",
            "minLength": N.div_ceil(3) * 4,
            "examples": [STANDARD.encode([7; N])],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::read(&STANDARD.encode([7; 32])).unwrap()
    }

    fn signed() -> SignedHead {
        let at = "2026-01-02T03:04:05.678901Z".parse().unwrap();
        key().sign(Some("acme"), Head { seq: 17, hash: Hash([0x1f; 32]) }, at)
    }

    /// RFC 8032, 7.1, test 1: the key that follows from a seed.
    #[test]
    fn a_seed_gives_the_key_it_must_give() {
        let seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
        let public = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        assert_eq!(SigningKey::read(seed).unwrap().public().to_string(), public);
        for bad in ["", "x", "AAAA", &STANDARD.encode([0; 31])] {
            assert!(SigningKey::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_of_a_signed_head_can_be_changed() {
        let head = signed();
        assert!(head.is_genuine());
        let read: SignedHead = serde_json::from_str(&serde_json::to_string(&head).unwrap()).unwrap();
        assert_eq!(read, head);
        for forged in [
            SignedHead { tenant: Some("globex".into()), ..head.clone() },
            SignedHead { tenant: None, ..head.clone() },
            SignedHead { seq: 18, ..head.clone() },
            SignedHead { hash: Hash::GENESIS, ..head.clone() },
            SignedHead { at: DateTime::UNIX_EPOCH, ..head.clone() },
            SignedHead { key: Bytes([1; 32]), ..head.clone() },
            SignedHead { signature: Bytes([1; 64]), ..head },
        ] {
            assert!(!forged.is_genuine(), "{forged:?}");
        }
    }
}
