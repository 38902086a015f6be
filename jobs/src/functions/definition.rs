//! What is registered as a version of a function.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    files::{self, Files},
    schema,
};
use crate::{canonical, job::Invalid, registry::Kind};

/// One version of a function: a program, and what it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The language of the program, as `sandbox.run` takes it: either this or `image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub language: Option<String>,
    /// The image that it runs in, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub image: Option<String>,
    /// Its files by their paths, at most 256 and 512 KiB in all: text, or `{"base64": "…"}`.
    pub files: Files,
    /// The file that is run.
    pub entry: String,
    /// JSON Schema (2020-12) of the payload; any JSON where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// What a call may use, as `sandbox.run` takes it.
    #[serde(default)]
    pub limits: Map<String, Value>,
}

impl Definition {
    /// Everything that is wrong with it, with pointers into it. `sandbox` is the kind that runs programs:
    /// what it would refuse is refused.
    ///
    /// Answers the size of the files in bytes.
    pub fn check(&self, sandbox: Option<&Kind>) -> Result<usize, Vec<Invalid>> {
        let mut wrong = Vec::new();
        let below =
            |part: &'static str| move |wrong: Invalid| Invalid::new(format!("{part}{}", wrong.pointer), wrong.detail);
        let size = files::check(&self.files).unwrap_or_else(|found| {
            wrong.extend(found.into_iter().map(below("/files")));
            0
        });
        if let Some(schema) = &self.schema
            && let Err(found) = schema::compile(schema)
        {
            wrong.extend(found.into_iter().map(below("/schema")));
        }
        wrong.extend(self.refused(sandbox));
        if wrong.is_empty() { Ok(size) } else { Err(wrong) }
    }

    /// What the sandbox would refuse of a program: the parts of a call have the names they have here.
    fn refused(&self, sandbox: Option<&Kind>) -> Vec<Invalid> {
        let Some(sandbox) = sandbox else { return Vec::new() };
        let call = self.call("");
        let checked = match serde_json::value::to_raw_value(&call) {
            Ok(text) => sandbox.validate_parsed(&text, &call),
            Err(error) => Err(vec![Invalid::new("", error.to_string())]),
        };
        checked.err().unwrap_or_default()
    }

    /// One call as `sandbox.run` takes it, with what it reads on standard input.
    pub fn call(&self, stdin: &str) -> Value {
        let mut call = json!({
            "files": self.files,
            "entry": self.entry,
            "stdin": stdin,
            "limits": self.limits,
            "artifacts": [files::RESULT],
        });
        for (name, value) in [("language", &self.language), ("image", &self.image)] {
            if let Some(value) = value {
                call[name] = json!(value);
            }
        }
        call
    }

    /// What it runs in, in one word: its language, or else its image.
    pub fn runs_in(&self) -> &str {
        self.language.as_deref().or(self.image.as_deref()).unwrap_or_default()
    }

    /// The same for all spellings of the same definition, and for no others.
    pub fn digest(&self) -> serde_json::Result<[u8; 32]> {
        Ok(canonical::fingerprint(&serde_json::to_value(self)?))
    }

    /// As the store keeps it.
    pub fn to_json(&self) -> serde_json::Result<Box<RawValue>> {
        serde_json::value::to_raw_value(self)
    }
}
