//! The one crossing between JSON and typed payloads.

use std::{collections::BTreeMap, future::Future, pin::Pin};

use jsonschema::{ValidationError, error::ValidationErrorKind};
use schemars::generate::SchemaSettings;
use serde_json::{Value, value::RawValue};

use crate::{
    context::Context,
    family,
    functions::Call,
    job::{Invalid, Job, Policy},
    kinds::FunctionCall,
    outcome::{End, Failure, Outcome},
    role::Role,
};

/// The outcome of a run with its output as JSON.
pub type RawOutcome = Outcome<Option<Box<RawValue>>>;

/// The member of a payload that names who submitted the job.
const SUBMITTED_BY: &str = "submitted_by";

type Run = fn(Box<RawValue>, Context) -> Pin<Box<dyn Future<Output = RawOutcome> + Send>>;

/// A kind of job without its type.
pub struct Kind {
    pub name: &'static str,
    pub role: Role,
    /// The kind's own, or what the operator's settings made of it.
    pub policy: Policy,
    /// Whether clients may submit it.
    pub public: bool,
    /// Whether the payload says who [submitted](Job::SUBMITTED_BY) the job.
    submitted_by: bool,
    /// JSON Schema 2020-12 of the payload.
    pub schema: Value,
    validator: jsonschema::Validator,
    check: fn(&RawValue) -> Result<(), Vec<Invalid>>,
    run: Run,
}

impl Kind {
    fn new<J: Job>() -> Self {
        let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<J>().to_value();
        Self {
            name: J::KIND,
            role: J::ROLE,
            policy: J::POLICY,
            public: J::PUBLIC,
            submitted_by: J::SUBMITTED_BY,
            validator: compiled(J::KIND, &schema),
            schema,
            check: check::<J>,
            run: run::<J>,
        }
    }

    /// Everything that is wrong with a payload: against its schema, then against its own rules.
    pub fn validate(&self, payload: &RawValue) -> Result<(), Vec<Invalid>> {
        let value: Value =
            serde_json::from_str(payload.get()).map_err(|error| vec![Invalid::new("", error.to_string())])?;
        self.validate_parsed(payload, &value)
    }

    /// The same for a payload that was read before: `value` is what its text says.
    pub fn validate_parsed(&self, payload: &RawValue, value: &Value) -> Result<(), Vec<Invalid>> {
        let errors: Vec<Invalid> = self.validator.iter_errors(value).map(|error| self.told(&error)).collect();
        if errors.is_empty() { (self.check)(payload) } else { Err(errors) }
    }

