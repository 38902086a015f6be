//! What a version of a function takes.

use serde_json::Value;

use super::{
    call::{FunctionName, Version},
    definition::Definition,
    schema::{self, Compiled},
};
use crate::job::Invalid;

/// One version of a function as those see it who call it: its program is not in here.
pub struct Contract {
    /// `fn.NAME@VERSION`.
    pub kind: String,
    /// That of the payload, as it was registered.
    pub schema: Option<Value>,
    /// `None` takes any payload.
    compiled: Option<Result<Compiled, Invalid>>,
}

impl Contract {
    pub fn of(name: &FunctionName, version: Version, definition: Definition) -> Self {
        // It was in order when it was registered. Should a later release refuse it, so it does its payloads.
        let outdated = |_| Invalid::new("", "the function's schema is refused by now: register it anew");
        let compiled = definition.schema.as_ref().map(|schema| schema::compile(schema).map_err(outdated));
        Self { kind: name.kind_at(version), schema: definition.schema, compiled }
    }

    /// Everything that is wrong with a payload.
    pub fn validate(&self, payload: &Value) -> Result<(), Vec<Invalid>> {
        match &self.compiled {
            None => Ok(()),
            Some(Ok(schema)) => schema.validate(payload),
            Some(Err(outdated)) => Err(vec![outdated.clone()]),
        }
    }
}
