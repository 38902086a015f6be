//! From the body of `POST /v1/jobs` to a job that may be recorded.

use std::{borrow::Cow, collections::BTreeMap, fmt::Display, ops::RangeInclusive, time::Duration};

use axum::http::HeaderMap;
use chrono::{DateTime, TimeDelta, Utc};
use golden_jobs::{
    Job, JobId, Registry, Role,
    budgets::Micros,
    egress::Egress,
    functions::{Call, Called, Callee},
    kinds::Task,
    store::{Due, NewJob},
    text,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use crate::{
    app::App,
    auth::Grant,
    body::{JsonObject, escaped},
    clock::{self, RFC_3339},
    problem::{Code, FieldError, Problem},
};

/// How far ahead a job may be scheduled.
const FURTHEST: Duration = Duration::from_secs(365 * 24 * 3600);
pub(crate) const DEFAULT_PRIORITY: u8 = 5;
pub(crate) const METADATA_ENTRIES: usize = 32;
/// In characters.
const METADATA_VALUE_LIMIT: usize = 512;
const IDEMPOTENCY_KEY_LIMIT: usize = 255;
/// What a key without quotes around it looks like, for the documentation.
pub(crate) const IDEMPOTENCY_KEY: &str = "^[!#-~][!-~]{0,254}$";

/// A job to be done, of one of the kinds.
// Only described: `read` takes it apart by hand, so that it can say everything that is wrong at
// once, and keep the payload character by character.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("not" = {
    "required": ["run_at", "delay"],
    "properties": {"run_at": {"type": "string"}, "delay": {"type": "number"}},
}))]
#[expect(dead_code, reason = "only described, never made")]
pub(crate) struct Submission {
    /// Which kind of job; `GET /v1/kinds` lists them. `fn.NAME` is a function of the tenant, and `fn.NAME@3`
    /// its third version.
    kind: String,
    /// What the kind takes, at most 256 KiB.
    #[schemars(default)]
    payload: Value,
    /// 0 is the most urgent, 9 the least.
    #[schemars(range(max = 9), extend("default" = DEFAULT_PRIORITY))]
    priority: Option<u8>,
    /// When it is due, at most a year ahead. A time that has passed is now.
    run_at: Option<DateTime<Utc>>,
    /// In how many seconds it is due, at most a year. Instead of `run_at`, not beside it.
    #[schemars(range(min = 0, max = 31_536_000))]
    delay: Option<f64>,
    /// Runs that may begin before the job is dead, within the kind's limit.
    #[schemars(range(min = 1))]
    max_attempts: Option<u32>,
    /// Of one run, in seconds, within the kind's limit.
    #[schemars(range(min = 0.001))]
    timeout: Option<f64>,
    /// What it may cost with all jobs that it makes, in millionths of a US dollar; as much as the tenant's budget has
    /// where absent.
    max_cost: Option<Micros>,
    /// Told by a webhook when the job ends. `https`, port 443 and a global address, unless the
    /// operator allows more.
    #[schemars(url)]
    callback_url: Option<String>,
    /// What you attach for yourself: names with texts of at most 512 characters, at most 32.
    #[schemars(extend("maxProperties" = METADATA_ENTRIES))]
    metadata: Option<BTreeMap<String, String>>,
}

const FIELDS: [&str; 10] = [
    "kind",
    "payload",
    "priority",
    "run_at",
    "delay",
    "max_attempts",
    "timeout",
    "max_cost",
    "callback_url",
    "metadata",
];

/// What a submission is held against.
pub(crate) struct Rules<'a> {
    pub(crate) registry: &'a Registry,
    /// The functions that these submissions name.
    pub(crate) called: Called,
    pub(crate) egress: &'a Egress,
    pub(crate) sandbox_missing: Option<&'a str>,
    pub(crate) now: DateTime<Utc>,
    /// Of a payload, in bytes.
    pub(crate) payload_limit: usize,
    /// Where a payload is in what was sent: a JSON pointer.
    pub(crate) payload_at: &'static str,
    /// Who submits, where that is a caller: kinds may want to know.
    pub(crate) subject: Option<String>,
    /// Why new work that spends money is refused, where it is.
    pub(crate) budget_gone: Option<Problem>,
}

