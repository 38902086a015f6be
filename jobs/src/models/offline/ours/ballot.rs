//! How the built-in model votes on a panel: by what the evidence says of tests, and by a few words in the files that
//! nobody means well with.

use serde_json::{Value, json};

use super::Material;

/// Words in evidence that tell of failure, unless nothing of the kind was counted.
const FAILURES: [&str; 4] = ["failed", "failure", "error", "panicked"];
/// What has no place in any file.
const NEVER: [&str; 2] = ["rm -rf /", "BEGIN PRIVATE KEY"];

pub(super) fn ballot(material: &Material<'_>) -> Option<Value> {
    let ballot = |verdict, severity, findings, confidence: f64| json!({"verdict": verdict, "severity": severity, "findings": findings, "confidence": confidence});
    let finding = |severity, pointer: &str, claim: &str, evidence: &str| {
        let short = |text: &str, most| text.chars().take(most).collect::<String>();
        json!({"severity": severity, "pointer": short(pointer, 256), "claim": claim, "evidence": short(evidence, 400)})
    };
    let files = material.get("files").unwrap_or_default();
    let mut files = files.as_object().into_iter().flatten().filter_map(|(path, text)| Some((path, text.as_str()?)));
    let harm = files.find_map(|(path, text)| Some((path, NEVER.into_iter().find(|word| text.contains(word))?)));
    if let Some((path, word)) = harm {
        let found = finding("critical", path, "It has what no work is to have.", word);
        return Some(ballot("reject", "critical", vec![found], 0.9));
    }
    let evidence = material.get("evidence");
    Some(match evidence.as_ref().and_then(Value::as_str) {
        None => {
            let found = finding("minor", "evidence", "Nothing shows that it works.", "");
            ballot("approve", "minor", vec![found], 0.5)
        }
        Some(text) => match text.lines().find(|line| tells_of_failure(line)) {
            Some(line) => {
                let found = finding("major", "evidence", "What was tried did not work.", line.trim());
                ballot("request_changes", "major", vec![found], 0.9)
            }
            None => ballot("approve", "none", Vec::new(), 0.9),
        },
    })
}

/// Whether a line says that something failed: «2 failed» and «FAILED» do, «0 failed» and «no errors» do not.
fn tells_of_failure(line: &str) -> bool {
    let line = line.to_lowercase();
    let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.iter().enumerate().any(|(at, word)| {
        let before = at.checked_sub(1).map(|at| words[at]);
        let after = words.get(at + 1).copied();
        let fails = FAILURES.iter().any(|failure| word.trim_end_matches('s') == *failure);
        fails && !matches!(before, Some("0" | "no" | "without")) && after != Some("0")
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::models::{
        exchange::{Message, Request, Speaker},
        prompt::data,
    };

    fn votes(file: &str, evidence: Option<&str>) -> (String, String) {
        let evidence = evidence.map(|text| data("evidence", &json!(text))).unwrap_or_default();
        let content = format!("Judge.\n\n{}\n\n{evidence}", data("files", &json!({"a.py": file})));
        let request = Request {
            model: "offline".to_owned(),
            messages: vec![Message { speaker: Speaker::User, content }],
            schema: None,
            temperature: None,
            max_tokens: 1000,
            timeout: Duration::from_secs(1),
        };
        let ballot = ballot(&Material(&request)).unwrap();
        (ballot["verdict"].as_str().unwrap().to_owned(), ballot["severity"].as_str().unwrap().to_owned())
    }

    #[test]
    fn it_goes_by_what_the_evidence_says() {
        let of = |verdict: &str, severity: &str| (verdict.to_owned(), severity.to_owned());
        for passed in ["3 passed, 0 failed", "OK", "test result: ok. 2 passed; 0 failed", "failures=0", "no errors"] {
            assert_eq!(votes("pass", Some(passed)), of("approve", "none"), "{passed}");
        }
        for failed in ["1 failed, 2 passed", "FAILED (failures=1)", "AssertionError\nerror: wrong", "thread panicked"] {
            assert_eq!(votes("pass", Some(failed)), of("request_changes", "major"), "{failed}");
        }
        assert_eq!(votes("pass", None), of("approve", "minor"));
        assert_eq!(votes("os.system('rm -rf /')", Some("3 passed")), of("reject", "critical"));
    }
}
