//! The verifiers of docs/webhooks.md, on messages that Golden sent.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{endpoint, received};
use crate::support::{Golden, Received, Receiver};

#[expect(clippy::disallowed_methods, reason = "a receiver compares the time of a message with its own clock")]
#[expect(unreachable_pub, reason = "it is shown as it is pasted into another program")]
mod rust;

const PAGE: &str = include_str!("../../../docs/webhooks.md");

/// A message, and whether whoever has this secret is to take it.
struct Case {
    what: &'static str,
    secret: String,
    message: Received,
    taken: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verifiers_of_the_page_take_what_golden_sent_and_nothing_else() {
    let golden = Golden::dev().await;
    let (_, types) = golden.call("GET", "/v1/webhooks/events", None).await;
    for event in types["data"].as_array().unwrap() {
        let row = format!("| `{}` | ", event["event"].as_str().unwrap());
        assert!(PAGE.contains(&row), "docs/webhooks.md says nothing of {event}");
    }
    let cases = cases(&golden).await;

    let quoted = block("rust");
    assert!(
        include_str!("verifiers/rust.rs") == quoted,
        "docs/webhooks.md quotes another verifiers/rust.rs: copy it again"
    );
    let told = |case: &Case| rust::verify(&case.secret, |name| case.message.header(name), &case.message.body).is_ok();
    judge("Rust", &cases, &cases.iter().map(told).collect::<Vec<_>>());
    judge("Python", &cases, &run("python3", "receiver.py", "python", "driver.py", PYTHON, &cases));
    judge("JavaScript", &cases, &run("node", "receiver.mjs", "javascript", "driver.mjs", JAVASCRIPT, &cases));
}

/// Messages as they came, and what an attacker would make of them.
async fn cases(golden: &Golden) -> Vec<Case> {
    let receiver = Receiver::answering(|_| "200 OK").await;
    let endpoint = endpoint(golden, json!({"url": receiver.url, "events": ["job.*"]})).await;
    let next = async |number| {
        golden.submit("noop", json!({"output": "Grüße, 世界 👋 \"\\"})).await;
        received(&receiver, number).await.pop().unwrap()
    };
    let first = next(1).await;
    let (_, rotated) = golden.call("POST", endpoint["links"]["rotate"].as_str().unwrap(), None).await;
    let second = next(2).await;

    let [old, new] = [&endpoint, &rotated].map(|answer| answer["secret"].as_str().unwrap());
    let with = |name: &str, value: &str| {
        let mut message = first.clone();
        message.headers.retain(|(header, _)| header != name);
        message.headers.push((name.to_owned(), value.to_owned()));
        message
    };
    let (id, signature) = (first.header("webhook-id").unwrap(), first.header("webhook-signature").unwrap());
    let at: i64 = first.header("webhook-timestamp").unwrap().parse().unwrap();
    // Signed as it should be, at another time.
    let at_another = |seconds: i64| {
        let signer = standardwebhooks::Webhook::new(old).unwrap();
        let mut message = with("webhook-timestamp", &(at + seconds).to_string());
        message.headers.retain(|(header, _)| header != "webhook-signature");
        message.headers.push(("webhook-signature".into(), signer.sign(id, at + seconds, &first.body).unwrap()));
        message
    };
    let mut tampered = first.clone();
    *tampered.body.last_mut().unwrap() = b' ';
    let case = |what, secret: &str, message, taken| Case { what, secret: secret.to_owned(), message, taken };
    vec![
        case("a message as it came", old, first.clone(), true),
        case("with two signatures, by the old secret", old, second.clone(), true),
        case("with two signatures, by the new secret", new, second, true),
        case("a minute old", old, at_another(-60), true),
        case("ten minutes old", old, at_another(-600), false),
        case("from the future", old, at_another(600), false),
        case("with the timestamp of another", old, with("webhook-timestamp", &(at + 1).to_string()), false),
        case("without a timestamp", old, with("webhook-timestamp", "soon"), false),
        case("another secret", new, first.clone(), false),
        case("another body", old, tampered, false),
        case("another id", old, with("webhook-id", "msg_01"), false),
        case("no signature", old, with("webhook-signature", ""), false),
        case("another version", old, with("webhook-signature", &signature.replace("v1,", "v2,")), false),
        case("part of a signature", old, with("webhook-signature", &signature[..20]), false),
        case("no ASCII", old, with("webhook-signature", "v1,ü"), false),
    ]
}

fn judge(language: &str, cases: &[Case], taken: &[bool]) {
    assert_eq!(taken.len(), cases.len());
    for (case, taken) in cases.iter().zip(taken) {
        assert_eq!(*taken, case.taken, "{}, to the verifier in {language}", case.what);
    }
}

/// The one block of the page in this language.
fn block(language: &str) -> &'static str {
    let begin = format!("\n```{language}\n");
    let mut blocks = PAGE.split(&begin).skip(1);
    let (block, others) = (blocks.next(), blocks.count());
    assert_eq!(others, 0, "docs/webhooks.md has several blocks of {language}");
    let block = block.unwrap_or_else(|| panic!("docs/webhooks.md has no block of {language}"));
    let end = block.find("\n```\n").expect("a block has an end");
    &block[..=end]
}

/// What decides on messages with the `verify` of the page. Only what it refuses with counts as a refusal.
const PYTHON: &str = r#"
import json, sys
from receiver import verify

def taken(case):
    try:
        verify(case["secret"], case["headers"], bytes.fromhex(case["body"]))
        return True
    except ValueError:
        return False

print(json.dumps([taken(case) for case in json.load(sys.stdin)]))
"#;
const JAVASCRIPT: &str = r#"
import { readFileSync } from "node:fs";
import { verify } from "./receiver.mjs";

function taken({ secret, headers, body }) {
  try {
    verify(secret, headers, Buffer.from(body, "hex"));
    return true;
  } catch (error) {
    if (error.constructor !== Error) throw error;
    return false;
  }
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(taken)));
"#;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Asks the verifier in the page's block of `language` about all cases.
fn run(program: &str, receiver: &str, language: &str, driver: &str, code: &str, cases: &[Case]) -> Vec<bool> {
    let name = format!("verifier-{language}-{}", std::process::id());
    let folder = Folder(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    std::fs::create_dir_all(&folder.0).unwrap();
    std::fs::write(folder.0.join(receiver), block(language)).unwrap();
    std::fs::write(folder.0.join(driver), code).unwrap();
    let asked: Vec<Value> = cases
        .iter()
        .map(|Case { secret, message, .. }| {
            let headers: serde_json::Map<_, _> =
                message.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            let body: String = message.body.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({"secret": secret, "headers": headers, "body": body})
        })
        .collect();

    let mut command = Command::new(program);
    command.arg(driver).current_dir(&folder.0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!(
            "docs/webhooks.md has a verifier in {language}, and `{program}` to run it is not here ({error}): \
             install it, on Debian with `apt-get install {}`",
            if program == "node" { "nodejs" } else { program }
        )
    });
    child.stdin.take().unwrap().write_all(json!(asked).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}