impl<'a> Rules<'a> {
    /// Those of this process for submissions of a tenant, at this moment.
    pub(crate) async fn of(app: &'a App, tenant: &str, submissions: &[&Map<String, Value>]) -> Result<Self, Problem> {
        let kinds = submissions.iter().filter_map(|submission| submission.get("kind")?.as_str());
        let kinds: Vec<_> = kinds.map(|kind| (tenant, kind)).collect();
        let called = app.functions.called(&kinds).await?;
        let spends = |(_, kind): &(_, &str)| app.registry.get(kind).is_some_and(|kind| kind.policy.spends);
        let budget_gone = match kinds.iter().any(spends) {
            true => Problem::budget_gone(&app.store.budget(tenant).await?),
            false => None,
        };
        Ok(Self {
            registry: &app.registry,
            called,
            egress: &app.options.egress,
            sandbox_missing: app.sandbox_missing.as_deref(),
            now: clock::now(),
            payload_limit: app.terms.last(tenant).payload_limit(),
            payload_at: "/payload",
            subject: None,
            budget_gone,
        })
    }

    /// The same, for what a caller submits.
    #[must_use]
    pub(crate) fn by(self, caller: &Grant) -> Self {
        Self { subject: Some(caller.subject.clone()), ..self }
    }
}

/// A submission with which nothing is wrong.
pub(crate) struct Draft {
    pub(crate) job: NewJob,
    /// Why there is to be no such job now: something that it needs is not there.
    pub(crate) refused: Option<Problem>,
}

impl Draft {
    /// The job, unless it is refused.
    pub(crate) fn unless_refused(self) -> Result<NewJob, Problem> {
        self.refused.map_or(Ok(self.job), Err)
    }

    /// The same, but for a repetition of what was accepted once: that has its answer, whatever is missing by now.
    pub(crate) async fn unless_refused_anew(self, app: &App) -> Result<NewJob, Problem> {
        match &self.job.idempotency {
            Some(key) if self.refused.is_some() && app.store.knows(&self.job.tenant_id, key).await? => Ok(self.job),
            _ => self.unless_refused(),
        }
    }
}

/// Reads a submission, or says everything that is wrong with it at once.
pub(crate) fn read(object: &JsonObject<Submission>, tenant: &str, rules: &Rules<'_>) -> Result<Draft, Problem> {
    let mut fields = Fields::of(&object.value);
    fields.known(&FIELDS);
    let Some(name) = fields.text("kind") else {
        fields.wrong("kind", "say which kind of job; GET /v1/kinds lists them");
        return Err(Problem::invalid(fields.errors));
    };
    let callee = callee(rules.registry, &rules.called, tenant, name).map_err(|problem| problem.at("/kind"))?;
    let payload = payload(object, rules.payload_limit)?;
    fields.errors.extend(payload.wrong(callee, rules.payload_at));

    let (kind, policy) = (callee.kind(), callee.kind().policy);
    let job = NewJob {
        id: JobId::new(),
        tenant_id: tenant.to_owned(),
        kind: callee.name().to_owned(),
        role: kind.role,
        priority: fields.integer("priority", 0..=9).unwrap_or(DEFAULT_PRIORITY),
        max_attempts: fields.integer("max_attempts", 1..=policy.max_attempts_limit).unwrap_or(policy.max_attempts),
        timeout: fields.seconds("timeout", Duration::from_millis(1), policy.timeout_limit).unwrap_or(policy.timeout),
        due: fields.due(rules.now),
        metadata: fields.metadata(),
        callback_url: fields.callback_url(rules.egress),
        parent_id: None,
        max_cost: fields.micros("max_cost"),
        trace: None,
        idempotency: None,
        payload: kind.submitted(payload.text, rules.subject.as_deref()),
    };
    if !fields.errors.is_empty() {
        return Err(Problem::invalid(fields.errors));
    }
    let refused = match rules {
        Rules { budget_gone: Some(gone), .. } if policy.spends => Some(gone.clone()),
        Rules { sandbox_missing: Some(missing), .. } if kind.role == Role::Sandbox || kind.name == Task::KIND => {
            Some(Problem::new(Code::SandboxUnavailable, *missing))
        }
        _ => None,
    };
    Ok(Draft { job, refused })
}

