//! What needs no server.

use std::fs;

use crate::support::{Dir, run};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn every_command_explains_itself_with_an_example() {
    let dir = Dir::new();
    let (mut commands, mut explained) = (vec![Vec::new()], 0);
    while let Some(command) = commands.pop() {
        let args: Vec<_> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let ran = run(&mut dir.golden(&args));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{command:?}");
        let below = ran.out.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let below: Vec<_> =
            below.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
        if !command.is_empty() {
            assert!(ran.out.contains(&format!("Usage: golden {}", command.join(" "))), "{}", ran.out);
            assert!(!below.is_empty() || ran.out.contains("Example"), "{command:?} has no example");
            let long = ran.out.lines().find(|line| line.chars().count() > 110);
            assert_eq!(long, None, "of {command:?}");
            explained += 1;
        }
        commands.extend(below.iter().map(|name| command.iter().cloned().chain([(*name).to_owned()]).collect()));
    }
    assert!(explained > 100, "{explained}");
}

#[test]
fn help_lists_settings_and_exit_statuses() {
    let ran = run(&mut Dir::new().golden(&["--help"]));
    for word in ["DATABASE_URL", "JWT_SECRET", "GOLDEN_LISTEN", "GOLDEN_WEBHOOK_SCHEDULE", "Exit status:", "  130  "] {
        assert!(ran.out.contains(word), "{word}");
    }
}

#[test]
fn the_version_is_that_of_golden() {
    assert!(run(&mut Dir::new().golden(&["--version"])).out.starts_with("golden 0."));
}

#[test]
fn mint_prints_a_token_and_nothing_else() {
    let dir = Dir::new();
    let args = ["token", "mint", "--tenant", "acme", "--role", "developer", "--sub", "ci", "--ttl", "1h"];
    let ran = run(dir.golden(&args).env("JWT_SECRET", SECRET));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out.trim_end().split('.').count(), 3);
    assert!(!ran.out.trim_end().contains(char::is_whitespace));
}

#[test]
fn migrate_works_once_and_again() {
    let dir = Dir::new();
    let url = format!("sqlite://{}", dir.path("golden.db").display());
    for _ in 0..2 {
        let ran = run(dir.golden(&["migrate"]).env("DATABASE_URL", &url));
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.out.starts_with("the schema is at version "), "{}", ran.out);
    }
}

#[test]
fn an_older_schema_is_refused_with_what_to_do() {
    let dir = Dir::new();
    let url = format!("sqlite://{}", dir.path("empty.db").display());
    fs::write(dir.path("empty.db"), "").unwrap();
    for args in [&["api", "--listen", "127.0.0.1:0"][..], &["worker", "--role", "orchestrator"]] {
        let ran = run(dir.golden(args).env("DATABASE_URL", &url).env("JWT_SECRET", SECRET));
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.err.contains("golden migrate"), "{}", ran.err);
    }
}

