//! Entries of the audit log as clients see them.

use chrono::{DateTime, TimeDelta, Utc};
use golden_jobs::audit::{Action, Entry, Hash};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};

/// An entry of the audit log, as it is chained to the one before.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry", example = example())]
pub(in crate::routes) struct EntryResource {
    /// Counts from 1 within its chain, without gaps.
    #[schemars(range(min = 1))]
    seq: u64,
    /// Of the entry before; zeros before the first.
    prev_hash: Hash,
    /// SHA-256 over a prefix, the number, `prev_hash` and the SHA-256 of the payload.
    hash: Hash,
    /// What was recorded, in canonical form (RFC 8785).
    #[schemars(with = "Payload")]
    payload: Box<RawValue>,
}

impl From<Entry> for EntryResource {
    fn from(Entry { seq, prev_hash, hash, payload }: Entry) -> Self {
        Self { seq, prev_hash, hash, payload }
    }
}

impl EntryResource {
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }
}

/// Who did what to what.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditPayload")]
pub(super) struct Payload {
    /// What was done.
    action: Action,
    /// `user:` and the subject of a token, or `system:golden`.
    actor: &'static str,
    /// Of the actor's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_tenant: Option<&'static str>,
    /// By the store's clock.
    at: DateTime<Utc>,
    /// Whose chain it is in; absent in the installation's.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'static str>,
    /// What it was done to, by its id or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'static str>,
    /// What more there is to say, by action.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Map<String, Value>>,
}

fn example() -> Value {
    json!({
        "seq": 2,
        "prev_hash": "9a".repeat(32),
        "hash": "1f".repeat(32),
        "payload": payload(),
    })
}

/// What the documentation shows.
pub(super) fn payload() -> Payload {
    Payload {
        action: Action::QueuePaused,
        actor: "user:alice",
        actor_role: Some("admin"),
        actor_tenant: Some("ops"),
        at: DateTime::UNIX_EPOCH + TimeDelta::seconds(1_767_323_045),
        tenant: Some("acme"),
        target: Some("sandbox"),
        details: None,
    }
}