/// What a submission names, if clients may submit it. Internal kinds are as good as unknown.
pub(crate) fn callee<'a>(
    registry: &'a Registry,
    called: &'a Called,
    tenant: &str,
    name: &str,
) -> Result<Callee<'a>, Problem> {
    Callee::find(registry, called, tenant, name).ok_or_else(|| {
        let detail = match Call::of(name) {
            Some(Call { name, version: None }) => {
                format!("there is no function {:?}; GET /v1/functions lists them", name.as_str())
            }
            Some(Call { name, version: Some(version) }) => {
                format!("there is no version {version} of a function {:?}", name.as_str())
            }
            None => {
                let known: Vec<_> = registry.iter().filter(|kind| kind.public).map(|kind| kind.name).collect();
                format!("there is no kind {name:?}; known are {}, and fn.NAME for functions", known.join(", "))
            }
        };
        Problem::new(Code::UnknownKind, detail)
    })
}

/// A payload as it was written, and what it says.
pub(crate) struct Payload<'a> {
    pub(crate) text: Box<RawValue>,
    value: Cow<'a, Value>,
}

/// The body's payload, `{}` where there is none. Its text is kept character by character.
pub(crate) fn payload<T>(object: &JsonObject<T>, limit: usize) -> Result<Payload<'_>, Problem> {
    #[derive(Deserialize)]
    struct Written<'a> {
        #[serde(borrow)]
        payload: Option<&'a RawValue>,
    }
    // The body was read before, strictly; this only finds where the payload begins and ends.
    let written: Written<'_> =
        serde_json::from_str(&object.text).map_err(|error| Problem::malformed(error.to_string()))?;
    let (Some(text), Some(value)) = (written.payload, object.value.get("payload")) else {
        let empty = Map::new();
        let text = to_raw_value(&empty).map_err(|error| Problem::malformed(error.to_string()))?;
        return Ok(Payload { text, value: Cow::Owned(Value::Object(empty)) });
    };
    if text.get().len() > limit {
        let detail = format!("a payload has at most {limit} bytes, and this one has {}", text.get().len());
        return Err(Problem::new(Code::TooLarge, detail));
    }
    Ok(Payload { text: text.to_owned(), value: Cow::Borrowed(value) })
}

impl Payload<'_> {
    /// What is wrong with it for its kind, with pointers from the root of the body in which it is `at` a place.
    pub(crate) fn wrong(&self, callee: Callee<'_>, at: &str) -> Vec<FieldError> {
        let wrong = callee.validate_parsed(&self.text, &self.value).err().unwrap_or_default();
        wrong.into_iter().map(|wrong| FieldError::new(format!("{at}{}", wrong.pointer), wrong.detail)).collect()
    }
}

/// The `Idempotency-Key` header: 1 to 255 visible ASCII characters, in quotes or not.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bad = |detail: &str| Problem::new(Code::BadIdempotencyKey, detail);
    if values.next().is_some() {
        return Err(bad("there is more than one Idempotency-Key"));
    }
    let text = value.to_str().map_err(|_| bad("the key has characters other than visible ASCII"))?;
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    checked_key(key).map(Some)
}

/// The key if it is one.
pub(crate) fn checked_key(key: &str) -> Result<String, Problem> {
    let bad = |detail: &str| Problem::new(Code::BadIdempotencyKey, detail);
    if !(1..=IDEMPOTENCY_KEY_LIMIT).contains(&key.len()) {
        return Err(bad(&format!("the key has {} characters, and may have 1 to {IDEMPOTENCY_KEY_LIMIT}", key.len())));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad("the key has characters other than visible ASCII"));
    }
    Ok(key.to_owned())
}

