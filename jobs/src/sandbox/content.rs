//! What is in a file, as JSON has it.

use base64::{Engine, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is in a file: a text, or bytes in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Content {
    /// A text, written as UTF-8.
    Text(String),
    /// Anything.
    Bytes(Base64),
}

/// Bytes in standard base64 with padding (RFC 4648).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Base64 {
    #[schemars(extend("contentEncoding" = "base64"))]
    pub base64: String,
}

impl Content {
    /// `None` where it is no base64.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.into_bytes()),
            Self::Bytes(Base64 { base64 }) => BASE64_STANDARD.decode(base64).ok(),
        }
    }

    /// Bytes that it stands for, about.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(Base64 { base64 }) => base64.len() / 4 * 3,
        }
    }
}

impl From<Vec<u8>> for Content {
    /// A text wherever it is one.
    fn from(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Bytes(Base64 { base64: BASE64_STANDARD.encode(error.as_bytes()) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_text_travels_in_base64() {
        for (bytes, shown) in [(&b"text"[..], json!("text")), (b"\xff\0", json!({"base64": "/wA="}))] {
            let content = Content::from(bytes.to_vec());
            assert_eq!(serde_json::to_value(&content).unwrap(), shown);
            let read: Content = serde_json::from_value(shown).unwrap();
            assert_eq!(read.into_bytes().as_deref(), Some(bytes));
        }
        let wrong: Content = serde_json::from_value(json!({"base64": "!"})).unwrap();
        assert_eq!(wrong.into_bytes(), None);
    }
}
