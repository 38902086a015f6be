//! What a policy says.

use std::{fmt, marker::PhantomData};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

use crate::{canonical, job::Invalid};

/// A prompt, in bytes: it is part of every question, and paid for each time.
pub const PROMPT_LIMIT: usize = 32 * 1024;
/// How warm an answer may be, as providers have it.
const WARMEST: f64 = 2.0;
/// Times that an answer which cannot be used is asked for again, at most.
pub const REASKS: u32 = 2;

/// What an agent's model is told, on what terms it is asked, and when its agent gives up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyDocument {
    /// Said before the instructions of every question. Empty says nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32_768))]
    pub prompt: String,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "by_name")]
    pub parameters: Parameters,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "by_name")]
    pub thresholds: Thresholds,
}

/// Reads an object by the names of its members. Left to itself, serde takes a list of their values as well, which says of
/// none what it is.
pub fn by_name<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(Members(PhantomData))
}

/// Takes the members as they come, so that an error is told by its place.
struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// What says nothing is left out, so that what is read and what is written have one schema.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How a model is asked, within what the operator allows. What is absent is as the operator has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f64>,
    /// The most that an answer may have; no more than the operator allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,
}

/// Where an agent stops trying.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// How often an answer that cannot be used is asked for again; twice where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2))]
    pub max_reasks: Option<u32>,
}

impl PolicyDocument {
    /// What is wrong with it, and where; nothing where it may be a policy.
    pub fn wrong(&self) -> Vec<Invalid> {
        let Self { prompt, parameters: Parameters { temperature, max_tokens }, thresholds } = self;
        let mut wrong = Vec::new();
        if prompt.len() > PROMPT_LIMIT {
            let detail = format!("{} bytes are too many: at most {PROMPT_LIMIT}", prompt.len());
            wrong.push(Invalid::new("/prompt", detail));
        }
        if prompt.contains('\0') {
            wrong.push(Invalid::new("/prompt", "NUL is in no text"));
        }
        if temperature.is_some_and(|asked| !(0.0..=WARMEST).contains(&asked)) {
            wrong.push(Invalid::new("/parameters/temperature", "a number from 0 to 2"));
        }
        if *max_tokens == Some(0) {
            wrong.push(Invalid::new("/parameters/max_tokens", "an answer has one token at least"));
        }
        if thresholds.max_reasks.is_some_and(|asked| asked > REASKS) {
            wrong.push(Invalid::new("/thresholds/max_reasks", format!("at most {REASKS}")));
        }
        wrong
    }

    /// As it is recorded: the same document is always the same text.
    pub fn canonical(&self) -> String {
        canonical::canonical(&self.value())
    }

    /// SHA-256 of its canonical form: what an approval is bound to.
    pub fn sha256(&self) -> [u8; 32] {
        canonical::fingerprint(&self.value())
    }

    pub(super) fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(document: Value) -> Vec<String> {
        let document: PolicyDocument = serde_json::from_value(document).unwrap();
        document.wrong().into_iter().map(|invalid| invalid.pointer).collect()
    }

    #[test]
    fn a_policy_keeps_within_its_bounds() {
        assert!(wrong(json!({})).is_empty());
        let fine = json!({"prompt": "Be brief.", "parameters": {"temperature": 0, "max_tokens": 1},
            "thresholds": {"max_reasks": 0}});
        assert!(wrong(fine).is_empty());
        let all = json!({"prompt": "\0".repeat(PROMPT_LIMIT + 1), "parameters": {"temperature": 2.1, "max_tokens": 0},
            "thresholds": {"max_reasks": 3}});
        let pointers =
            ["/prompt", "/prompt", "/parameters/temperature", "/parameters/max_tokens", "/thresholds/max_reasks"];
        assert_eq!(wrong(all), pointers);
        let nameless = [json!({"parameters": [null, null]}), json!({"thresholds": [1]})];
        for unknown in nameless.into_iter().chain([json!({"model": "mine"}), json!({"thresholds": {"confidence": 1}})])
        {
            assert!(serde_json::from_value::<PolicyDocument>(unknown.clone()).is_err(), "{unknown}");
        }
    }

    #[test]
    fn the_same_document_has_the_same_digest() {
        let read = |text: &str| serde_json::from_str::<PolicyDocument>(text).unwrap().sha256();
        let one = read(r#"{"prompt": "a", "parameters": {"temperature": 1.0}}"#);
        assert_eq!(one, read(r#"{"parameters": {"temperature": 1}, "thresholds": {}, "prompt": "a"}"#));
        assert_ne!(one, read(r#"{"prompt": "a"}"#));
    }
}
