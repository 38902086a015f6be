//! The entries of a chain, and how each is bound to the one before.
//!
//! `hash = SHA256("golden-audit-v1\0" ‖ seq as 8 bytes big-endian ‖ hash before ‖ SHA256(payload))`, the payload in
//! canonical form (RFC 8785), and zeros before the first.

use std::{borrow::Cow, fmt, str::FromStr};

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use sha2::{Digest, Sha256};

use super::{Act, Actor};
use crate::canonical::canonical;

/// Keeps these hashes apart from all others.
const DOMAIN: &[u8] = b"golden-audit-v1\0";

/// SHA-256, written in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What stands before the first entry.
    pub const GENESIS: Self = Self([0; 32]);
}

/// One entry of a chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1 within its chain, without gaps.
    pub seq: u64,
    pub prev_hash: Hash,
    pub hash: Hash,
    /// In canonical form, byte for byte.
    pub payload: Box<RawValue>,
}

/// Where a chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Of the last entry; 0 where there is none.
    pub seq: u64,
    pub hash: Hash,
}

impl Head {
    /// Of a chain that has no entry yet.
    pub const EMPTY: Self = Self { seq: 0, hash: Hash::GENESIS };

    /// The entry after this one that has this payload, and the head that it becomes.
    pub(crate) fn followed_by(self, payload: Box<RawValue>) -> (Entry, Self) {
        let seq = self.seq.saturating_add(1);
        let hash = hash(seq, self.hash, payload.get());
        (Entry { seq, prev_hash: self.hash, hash, payload }, Self { seq, hash })
    }
}

/// The hash of an entry.
pub(super) fn hash(seq: u64, before: Hash, payload: &str) -> Hash {
    let hash = Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(seq.to_be_bytes())
        .chain_update(before.0)
        .chain_update(Sha256::digest(payload));
    Hash(hash.finalize().into())
}

/// What is written of an act, in canonical form. The tenant is part of it, so that no entry can pass for one of
/// another's chain; the installation's entries have none.
pub(crate) fn payload(tenant: Option<&str>, by: &Actor, act: &Act, at: DateTime<Utc>) -> Box<RawValue> {
    let mut payload = Map::new();
    payload.insert("action".to_owned(), act.action.as_str().into());
    payload.insert("at".to_owned(), at.to_rfc3339_opts(SecondsFormat::Micros, true).into());
    by.write(&mut payload);
    for (name, value) in [("tenant", tenant), ("target", act.target.as_deref())] {
        payload.extend(value.map(|value| (name.to_owned(), value.into())));
    }
    if !act.details.is_empty() {
        payload.insert("details".to_owned(), Value::Object(act.details.clone()));
    }
    // Canonical JSON is JSON.
    RawValue::from_string(canonical(&Value::Object(payload))).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 hexadecimal digits, in lower case")]
pub struct NotAHash;

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(NotAHash),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(NotAHash);
        }
        let mut hash = [0; 32];
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(hash))
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = NotAHash;

    fn try_from(text: String) -> Result<Self, NotAHash> {
        text.parse()
    }
}

impl JsonSchema for Hash {
    fn schema_name() -> Cow<'static, str> {
        "Hash".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "examples": ["50068f190220de8f69ecf41bbde100b2520ff645cc5129aac092ff7da634c6d9"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Action;

    /// The vector that the format is fixed by.
    #[test]
    fn the_first_entry_has_the_hash_it_must_have() {
        let payload = r#"{"action":"policy.activated","actor":"user:alice","role":"security","version":7}"#;
        let expected = "50068f190220de8f69ecf41bbde100b2520ff645cc5129aac092ff7da634c6d9";
        let (entry, head) = Head::EMPTY.followed_by(RawValue::from_string(payload.to_owned()).unwrap());
        assert_eq!((entry.seq, entry.prev_hash, entry.hash.to_string().as_str()), (1, Hash::GENESIS, expected));
        assert_eq!(head, Head { seq: 1, hash: expected.parse().unwrap() });
        assert_eq!(head.followed_by(entry.payload).0.prev_hash, entry.hash);
    }

    #[test]
    fn a_payload_says_who_did_what_to_what_and_when() {
        let by = Actor::caller("alice\0\u{e9}", "ops", "admin");
        let act = Act::on(Action::QueueLimited, "sandbox").with("max_running", 3);
        let at = "2026-01-02T03:04:05.6Z".parse().unwrap();
        assert_eq!(
            payload(Some("acme"), &by, &act, at).get(),
            "{\"action\":\"queue.limited\",\"actor\":\"user:alice\\u0000\u{e9}\",\"actor_role\":\"admin\",\
             \"actor_tenant\":\"ops\",\"at\":\"2026-01-02T03:04:05.600000Z\",\"details\":{\"max_running\":3},\
             \"target\":\"sandbox\",\"tenant\":\"acme\"}"
        );
        let bare = payload(None, &Actor::golden(), &Act::of(Action::BreakerReset), at);
        assert_eq!(
            bare.get(),
            r#"{"action":"breaker.reset","actor":"system:golden","at":"2026-01-02T03:04:05.600000Z"}"#
        );
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = Hash(std::array::from_fn(|i| u8::try_from(i * 8).unwrap()));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for bad in ["", "0", &"0".repeat(63), &"A".repeat(64), &"g".repeat(64), &"0".repeat(66)] {
            assert_eq!(bad.parse::<Hash>(), Err(NotAHash), "{bad}");
        }
    }
}
