//! docs/escalations.md, pasted into a shell, and its commands.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Dev, run};

const PAGE: &str = include_str!("../../../docs/escalations.md");

#[tokio::test]
async fn what_the_page_says_is_what_comes() {
    let dev = Dev::start();
    let block = |n: usize| PAGE.split("\n```sh\n").nth(n).unwrap().split("\n```").next().unwrap();
    let script = format!("set -euo pipefail\n{}\n", block(2));
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).env("GOLDEN_SERVER", dev.server()).env("GOLDEN_TOKEN", dev.token());
    let ran = run(&mut shell);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(ran.out.ends_with('}') && ran.out.contains(r#""resolution":"approved""#), "{}", ran.out);

    let listed = dev.run(&["escalations", "list", "--state", "any", "--json"]);
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let resolved = &listed["data"][0];
    let job = resolved["job_id"].as_str().unwrap();
    let begun = Instant::now();
    let result = loop {
        let shown: Value = serde_json::from_str(&dev.run(&["jobs", "show", job, "--json"]).out).unwrap();
        if shown["state"] == "succeeded" {
            break shown["result"].clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "its job does not go on: {shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let note = "There is a backup of ten minutes ago.";
    let said =
        json!({"escalation": resolved["id"], "resolution": "approved", "note": note, "resolved_by": "golden dev"});
    assert_eq!(result, said);
    assert_eq!(dev.run(&["escalations", "list"]).out, "");

    // The commands, on another one.
    let asked = r#"{"about": "task", "subject": "x", "severity": "low", "reason": "stuck"}"#;
    dev.submit(&["escalation", asked]);
    let mut listed = String::new();
    while listed.is_empty() {
        listed = dev.run(&["escalations", "list", "--about", "task"]).out;
    }
    let id = listed.split('\t').next().unwrap();
    assert!(listed.contains("\topen\tlow\ttask\tx\t") && listed.ends_with("\tstuck\n"), "{listed}");
    let acknowledged = dev.run(&["escalations", "acknowledge", id]).out;
    assert!(acknowledged.contains("state            acknowledged"), "{acknowledged}");
    let fixed = dev.run(&["escalations", "resolve", id, "fixed", "--note", "unstuck"]).out;
    assert!(fixed.contains("resolution       fixed") && fixed.contains("note             unstuck"), "{fixed}");
    assert_ne!(dev.run(&["escalations", "resolve", id, "fixed"]).code, 0);
    assert_eq!(dev.run(&["escalations", "resolve", id, "withdrawn"]).code, 2);
    assert!(dev.run(&["escalations", "show", id]).out.contains("resolved by      golden dev"));
}
