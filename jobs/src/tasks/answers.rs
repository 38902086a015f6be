//! What models are to answer in the steps of a task.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    language::Language,
    workspace::{BYTES, FILES, Files, Side, Written, mended, side},
};
use crate::models::validation::Wrong;

/// The titles of the schemas: what has no other way to know what is asked goes by them.
pub(crate) const PLAN: &str = "golden.task.plan";
pub(crate) const PROGRAM: &str = "golden.task.program";
pub(crate) const TESTS: &str = "golden.task.tests";
pub(crate) const REPAIR: &str = "golden.task.repair";

/// How a task is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub summary: String,
    pub steps: Vec<String>,
    /// What tests may rely on.
    pub interface: String,
}

/// Files, and why.
#[derive(Debug, Deserialize)]
struct Answer {
    files: Vec<Written>,
}

pub(super) fn plan() -> Value {
    object(
        PLAN,
        json!({
            "summary": {"type": "string", "minLength": 1, "maxLength": 2000},
            "steps": {
                "type": "array", "minItems": 1, "maxItems": 20,
                "items": {"type": "string", "minLength": 1, "maxLength": 1000},
            },
            "interface": {"type": "string", "minLength": 1, "maxLength": 8000},
        }),
    )
}

pub(super) fn program() -> Value {
    object(PROGRAM, json!({"files": files()}))
}

pub(super) fn tests() -> Value {
    object(TESTS, json!({"files": files()}))
}

pub(super) fn repair() -> Value {
    object(REPAIR, json!({"reason": {"type": "string", "minLength": 1, "maxLength": 4000}, "files": files()}))
}

/// Every member is required, and there are no others: so the strictest of providers have it.
fn object(title: &str, properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(|members| members.keys()).collect();
    let required = json!(required);
    json!({
        "title": title,
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}

fn files() -> Value {
    json!({
        "type": "array", "minItems": 1, "maxItems": FILES,
        "items": {
            "type": "object",
            "required": ["path", "content"],
            "additionalProperties": false,
            "properties": {
                "path": {"type": "string", "minLength": 1, "maxLength": 200, "x-no-repair": true},
                "content": {"type": "string", "maxLength": BYTES},
            },
        },
    })
}

pub(super) fn read_plan(answer: &Value) -> Result<Plan, Vec<Wrong>> {
    read(answer)
}

pub(super) fn read_side(answer: &Value, of: Side, language: &Language) -> Result<Files, Vec<Wrong>> {
    side(read::<Answer>(answer)?.files, of, language)
}

pub(super) fn read_repair(
    answer: &Value,
    program: &Files,
    tests: &Files,
    language: &Language,
) -> Result<(Files, Files), Vec<Wrong>> {
    mended(read::<Answer>(answer)?.files, program, tests, language)
}

/// An answer that fits its schema can be read, unless a secret was taken out of it where it made the difference.
fn read<T: for<'a> Deserialize<'a>>(answer: &Value) -> Result<T, Vec<Wrong>> {
    T::deserialize(answer).map_err(|_| vec![Wrong { at: String::new(), code: "unreadable".to_owned() }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::validation::AnswerSchema;

    #[test]
    fn schemas_are_of_the_kind_that_models_may_be_asked_by() {
        for schema in [plan(), program(), super::tests(), repair()] {
            AnswerSchema::new("test", schema).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        }
        let program = AnswerSchema::new("test", program()).unwrap();
        assert!(program.fits(&json!({"files": [{"path": "main.py", "content": ""}]})));
        assert!(!program.fits(&json!({"files": []})));
    }
}
