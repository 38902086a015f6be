//! Who imports whom, read from `cargo metadata`.

use std::process::Command;

use serde_json::Value;

use super::{assert_tidy, repository};

/// Every member of the workspace, and the members it may import.
const ARROWS: [(&str, &[&str]); 11] = [
    ("golden-jobs", &[]),
    ("golden-api", &["golden-jobs"]),
    ("golden-workers", &["golden-jobs"]),
    ("golden-nats", &["golden-jobs"]),
    ("golden-redis", &["golden-jobs"]),
    ("golden-sandbox", &["golden-jobs", "golden-sandbox-protocol"]),
    ("golden-sandbox-protocol", &[]),
    ("golden-supervisor", &["golden-sandbox-protocol"]),
    ("golden-cli", ALL),
    ("golden-tests", ALL),
    ("golden-bench", ALL),
];

const ALL: &[&str] =
    &["golden-jobs", "golden-api", "golden-workers", "golden-nats", "golden-redis", "golden-sandbox", "golden-cli"];

/// What the tests of a member may import besides: another's way to do what it has a port for.
const FOR_TESTS: [(&str, &str); 1] = [("golden-workers", "golden-redis")];

/// Outside crates that one member alone builds on, so that replacing one of them touches no other; apalis is there
/// where jobs are run, and where they are handed out.
/// What tests and benchmarks use besides is their own affair.
const HOMES: [(&str, &[&str]); 15] = [
    ("anyhow", &["golden-cli"]),
    ("apalis", &["golden-workers"]),
    ("apalis-core", &["golden-workers", "golden-redis"]),
    ("apalis-redis", &["golden-redis"]),
    ("async-nats", &["golden-nats"]),
    ("axum", &["golden-api"]),
    ("bollard", &["golden-sandbox"]),
    ("clap", &["golden-cli"]),
    ("opentelemetry", &["golden-cli"]),
    ("opentelemetry-otlp", &["golden-cli"]),
    ("opentelemetry_sdk", &["golden-cli"]),
    ("redis", &["golden-redis"]),
    ("sqlx", &["golden-jobs"]),
    ("tonic", &["golden-api"]),
    ("tracing-opentelemetry", &["golden-cli"]),
];

struct Import {
    from: String,
    to: String,
    for_tests: bool,
}

fn imports(metadata: &Value) -> Vec<Import> {
    let mut imports = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            imports.push(Import {
                from: package["name"].as_str().unwrap().to_owned(),
                to: dependency["name"].as_str().unwrap().to_owned(),
                for_tests: dependency["kind"] == "dev",
            });
        }
    }
    imports
}

/// An import between members that is not an allowed arrow. Tests in a crate obey it too, but for what
/// [`FOR_TESTS`] says.
fn forbidden(imports: &[Import]) -> Vec<String> {
    let member = |name: &str| ARROWS.iter().find(|(member, _)| *member == name);
    let mut breaches = Vec::new();
    for Import { from, to, for_tests } in imports {
        if *for_tests && FOR_TESTS.contains(&(from, to)) {
            continue;
        }
        match (member(from), member(to)) {
            (None, _) => breaches.push(format!("{from} is no part of the layout: give it a line in ARROWS")),
            (Some((_, allowed)), Some(_)) if !allowed.contains(&to.as_str()) => {
                breaches.push(format!("{from} must not import {to}"));
            }
            _ => {}
        }
    }
    breaches.dedup();
    breaches
}

/// An outside crate away from home.
fn astray(imports: &[Import]) -> Vec<String> {
    let free = |import: &Import| import.for_tests || ["golden-tests", "golden-bench"].contains(&import.from.as_str());
    let mut breaches = Vec::new();
    for import in imports.iter().filter(|import| !free(import)) {
        for (outside, homes) in HOMES {
            if import.to == outside && !homes.contains(&import.from.as_str()) {
                breaches.push(format!(
                    "{outside} is for {} alone, and {} imports it",
                    homes.join(" and "),
                    import.from
                ));
            }
        }
    }
    breaches
}

#[test]
fn the_arrows_are_the_designs() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(repository())
        .output()
        .unwrap();
    let metadata = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("cargo metadata says: {}", String::from_utf8_lossy(&output.stderr)));
    let imports = imports(&metadata);

    assert!(imports.len() > ARROWS.len(), "cargo metadata names hardly a dependency");
    assert_tidy(&forbidden(&imports));
    assert_tidy(&astray(&imports));
}

mod tests {
    use serde_json::json;

    use super::*;

    fn import(from: &str, to: &str, kind: Option<&str>) -> Vec<Import> {
        imports(&json!({"packages": [{"name": from, "dependencies": [{"name": to, "kind": kind}]}]}))
    }

    #[test]
    fn a_sibling_is_not_imported() {
        assert_eq!(forbidden(&import("golden-api", "golden-workers", None)).len(), 1);
        assert_eq!(forbidden(&import("golden-jobs", "golden-sandbox", Some("dev"))).len(), 1);
        assert!(forbidden(&import("golden-api", "golden-jobs", None)).is_empty());
        assert_eq!(forbidden(&import("golden-workers", "golden-redis", None)).len(), 1);
        assert!(forbidden(&import("golden-workers", "golden-redis", Some("dev"))).is_empty());
    }

    #[test]
    fn a_new_member_is_noticed() {
        assert_eq!(forbidden(&import("golden-more", "serde", None)).len(), 1);
    }

    #[test]
    fn an_outside_crate_stays_home() {
        assert_eq!(astray(&import("golden-workers", "sqlx", None)).len(), 1);
        assert!(astray(&import("golden-jobs", "sqlx", None)).is_empty());
        assert!(astray(&import("golden-workers", "axum", Some("dev"))).is_empty());
    }
}
