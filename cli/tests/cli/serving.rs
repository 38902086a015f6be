//! `golden dev`, from its first line to its last.

use std::{
    io::{BufRead, BufReader},
    process::Command,
};

use serde_json::Value;

use crate::support::{Dev, Dir, run};

#[test]
fn the_printed_line_runs_a_job_and_ctrl_c_ends_in_good_order() {
    let dev = Dev::start();
    let ran = run(Command::new("sh").args(["-c", dev.curl()]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let job: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&job["state"], &job["result"]), (&"succeeded".into(), &"hello from golden".into()));

    dev.interrupt();
    assert_eq!(dev.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut dev = Dev::start();
    dev.submit(&["noop", r#"{"sleep_ms": 60000}"#]);
    // What is still queued is not waited for.
    while dev.run(&["jobs", "list", "--state", "running"]).out.is_empty() {}
    let mut log = BufReader::new(dev.child.stderr.take().unwrap()).lines();
    dev.interrupt();
    assert!(log.any(|line| line.unwrap().contains("draining")));
    dev.interrupt();
    assert_eq!(dev.wait().code(), Some(130));
}

#[test]
fn a_taken_port_is_named_with_the_setting_that_changes_it() {
    let dev = Dev::start();
    let address = dev.server().trim_start_matches("http://");
    let ran = run(&mut dev.dir.golden(&["dev", "--listen", address]));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains(address) && ran.err.contains("GOLDEN_LISTEN"), "{}", ran.err);
}

#[test]
fn a_certificate_that_is_not_there_is_named() {
    let dir = Dir::new();
    let mut dev = dir.golden(&["dev", "--listen", "127.0.0.1:0"]);
    dev.env("GOLDEN_SCALER_LISTEN", "127.0.0.1:0").env("GOLDEN_SCALER_TLS_CERT", "/nowhere/tls.crt");
    let ran = run(dev.env("GOLDEN_SCALER_TLS_KEY", "/nowhere/tls.key"));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("external scaler") && ran.err.contains("cannot read /nowhere/tls."), "{}", ran.err);
}

/// A token for another tenant, made with the secret that `golden dev` keeps.
#[test]
fn mint_knows_the_secret_of_the_dev_server_beside_it() {
    let dev = Dev::start();
    let minted = run(&mut dev.dir.golden(&["token", "mint", "--tenant", "acme", "--role", "observer"]));
    assert_eq!(minted.code, 0, "{}", minted.err);
    let ran = run(dev.golden(&["jobs", "list"]).env("GOLDEN_TOKEN", minted.out.trim()));
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    let ran = run(dev.golden(&["jobs", "submit", "noop"]).env("GOLDEN_TOKEN", minted.out.trim()));
    assert_eq!(ran.code, 4);
    assert!(ran.err.contains("403"), "{}", ran.err);
}

#[test]
fn a_log_in_json_has_nothing_else_in_it_not_even_a_panic() {
    let mut dev = Dev::start_with(&["--log-format", "json"]);
    let panicking = ["jobs", "submit", "noop", r#"{"panic": true}"#, "--max-attempts", "1", "--wait", "20"];
    assert_eq!(dev.run(&panicking).code, 1);
    dev.interrupt();
    let log = BufReader::new(dev.child.stderr.take().unwrap()).lines();
    let lines: Vec<Value> = log.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"] == "panicked" && line["place"].is_string()), "{lines:?}");
}
