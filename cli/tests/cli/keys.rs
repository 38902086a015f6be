//! `golden api` with the keys of an issuer in a file.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
    time::{Duration, Instant, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};

use crate::support::{Dir, run};

struct Issuer(Ed25519KeyPair);

impl Issuer {
    fn new() -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap())
    }

    fn publish(&self, dir: &Dir) {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": x, "x": x});
        // As a mounted secret changes: at once.
        fs::write(dir.path("new.json"), json!({"keys": [key]}).to_string()).unwrap();
        fs::rename(dir.path("new.json"), dir.path("keys.json")).unwrap();
    }

    fn token(&self) -> String {
        let exp = UNIX_EPOCH.elapsed().unwrap().as_secs() + 600;
        let kid = URL_SAFE_NO_PAD.encode(self.0.public_key());
        let claims = json!({"tenant": "acme", "role": "observer", "aud": "golden", "exp": exp});
        let encoded = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", encoded(&json!({"alg": "EdDSA", "kid": kid})), encoded(&claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(message.as_bytes())))
    }
}

struct Api(Child);

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The answer to a request as it comes over the wire.
fn ask(address: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head =
        format!("GET /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn tokens_count_while_their_key_is_published() {
    let dir = Dir::new();
    let (old, new) = (Issuer::new(), Issuer::new());
    old.publish(&dir);
    let database = format!("sqlite://{}", dir.path("golden.db").display());
    assert_eq!(run(dir.golden(&["migrate"]).env("DATABASE_URL", &database)).code, 0);
    fs::write(dir.path("golden.toml"), "rate_limits = 'observer=777,anonymous=1000'").unwrap();
    let mut api = dir.golden(&["api", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    api.envs([("DATABASE_URL", database.as_str()), ("GOLDEN_JWKS", "keys.json"), ("GOLDEN_JWT_AUDIENCE", "golden")]);
    let mut api = Api(api.stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(api.0.stderr.take().unwrap()).lines();
    let address = log
        .find_map(|line| {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            line["address"].as_str().map(str::to_owned)
        })
        .expect("the log says where it listens");
    let limited = ask(&address, &old.token());
    assert!(limited.contains("ratelimit-policy: \"observer\";q=777;w=60\r\n"), "{limited}");

    let server = format!("http://{address}");
    let code = |issuer: &Issuer| {
        let mut list = dir.golden(&["jobs", "list"]);
        run(list.env("GOLDEN_SERVER", &server).env("GOLDEN_TOKEN", issuer.token())).code
    };
    assert_eq!((code(&old), code(&new)), (0, 4));

    new.publish(&dir);
    let begun = Instant::now();
    while (code(&old), code(&new)) != (4, 0) {
        assert!(begun.elapsed() < Duration::from_secs(30), "the file is not read again");
    }
}

#[test]
fn doctor_counts_the_keys_that_can_be_used() {
    let dir = Dir::new();
    let doctor = || run(dir.golden(&["doctor"]).env("GOLDEN_JWKS", "keys.json").env("GOLDEN_LISTEN", "127.0.0.1:0"));
    let without = doctor();
    assert_eq!(without.code, 1);
    assert!(without.out.contains("failure\ttokens\tGOLDEN_JWKS: "), "{}", without.out);
    Issuer::new().publish(&dir);
    let with = doctor();
    assert_eq!(with.code, 0, "{}", with.out);
    assert!(with.out.contains("ok\ttokens\tverified by the public keys at keys.json: 1 can be used"), "{}", with.out);
    assert!(with.out.contains("warning\ttokens\tGOLDEN_JWT_AUDIENCE is not set"), "{}", with.out);
}
