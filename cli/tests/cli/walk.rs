//! docs/api.md, pasted into a shell: what it shows is what comes.

use std::{fmt::Write as _, fs, process::Command};

use serde_json::Value;

use crate::support::{Dev, run};

const PAGE: &str = include_str!("../../../docs/api.md");

/// What stands for whatever else an object has.
const MORE: &str = "…";

#[test]
fn every_answer_of_the_walk_through_is_the_one_that_comes() {
    let dev = Dev::start();
    let steps = steps();
    assert!(steps.len() > 15, "{}", steps.len());
    let mut script = String::from("set -euo pipefail\n");
    for (number, step) in steps.iter().enumerate() {
        writeln!(script, "{{\n{}}} > {number}", step.request).unwrap();
    }
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(dev.dir.path(""));
    let ran = run(shell.env("GOLDEN_SERVER", dev.server()).env("GOLDEN_TOKEN", dev.token()));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));

    for (number, Step { request, answer }) in steps.iter().enumerate() {
        let came = fs::read_to_string(dev.dir.path(&number.to_string())).unwrap();
        let same = match answer {
            Answer::Nothing => came.is_empty(),
            Answer::Text(text) => came.replace('\r', "") == *text,
            Answer::Json(shown) => serde_json::from_str(&came).is_ok_and(|came| alike(shown, &came)),
        };
        assert!(same, "docs/api.md shows another answer to\n{request}\nthan the one that came:\n{came}");
    }
}

/// A block of shell, and the block of output after it.
struct Step {
    request: String,
    answer: Answer,
}

enum Answer {
    Nothing,
    Text(String),
    Json(Value),
}

fn steps() -> Vec<Step> {
    let mut steps = Vec::<Step>::new();
    // Every other part is inside a fence.
    for block in PAGE.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').unwrap();
        let text = format!("{text}\n");
        let answer = match language {
            "sh" => {
                steps.push(Step { request: text, answer: Answer::Nothing });
                continue;
            }
            "text" => Answer::Text(text),
            "json" => Answer::Json(shown(&text)),
            other => panic!("a block of {other}"),
        };
        steps.last_mut().unwrap().answer = answer;
    }
    steps
}

/// A line with only `…` is a field of that name.
fn shown(text: &str) -> Value {
    let field = format!("\"{MORE}\": null");
    let json = text.lines().map(|line| if line.trim() == MORE { &field } else { line }).collect::<Vec<_>>().join("\n");
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("docs/api.md: {error}\n{text}"))
}

fn alike(shown: &Value, came: &Value) -> bool {
    match (shown, came) {
        (Value::Object(shown), Value::Object(came)) => {
            let all = shown.contains_key(MORE) || shown.len() == came.len();
            all && shown
                .iter()
                .filter(|(name, _)| *name != MORE)
                .all(|(name, value)| came.get(name).is_some_and(|other| alike(value, other)))
        }
        (Value::Array(shown), Value::Array(came)) => {
            shown.len() == came.len() && shown.iter().zip(came).all(|(shown, came)| alike(shown, came))
        }
        (Value::String(shown), Value::String(came)) => lasting(shown) == lasting(came),
        _ => shown == came,
    }
}

/// A text without what differs from run to run.
fn lasting(text: &str) -> String {
    if chrono::DateTime::parse_from_rfc3339(text).is_ok() {
        return "a time".to_owned();
    }
    if text.starts_with("whsec_") {
        return "a secret".to_owned();
    }
    // Of an id the form stays, with its prefix and what is around it.
    let ids = text.split(|c: char| !(c.is_ascii_hexdigit() || c == '-')).filter(|word| word.len() == 36);
    ids.fold(text.to_owned(), |text, id| text.replace(id, "an id"))
}
