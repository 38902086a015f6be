//! `golden doctor`, without the parts that only some machines have.

use std::{fs, net::TcpListener};

use serde_json::Value;

use crate::support::{Dev, Dir, Ran, run};

const PASSWORD: &str = "hunter2hunter2hunter2hunter2hunter2";

/// The line of a check.
fn line<'a>(ran: &'a Ran, name: &str) -> &'a str {
    let named = |line: &&str| line.split('\t').nth(1) == Some(name);
    ran.out.lines().find(named).unwrap_or_else(|| panic!("no {name} in {}", ran.out))
}

#[test]
fn nothing_is_configured_and_nothing_fails() {
    let ran = run(Dir::new().golden(&["doctor"]).env("GOLDEN_LISTEN", "127.0.0.1:0"));
    assert_eq!(ran.code, 0, "{}", ran.out);
    for name in ["database", "tokens", "sandbox"] {
        assert!(line(&ran, name).starts_with("warning\t"), "{}", ran.out);
    }
    assert!(ran.err.starts_with("Failures: 0, warnings: "), "{}", ran.err);
}

#[test]
fn what_is_configured_and_not_there_fails_and_no_secret_is_shown() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = Dir::new();
    fs::write(dir.path("golden.toml"), format!("database_url = 'postgres://me:{PASSWORD}@127.0.0.1:1/golden'"))
        .unwrap();
    let doctor = |args: &[&str]| {
        let mut doctor = dir.golden(args);
        doctor.env("JWT_SECRET", PASSWORD).env("GOLDEN_LISTN", "x").env("DOCKER_HOST", "unix:///nowhere.sock");
        doctor.env("GOLDEN_SCALER_TLS_CERT", "tls.crt").env("GOLDEN_SCALER_TLS_KEY", "tls.key");
        doctor.env("GOLDEN_LISTEN", taken.local_addr().unwrap().to_string());
        // Nothing listens on port 1.
        doctor.env("GOLDEN_SERVER", format!("http://me:{PASSWORD}@127.0.0.1:1")).env("GOLDEN_TOKEN", PASSWORD);
        let ran = run(&mut doctor);
        assert!(!ran.out.contains(PASSWORD) && !ran.err.contains(PASSWORD), "{}\n{}", ran.out, ran.err);
        ran
    };
    let ran = doctor(&["doctor"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert_eq!(
        line(&ran, "DATABASE_URL"),
        "ok\tDATABASE_URL\tpostgres://me:***@127.0.0.1:1/golden, in golden.toml, line 1"
    );
    assert_eq!(line(&ran, "JWT_SECRET"), "ok\tJWT_SECRET\tset, and not shown, in the environment");
    for name in ["database", "sandbox", "address", "scaler", "server"] {
        assert!(line(&ran, name).starts_with("failure\t"), "{}", ran.out);
    }
    for words in ["did you mean GOLDEN_LISTEN?", "chmod 600", "few different characters", "taken by another program"] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }

    let found: Value = serde_json::from_str(&doctor(&["doctor", "--json"]).out).unwrap();
    assert_eq!(found["status"], "failure");
    assert_eq!(found["checks"].as_array().unwrap().len(), ran.out.lines().count());
    let setting =
        |name: &str| found["settings"].as_array().unwrap().iter().find(|setting| setting["name"] == name).unwrap();
    assert_eq!((&setting("JWT_SECRET")["value"], &setting("JWT_SECRET")["set"]), (&Value::Null, &true.into()));
    assert_eq!(setting("GOLDEN_DRAIN_TIMEOUT")["value"], "30s");
}

#[test]
fn wrong_settings_are_all_told_and_the_parts_left_alone() {
    let dir = Dir::new();
    fs::write(dir.path("golden.toml"), "lisen = 'x'\nconcurrency = 0").unwrap();
    let ran = run(dir.golden(&["doctor"]).env("GOLDEN_EGRESS_HTTP", "maybe"));
    assert_eq!(ran.code, 2, "{}", ran.out);
    assert_eq!(ran.out.matches("failure\t").count(), 3, "{}", ran.out);
    let both =
        run(dir.golden(&["--config", "/dev/null", "doctor"]).env("JWT_SECRET", PASSWORD).env("GOLDEN_JWKS", "x"));
    assert_eq!(both.code, 2, "{}", both.out);
    assert!(both.out.contains("both set"), "{}", both.out);
}

#[test]
fn a_golden_that_runs_is_found_well() {
    let dev = Dev::start();
    let ran = run(dev.golden(&["doctor"]).env("GOLDEN_LISTEN", dev.server().trim_start_matches("http://")));
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(line(&ran, "database").contains(".golden/golden.db: SQLite 3."), "{}", ran.out);
    for name in ["clock", "tokens", "address", "server"] {
        assert!(line(&ran, name).starts_with("ok\t"), "{}", ran.out);
    }
    assert!(line(&ran, "address").contains("a golden answers") && ran.out.contains("\tdisk\t"), "{}", ran.out);
}

#[test]
fn the_example_is_a_settings_file() {
    let dir = Dir::new();
    fs::write(dir.path("golden.toml"), run(&mut dir.golden(&["doctor", "--example"])).out).unwrap();
    let printed = fs::read_to_string(dir.path("golden.toml")).unwrap();
    assert!(printed.contains("\n#listen = ") && !printed.contains("\nlisten"), "{printed}");
    assert_eq!(run(dir.golden(&["doctor"]).env("GOLDEN_LISTEN", "127.0.0.1:0")).code, 0);
}
