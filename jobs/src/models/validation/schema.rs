//! What an answer must fit.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    functions::schema::{Compiled, compile, target},
    job::Invalid,
};

/// A field that says so in its schema is never repaired: a verdict, a severity, a tool, an amount, a path.
const NOT_TO_BE_REPAIRED: &str = "x-no-repair";

/// The JSON Schema of an answer, ready to hold answers against.
pub struct AnswerSchema {
    /// Names it in metrics: one of few.
    name: &'static str,
    text: Value,
    compiled: Compiled,
}

/// Something in an answer that does not fit, without what was in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    /// A JSON pointer into the answer.
    pub at: String,
    /// The keyword of the schema that it does not fit, or why it cannot be read.
    pub code: String,
}

impl AnswerSchema {
    /// Compiles a schema, which is bounded as those of functions are, or says what is wrong with it.
    pub fn new(name: &'static str, text: Value) -> Result<Self, Vec<Invalid>> {
        let compiled = compile(&text)?;
        Ok(Self { name, text, compiled })
    }

    /// Its name in metrics.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// As it was written.
    pub fn text(&self) -> &Value {
        &self.text
    }

    /// Whether a value fits.
    pub fn fits(&self, value: &Value) -> bool {
        self.wrong(value).is_empty()
    }

    /// Where a value does not fit, and by which keyword.
    pub fn wrong(&self, value: &Value) -> Vec<Wrong> {
        let told = self.compiled.breaches(value);
        told.into_iter().map(|(at, keyword)| Wrong { at, code: keyword }).collect()
    }

    /// The types that a value at this place may have, if the schema says so in one way only.
    pub(super) fn types_at(&self, pointer: &str) -> Option<Vec<&str>> {
        let mut found = Vec::new();
        self.visit(&self.text, &parts(pointer), &mut |node| found.extend(node.get("type")));
        match found[..] {
            [Value::String(one)] => Some(vec![one]),
            [Value::Array(several)] => several.iter().map(Value::as_str).collect(),
            _ => None,
        }
    }

    /// Whether the value at this place, or one that it is part of, is not to be repaired.
    pub(super) fn is_not_to_be_repaired(&self, pointer: &str) -> bool {
        let parts = parts(pointer);
        (0..=parts.len()).any(|depth| {
            let mut marked = false;
            let mut see = |node: &Value| marked |= node.get(NOT_TO_BE_REPAIRED) == Some(&Value::Bool(true));
            self.visit(&self.text, &parts[..depth], &mut see);
            marked
        })
    }

    /// Shows every schema that may apply to the value at a place: those of all choices, whichever applies.
    fn visit<'a>(&'a self, node: &'a Value, parts: &[String], see: &mut impl FnMut(&'a Value)) {
        if parts.is_empty() {
            see(node);
        }
        if let Some(target) = node.get("$ref").and_then(Value::as_str).and_then(|to| target(&self.text, to)) {
            self.visit(target, parts, see);
        }
        for choice in ["allOf", "anyOf", "oneOf"] {
            for node in node.get(choice).and_then(Value::as_array).into_iter().flatten() {
                self.visit(node, parts, see);
            }
        }
        for branch in ["if", "then", "else"].iter().filter_map(|name| node.get(name)) {
            self.visit(branch, parts, see);
        }
        for branch in node.get("dependentSchemas").and_then(Value::as_object).into_iter().flat_map(|all| all.values()) {
            self.visit(branch, parts, see);
        }
        let Some((first, rest)) = parts.split_first() else { return };
        let named = node.get("properties").and_then(|properties| properties.get(first));
        let listed = first.parse::<usize>().ok().and_then(|at| node.get("prefixItems")?.get(at));
        let others = ["additionalProperties", "unevaluatedProperties", "items", "unevaluatedItems", "contains"];
        let others = others.iter().filter_map(|name| node.get(name));
        let patterns = node.get("patternProperties").and_then(Value::as_object);
        let patterns = patterns.into_iter().flat_map(|patterns| patterns.values());
        let own: Vec<&Value> = named.into_iter().chain(listed).collect();
        // The others are for what has no place of its own.
        let general: Vec<&Value> = if own.is_empty() { others.collect() } else { Vec::new() };
        for node in own.into_iter().chain(general).chain(patterns) {
            self.visit(node, rest, see);
        }
    }
}

fn parts(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}
