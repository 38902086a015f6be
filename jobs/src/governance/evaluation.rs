//! What is judged of a change before anybody approves it.
//!
//! No model is asked: whether answers get better shows on trial alone. What is certain beforehand is here, so that
//! whoever approves reads what changes and what it costs at most, and nothing that cannot work gets that far.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::document::PolicyDocument;
use crate::models::{prompt, validation::Canary};

/// What came of it; kept with the change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evaluation {
    /// What makes of the base version this one (RFC 6902).
    pub patch: Vec<Operation>,
    /// Bytes of the instructions of a question without any of its own: no question has fewer.
    pub instructions_bytes: u64,
    /// How many more those are than under the base version.
    pub grown_by: i64,
}

/// An operation of RFC 6902, as far as the difference of two policies needs one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Operation {
    Add { path: String, value: Value },
    Remove { path: String },
    Replace { path: String, value: Value },
}

impl Evaluation {
    /// Renders both, and compares them.
    pub fn of(base: &PolicyDocument, new: &PolicyDocument) -> Self {
        let (before, after) = (rendered(base), rendered(new));
        let mut patch = Vec::new();
        differ(&base.value(), &new.value(), "", &mut patch);
        Self { patch, instructions_bytes: after, grown_by: signed(after).saturating_sub(signed(before)) }
    }
}

fn rendered(policy: &PolicyDocument) -> u64 {
    let own = Some(policy.prompt.as_str()).filter(|prompt| !prompt.is_empty());
    prompt::instructions(own, None, false, &Canary::fresh()).len() as u64
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Members are compared one by one, all else as a whole.
fn differ(old: &Value, new: &Value, path: &str, patch: &mut Vec<Operation>) {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        if old != new {
            patch.push(Operation::Replace { path: path.to_owned(), value: new.clone() });
        }
        return;
    };
    let below = |name: &str| format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
    let without = |members: &Map<String, Value>, name: &str| !members.contains_key(name);
    for name in old.keys().filter(|name| without(new, name)) {
        patch.push(Operation::Remove { path: below(name) });
    }
    for (name, value) in new {
        match old.get(name) {
            Some(old) => differ(old, value, &below(name), patch),
            None => patch.push(Operation::Add { path: below(name), value: value.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(document: Value) -> PolicyDocument {
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn a_change_is_shown_as_a_patch_of_its_base() {
        let base = policy(json!({"prompt": "Be brief.", "parameters": {"temperature": 0.5}}));
        let new = policy(json!({"prompt": "Be brief!!", "parameters": {"max_tokens": 9}}));
        let Evaluation { patch, instructions_bytes, grown_by } = Evaluation::of(&base, &new);
        assert_eq!(
            serde_json::to_value(patch).unwrap(),
            json!([
                {"op": "remove", "path": "/parameters/temperature"},
                {"op": "add", "path": "/parameters/max_tokens", "value": 9},
                {"op": "replace", "path": "/prompt", "value": "Be brief!!"},
            ])
        );
        assert_eq!(grown_by, 1);
        assert!(instructions_bytes > 10, "what holds for every call counts as well");
    }

    #[test]
    fn nothing_changed_is_an_empty_patch() {
        let same = policy(json!({"thresholds": {"max_reasks": 1}}));
        let evaluation = Evaluation::of(&same, &same);
        assert!(evaluation.patch.is_empty() && evaluation.grown_by == 0);
    }
}
