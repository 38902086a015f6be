//! What is kept of an endpoint's answer.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::outbound::OutboundResponse;

/// The output of a succeeded call, within the 256 KiB that a result may have.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case; values of one name are joined with a comma. Past 8 KiB the rest is
    /// left out.
    pub headers: BTreeMap<String, String>,
    /// As `encoding` says.
    pub body: String,
    pub encoding: Encoding,
    /// Whether the body was longer than what is kept of it.
    pub truncated: bool,
    /// From connecting to the last byte that was read.
    pub latency_ms: u64,
}

/// How [`Answer::body`] holds what the endpoint sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As it came.
    Text,
    /// For a body that is not UTF-8, or has a NUL, which PostgreSQL does not keep in text.
    Base64,
}

/// What the body may take in the output, in bytes of JSON: 256 KiB less room for the rest.
pub(super) const BODY_LIMIT: usize = 238 * 1024;
/// Before JSON, which may double it.
const HEADERS_LIMIT: usize = 8 * 1024;
const EXCERPT_LIMIT: usize = 200;

impl From<OutboundResponse> for Answer {
    fn from(response: OutboundResponse) -> Self {
        let (body, encoding, cut) = match text(&response) {
            Some(text) => {
                let kept = fit(text, BODY_LIMIT);
                (kept.to_owned(), Encoding::Text, kept.len() < text.len())
            }
            None => {
                let kept = &response.body[..response.body.len().min(BODY_LIMIT / 4 * 3)];
                (STANDARD.encode(kept), Encoding::Base64, kept.len() < response.body.len())
            }
        };
        Self {
            status: response.status,
            headers: bounded(&response.headers),
            body,
            encoding,
            truncated: response.truncated || cut,
            latency_ms: u64::try_from(response.latency.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// The start of a body for an error message: `: …`, or nothing.
pub(super) fn excerpt(response: &OutboundResponse) -> String {
    let start = &response.body[..response.body.len().min(EXCERPT_LIMIT)];
    let text = String::from_utf8_lossy(start);
    let text = text.trim_end_matches('\u{fffd}').replace(|c: char| c.is_control(), " ");
    match text.trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

fn text(response: &OutboundResponse) -> Option<&str> {
    if response.body.contains(&0) {
        return None;
    }
    match std::str::from_utf8(&response.body) {
        Ok(text) => Some(text),
        // The cap may have cut a character in two.
        Err(error) if response.truncated && error.error_len().is_none() => {
            std::str::from_utf8(&response.body[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

/// The longest start of `text` that takes at most `limit` bytes as JSON, where some characters
/// become two bytes and control characters six.
fn fit(text: &str, limit: usize) -> &str {
    let mut used = 0;
    for (at, char) in text.char_indices() {
        used += match char {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..' ' => 6,
            _ => char.len_utf8(),
        };
        if used > limit {
            return &text[..at];
        }
    }
    text
}

fn bounded(headers: &[(String, String)]) -> BTreeMap<String, String> {
    let (mut kept, mut used) = (BTreeMap::<String, String>::new(), 0);
    for (name, value) in headers {
        used += name.len() + value.len();
        if used > HEADERS_LIMIT {
            break;
        }
        kept.entry(name.clone()).and_modify(|joined| *joined = format!("{joined}, {value}")).or_insert(value.clone());
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    fn answer(body: impl Into<Bytes>, truncated: bool) -> Answer {
        Answer::from(OutboundResponse {
            status: 200,
            headers: vec![("a".into(), "1".into()), ("b".into(), "2".into()), ("a".into(), "3".into())],
            body: body.into(),
            truncated,
            latency: Duration::from_millis(7),
        })
    }

    #[test]
    fn text_is_kept_as_text_and_the_rest_as_base64() {
        let text = answer("grüße", false);
        assert_eq!((text.body.as_str(), text.encoding, text.truncated), ("grüße", Encoding::Text, false));
        assert_eq!(text.headers["a"], "1, 3");
        for bytes in [&b"\xff\xfe"[..], b"a\0b"] {
            let binary = answer(bytes, false);
            assert_eq!((binary.body, binary.encoding), (STANDARD.encode(bytes), Encoding::Base64));
        }
    }

    #[test]
    fn a_character_cut_in_two_by_the_cap_does_not_make_text_binary() {
        let cut = answer(&"aü".as_bytes()[..2], true);
        assert_eq!((cut.body.as_str(), cut.encoding, cut.truncated), ("a", Encoding::Text, true));
        assert_eq!(answer(&"aü".as_bytes()[..2], false).encoding, Encoding::Base64);
    }

    #[test]
    fn whatever_comes_the_output_fits() {
        let long = vec![("x".to_owned(), "\"".repeat(3000)); 10];
        for byte in [b'a', b'"', 1, 0, 0xff] {
            let response = OutboundResponse {
                status: 200,
                headers: long.clone(),
                body: vec![byte; BODY_LIMIT].into(),
                truncated: true,
                latency: Duration::ZERO,
            };
            let json = serde_json::to_string(&Answer::from(response)).unwrap();
            assert!(json.len() <= 256 * 1024, "{byte}: {} bytes", json.len());
        }
    }
}
