//! The time of day, for what clients are told and asked. What is due when is the store's.

use chrono::{DateTime, Utc};

#[expect(clippy::disallowed_methods, reason = "the one place in this crate that asks")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
