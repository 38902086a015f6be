//! The README promises only what the code does.

use super::repository;

#[test]
fn the_kind_it_shows_is_the_one_that_is_compiled() {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).unwrap();
    let example = read("cli/examples/own_kind.rs");
    let code = &example[example.find("use golden_jobs").unwrap()..];

    assert!(read("README.md").contains(code), "README.md quotes another cli/examples/own_kind.rs: copy it again");
}
