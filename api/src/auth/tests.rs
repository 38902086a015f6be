use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::FutureExt;
use ring::hmac;
use serde_json::Value;

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const HS256: (&str, hmac::Algorithm) = ("HS256", hmac::HMAC_SHA256);
const HS512: (&str, hmac::Algorithm) = ("HS512", hmac::HMAC_SHA512);

fn auth() -> Auth {
    Auth::hs256(SECRET, Expected::default()).unwrap()
}

/// A secret is at hand: nothing is waited for.
fn verify(auth: &Auth, token: &str) -> Result<Grant, Refused> {
    auth.verify(token).now_or_never().unwrap().map(|verified| verified.grant)
}

fn signed((name, algorithm): (&str, hmac::Algorithm), secret: &[u8], claims: &Value) -> String {
    let encoded = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", encoded(&json!({"alg": name})), encoded(claims));
    let signature = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn in_secs(secs: i64) -> u64 {
    get_current_timestamp().saturating_add_signed(secs)
}

fn refused(claims: &Value) -> Refused {
    verify(&auth(), &signed(HS256, SECRET, claims)).unwrap_err()
}

#[test]
fn a_minted_token_says_who_it_was_minted_for_also_the_second_time() {
    let auth = auth();
    let grant = Grant { tenant: "acme".into(), role: CallerRole::Operator, subject: "eve".into(), rate_limit: Some(7) };
    let token = auth.mint(&grant, Duration::from_secs(60)).unwrap();
    assert_eq!(verify(&auth, &token), Ok(grant.clone()));
    assert_eq!(verify(&auth, &token), Ok(grant));
}

#[test]
fn a_secret_under_32_bytes_is_refused() {
    assert!(Auth::hs256(&SECRET[..31], Expected::default()).is_err());
}

#[test]
fn what_is_remembered_ends_with_its_token() {
    let auth = auth();
    let token = signed(HS256, SECRET, &json!({"tenant": "t", "role": "admin", "exp": in_secs(60)}));
    verify(&auth, &token).unwrap();
    for known in auth.remembered().values_mut() {
        known.verified.expires = 1;
        known.verified.grant.tenant = "stale".into();
    }
    assert_eq!(verify(&auth, &token).unwrap().tenant, "t");
}

#[test]
fn the_algorithm_is_pinned_and_the_signature_checked() {
    let claims = json!({"tenant": "t", "role": "admin", "exp": in_secs(60)});
    let good = signed(HS256, SECRET, &claims);
    let body = good.split('.').nth(1).unwrap();
    for token in [
        signed(HS512, SECRET, &claims),
        signed(HS256, b"another secret of at least 32 bytes", &claims),
        // {"alg":"none","typ":"JWT"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}."),
        format!("{good}x"),
        "a.b.c".to_owned(),
        String::new(),
    ] {
        assert_eq!(verify(&auth(), &token), Err(Refused::Signature), "{token}");
    }
}

#[test]
fn time_is_checked_with_thirty_seconds_of_leeway() {
    let at = |exp: Value| json!({"tenant": "t", "role": "admin", "exp": exp});
    assert_eq!(refused(&at(in_secs(-35).into())), Refused::Expired);
    assert!(verify(&auth(), &signed(HS256, SECRET, &at(in_secs(-25).into()))).is_ok());
    assert_eq!(refused(&json!({"tenant": "t", "role": "admin"})), Refused::Expiry);
    assert_eq!(refused(&at("tomorrow".into())), Refused::Expiry);
    let early = json!({"tenant": "t", "role": "admin", "exp": in_secs(99), "nbf": in_secs(60)});
    assert_eq!(refused(&early), Refused::NotYet);
}

#[test]
fn tenant_and_role_are_required_and_checked() {
    let exp = in_secs(60);
    for claims in [
        json!({"role": "admin", "exp": exp}),
        json!({"tenant": "t", "exp": exp}),
        json!({"tenant": "t", "role": "root", "exp": exp}),
        json!({"tenant": "'; DROP TABLE jobs", "role": "admin", "exp": exp}),
        json!({"tenant": 7, "role": "admin", "exp": exp}),
    ] {
        assert_eq!(refused(&claims), Refused::Claims, "{claims}");
    }
}

#[test]
fn a_rate_limit_is_a_whole_number_or_absent() {
    let claims = |limit: Value| json!({"tenant": "t", "role": "admin", "exp": in_secs(60), "rate_limit": limit});
    let limit = |claim: Value| verify(&auth(), &signed(HS256, SECRET, &claims(claim))).map(|grant| grant.rate_limit);
    assert_eq!(limit(600.into()), Ok(Some(600)));
    assert_eq!(limit(u64::MAX.into()), Ok(Some(u32::MAX)));
    assert_eq!(limit(Value::Null), Ok(None));
    for wrong in [json!(0), json!(-1), json!(1.5), json!("600"), json!([600])] {
        assert_eq!(limit(wrong.clone()), Err(Refused::RateLimit), "{wrong}");
    }
}

#[test]
fn issuer_and_audience_are_checked_where_configured() {
    let expected = Expected { issuer: Some("https://issuer".into()), audience: Some("golden".into()) };
    let auth = Auth::hs256(SECRET, expected).unwrap();
    let verified = |iss: Option<&str>, aud: Option<&str>| {
        let claims = json!({"tenant": "t", "role": "admin", "exp": in_secs(60), "iss": iss, "aud": aud});
        verify(&auth, &signed(HS256, SECRET, &claims)).map(|_| ())
    };
    assert_eq!(verified(Some("https://issuer"), Some("golden")), Ok(()));
    assert_eq!(verified(Some("https://other"), Some("golden")), Err(Refused::Issuer));
    assert_eq!(verified(None, Some("golden")), Err(Refused::Issuer));
    assert_eq!(verified(Some("https://issuer"), Some("other")), Err(Refused::Audience));
    assert_eq!(verified(Some("https://issuer"), None), Err(Refused::Audience));
}
