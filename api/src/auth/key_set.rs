//! A JSON Web Key Set (RFC 7517), as far as tokens are verified with it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// RSA moduli below are no longer believed (NIST SP 800-131A), above they are nobody's; in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Keys in one set; an issuer has two or three.
const MOST: usize = 100;

/// The keys of one issuer. Each verifies by one algorithm, which is the key's own and not the token's to choose.
#[derive(Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// Why a text is no key set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedKeySet {
    #[error("it is not a JSON Web Key Set: {0}")]
    Json(String),
    #[error("it has {0} keys, and may have {MOST}")]
    Many(usize),
    #[error("it has no key for signatures by RS256, ES256 or EdDSA")]
    Empty,
}

/// Why a key must not be in a set that tokens are verified with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitKey {
    #[error("{0} is symmetric: whoever can read the set could sign with it")]
    Symmetric(String),
    #[error("{0} is a private key: publish only its public half, and replace it, for it has been seen")]
    Private(String),
    #[error("{key} is an RSA key of {bits} bits, and must have {} to {}", RSA_BITS.start(), RSA_BITS.end())]
    Strength { key: String, bits: usize },
    #[error("{0} is not well-formed")]
    Malformed(String),
    #[error("{0} is there twice with one algorithm")]
    Twice(String),
}

/// A set as it was read: what can be used, and what must not be there.
pub(super) struct Parsed {
    pub(super) keys: KeySet,
    pub(super) unfit: Vec<UnfitKey>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// A key with the members that are looked at; others are ignored, as the RFC asks.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<Value>,
}

impl KeySet {
    /// Reads a set. Keys for other purposes and algorithms are none of ours, and are passed over.
    pub(super) fn parse(text: &str) -> Result<Parsed, MalformedKeySet> {
        let set: Set = serde_json::from_str(text).map_err(|error| MalformedKeySet::Json(error.to_string()))?;
        if set.keys.len() > MOST {
            return Err(MalformedKeySet::Many(set.keys.len()));
        }
        let mut parsed = Parsed { keys: Self::default(), unfit: Vec::new() };
        for (at, value) in set.keys.into_iter().enumerate() {
            let place = format!("the key at position {at}");
            let Ok(jwk) = Jwk::deserialize(value) else {
                parsed.unfit.push(UnfitKey::Malformed(place));
                continue;
            };
            let name = jwk.kid.as_ref().map_or(place, |id| format!("the key {id:?}"));
            match jwk.read(&name) {
                Ok(Some(key)) if parsed.keys.find(key.id.as_deref(), key.algorithm).is_some() && key.id.is_some() => {
                    parsed.unfit.push(UnfitKey::Twice(name));
                }
                Ok(Some(key)) => parsed.keys.keys.push(key),
                Ok(None) => {}
                Err(unfit) => parsed.unfit.push(unfit),
            }
        }
        if parsed.keys.keys.is_empty() && parsed.unfit.is_empty() {
            return Err(MalformedKeySet::Empty);
        }
        Ok(parsed)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key that a token names. One that names none means the only one there is.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        match (id, self.keys.as_slice()) {
            (None, [only]) => Some(only).filter(|key| key.algorithm == algorithm),
            (None, _) => None,
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id) && key.algorithm == algorithm),
        }
    }

    /// Whether a token's key is there by its name, whatever the token's algorithm.
    pub(super) fn knows(&self, id: Option<&str>) -> bool {
        id.is_none_or(|id| self.keys.iter().any(|key| key.id.as_deref() == Some(id)))
    }
}

impl Jwk {
    /// The key, if it verifies tokens by an algorithm that we know.
    fn read(self, name: &str) -> Result<Option<Key>, UnfitKey> {
        if self.kty == "oct" || self.alg.as_ref().is_some_and(|alg| alg.starts_with("HS")) {
            return Err(UnfitKey::Symmetric(name.to_owned()));
        }
        if self.d.is_some() {
            return Err(UnfitKey::Private(name.to_owned()));
        }
        let for_signatures = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|name| name == "verify"));
        let algorithm = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Algorithm::RS256,
            ("EC", Some("P-256")) => Algorithm::ES256,
            ("OKP", Some("Ed25519")) => Algorithm::EdDSA,
            _ => return Ok(None),
        };
        let declared = self.alg.as_deref().is_none_or(|alg| alg == spelled(algorithm));
        if !for_signatures || !declared {
            return Ok(None);
        }
        let malformed = || UnfitKey::Malformed(name.to_owned());
        let number = |member: &Option<String>| {
            member
                .as_ref()
                .and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok())
                .ok_or_else(malformed)
        };
        // A coordinate has the length of its curve's field, leading zeros included (RFC 7518, 6.2.1.2).
        let coordinate = |member: &Option<String>| {
            number(member).and_then(|bytes| if bytes.len() == 32 { Ok(bytes) } else { Err(malformed()) })
        };
        let key = match algorithm {
            Algorithm::RS256 => rsa(&number(&self.n)?, &number(&self.e)?, name)?,
            Algorithm::ES256 => {
                DecodingKey::from_ec_der(&[&[4], &*coordinate(&self.x)?, &*coordinate(&self.y)?].concat())
            }
            _ => DecodingKey::from_ed_der(&coordinate(&self.x)?),
        };
        Ok(Some(Key { id: self.kid, algorithm, key }))
    }
}

fn rsa(modulus: &[u8], exponent: &[u8], name: &str) -> Result<DecodingKey, UnfitKey> {
    let bare = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    let (modulus, exponent) = (bare(modulus), bare(exponent));
    let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err(UnfitKey::Strength { key: name.to_owned(), bits });
    }
    Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