#[test]
fn a_missing_or_wrong_setting_is_named_with_its_place() {
    let dir = Dir::new();
    let refused = |args: &[&str], environment: &[(&str, &str)], expected: &str| {
        let ran = run(dir.golden(args).envs(environment.iter().copied()));
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains(expected), "{}", ran.err);
        ran
    };
    refused(&["api"], &[("JWT_SECRET", SECRET)], "DATABASE_URL is not set");
    refused(&["api"], &[("DATABASE_URL", "sqlite://x")], "JWT_SECRET is not set");
    refused(&["migrate"], &[], "DATABASE_URL is not set");
    refused(&["token", "mint", "--tenant", "a", "--role", "admin"], &[], "JWT_SECRET is not set");
    refused(&["token", "mint", "--tenant", "a", "--role", "root"], &[], "unknown role `root`");
    refused(&["dev", "--listen", "8000"], &[], "--listen on the command line: `8000` is not an address");
    refused(&["dev"], &[("GOLDEN_DISPATCH", "nats")], "GOLDEN_DISPATCH in the environment: `nats` is neither");
    refused(&["dev"], &[("GOLDEN_DISPATCH", "redis")], "REDIS_URL is not set: GOLDEN_DISPATCH is `redis`");
    refused(&["dev"], &[("GOLDEN_LOG_FORMAT", "xml")], "GOLDEN_LOG_FORMAT in the environment: `xml`");
    refused(&["jobs", "submit", "noop", "--delay", "soon"], &[], "`soon` is not a duration");
    refused(&["jobs", "submit", "noop", "{"], &[], "the payload is not JSON");
    refused(&["dlq", "replay", "a", "b", "--edit-payload", "x"], &[], "name one ID");
    refused(&["dlq", "replay"], &[], "<ID|--all>");
    refused(&["dlq", "replay", "a", "--all"], &[], "cannot be used with");
    refused(&["dlq", "purge", "--error", "", "--yes"], &[], "--error");
    refused(&["jobs", "submit", "noop", "--run-at", "tomorrow"], &[], "2026-01-02T03:04:05Z");
    refused(&["jobs", "submit", "noop", "--wait", "1m"], &[], "from 1s to 30s");
    refused(&["jobs", "submit", "noop", "--metadata", "a=1", "--metadata", "a=2"], &[], "given twice");
    refused(&["token", "mint", "--tenant", "a;b", "--role", "admin"], &[], "a name is");
    refused(&["token", "mint", "--tenant", "a", "--role", "admin", "--ttl", "0"], &[], "a second or more");
    refused(&["schedules", "create", "a", "--cron", "@daily", "--catch-up", "all", "noop"], &[], "`skip` nor `one`");
    refused(&["schedules", "update", "a"], &[], "say what to change");
    refused(&["kinds"], &[("GOLDEN_TOKEN", "a\nb")], "GOLDEN_TOKEN is not a token");
    let mint = ["token", "mint", "--tenant", "a", "--role", "admin"];
    refused(&mint, &[("GOLDEN_JWKS", "keys.json")], "cannot sign");
    refused(&["dev"], &[("GOLDEN_JWKS", "keys.json")], "makes its own tokens");
    for args in [&["api"][..], &["dev"], &mint] {
        refused(args, &[("GOLDEN_JWKS", "keys.json"), ("JWT_SECRET", SECRET)], "both set");
    }
    refused(&["api"], &[("GOLDEN_SCALER_TLS_CERT", "tls.crt")], "needs both");
    refused(&["api"], &[("GOLDEN_JWKS", "http://id.example/keys")], "GOLDEN_JWKS in the environment: `http://id");
    refused(
        &["api"],
        &[("GOLDEN_JWKS", "keys.json")],
        "GOLDEN_JWKS: the key set cannot be read: keys.json: there is no",
    );
    fs::write(dir.path("keys.json"), r#"{"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]}"#).unwrap();
    refused(&["api"], &[("GOLDEN_JWKS", "keys.json")], "the key \"a\" is symmetric");
    let ran = refused(&["dev"], &[("JWT_SECRET", "hunter2")], "JWT_SECRET in the environment: 7 bytes are too few");
    assert!(!ran.err.contains("hunter2"));

    fs::write(dir.path("golden.toml"), "drain_timeout = \"soon\"").unwrap();
    refused(&["dev"], &[], "drain_timeout in golden.toml, line 1: `soon` is not a duration");
    fs::write(dir.path("golden.toml"), "lisen = \"x\"").unwrap();
    refused(&["kinds"], &[], "golden.toml, line 1: unknown key `lisen`: did you mean `listen`?");
    refused(&["--config", "other.toml", "kinds"], &[], "other.toml: ");
}

#[test]
fn a_server_that_is_not_there_is_told_from_one_that_refuses() {
    // Nothing listens on port 1.
    let ran = run(&mut Dir::new().golden(&["kinds", "--server", "http://127.0.0.1:1"]));
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("http://127.0.0.1:1/") && ran.err.contains("GOLDEN_SERVER"), "{}", ran.err);
}

#[test]
fn images_are_not_built_without_docker_nor_for_other_languages() {
    let dir = Dir::new();
    let ran = run(dir.golden(&["sandbox", "build-images"]).env("DOCKER_HOST", "unix:///nowhere.sock"));
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("no Docker answers at unix:///nowhere.sock"), "{}", ran.err);
    let ran = run(&mut dir.golden(&["sandbox", "build-images", "cobol"]));
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("python, javascript, bash"), "{}", ran.err);
}
