//! Signatures as Standard Webhooks has them.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A key that a tenant's webhooks are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// A new key.
pub fn new_secret() -> [u8; 32] {
    rand::random()
}

const PREFIX: &str = "whsec_";

impl Secret {
    /// The text that the receiver's library takes: `whsec_` and base64.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }
}

impl From<[u8; 32]> for Secret {
    fn from(key: [u8; 32]) -> Self {
        Self(key.to_vec())
    }
}

/// Not the text of a secret. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is `whsec_` and the base64 of 24 to 64 bytes")]
pub struct MalformedSecret;

impl FromStr for Secret {
    type Err = MalformedSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.strip_prefix(PREFIX).ok_or(MalformedSecret)?;
        let key = STANDARD.decode(encoded).map_err(|_| MalformedSecret)?;
        if (24..=64).contains(&key.len()) { Ok(Self(key)) } else { Err(MalformedSecret) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The value of `webhook-signature`: one signature a secret, so that receivers with the old
/// one and receivers with the new one both verify while a secret is replaced.
///
/// `timestamp` is in seconds since 1970.
pub fn sign(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures: Vec<String> = secrets.iter().map(|secret| sign_with(secret, id, timestamp, body)).collect();
    signatures.join(" ")
}

/// The three headers of a signed message.
pub fn headers(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> [(&'static str, String); 3] {
    [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", sign(secrets, id, timestamp, body)),
    ]
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn sign_with(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("a key of any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"type":"task.completed","timestamp":"2026-01-02T03:04:05Z","data":{"id":"task_01"}}"#;

    #[test]
    fn signs_the_documented_vector() {
        let signature = sign(&[TEXT.parse().unwrap()], "msg_01", 1_767_323_045, BODY);
        assert_eq!(signature, "v1,m/HWn37PR4B47f1fpkRm5sU6L4DoEdCmjT2pQ+Y/Vbs=");
    }

    /// The independent library checks the time as well, so this signs with the real one.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the library under test asks the real clock")]
    fn the_specs_own_library_verifies_with_the_old_and_the_new_secret() {
        let (old, new) = (Secret::from([7; 32]), Secret::from([8; 32]));
        let now = chrono::Utc::now().timestamp();
        let signed = headers(&[old.clone(), new.clone()], "msg_01", now, BODY);
        let signed: http::HeaderMap =
            signed.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        for secret in [old, new] {
            let receiver = standardwebhooks::Webhook::new(&secret.reveal()).unwrap();
            receiver.verify(BODY, &signed).unwrap();
            receiver.verify(b"{}", &signed).unwrap_err();
        }
        let stranger = standardwebhooks::Webhook::new(&Secret::from([9; 32]).reveal()).unwrap();
        stranger.verify(BODY, &signed).unwrap_err();
    }

    #[test]
    fn a_secret_survives_its_text_form_and_is_not_shown_by_accident() {
        let secret: Secret = TEXT.parse().unwrap();
        assert_eq!(secret.reveal(), TEXT);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        for text in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_not base64 at all"] {
            assert_eq!(text.parse::<Secret>(), Err(MalformedSecret), "{text}");
        }
    }
}