/// The algorithm as a key set spells it.
fn spelled(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::ES256 => "ES256",
        _ => "EdDSA",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn number(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xff; bytes])
    }

    fn rsa(kid: &str) -> Value {
        json!({"kty": "RSA", "kid": kid, "n": number(256), "e": "AQAB"})
    }

    fn ec(kid: &str) -> Value {
        json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": number(32), "y": number(32)})
    }

    fn ed(kid: &str) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": number(32)})
    }

    fn with(mut key: Value, member: &str, value: Value) -> Value {
        key[member] = value;
        key
    }

    fn parse(keys: &[Value]) -> Result<Parsed, MalformedKeySet> {
        KeySet::parse(&json!({"keys": keys}).to_string())
    }

    /// Usable keys, and what was wrong with the others.
    fn read(keys: &[Value]) -> (usize, Vec<UnfitKey>) {
        let parsed = parse(keys).unwrap();
        (parsed.keys.len(), parsed.unfit)
    }

    #[test]
    fn each_key_has_the_one_algorithm_of_its_type() {
        let set = parse(&[rsa("r"), ec("p"), ed("e")]).unwrap().keys;
        for (id, algorithm) in [("r", Algorithm::RS256), ("p", Algorithm::ES256), ("e", Algorithm::EdDSA)] {
            for asked in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256, Algorithm::RS512] {
                assert_eq!(set.find(Some(id), asked).is_some(), asked == algorithm, "{id} {asked:?}");
            }
        }
        assert!(set.knows(Some("r")) && !set.knows(Some("x")));
    }

    #[test]
    fn a_token_without_a_kid_means_the_only_key() {
        let one = parse(&[rsa("r")]).unwrap().keys;
        assert!(one.find(None, Algorithm::RS256).is_some() && one.find(None, Algorithm::ES256).is_none());
        assert!(parse(&[rsa("r"), ec("p")]).unwrap().keys.find(None, Algorithm::RS256).is_none());
    }

    #[test]
    fn keys_for_other_purposes_and_algorithms_are_passed_over() {
        for other in [
            with(rsa("x"), "use", "enc".into()),
            with(rsa("x"), "key_ops", json!(["encrypt"])),
            with(rsa("x"), "alg", "RS512".into()),
            with(rsa("x"), "alg", "RSA-OAEP".into()),
            with(ec("x"), "crv", "P-384".into()),
            with(ed("x"), "crv", "X25519".into()),
            json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "x"}),
        ] {
            assert_eq!(read(&[rsa("r"), other.clone()]), (1, Vec::new()), "{other}");
            assert_eq!(parse(&[other]).err(), Some(MalformedKeySet::Empty));
        }
        let explicit = with(with(rsa("r"), "use", "sig".into()), "alg", "RS256".into());
        assert_eq!(read(&[with(explicit, "x5c", json!(["MII"]))]), (1, Vec::new()));
    }

    #[test]
    fn what_must_not_be_there_is_named() {
        let name = || "the key \"x\"".to_owned();
        for (key, unfit) in [
            (json!({"kty": "oct", "kid": "x", "k": "c2VjcmV0"}), UnfitKey::Symmetric(name())),
            (with(rsa("x"), "alg", "HS256".into()), UnfitKey::Symmetric(name())),
            (with(ec("x"), "d", number(32).into()), UnfitKey::Private(name())),
            (with(rsa("x"), "n", number(255).into()), UnfitKey::Strength { key: name(), bits: 2040 }),
            (with(rsa("x"), "n", number(1025).into()), UnfitKey::Strength { key: name(), bits: 8200 }),
            (with(rsa("x"), "n", "".into()), UnfitKey::Strength { key: name(), bits: 0 }),
            (with(rsa("x"), "n", "no base64!".into()), UnfitKey::Malformed(name())),
            (with(rsa("x"), "e", Value::Null), UnfitKey::Malformed(name())),
            (with(ec("x"), "y", number(31).into()), UnfitKey::Malformed(name())),
            (with(ed("x"), "x", number(57).into()), UnfitKey::Malformed(name())),
            (rsa("r"), UnfitKey::Twice("the key \"r\"".to_owned())),
            (json!({"kid": "x"}), UnfitKey::Malformed("the key at position 1".to_owned())),
            (json!("x"), UnfitKey::Malformed("the key at position 1".to_owned())),
        ] {
            assert_eq!(read(&[rsa("r"), key.clone()]), (1, vec![unfit]), "{key}");
        }
        // One name for two types is allowed (RFC 7517, 4.5): the token's algorithm tells them apart.
        assert_eq!(read(&[rsa("r"), ec("r")]), (2, Vec::new()));
    }

    #[test]
    fn leading_zeros_make_no_key_stronger() {
        let padded = URL_SAFE_NO_PAD.encode([vec![0; 128], vec![0xff; 128]].concat());
        assert!(matches!(&read(&[with(rsa("x"), "n", padded.into())]).1[..], [UnfitKey::Strength { bits: 1024, .. }]));
    }

    #[test]
    fn what_is_no_key_set_is_refused() {
        for text in ["", "[]", "{}", r#"{"keys": {}}"#, "<html>"] {
            assert!(matches!(KeySet::parse(text), Err(MalformedKeySet::Json(_))), "{text}");
        }
        assert_eq!(parse(&[]).err(), Some(MalformedKeySet::Empty));
        assert_eq!(parse(&vec![rsa("r"); 101]).err(), Some(MalformedKeySet::Many(101)));
    }
}
