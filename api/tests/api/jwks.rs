//! Tokens of an issuer that publishes its keys.

use std::time::{Duration, UNIX_EPOCH};

use axum::http::Method;
use golden_api::{
    Auth,
    auth::{Expected, KeysError, Pace, SourceError},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    harness::{Answer, Golden, SECRET, request, text, token},
    issuer::{Published, Signer, encoded, set},
};

/// Read once and never again of itself; for unknown keys as often as one likes.
const ON_DEMAND: Pace =
    Pace { every: Duration::from_secs(3600), until_first: Duration::from_secs(3600), at_most: Duration::ZERO };
/// Read again and again.
const RESTLESS: Pace = Pace {
    every: Duration::from_millis(10),
    until_first: Duration::from_millis(10),
    at_most: Duration::from_millis(10),
};

async fn trusting(published: &Published) -> Golden {
    expecting(published, Expected::default()).await
}

async fn expecting(published: &Published, expected: Expected) -> Golden {
    let auth = Auth::jwks(published.clone(), expected).await.unwrap();
    Golden::with(|api| api.auth = auth).await
}

async fn list(golden: &Golden, token: &str) -> Answer {
    golden.send(request(Method::GET, "/v1/jobs").token(Some(token.to_owned())).empty()).await
}

async fn refused(golden: &Golden, token: &str, why: &str) {
    let answer = list(golden, token).await;
    assert_eq!(answer.problem(), (401, "unauthenticated"), "{token}");
    assert!(text(&answer.body["detail"]).contains(why), "{why}: {}", answer.text);
    assert!(answer.header("www-authenticate").contains("invalid_token"));
}

/// Waits for the answer to a token to have this status.
async fn until(golden: &Golden, token: &str, status: u16) {
    let turned = async {
        while list(golden, token).await.status.as_u16() != status {
            // A refusal waits for nothing, and would leave the reader of keys no time on this thread.
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), turned).await.expect("the keys are read again");
}

fn in_secs(secs: i64) -> i64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs() as i64 + secs
}

