//! Secrets in what models write, taken out before it is stored.
//!
//! By their shape: what is a secret and does not look like one stays. It is a net under other measures, of which the
//! first is to show models no secrets.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

/// Shapes of secrets, by what they are called in their place.
const SHAPES: [(&str, &str); 9] = [
    ("private_key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"),
    ("aws_key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("github_token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})"),
    ("slack_token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    ("google_key", r"\bAIza[0-9A-Za-z_-]{35,}"),
    ("api_key", r"\bsk-[A-Za-z0-9_-]{20,}"),
    ("webhook_secret", r"\bwhsec_[A-Za-z0-9+/=]{20,}"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    ("password", r"\b[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s:@\[]+@"),
];

static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    let shapes: Vec<_> = SHAPES.iter().map(|(name, shape)| format!("(?P<{name}>{shape})")).collect();
    #[expect(clippy::expect_used, reason = "shapes are constants of this file, tested below")]
    Regex::new(&shapes.join("|")).expect("shapes that compile")
});

/// Takes secrets out of all texts of a value, names of members included, and answers how many there were. Each
/// leaves its kind in its place: `[redacted:jwt]`.
pub fn redact(value: &mut Value) -> u64 {
    match value {
        Value::String(text) => redact_text(text),
        Value::Array(items) => items.iter_mut().map(redact).sum(),
        Value::Object(members) => {
            let mut found = members.values_mut().map(redact).sum();
            let named: Vec<_> = members.keys().filter(|name| SECRETS.is_match(name)).cloned().collect();
            for mut name in named {
                let value = members.remove(&name).unwrap_or_default();
                found += redact_text(&mut name);
                members.insert(name, value);
            }
            found
        }
        _ => 0,
    }
}

/// The same for one text.
pub fn redact_text(text: &mut String) -> u64 {
    let mut found = 0;
    let clean = SECRETS.replace_all(text, |secret: &Captures<'_>| {
        found += 1;
        let named = SHAPES.iter().find(|(name, _)| secret.name(name).is_some());
        format!("[redacted:{}]", named.map_or("secret", |(name, _)| name))
    });
    if found > 0 {
        *text = clean.into_owned();
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_taken_out_by_their_shape_and_once() {
        let shown = [
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----", "private_key"),
            ("AKIAIOSFODNN7EXAMPLE", "aws_key"),
            ("ghp_0123456789abcdefghijABCDEFGHIJ0123456789", "github_token"),
            ("xoxb-1234567890-abc", "slack_token"),
            ("AIza0123456789abcdefghijABCDEFGHIJ012345678", "google_key"),
            ("sk-proj-0123456789abcdefghij", "api_key"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "webhook_secret"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl", "jwt"),
        ];
        for (secret, name) in shown {
            let mut value = json!({"log": [format!("it was {secret} there")], secret: 1});
            assert_eq!(redact(&mut value), 2, "{name}");
            let text = value.to_string();
            assert!(!text.contains(secret) && text.contains(&format!("it was [redacted:{name}] there")), "{text}");
            assert_eq!(redact(&mut value), 0, "{name}");
        }
        let mut address = json!("postgres://golden:hunter2@db.internal/golden");
        assert_eq!(redact(&mut address), 1);
        assert_eq!(address, json!("[redacted:password]db.internal/golden"));
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in ["sk-short", "https://example.com/a@b", "AKIA", "eyJ.eyJ.x", "task-0123", "https://a.example:80/"] {
            let mut value = json!(text);
            assert_eq!((redact(&mut value), value), (0, json!(text)));
        }
    }
}
