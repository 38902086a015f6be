//! From the bodies of `/v1/tenants` to what is recorded.

use golden_jobs::{
    sandbox::AskedLimits,
    store::{Terms, TermsChange},
    text,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

use crate::{
    auth::Grant,
    permission::CallerRole,
    problem::{FieldError, Problem},
};

const MOST_WEIGHT: u32 = 1000;
/// In bytes: no request is longer.
const MOST_SIZE: u64 = 8 * 1024 * 1024;
/// In characters.
const SUBJECT_LIMIT: usize = 128;
const DEFAULT_TTL: u32 = 3600;
/// A year, in seconds.
const LONGEST_TTL: u32 = 365 * 24 * 3600;

/// A new tenant.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct NewTenant {
    /// What tokens call it: 1 to 128 letters, digits, spaces and `. _ : / @ # -`.
    #[schemars(length(min = 1, max = 128), example = &"acme")]
    id: String,
    /// Its share of a role's capacity, in proportion to those of the others who have work there; 1 where absent.
    #[schemars(range(min = 1, max = MOST_WEIGHT))]
    weight: Option<u32>,
    /// The longest payload of its jobs, in bytes; 256 KiB where absent.
    #[schemars(range(min = 1, max = MOST_SIZE))]
    max_payload: Option<u64>,
    /// The longest result of its jobs, in bytes; 256 KiB where absent.
    #[schemars(range(min = 1, max = MOST_SIZE))]
    max_result: Option<u64>,
    /// The most that a program of its may use, whatever is submitted; what the operator allows where absent.
    #[serde(default, deserialize_with = "limits")]
    #[schemars(with = "AskedLimits")]
    sandbox_limits: AskedLimits,
}

/// A change of a tenant's terms. What is absent stays; null is the default.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct TermsPatch {
    /// Its share of a role's capacity, from the next job on.
    #[schemars(range(min = 1, max = MOST_WEIGHT))]
    weight: Option<u32>,
    /// The longest payload of its jobs, in bytes.
    #[serde(default, deserialize_with = "there")]
    #[schemars(with = "Option<u64>", range(min = 1, max = MOST_SIZE))]
    max_payload: Option<Option<u64>>,
    /// The longest result of its jobs, in bytes.
    #[serde(default, deserialize_with = "there")]
    #[schemars(with = "Option<u64>", range(min = 1, max = MOST_SIZE))]
    max_result: Option<Option<u64>>,
    /// The most that a program of its may use, whatever is submitted: all of its limits.
    #[serde(default, deserialize_with = "limits_there")]
    #[schemars(with = "Option<AskedLimits>")]
    sandbox_limits: Option<Option<AskedLimits>>,
}

/// A token to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct TokenRequest {
    role: TokenRole,
    /// The person or program that will hold it, for the record.
    #[schemars(length(min = 1, max = SUBJECT_LIMIT), example = &"alice")]
    sub: String,
    /// For how many seconds it is good, an hour where absent.
    #[schemars(range(min = 1, max = LONGEST_TTL))]
    ttl: Option<u32>,
    /// Requests a minute in place of its role's; more only as far as the server's configuration says.
    #[schemars(range(min = 1))]
    rate_limit: Option<u32>,
}

/// The roles of a tenant's own people. An admin's token is made by whoever holds the secret: one that was lost
/// for an hour must not become one for a year.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum TokenRole {
    Observer,
    Developer,
    Operator,
}

/// Tells a null from what is absent.
fn there<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// Limits by their names: a struct would be taken from an array, too.
fn limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AskedLimits, D::Error> {
    let object = Map::deserialize(deserializer)?;
    AskedLimits::deserialize(Value::Object(object)).map_err(D::Error::custom)
}

/// The same, and tells a null from what is absent.
fn limits_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<AskedLimits>>, D::Error> {
    match Option::<Map<String, Value>>::deserialize(deserializer)? {
        Some(object) => limits(Value::Object(object)).map(|limits| Some(Some(limits))).map_err(D::Error::custom),
        None => Ok(Some(None)),
    }
}

impl NewTenant {
    pub(super) fn check(self) -> Result<(String, Terms), Problem> {
        let mut faults = Faults::default();
        let id = text::name(&self.id).map_err(|rule| faults.add("/id", rule.to_string()));
        let weight = self.weight.unwrap_or(1);
        faults.range("/weight", Some(weight.into()), MOST_WEIGHT.into());
        faults.range("/max_payload", self.max_payload, MOST_SIZE);
        faults.range("/max_result", self.max_result, MOST_SIZE);
        faults.limits(&self.sandbox_limits);
        let terms = Terms {
            weight,
            max_payload: self.max_payload,
            max_result: self.max_result,
            sandbox_limits: self.sandbox_limits,
            suspended: false,
        };
        faults.none((id.unwrap_or_default(), terms))
    }
}

impl TermsPatch {
    pub(super) fn check(self) -> Result<TermsChange, Problem> {
        let mut faults = Faults::default();
        faults.range("/weight", self.weight.map(u64::from), MOST_WEIGHT.into());
        faults.range("/max_payload", self.max_payload.flatten(), MOST_SIZE);
        faults.range("/max_result", self.max_result.flatten(), MOST_SIZE);
        let sandbox_limits = self.sandbox_limits.map(Option::unwrap_or_default);
        faults.limits(&sandbox_limits.unwrap_or_default());
        faults.none(TermsChange {
            weight: self.weight,
            max_payload: self.max_payload,
            max_result: self.max_result,
            sandbox_limits,
            suspended: None,
        })
    }
}

impl TokenRequest {
    /// Whom the token is to speak for, but for the tenant, and for how many seconds.
    pub(super) fn check(self) -> Result<(Grant, u32), Problem> {
        let mut faults = Faults::default();
        let subject = text::free_text(&self.sub);
        if subject.trim().is_empty() || subject.chars().count() > SUBJECT_LIMIT {
            faults.add("/sub", format!("say who will hold it, in 1 to {SUBJECT_LIMIT} characters"));
        }
        let ttl = self.ttl.unwrap_or(DEFAULT_TTL);
        faults.range("/ttl", Some(ttl.into()), LONGEST_TTL.into());
        faults.range("/rate_limit", self.rate_limit.map(u64::from), u32::MAX.into());
        let role = match self.role {
            TokenRole::Observer => CallerRole::Observer,
            TokenRole::Developer => CallerRole::Developer,
            TokenRole::Operator => CallerRole::Operator,
        };
        let grant = Grant { tenant: String::new(), role, subject, rate_limit: self.rate_limit };
        faults.none((grant, ttl))
    }
}

/// What was found wrong, all of it at once.
#[derive(Default)]
struct Faults(Vec<FieldError>);

impl Faults {
    fn add(&mut self, pointer: &str, detail: String) {
        self.0.push(FieldError::new(pointer, detail));
    }

    fn range(&mut self, pointer: &str, asked: Option<u64>, most: u64) {
        if asked.is_some_and(|asked| asked == 0 || asked > most) {
            self.add(pointer, format!("an integer from 1 to {most}"));
        }
    }

    fn limits(&mut self, asked: &AskedLimits) {
        for (name, range) in asked.out_of_range() {
            self.add(
                &format!("/sandbox_limits/{name}"),
                format!("an integer from {} to {}", range.start(), range.end()),
            );
        }
    }

    fn none<T>(self, checked: T) -> Result<T, Problem> {
        if self.0.is_empty() { Ok(checked) } else { Err(Problem::invalid(self.0)) }
    }
}