/// The members of a body, and what was found wrong with them. A null is as good as absent.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    pub(crate) errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(object: &'a Map<String, Value>) -> Self {
        Self { object, errors: Vec::new() }
    }

    pub(crate) fn known(&mut self, names: &[&str]) {
        for name in self.object.keys().filter(|name| !names.contains(&name.as_str())) {
            self.errors.push(FieldError::new(
                format!("/{}", escaped(name)),
                format!("unknown field; known are {}", names.join(", ")),
            ));
        }
    }

    pub(crate) fn wrong(&mut self, name: &str, detail: impl Into<String>) {
        self.errors.push(FieldError::new(format!("/{name}"), detail));
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(Value::as_str)
    }

    /// A text that means something.
    pub(crate) fn parsed<T, E: Display>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        match self.get(name)?.as_str().map(parse) {
            Some(Ok(parsed)) => return Some(parsed),
            Some(Err(wrong)) => self.wrong(name, wrong.to_string()),
            None => self.wrong(name, "a text"),
        }
        None
    }

    fn integer<N>(&mut self, name: &str, range: RangeInclusive<N>) -> Option<N>
    where
        N: TryFrom<u64> + PartialOrd + Copy + Display,
    {
        let value = self.get(name)?;
        let number = value.as_u64().and_then(|n| N::try_from(n).ok()).filter(|n| range.contains(n));
        if number.is_none() {
            self.wrong(name, format!("an integer from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// An amount of money.
    fn micros(&mut self, name: &str) -> Option<Micros> {
        let value = self.get(name)?;
        let micros = value.as_i64().and_then(Micros::new);
        if micros.is_none() {
            self.wrong(name, format!("millionths of a US dollar, an integer from 0 to {}", Micros::MAX.get()));
        }
        micros
    }

    /// A number of seconds, to the millisecond.
    fn seconds(&mut self, name: &str, least: Duration, most: Duration) -> Option<Duration> {
        let value = self.get(name)?;
        let seconds = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let whole = seconds.map(|s| Duration::from_millis(u64::try_from(s.as_millis()).unwrap_or(u64::MAX)));
        let fits = whole.filter(|duration| (least..=most).contains(duration));
        if fits.is_none() {
            self.wrong(name, format!("a number of seconds from {} to {}", least.as_secs_f64(), most.as_secs_f64()));
        }
        fits
    }

    fn due(&mut self, now: DateTime<Utc>) -> Due {
        if self.get("run_at").is_some() && self.get("delay").is_some() {
            self.wrong("delay", "give run_at or delay, not both");
        }
        if let Some(delay) = self.seconds("delay", Duration::ZERO, FURTHEST) {
            return if delay.is_zero() { Due::Now } else { Due::In(delay) };
        }
        let Some(value) = self.get("run_at") else { return Due::Now };
        match value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|at| at.to_utc()) {
            Some(at) if at - now > TimeDelta::from_std(FURTHEST).unwrap_or(TimeDelta::MAX) => {
                self.wrong("run_at", "at most a year ahead");
            }
            Some(at) if at > now => return Due::At(at),
            // What should have run before should run now.
            Some(_) => {}
            None => self.wrong("run_at", RFC_3339),
        }
        Due::Now
    }

    fn metadata(&mut self) -> Option<Box<RawValue>> {
        let value = self.get("metadata")?;
        let Some(entries) = value.as_object().filter(|entries| entries.len() <= METADATA_ENTRIES) else {
            self.wrong("metadata", format!("an object of at most {METADATA_ENTRIES} names with texts"));
            return None;
        };
        let mut metadata = BTreeMap::new();
        for (name, value) in entries {
            let entry = (text::name(name), value.as_str().map(text::free_text));
            match entry {
                (Err(rule), _) => self.wrong("metadata", format!("{name:?} is no name: {rule}")),
                // Two names that differ as they were typed may be one in NFC.
                (Ok(name), _) if metadata.contains_key(&name) => {
                    self.wrong("metadata", format!("the name {name:?} is there twice, in two spellings"));
                }
                (Ok(name), Some(value)) if value.chars().count() <= METADATA_VALUE_LIMIT => {
                    metadata.insert(name, value);
                }
                (Ok(name), _) => {
                    let pointer = format!("metadata/{}", escaped(&name));
                    self.wrong(&pointer, format!("a text of at most {METADATA_VALUE_LIMIT} characters"));
                }
            }
        }
        to_raw_value(&metadata).ok()
    }

    fn callback_url(&mut self, egress: &Egress) -> Option<String> {
        let value = self.get("callback_url")?;
        match value.as_str().map(|url| egress.check(url).map(|_| url)) {
            Some(Ok(url)) => return Some(url.to_owned()),
            Some(Err(refusal)) => self.wrong("callback_url", refusal.to_string()),
            None => self.wrong("callback_url", "a URL as a text"),
        }
        None
    }
}
