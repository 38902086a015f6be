//! What is registered as a version of a function.

use std::collections::BTreeMap;

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
    /// The language of the program, one that there is an image for.
    #[schemars(length(min = 1, max = 64))]
    pub language: String,
    /// Its files by their paths, at most 256 and 512 KiB in all: text, or `{"base64": "…"}`.
    #[schemars(with = "BTreeMap<String, files::Content>")]
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
        match self.payload("") {
            Err(invalid) => wrong.push(invalid),
            Ok(payload) => wrong.extend(self.refused(&payload, sandbox)),
        }
        if wrong.is_empty() { Ok(size) } else { Err(wrong) }
    }

    /// What the sandbox would refuse of a program, in the words of its function.
    fn refused(&self, payload: &Value, sandbox: Option<&Kind>) -> Vec<Invalid> {
        let Some(sandbox) = sandbox else { return Vec::new() };
        let checked = match serde_json::value::to_raw_value(payload) {
            Ok(text) => sandbox.validate_parsed(&text, payload),
            Err(error) => Err(vec![Invalid::new("", error.to_string())]),
        };
        let entry = format!("/files/{}", self.entry.replace('~', "~0").replace('/', "~1"));
        let here = |wrong: Invalid| match wrong.pointer.as_str() {
            "/source" => Invalid::new(entry.clone(), wrong.detail),
            _ => wrong,
        };
        checked.err().unwrap_or_default().into_iter().map(here).collect()
    }

    /// One call as `sandbox.run` takes it, with what it reads on standard input.
    pub fn payload(&self, stdin: &str) -> Result<Value, Invalid> {
        let Some(entry) = self.files.get(&self.entry) else {
            return Err(Invalid::new("/entry", "name one of the files"));
        };
        if self.files.len() > 1 {
            return Err(Invalid::new("/files", "a program is one file as yet"));
        }
        let source = entry.bytes().and_then(|bytes| String::from_utf8(bytes).ok());
        let source = source.ok_or_else(|| Invalid::new("/entry", "a program is text in UTF-8"))?;
        Ok(json!({"language": self.language, "source": source, "stdin": stdin, "limits": self.limits}))
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
