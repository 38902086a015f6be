use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// In seconds.
const TOLERANCE: u64 = 5 * 60;

/// Fails unless `body`, the bytes as they came, is from Golden and no older than five minutes.
///
/// `secret` is the text that begins with whsec_. `header` gives the value of a header.
pub fn verify<'a>(secret: &str, header: impl Fn(&str) -> Option<&'a str>, body: &[u8]) -> Result<(), &'static str> {
    let (Some(id), Some(timestamp)) = (header("webhook-id"), header("webhook-timestamp")) else {
        return Err("no id, or no timestamp");
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| "no clock")?.as_secs();
    let sent: u64 = timestamp.parse().map_err(|_| "no timestamp")?;
    if now.abs_diff(sent) > TOLERANCE {
        return Err("too old, or from the future");
    }
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).map_err(|_| "no secret")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| "no secret")?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    let fits = |signature: &str| {
        let given = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        // In constant time.
        given.is_some_and(|given| mac.clone().verify_slice(&given).is_ok())
    };
    match header("webhook-signature").unwrap_or_default().split(' ').any(fits) {
        true => Ok(()),
        false => Err("no signature fits"),
    }
}
