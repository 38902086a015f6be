//! Whose things a caller may name: its own tenant's, and those of all tenants where it runs the installation.

use std::{borrow::Cow, convert::Infallible, str::FromStr};

use golden_jobs::{audit::Actor, text};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{app::App, auth::Grant, permission::CallerRole, problem::Problem};

impl Grant {
    /// Whether the caller runs the installation, and with it what all tenants share.
    pub(crate) fn runs_all(&self) -> bool {
        self.role >= CallerRole::Admin
    }

    /// The caller as the audit log names it.
    pub(crate) fn actor(&self) -> Actor {
        Actor::caller(&self.subject, &self.tenant, self.role.as_str())
    }

    /// The tenant that a path names, if the caller may: another one's is answered as one that is not there.
    pub(crate) async fn reaches(&self, named: TenantName, app: &App) -> Result<String, Problem> {
        let TenantName(named) = named;
        // One's own is there though nobody has submitted a job for it yet.
        if named == self.tenant || self.runs_all() && app.store.tenant(&named).await?.is_some() {
            return Ok(named);
        }
        Err(Problem::not_found("tenant"))
    }
}

/// A tenant in a path. What looks the same is the same.
pub(crate) struct TenantName(pub(crate) String);

impl FromStr for TenantName {
    type Err = Infallible;

    fn from_str(named: &str) -> Result<Self, Infallible> {
        Ok(Self(text::name(named).unwrap_or_else(|_| named.to_owned())))
    }
}

impl JsonSchema for TenantName {
    fn schema_name() -> Cow<'static, str> {
        "TenantName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": 128, "examples": ["acme"] })
    }
}

/// A name as one segment of a path: what RFC 3986 does not leave as it is, is written in percent.
pub(crate) fn segment(name: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_is_in_it() {
        assert_eq!(segment("a-b_c.d~1"), "a-b_c.d~1");
        assert_eq!(segment("a/b c#é"), "a%2Fb%20c%23%C3%A9");
    }
}