    /// What is wrong with a value: of a choice all that there is, and of a large value not the whole.
    fn told(&self, error: &ValidationError<'_>) -> Invalid {
        let value = error.instance();
        let detail = match error.kind() {
            ValidationErrorKind::Enum { options } => {
                let options = options.as_array().into_iter().flatten().filter(|option| !option.is_null());
                format!("{value} is not one of {}", options.map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
            ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::OneOfMultipleValid { .. }
                if let Some(choice) = self.choice(value, &error.schema_path().to_string()) =>
            {
                choice
            }
            _ if value.is_object() || value.is_array() => error.masked_with("this").to_string(),
            _ => error.to_string(),
        };
        Invalid::new(error.instance_path().to_string(), detail)
    }

    /// What to say where a payload is to be one of several words, or needs exactly one of several sets of members.
    fn choice(&self, value: &Value, schema_path: &str) -> Option<String> {
        let choices = self.schema.pointer(schema_path)?.as_array()?.iter();
        let words = choices.clone().map(|choice| choice.get("const").map(ToString::to_string));
        if let Some(words) = words.collect::<Option<Vec<_>>>() {
            return Some(format!("{value} is not one of {}", words.join(", ")));
        }
        let members = |choice: &Value| {
            let names = choice.get("required")?.as_array()?.iter().map(|name| name.as_str());
            Some(names.collect::<Option<Vec<_>>>()?.join(" and "))
        };
        let sets = choices.map(members).collect::<Option<Vec<_>>>()?;
        Some(format!("give either {}", sets.join(", or ")))
    }

    /// The payload as it is kept when `subject` submits it: where the kind wants to know who did, it says so, and never
    /// what it said before.
    pub fn submitted(&self, payload: Box<RawValue>, subject: Option<&str>) -> Box<RawValue> {
        let members = || serde_json::from_str::<serde_json::Map<String, Value>>(payload.get()).ok();
        let Some(mut members) = self.submitted_by.then(members).flatten() else { return payload };
        match subject {
            Some(subject) => drop(members.insert(SUBMITTED_BY.to_owned(), subject.into())),
            None => drop(members.remove(SUBMITTED_BY)),
        }
        serde_json::value::to_raw_value(&members).unwrap_or(payload)
    }

    /// Whether its schema allows a payload without members, so that a submission needs none.
    pub fn payload_may_be_empty(&self) -> bool {
        self.validator.is_valid(&Value::Object(serde_json::Map::new()))
    }

    /// Runs one job of this kind. A payload that does not decode is that job's failure.
    pub fn run(&self, payload: Box<RawValue>, cx: Context) -> Pin<Box<dyn Future<Output = RawOutcome> + Send>> {
        (self.run)(payload, cx)
    }
}

/// A schema of our own making that does not compile is a defect of the build.
fn compiled(kind: &str, schema: &Value) -> jsonschema::Validator {
    match jsonschema::draft202012::new(schema) {
        Ok(validator) => validator,
        Err(error) => unreachable!("the schema of {kind} does not compile: {error}"),
    }
}

fn check<J: Job>(payload: &RawValue) -> Result<(), Vec<Invalid>> {
    let job: J = serde_json::from_str(payload.get()).map_err(|error| vec![Invalid::new("", error.to_string())])?;
    job.check().map_err(|error| vec![error])
}

fn run<J: Job>(payload: Box<RawValue>, cx: Context) -> Pin<Box<dyn Future<Output = RawOutcome> + Send>> {
    Box::pin(async move {
        let job: J = serde_json::from_str(payload.get()).map_err(|error| {
            Failure::fatal("payload_undecodable", format!("the payload no longer fits kind {}: {error}", J::KIND))
        })?;
        drop(payload);
        let end = match job.run(&cx).await? {
            End::Done(output) => End::Done(Some(serde_json::value::to_raw_value(&output).map_err(|error| {
                Failure::fatal("output_unencodable", format!("the output of {} is not JSON: {error}", J::KIND))
            })?)),
            End::Snooze(wait) => End::Snooze(wait),
            End::Await { children, checkpoint, until } => End::Await { children, checkpoint, until },
        };
        if let End::Await { children, .. } = &end {
            family::bound(&cx, children).await?;
        }
        Ok(end)
    })
}

/// The kinds a process knows.
#[derive(Default)]
pub struct Registry(BTreeMap<&'static str, Kind>);

impl Registry {
    /// Adds a kind, or replaces the one of the same name.
    #[must_use]
    pub fn with<J: Job>(mut self) -> Self {
        self.0.insert(J::KIND, Kind::new::<J>());
        self
    }

    /// Changes one kind's policy, as an operator's settings ask.
    #[must_use]
    pub fn with_policy(mut self, kind: &str, change: impl FnOnce(Policy) -> Policy) -> Self {
        if let Some(kind) = self.0.get_mut(kind) {
            kind.policy = change(kind.policy);
        }
        self
    }

    /// Narrows the schema of one kind's payload down to what an operator offers. What comes in is held against it;
    /// what came in before runs as ever.
    #[must_use]
    pub fn with_schema(mut self, kind: &str, change: impl FnOnce(&mut Value)) -> Self {
        if let Some(kind) = self.0.get_mut(kind) {
            change(&mut kind.schema);
            kind.validator = compiled(kind.name, &kind.schema);
        }
        self
    }

    /// What runs jobs of a kind: every version of every function is run by [`FunctionCall`].
    /// `None` where this build has no such kind, which jobs of another build may still be of.
    pub fn get(&self, name: &str) -> Option<&Kind> {
        self.0.get(name).or_else(|| self.0.get(Call::of(name).map(|_| FunctionCall::KIND)?))
    }

    /// All kinds, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use crate::kinds;

    #[test]
    fn a_word_that_is_none_of_a_choice_is_told_what_there_is() {
        let payload = r#"{"about": "otter", "subject": "x", "reason": "x", "severity": "low"}"#;
        let registry = kinds::registry();
        let wrong = registry.get("escalation").unwrap().validate(&serde_json::from_str::<Box<_>>(payload).unwrap());
        let [wrong] = &wrong.unwrap_err()[..] else { panic!("one thing is wrong") };
        assert_eq!(wrong.pointer, "/about");
        let words = r#""otter" is not one of "review", "task", "policy", "budget", "guard", "other""#;
        assert_eq!(wrong.detail, words);
    }
}
