//! Schemas of tenants: what may be in one, so that whatever is held against it costs little.
//!
//! A schema of JSON Schema 2020-12 is a program. One that refers to itself may not end, one whose
//! references fan out takes time exponential in its size, and a regular expression with
//! backtracking takes as long as it likes. So references stay within the schema and make no circle,
//! what is left when they are followed is bounded, and patterns are of the kind that takes linear time.
//! Then no part of a schema meets a part of a payload twice, and the product of their
//! sizes bounds the work.

use std::collections::HashMap;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::job::Invalid;

/// Bytes of a schema in its shortest form.
const BYTES: usize = 64 * 1024;
/// Arrays and objects within each other.
const DEPTH: usize = 32;
/// Values in a schema once its references are followed.
const VALUES: u64 = 4096;
/// How deep they are then within each other: what is held against it goes as deep.
const UNFOLDED_DEPTH: usize = 100;
/// Regular expressions, and the bytes that one may take when compiled.
const PATTERNS: usize = 32;
const PATTERN_BYTES: usize = 256 * 1024;
/// Pairs of a value of the payload and one of the schema that may have to be looked at.
const WORK: u64 = 20_000_000;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// What changes the meaning of references, or moves it to the time of validation.
const REFUSED: [&str; 6] = ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$vocabulary"];

/// A schema, ready to hold payloads against.
pub struct Compiled {
    validator: Validator,
    /// Values in the schema once its references are followed.
    values: u64,
}

/// Compiles a schema, or says what is wrong with it, with pointers into it.
pub fn compile(schema: &Value) -> Result<Compiled, Vec<Invalid>> {
    let one = |wrong| vec![wrong];
    let size = serde_json::to_vec(schema).map_or(usize::MAX, |text| text.len());
    if size > BYTES {
        return Err(one(Invalid::new("", format!("a schema has at most {BYTES} bytes, and this one has {size}"))));
    }
    let mut survey = Survey { schema, patterns: 0, wrong: Vec::new() };
    survey.look(schema, String::new(), 0);
    if survey.patterns > PATTERNS {
        survey.wrong.push(Invalid::new("", format!("a schema has at most {PATTERNS} regular expressions")));
    }
    if !survey.wrong.is_empty() {
        return Err(survey.wrong);
    }
    let Size { values, .. } = Unfolding { schema, known: HashMap::new() }.at("#", 0).map_err(one)?;
    if values > VALUES {
        let detail =
            format!("with its references followed, a schema has at most {VALUES} values; this one has {values}");
        return Err(one(Invalid::new("", detail)));
    }
    if let Err(error) = jsonschema::draft202012::meta::validate(schema) {
        return Err(one(Invalid::new(error.instance_path().to_string(), error.to_string())));
    }
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
    let built = jsonschema::draft202012::options().offline().with_pattern_options(patterns).build(schema);
    let validator = built.map_err(|error| one(Invalid::new(error.schema_path().to_string(), error.to_string())))?;
    Ok(Compiled { validator, values })
}

impl Compiled {
    /// Everything that is wrong with a payload.
    pub fn validate(&self, payload: &Value) -> Result<(), Vec<Invalid>> {
        if self.is_too_much(payload) {
            let detail = "there is too much of it to be held against the schema of its function";
            return Err(vec![Invalid::new("", detail)]);
        }
        let wrong: Vec<Invalid> = self
            .validator
            .iter_errors(payload)
            .map(|error| Invalid::new(error.instance_path().to_string(), error.to_string()))
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// The same without a word of what is in the value: where it does not fit, and by which keyword.
    pub(crate) fn breaches(&self, value: &Value) -> Vec<(String, String)> {
        if self.is_too_much(value) {
            return vec![(String::new(), "too_much".to_owned())];
        }
        let errors = self.validator.iter_errors(value);
        errors.map(|error| (error.instance_path().to_string(), error.kind().keyword().to_owned())).collect()
    }

    fn is_too_much(&self, value: &Value) -> bool {
        count(value).saturating_mul(self.values) > WORK
    }
}

/// Values in a value, itself among them.
fn count(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(count).sum::<u64>(),
        _ => 1,
    }
}

