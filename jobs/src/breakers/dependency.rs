//! What a breaker stands in front of.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use url::Position;

use crate::{egress, role::Role};

/// A dependency, and what is done to it: each has a breaker of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// The Docker that sandboxes run in.
    Docker,
    /// The brokers that are told what happens.
    Nats,
    /// What processes share there.
    Redis,
    /// A host that `http.call` jobs go to, with its port where the URL names one.
    Http(String),
    /// The host of a provider of language models, likewise.
    Llm(String),
    /// A host that webhooks are delivered to, likewise.
    Webhook(String),
}

/// The longest name of a host: that of a DNS name, and a port.
const HOST_LIMIT: usize = 260;

impl Dependency {
    /// Those of which every installation has one.
    pub const FIXED: [Self; 3] = [Self::Docker, Self::Nats, Self::Redis];

    /// Where an `http.call` to `url` goes.
    pub fn http(url: &str) -> Self {
        Self::Http(host(url))
    }

    /// Where calls of models go whose API is at `url`.
    pub fn llm(url: &str) -> Self {
        Self::Llm(host(url))
    }

    /// Where a webhook to `url` goes.
    pub fn webhook(url: &str) -> Self {
        Self::Webhook(host(url))
    }

    /// What it is, without the host.
    pub const fn family(&self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Nats => "nats",
            Self::Redis => "redis",
            Self::Http(_) => "http",
            Self::Llm(_) => "llm",
            Self::Webhook(_) => "webhook",
        }
    }

    /// The host. Some tenant or the operator named it, and others have no business to know of it.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Docker | Self::Nats | Self::Redis => None,
            Self::Http(host) | Self::Llm(host) | Self::Webhook(host) => Some(host),
        }
    }

    /// The role whose workers use it, and agree on it. `None` where each process goes by a connection of its own.
    pub const fn role(&self) -> Option<Role> {
        match self {
            Self::Docker => Some(Role::Sandbox),
            Self::Nats | Self::Redis => None,
            Self::Http(_) | Self::Llm(_) => Some(Role::Orchestrator),
            Self::Webhook(_) => Some(Role::Webhook),
        }
    }

    /// Whether an answer can be too slow in coming. Docker's comes when the program ends, which may
    /// take as long as it likes.
    pub(super) const fn answers_at_once(&self) -> bool {
        !matches!(self, Self::Docker)
    }
}

/// The host of a URL, with its port. What is no URL is refused when it is sent to.
fn host(url: &str) -> String {
    egress::parse(url).map_or_else(|_| String::new(), |url| url[Position::BeforeHost..Position::AfterPort].to_owned())
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host() {
            None => f.write_str(self.family()),
            Some(host) => write!(f, "{}:{host}", self.family()),
        }
    }
}

/// As it is written in a path.
impl JsonSchema for Dependency {
    fn schema_name() -> Cow<'static, str> {
        "BreakerName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(docker|nats|redis|(http|llm|webhook):[a-z0-9.-]{1,250}(:[0-9]{1,5})?)$",
            "examples": ["http:api.example.com"],
        })
    }
}

/// Not the name of a breaker.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no breaker: expected docker, nats, redis, http:HOST, llm:HOST or webhook:HOST")]
pub struct UnknownDependency(String);

impl FromStr for Dependency {
    type Err = UnknownDependency;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if let Some(fixed) = Self::FIXED.into_iter().find(|fixed| fixed.family() == name) {
            return Ok(fixed);
        }
        let of_url = |host: &str| {
            let plain = host.len() <= HOST_LIMIT && !host.contains(['/', '?', '#', '\\', '@']);
            // As it is read from a URL: one host has one name.
            let host = plain.then(|| self::host(&format!("http://{host}"))).filter(|host| !host.is_empty());
            host.ok_or_else(|| UnknownDependency(name.to_owned()))
        };
        match name.split_once(':') {
            Some(("http", host)) => of_url(host).map(Self::Http),
            Some(("llm", host)) => of_url(host).map(Self::Llm),
            Some(("webhook", host)) => of_url(host).map(Self::Webhook),
            _ => Err(UnknownDependency(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_and_where_and_is_read_as_it_is_written() {
        let names = [
            "docker",
            "nats",
            "redis",
            "http:example.com",
            "webhook:example.com:8443",
            "http:[::1]:81",
            "llm:example.com",
        ];
        for name in names {
            assert_eq!(name.parse::<Dependency>().unwrap().to_string(), name);
        }
        let url = "https://Example.com:443/a?b#c";
        assert_eq!(Dependency::http(url).to_string(), "http:example.com");
        assert_eq!("webhook:EXAMPLE.com".parse::<Dependency>().unwrap(), Dependency::webhook(url));
        assert_eq!(Dependency::webhook("http://127.0.0.1:9/x").to_string(), "webhook:127.0.0.1:9");
    }

    #[test]
    fn what_names_no_dependency_is_refused() {
        for name in
            ["", "http", "http:", "disk", "nats:x", "docker:x", "http:a/b", "http:u@h", "webhook:a b", "llm:x?y"]
        {
            assert!(name.parse::<Dependency>().is_err(), "{name}");
        }
    }
}
