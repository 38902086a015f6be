//! An issuer of tokens with keys of its own, and where it publishes them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use golden_api::auth::{KeySource, Pace, SourceError};
use ring::{
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256},
};
use serde_json::{Value, json};

/// For these tests and nothing else: ring makes no RSA keys.
const RSA: &str = include_str!("rsa-2048.pkcs8.b64");

pub(crate) struct Signer {
    pub(crate) kid: Option<&'static str>,
    pair: Pair,
}

enum Pair {
    Rsa(rsa::KeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub(crate) fn rsa(kid: &'static str) -> Self {
        let der = STANDARD.decode(RSA.split_whitespace().collect::<String>()).unwrap();
        Self { kid: Some(kid), pair: Pair::Rsa(rsa::KeyPair::from_pkcs8(&der).unwrap()) }
    }

    pub(crate) fn ec(kid: &'static str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).unwrap();
        Self { kid: Some(kid), pair: Pair::Ec(pair) }
    }

    pub(crate) fn ed(kid: &'static str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { kid: Some(kid), pair: Pair::Ed(Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap()) }
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
            Pair::Ed(_) => "EdDSA",
        }
    }

    /// Its public half, as it is published.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public = rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "n": encoded(&public.n), "e": encoded(&public.e)})
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y)})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key().as_ref())}),
        };
        if let Some(kid) = self.kid {
            jwk["kid"] = kid.into();
        }
        jwk
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": self.algorithm(), "kid": self.kid}), claims)
    }

    /// A token with this header, whatever it says, signed as only this key can.
    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header.to_string().as_bytes()), encoded(claims.to_string().as_bytes()));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", encoded(&signature))
    }
}

pub(crate) fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn set(keys: &[&Signer]) -> String {
    json!({"keys": keys.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}

/// Where keys are published: what it says can be changed, and how often it is asked is known.
#[derive(Clone)]
pub(crate) struct Published {
    said: Arc<Mutex<Result<String, SourceError>>>,
    asked: Arc<AtomicUsize>,
    pace: Pace,
}

impl Published {
    pub(crate) fn new(said: Result<String, SourceError>, pace: Pace) -> Self {
        Self { said: Arc::new(Mutex::new(said)), asked: Arc::default(), pace }
    }

    pub(crate) fn says(&self, said: Result<String, SourceError>) {
        *self.said.lock().unwrap() = said;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl KeySource for Published {
    async fn read(&self) -> Result<String, SourceError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.said.lock().unwrap().clone()
    }

    fn pace(&self) -> Pace {
        self.pace
    }
}
