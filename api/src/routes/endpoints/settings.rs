//! From the body of a request to what is recorded of a webhook endpoint.

use std::collections::BTreeSet;

use golden_jobs::{
    Registry,
    egress::Egress,
    functions::Call,
    store::endpoints::{EndpointChange, EndpointSettings, Format},
    text,
    webhooks::{EVENT_TYPES, is_known},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::problem::{FieldError, Problem};

/// In characters.
const DESCRIPTION_LIMIT: usize = 500;
/// Entries of `events` and of `kinds`.
const FILTER_LIMIT: usize = 50;

/// What an endpoint is held against.
pub(super) struct Rules<'a> {
    pub(super) registry: &'a Registry,
    pub(super) egress: &'a Egress,
}

/// A new endpoint.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct EndpointRequest {
    /// Where messages are posted to: https, to a public address.
    #[schemars(length(max = 2048), regex(pattern = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\x00]"))]
    url: String,
    /// For people.
    #[serde(default)]
    #[schemars(length(max = 500))]
    description: String,
    /// The types of events it takes: whole ones, `job.*`, or `*`. `GET /v1/webhooks/events` lists them.
    #[schemars(length(min = 1, max = 50))]
    events: Vec<String>,
    /// Only events about jobs of these kinds; all kinds where absent.
    #[serde(default)]
    #[schemars(length(max = 50))]
    kinds: Vec<String>,
    /// How the body of messages is laid out; `standard` where absent.
    #[serde(default)]
    format: Format,
    /// Send ids and links alone.
    #[serde(default)]
    thin: bool,
}

/// A change of an endpoint. What is absent stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct EndpointPatch {
    /// Where messages are posted to: https, to a public address.
    #[schemars(length(max = 2048), regex(pattern = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\x00]"))]
    url: Option<String>,
    /// For people.
    #[schemars(length(max = 500))]
    description: Option<String>,
    /// The types of events it takes: whole ones, `job.*`, or `*`.
    #[schemars(length(min = 1, max = 50))]
    events: Option<Vec<String>>,
    /// Only events about jobs of these kinds; an empty list for all. `fn.NAME` means all versions of the
    /// function.
    #[schemars(length(max = 50))]
    kinds: Option<Vec<String>>,
    /// How the body of messages is laid out.
    format: Option<Format>,
    /// Send ids and links alone.
    thin: Option<bool>,
}

impl EndpointRequest {
    pub(super) fn check(self, rules: &Rules<'_>) -> Result<EndpointSettings, Problem> {
        let mut faults = Faults { rules, errors: Vec::new() };
        let settings = EndpointSettings {
            url: faults.url(self.url),
            description: faults.description(&self.description),
            events: faults.events(self.events),
            kinds: faults.kinds(self.kinds),
            format: self.format,
            thin: self.thin,
        };
        faults.none(settings)
    }
}

impl EndpointPatch {
    pub(super) fn check(self, rules: &Rules<'_>) -> Result<EndpointChange, Problem> {
        let mut faults = Faults { rules, errors: Vec::new() };
        let change = EndpointChange {
            url: self.url.map(|url| faults.url(url)),
            description: self.description.map(|text| faults.description(&text)),
            events: self.events.map(|events| faults.events(events)),
            kinds: self.kinds.map(|kinds| faults.kinds(kinds)),
            format: self.format,
            thin: self.thin,
            enabled: None,
        };
        faults.none(change)
    }
}

/// What was found wrong, all of it at once.
struct Faults<'a> {
    rules: &'a Rules<'a>,
    errors: Vec<FieldError>,
}

impl Faults<'_> {
    fn url(&mut self, url: String) -> String {
        if let Err(refusal) = self.rules.egress.check(&url) {
            self.errors.push(FieldError::new("/url", refusal.to_string()));
        }
        url
    }

    fn description(&mut self, text: &str) -> String {
        let text = text::free_text(text);
        if text.chars().count() > DESCRIPTION_LIMIT {
            self.errors.push(FieldError::new("/description", format!("at most {DESCRIPTION_LIMIT} characters")));
        }
        text
    }

    fn events(&mut self, events: Vec<String>) -> Vec<String> {
        if events.is_empty() {
            self.errors.push(FieldError::new("/events", "choose at least one type, or `*` for all"));
        }
        self.filter("events", events, |event| {
            let known = || EVENT_TYPES.map(|(event, _)| event).join(", ");
            (!is_known(event))
                .then(|| format!("no event has this type; there are {}, groups as `job.*`, and `*`", known()))
        })
    }

    fn kinds(&mut self, kinds: Vec<String>) -> Vec<String> {
        let registry = self.rules.registry;
        self.filter("kinds", kinds, |kind| {
            // A function may be registered later.
            let known = Call::of(kind).is_some() || registry.get(kind).is_some_and(|kind| kind.public);
            (!known).then(|| "there is no such kind; GET /v1/kinds lists them".to_owned())
        })
    }

    /// The entries in order, each once.
    fn filter(&mut self, name: &str, entries: Vec<String>, wrong: impl Fn(&str) -> Option<String>) -> Vec<String> {
        if entries.len() > FILTER_LIMIT {
            self.errors.push(FieldError::new(format!("/{name}"), format!("at most {FILTER_LIMIT}")));
        }
        for (number, entry) in entries.iter().enumerate() {
            if let Some(detail) = wrong(entry) {
                self.errors.push(FieldError::new(format!("/{name}/{number}"), detail));
            }
        }
        BTreeSet::from_iter(entries).into_iter().collect()
    }

    fn none<T>(self, checked: T) -> Result<T, Problem> {
        if self.errors.is_empty() { Ok(checked) } else { Err(Problem::invalid(self.errors)) }
    }
}
