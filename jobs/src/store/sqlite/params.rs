//! What goes into a statement: lists as JSON, ids as hex, times as microseconds.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::{Uuid, fmt::Simple};

use crate::store::json;

/// A list as the JSON array that one parameter carries.
pub(super) fn list<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<String, sqlx::Error> {
    let items: Vec<T> = items.into_iter().collect();
    json::text(&items)
}

/// An id within a list. `unhex` turns it into the BLOB that the tables hold.
pub(super) fn hex(id: Uuid) -> Simple {
    id.simple()
}

pub(super) fn hex_bytes(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// The time `delay` after `now`; the end of time where that would overflow.
pub(super) fn after(now: i64, delay: Duration) -> i64 {
    now.saturating_add(i64::try_from(delay.as_micros()).unwrap_or(i64::MAX))
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// SQLite's functions take a NUL for the end of a text; what an outside server answered may
/// hold one.
pub(super) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
