//! What every member's Cargo.toml says alike.

use std::fs;

use super::{assert_tidy, files, repository};

fn breaches(path: &str, manifest: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    // No member, but a workspace of its own.
    if manifest.lines().any(|line| line == "[workspace]") {
        return breaches;
    }
    let mut section = "";
    let mut linted = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
            continue;
        }
        linted |= section == "[lints]" && line == "workspace = true";
        if section.ends_with("dependencies]") && line.contains('=') && !line.contains("workspace = true") {
            breaches.push(format!(
                "{path}: `{line}`: name it in the root's [workspace.dependencies] and take it from there"
            ));
        }
    }
    if !linted {
        breaches.push(format!("{path}: takes no lints: add `[lints]` with `workspace = true`"));
    }
    breaches
}

#[test]
fn members_take_lints_and_versions_from_the_workspace() {
    let manifests = files("", &["Cargo.toml"]);
    let found: Vec<String> = (manifests.iter().filter(|path| *path != "Cargo.toml"))
        .flat_map(|path| breaches(path, &fs::read_to_string(repository().join(path)).unwrap()))
        .collect();

    assert!(manifests.len() > 2, "only {manifests:?}");
    assert_tidy(&found);
}

mod tests {
    use super::*;

    #[test]
    fn a_version_of_its_own_is_found() {
        let start = "[lints]\nworkspace = true\n[dependencies]\n";

        assert_eq!(breaches("api/Cargo.toml", &format!("{start}axum = \"0.8\"")).len(), 1);
        assert!(breaches("api/Cargo.toml", &format!("{start}axum.workspace = true")).is_empty());
        assert!(breaches("api/Cargo.toml", &format!("{start}axum = {{ workspace = true }}")).is_empty());
    }

    #[test]
    fn a_member_without_lints_is_found() {
        assert_eq!(breaches("api/Cargo.toml", "[package]\nname = \"golden-api\"").len(), 1);
    }
}
