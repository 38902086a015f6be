//! The time of day, for what clients are told and asked. What is due when is the store's.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error};

/// What a client is told whose time cannot be read.
pub(crate) const RFC_3339: &str = "a time as in RFC 3339, for example 2026-01-02T03:04:05Z";

#[expect(clippy::disallowed_methods, reason = "the one place in this crate that asks")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A time in a request, with an error that says how to write one.
#[derive(Debug, Clone, Copy, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Time(pub(crate) DateTime<Utc>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = DateTime::parse_from_rfc3339(&text);
        // In a query string an unescaped + is a space, and the offset is lost.
        time.map(|time| Self(time.to_utc()))
            .map_err(|_| D::Error::custom(format_args!("{text:?} is not {RFC_3339} (in a URL, + is written %2B)")))
    }
}