/// Looks for what may not be in a schema. Words of JSON Schema count as such wherever they are, also in
/// an example: it is looked at without knowing what its parts mean.
struct Survey<'a> {
    schema: &'a Value,
    patterns: usize,
    wrong: Vec<Invalid>,
}

impl Survey<'_> {
    fn look(&mut self, value: &Value, at: String, depth: usize) {
        if depth > DEPTH {
            return self.wrong.push(Invalid::new(at, format!("a schema is at most {DEPTH} deep")));
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                    self.keyword(name, member, &at, depth);
                    self.look(member, at, depth + 1);
                }
            }
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    self.look(item, format!("{at}/{place}"), depth + 1);
                }
            }
            _ => {}
        }
    }

    fn keyword(&mut self, name: &str, value: &Value, at: &str, depth: usize) {
        let mut refuse = |detail: String| self.wrong.push(Invalid::new(at, detail));
        match (name, value) {
            ("$ref", Value::String(to)) if !to.starts_with("#/") && to != "#" => {
                refuse(format!("{to:?} is somewhere else; references stay within the schema, as \"#/$defs/item\""));
            }
            ("$ref", Value::String(to)) if target(self.schema, to).is_none() => {
                refuse(format!("there is nothing at {to:?}"));
            }
            ("$schema", Value::String(draft)) if draft.trim_end_matches('#') != DRAFT => {
                refuse(format!("schemas are those of {DRAFT}"));
            }
            // The name of the whole schema changes nothing about it.
            ("$id", Value::String(_)) if depth == 0 => {}
            (name, Value::String(_)) if REFUSED.contains(&name) => refuse(format!("{name} is not for schemas here")),
            ("pattern", Value::String(_)) => self.patterns += 1,
            ("patternProperties", Value::Object(patterns)) => self.patterns += patterns.len(),
            _ => {}
        }
    }
}

/// Where a reference leads.
pub(crate) fn target<'a>(schema: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = percent_decoded(reference.strip_prefix('#')?)?;
    schema.pointer(&pointer)
}

/// A pointer is written as a fragment of a URI (RFC 6901, section 6).
fn percent_decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Measures a schema as if each reference were what it leads to.
struct Unfolding<'a> {
    schema: &'a Value,
    /// What is at a reference; `None` while it is being measured.
    known: HashMap<String, Option<Size>>,
}

#[derive(Clone, Copy)]
struct Size {
    values: u64,
    depth: usize,
}

impl Unfolding<'_> {
    /// What a reference leads to, `above` so many others. Fails where following references comes back
    /// to where it began, or takes too many steps.
    fn at(&mut self, reference: &str, above: usize) -> Result<Size, Invalid> {
        match self.known.get(reference) {
            Some(Some(size)) => return fits(above + size.depth).map(|()| *size),
            Some(None) => {
                let detail = format!("a schema may not refer to itself, as this one does at {reference:?}");
                return Err(Invalid::new("", detail));
            }
            None => {}
        }
        self.known.insert(reference.to_owned(), None);
        let size = match target(self.schema, reference) {
            Some(value) => self.within(value, above)?,
            // Not a reference then, or it was refused before.
            None => Size { values: 1, depth: 1 },
        };
        self.known.insert(reference.to_owned(), Some(size));
        Ok(size)
    }

    fn within(&mut self, value: &Value, above: usize) -> Result<Size, Invalid> {
        fits(above)?;
        let mut size = Size { values: 1, depth: 1 };
        let mut add = |inner: Size| {
            size.values = size.values.saturating_add(inner.values);
            size.depth = size.depth.max(inner.depth + 1);
        };
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    add(match member.as_str() {
                        Some(reference) if name == "$ref" => self.at(reference, above + 1)?,
                        _ => self.within(member, above + 1)?,
                    });
                }
            }
            Value::Array(items) => {
                for item in items {
                    add(self.within(item, above + 1)?);
                }
            }
            _ => {}
        }
        Ok(size)
    }
}

fn fits(depth: usize) -> Result<(), Invalid> {
    let detail = || format!("with its references followed, a schema is at most {UNFOLDED_DEPTH} deep");
    if depth > UNFOLDED_DEPTH { Err(Invalid::new("", detail())) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
