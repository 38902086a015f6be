//! The conventions that no compiler checks: which crate may know which, and what text belongs where.
//!
//! Each rule is a pure function from what it reads to the breaches it finds, with a test that shows it finding one.

use std::path::{Path, PathBuf};

mod arrows;
mod manifests;
mod readme;
mod text;
mod twins;

pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the tests are a member of the workspace").to_owned()
}

/// Every file below `folder` of the repository with one of these endings, by its path from the root, sorted.
pub(crate) fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    let root = repository();
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path.strip_prefix(&root).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

#[track_caller]
fn assert_tidy(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}