fn claims() -> Value {
    json!({"tenant": "acme", "role": "developer", "sub": "eve", "exp": in_secs(600)})
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[tokio::test]
async fn each_algorithm_is_taken_from_the_key_that_has_it() {
    let signers = [Signer::rsa("r"), Signer::ec("p"), Signer::ed("e")];
    let published = Published::new(Ok(set(&signers.each_ref())), ON_DEMAND);
    let golden = trusting(&published).await;
    for signer in &signers {
        let token = signer.token(&claims());
        // The second time from memory.
        for _ in 0..2 {
            assert_eq!(list(&golden, &token).await.status, 200, "{}", signer.algorithm());
        }
        for other in signers.iter().filter(|other| other.kid != signer.kid) {
            let named = json!({"alg": other.algorithm(), "kid": signer.kid});
            refused(&golden, &signer.token_with(&named, &claims()), "not a JWT signed with this server's key").await;
            refused(&golden, &other.token_with(&json!({"alg": signer.algorithm(), "kid": signer.kid}), &claims()), "")
                .await;
        }
    }
    assert_eq!(published.asked(), 1);
}

#[tokio::test]
async fn no_algorithm_and_no_shared_secret_get_past_public_keys() {
    let (rsa, ec) = (Signer::rsa("r"), Signer::ec("p"));
    let golden = trusting(&Published::new(Ok(set(&[&rsa, &ec])), ON_DEMAND)).await;
    let good = rsa.token(&claims());
    let body = good.split('.').nth(1).unwrap();
    let signature = good.split('.').nth(2).unwrap();
    for header in [
        json!({"alg": "none", "kid": "r"}),
        json!({"alg": "None", "kid": "r"}),
        json!({"alg": "HS256", "kid": "r"}),
        json!({"alg": "RS512", "kid": "r"}),
        json!({"alg": "PS256", "kid": "r"}),
        json!({"alg": "ES256", "kid": "r"}),
        json!({"kid": "r"}),
        json!({"alg": "RS256", "kid": "r", "crit": ["x"], "x": 1}),
    ] {
        let header = encoded(header.to_string().as_bytes());
        for signature in ["", signature] {
            refused(&golden, &format!("{header}.{body}.{signature}"), "not a JWT signed").await;
        }
    }
    // The public key as the secret, in every form in which it is published.
    for secret in [rsa.jwk().to_string(), text(&rsa.jwk()["n"]), set(&[&rsa, &ec])] {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let message = format!("{}.{body}", encoded(br#"{"alg":"HS256","kid":"r"}"#));
        let signature = encoded(ring::hmac::sign(&key, message.as_bytes()).as_ref());
        refused(&golden, &format!("{message}.{signature}"), "not a JWT signed").await;
    }
    refused(&golden, &token("acme", golden_api::CallerRole::Admin), "names no key").await;
    refused(&golden, &format!("{good}x"), "not a JWT signed").await;
    let other = rsa.token(&with(claims(), "tenant", "emca".into()));
    let spliced = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    refused(&golden, &spliced, "not a JWT signed").await;
}

#[tokio::test]
async fn public_keys_get_past_no_shared_secret() {
    let golden = Golden::start().await;
    for signer in [Signer::rsa("r"), Signer::ec("p"), Signer::ed("e")] {
        refused(&golden, &signer.token(&claims()), "not a JWT signed with this server's key and algorithm").await;
    }
}

#[tokio::test]
async fn claims_are_checked_as_with_a_secret() {
    let signer = Signer::ec("p");
    let expected = Expected { issuer: Some("https://id.example".into()), audience: Some("golden".into()) };
    let golden = expecting(&Published::new(Ok(set(&[&signer])), ON_DEMAND), expected).await;
    let good = || with(with(claims(), "iss", "https://id.example".into()), "aud", json!(["other", "golden"]));
    assert_eq!(list(&golden, &signer.token(&good())).await.status, 200);
    for (name, value, why) in [
        ("exp", json!(in_secs(-40)), "has expired"),
        ("exp", Value::Null, "no `exp`"),
        ("exp", json!("soon"), "no `exp`"),
        ("nbf", json!(in_secs(60)), "not valid yet"),
        ("nbf", json!("soon"), "not valid yet"),
        ("iss", json!("https://id.example/"), "another issuer"),
        ("iss", Value::Null, "another issuer"),
        ("aud", json!(["other"]), "another audience"),
        ("aud", Value::Null, "another audience"),
        ("tenant", Value::Null, "`tenant`"),
        ("tenant", json!("a;b"), "`tenant`"),
        ("role", Value::Null, "`role`"),
        ("role", json!("root"), "`role`"),
        ("role", json!(["admin"]), "`role`"),
        ("rate_limit", json!("many"), "`rate_limit`"),
    ] {
        refused(&golden, &signer.token(&with(good(), name, value)), why).await;
    }
}

#[tokio::test]
async fn a_token_without_a_kid_means_the_only_key() {
    let (ec, ed) = (Signer::ec("p"), Signer::ed("e"));
    let unnamed = |signer: &Signer| signer.token_with(&json!({"alg": signer.algorithm()}), &claims());
    let one = trusting(&Published::new(Ok(set(&[&ec])), ON_DEMAND)).await;
    assert_eq!(list(&one, &unnamed(&ec)).await.status, 200);
    refused(&one, &unnamed(&ed), "not a JWT signed").await;
    let two = trusting(&Published::new(Ok(set(&[&ec, &ed])), ON_DEMAND)).await;
    refused(&two, &unnamed(&ec), "names no key").await;
}

#[tokio::test]
async fn a_new_key_counts_with_its_first_token_and_a_withdrawn_one_no_longer() {
    let (old, new) = (Signer::ec("old"), Signer::ec("new"));
    let published = Published::new(Ok(set(&[&old])), ON_DEMAND);
    let golden = trusting(&published).await;
    let (before, after) = (old.token(&claims()), new.token(&claims()));
    assert_eq!(list(&golden, &before).await.status, 200);
    refused(&golden, &after, "not among those").await;

    published.says(Ok(set(&[&old, &new])));
    assert_eq!(list(&golden, &after).await.status, 200);
    assert_eq!(list(&golden, &before).await.status, 200);

    published.says(Ok(set(&[&new])));
    refused(&golden, &Signer::ec("third").token(&claims()), "not among those").await;
    // Though it was verified before, and has not expired.
    refused(&golden, &before, "not among those").await;
}

#[tokio::test]
async fn a_withdrawn_key_is_noticed_without_anybody_asking_for_another() {
    let (old, new) = (Signer::ec("old"), Signer::ec("new"));
    let published = Published::new(Ok(set(&[&old, &new])), RESTLESS);
    let golden = trusting(&published).await;
    let token = old.token(&claims());
    assert_eq!(list(&golden, &token).await.status, 200);
    published.says(Ok(set(&[&new])));
    until(&golden, &token, 401).await;
}

#[tokio::test]
async fn one_key_id_with_other_numbers_is_another_key() {
    let (old, new) = (Signer::ec("k"), Signer::ec("k"));
    let published = Published::new(Ok(set(&[&old])), RESTLESS);
    let golden = trusting(&published).await;
    let (before, after) = (old.token(&claims()), new.token(&claims()));
    assert_eq!(list(&golden, &before).await.status, 200);
    published.says(Ok(set(&[&new])));
    until(&golden, &after, 200).await;
    refused(&golden, &before, "not a JWT signed").await;
}

#[tokio::test]
async fn made_up_key_ids_do_not_hammer_the_issuer() {
    let signer = Signer::ec("p");
    let pace = Pace { at_most: Duration::from_secs(3600), ..ON_DEMAND };
    let published = Published::new(Ok(set(&[&signer])), pace);
    let golden = trusting(&published).await;
    for junk in 0..100 {
        let token = signer.token_with(&json!({"alg": "ES256", "kid": format!("junk-{junk}")}), &claims());
        refused(&golden, &token, "not among those").await;
    }
    assert_eq!(published.asked(), 1);
    assert_eq!(list(&golden, &signer.token(&claims())).await.status, 200);
}

#[tokio::test]
async fn an_issuer_that_is_down_or_talks_nonsense_keeps_its_last_good_keys() {
    let signer = Signer::ec("p");
    let published = Published::new(Ok(set(&[&signer])), RESTLESS);
    let golden = trusting(&published).await;
    for trouble in [
        Err(SourceError::Unreachable("connection refused".into())),
        Err(SourceError::Missing("404".into())),
        Ok("<html>Maintenance</html>".into()),
        Ok(json!({"keys": []}).to_string()),
        Ok(json!({"keys": [{"kty": "oct", "kid": "p", "k": "c2VjcmV0"}]}).to_string()),
    ] {
        published.says(trouble);
        let asked = published.asked();
        // A new token, so that it is not known already.
        while published.asked() < asked + 3 {
            assert_eq!(list(&golden, &signer.token(&claims())).await.status, 200);
        }
        assert_eq!(golden.get("/readyz").await.status, 200);
    }
}

#[tokio::test]
async fn what_must_not_be_in_a_later_set_is_passed_over_and_the_rest_counts() {
    let (old, new) = (Signer::ec("old"), Signer::ec("new"));
    let published = Published::new(Ok(set(&[&old])), RESTLESS);
    let golden = trusting(&published).await;
    let symmetric = json!({"kty": "oct", "kid": "s", "k": encoded(SECRET)});
    published.says(Ok(json!({"keys": [new.jwk(), symmetric]}).to_string()));
    until(&golden, &new.token(&claims()), 200).await;
    let message = format!("{}.{}", encoded(br#"{"alg":"HS256","kid":"s"}"#), encoded(claims().to_string().as_bytes()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET);
    let signature = encoded(ring::hmac::sign(&key, message.as_bytes()).as_ref());
    refused(&golden, &format!("{message}.{signature}"), "").await;
}

#[tokio::test]
async fn without_keys_nobody_is_refused_for_good_and_ready_says_why() {
    let signer = Signer::ec("p");
    let published = Published::new(Err(SourceError::Unreachable("id.example does not answer".into())), RESTLESS);
    let golden = trusting(&published).await;
    let token = signer.token(&claims());
    let answer = list(&golden, &token).await;
    assert_eq!(answer.problem(), (503, "keys-unavailable"));
    assert!(!answer.header("retry-after").is_empty() && answer.body["retry_at"].is_string());
    let ready = golden.get("/readyz").await;
    assert_eq!(ready.status, 503);
    let keys = json!({"name": "keys", "ready": false, "reason": "never read yet: id.example does not answer"});
    assert_eq!(ready.body["parts"][1], keys);
    assert_eq!(golden.send(request(Method::GET, "/v1/kinds").token(None).empty()).await.status, 200);

    published.says(Ok(set(&[&signer])));
    until(&golden, &token, 200).await;
}

#[tokio::test]
async fn a_set_with_what_must_not_be_in_it_is_refused_at_start() {
    let good = Signer::ec("p").jwk();
    let weak = encoded(&[0xff; 128]);
    for (key, why) in [
        (json!({"kty": "oct", "kid": "x", "k": "c2VjcmV0"}), "symmetric"),
        (json!({"kty": "RSA", "kid": "x", "n": weak, "e": "AQAB"}), "1024 bits"),
        (with(Signer::ed("x").jwk(), "d", "c2VjcmV0".into()), "private"),
    ] {
        let said = json!({"keys": [good, key]}).to_string();
        let refused = Auth::jwks(Published::new(Ok(said), ON_DEMAND), Expected::default()).await.err().unwrap();
        assert!(refused.to_string().contains(why), "{refused}");
    }
    let empty = Auth::jwks(Published::new(Ok(r#"{"keys":[]}"#.into()), ON_DEMAND), Expected::default()).await;
    assert!(matches!(empty.err().unwrap(), KeysError::Malformed(_)));
    let missing = Published::new(Err(SourceError::Missing("no such file".into())), ON_DEMAND);
    let missing = Auth::jwks(missing, Expected::default()).await;
    assert!(matches!(missing.err().unwrap(), KeysError::Source(_)));
}

#[tokio::test]
async fn public_keys_make_no_tokens() {
    let auth = Auth::jwks(Published::new(Ok(set(&[&Signer::ec("p")])), ON_DEMAND), Expected::default()).await.unwrap();
    let grant = golden_api::Grant {
        tenant: "acme".into(),
        role: golden_api::CallerRole::Observer,
        subject: "s".into(),
        rate_limit: None,
    };
    let refused = auth.mint(&grant, Duration::from_secs(60)).unwrap_err();
    assert!(refused.to_string().contains("cannot sign"), "{refused}");
}
