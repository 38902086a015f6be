//! The smallest value that fits a schema, by rule.

use serde_json::{Map, Value, json};

use crate::functions::schema::target;

/// A value that should fit, if one is found. Whoever asks holds it against the schema: what keywords come to together is
/// not foreseen here.
pub(super) fn fitting(schema: &Value, topic: &str) -> Option<Value> {
    Maker { root: schema, topic }.value(schema, "", 0)
}

struct Maker<'a> {
    root: &'a Value,
    topic: &'a str,
}

impl Maker<'_> {
    /// `name` is what the value is called where it belongs, and `nth` sets those apart that must differ.
    fn value(&self, schema: &Value, name: &str, nth: usize) -> Option<Value> {
        let node = match schema {
            Value::Bool(allowed) => return allowed.then(|| json!(self.words(name, nth))),
            schema => self.merged(schema)?,
        };
        if let Some(only) = node.get("const") {
            return Some(only.clone());
        }
        for said in ["enum", "examples"] {
            if let Some(choices) = node.get(said).and_then(Value::as_array).filter(|choices| !choices.is_empty()) {
                return choices.get(nth % choices.len()).cloned();
            }
        }
        if let Some(default) = node.get("default") {
            return Some(default.clone());
        }
        for choice in ["oneOf", "anyOf"] {
            if let Some(choices) = node.get(choice).and_then(Value::as_array) {
                let mut rest = node.clone();
                rest.remove(choice);
                return choices.iter().find_map(|chosen| self.value(&json!({"allOf": [rest, chosen]}), name, nth));
            }
        }
        match self.kind(&node) {
            "object" => self.object(&node, nth),
            "array" => self.array(&node, name),
            "integer" => number(&node, true, nth),
            "number" => number(&node, false, nth),
            "boolean" => Some(Value::Bool(true)),
            "null" => Some(Value::Null),
            _ => self.text(&node, name, nth),
        }
    }

    /// A schema with what it refers to, and all of `allOf`, laid over each other.
    fn merged(&self, schema: &Value) -> Option<Map<String, Value>> {
        let mut node = schema.as_object()?.clone();
        let referred = node.remove("$ref").and_then(|to| target(self.root, to.as_str()?).cloned());
        let all = node.remove("allOf").and_then(|all| all.as_array().cloned()).unwrap_or_default();
        for other in referred.iter().chain(&all) {
            let other = match other {
                Value::Bool(true) => continue,
                Value::Bool(false) => return None,
                other => self.merged(other)?,
            };
            for (keyword, value) in other {
                match (node.get_mut(&keyword), value) {
                    (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                    (Some(Value::Array(known)), Value::Array(more)) if keyword == "required" => known.extend(more),
                    (Some(_), _) if keyword == "type" => {}
                    (_, value) => drop(node.insert(keyword, value)),
                }
            }
        }
        Some(node)
    }

    /// The type that a value is made of: the first that is not null, or what the other keywords are about.
    fn kind<'a>(&self, node: &'a Map<String, Value>) -> &'a str {
        match node.get("type") {
            Some(Value::String(one)) => one,
            Some(Value::Array(several)) => {
                several.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null")
            }
            _ if node.contains_key("properties") || node.contains_key("required") => "object",
            _ if node.contains_key("items") || node.contains_key("minItems") => "array",
            _ if node.contains_key("minimum") || node.contains_key("maximum") => "number",
            _ => "string",
        }
    }

    fn object(&self, node: &Map<String, Value>, nth: usize) -> Option<Value> {
        let mut members = Map::new();
        for name in node.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            let schema = node.get("properties").and_then(|properties| properties.get(name));
            let schema = schema.or_else(|| node.get("additionalProperties")).unwrap_or(&Value::Bool(true));
            members.insert(name.to_owned(), self.value(schema, name, nth)?);
        }
        Some(Value::Object(members))
    }

    /// As many items as there must be, and one where there may be none: an empty list shows nobody anything.
    fn array(&self, node: &Map<String, Value>, name: &str) -> Option<Value> {
        let bound = |keyword: &str| node.get(keyword).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let count = bound("minItems").unwrap_or(0).max(1).min(bound("maxItems").unwrap_or(usize::MAX));
        let fixed = node.get("prefixItems").and_then(Value::as_array);
        // So many that no answer has them are too many to make.
        (count <= 1000).then_some(())?;
        let item = |nth| {
            let schema = fixed.and_then(|fixed| fixed.get(nth)).or_else(|| node.get("items"));
            self.value(schema.unwrap_or(&Value::Bool(true)), name, nth)
        };
        (0..count.max(fixed.map_or(0, Vec::len))).map(item).collect()
    }

    fn text(&self, node: &Map<String, Value>, name: &str, nth: usize) -> Option<Value> {
        let bound = |keyword: &str| node.get(keyword).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let text = match node.get("format").and_then(Value::as_str) {
            Some("date-time") => "2000-01-01T00:00:00Z".to_owned(),
            Some("date") => "2000-01-01".to_owned(),
            Some("time") => "00:00:00Z".to_owned(),
            Some("email") => "offline@example.com".to_owned(),
            Some("uri" | "iri" | "uri-reference") => "https://example.com/".to_owned(),
            Some("uuid") => format!("00000000-0000-4000-8000-{nth:012}"),
            _ => self.words(name, nth),
        };
        let least = bound("minLength").unwrap_or(0);
        (least <= 100_000).then_some(())?;
        let padded = text.chars().chain(std::iter::repeat_n('.', least.saturating_sub(text.chars().count())));
        Some(Value::String(padded.take(bound("maxLength").unwrap_or(usize::MAX)).collect()))
    }

    fn words(&self, name: &str, nth: usize) -> String {
        let subject = if name.is_empty() { "Answer" } else { name };
        let number = if nth == 0 { String::new() } else { format!(" {}", nth + 1) };
        format!("{subject}{number}: {}", self.topic)
    }
}

/// The smallest number from zero that is allowed, or the largest below.
fn number(node: &Map<String, Value>, whole: bool, nth: usize) -> Option<Value> {
    let bound = |keyword: &str| node.get(keyword).and_then(Value::as_f64);
    let step = bound("multipleOf").unwrap_or(if whole { 1.0 } else { 0.5 });
    let least = [bound("minimum"), bound("exclusiveMinimum").map(|least| least + step / 2.0)].into_iter().flatten();
    let least = least.fold(f64::NEG_INFINITY, f64::max);
    let most = [bound("maximum"), bound("exclusiveMaximum").map(|most| most - step / 2.0)].into_iter().flatten();
    let most = most.fold(f64::INFINITY, f64::min);
    let nearest = if least > 0.0 { (least / step).ceil() } else { 0.0f64.min((most / step).floor()) };
    let number = nearest.mul_add(step, nth as f64 * step);
    let integral = number.fract() == 0.0 && number.abs() < 9e15;
    // Exact: its magnitude was looked at.
    if integral { Some(json!(number as i64)) } else { serde_json::Number::from_f64(number).map(Value::Number) }
}
