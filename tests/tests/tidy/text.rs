//! What may be written where.

use std::fs;

use super::{assert_tidy, files, repository};

struct Rule {
    /// Any of these, in code and not in a comment, is a use.
    words: &'static [&'static str],
    /// Paths that begin so may use them.
    home: &'static [&'static str],
    /// Whether tests may too, wherever they are.
    free_in_tests: bool,
    instead: &'static str,
}

const RULES: [Rule; 5] = [
    Rule {
        words: &["\"SELECT ", "\"INSERT INTO ", "\"UPDATE ", "\"DELETE FROM ", "\"WITH ", "sqlx::"],
        home: &["jobs/src/store"],
        free_in_tests: true,
        instead: "make it a verb of the store, its SQL in jobs/src/sql",
    },
    Rule {
        words: &["env::var"],
        home: &["cli/", "sandbox/build.rs"],
        free_in_tests: true,
        instead: "make it a setting that the cli reads and hands down",
    },
    Rule {
        words: &["apalis::", "apalis_core::"],
        home: &["workers/"],
        free_in_tests: true,
        instead: "keep apalis behind the pools of golden-workers",
    },
    Rule {
        words: &["async_nats::"],
        home: &["workers/nats/"],
        free_in_tests: true,
        instead: "keep NATS behind golden-nats",
    },
    Rule {
        words: &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")],
        home: &[],
        free_in_tests: false,
        instead: "do it, or file it",
    },
];

fn breaches(path: &str, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut in_tests = path.starts_with("bench/") || path.split('/').any(|folder| folder == "tests");
    for (number, line) in text.lines().enumerate() {
        // Tests of a module close its file.
        in_tests |= line.starts_with("mod tests {");
        for rule in &RULES {
            let excused = rule.home.iter().any(|home| path.starts_with(home)) || rule.free_in_tests && in_tests;
            let judged = if rule.free_in_tests { code(line) } else { line };
            if let Some(word) = rule.words.iter().find(|word| !excused && judged.contains(**word)) {
                breaches.push(format!("{path}:{}: `{}`: {}", number + 1, word.trim(), rule.instead));
            }
        }
    }
    breaches
}

/// A line without its comment.
fn code(line: &str) -> &str {
    if line.trim_start().starts_with("//") { "" } else { line.split(" // ").next().unwrap_or(line) }
}

#[test]
fn text_is_where_it_belongs() {
    let found: Vec<String> = files("", &[".rs", ".sql"])
        .iter()
        .flat_map(|path| breaches(path, &fs::read_to_string(repository().join(path)).unwrap()))
        .collect();

    assert_tidy(&found);
}

#[test]
fn sql_files_are_in_the_store() {
    let homes = ["jobs/src/sql/", "migrations/"];
    let astray: Vec<String> =
        files("", &[".sql"]).into_iter().filter(|path| !homes.iter().any(|home| path.starts_with(home))).collect();

    assert_tidy(&astray);
}

mod tests {
    use super::*;

    #[test]
    fn sql_in_a_handler_is_found() {
        assert_eq!(breaches("api/src/routes/jobs.rs", r#"query("SELECT 1")"#).len(), 1);
        assert!(breaches("jobs/src/store/sqlite.rs", r#"query("SELECT 1")"#).is_empty());
        assert!(breaches("tests/tests/runbook.rs", r#"query("SELECT 1")"#).is_empty());
    }

    #[test]
    fn the_environment_read_outside_the_cli_is_found() {
        let text = "let url = std::env::var(\"URL\");";

        assert_eq!(breaches("workers/src/pool.rs", text).len(), 1);
        assert!(breaches("cli/src/config.rs", text).is_empty());
        assert!(breaches("workers/src/pool.rs", &format!("#[cfg(test)]\nmod tests {{\n{text}")).is_empty());
    }

    #[test]
    fn apalis_outside_the_workers_is_found() {
        assert_eq!(breaches("cli/src/wire.rs", "use apalis_core::worker;").len(), 1);
        assert!(breaches("workers/src/pool.rs", "use apalis_core::worker;").is_empty());
    }

    #[test]
    fn what_is_left_undone_is_found_in_comments_and_tests_too() {
        let text = concat!("// TO", "DO: later");

        assert_eq!(breaches("tests/tests/api.rs", text).len(), 1);
    }

    #[test]
    fn prose_is_not_code() {
        assert!(breaches("api/src/lib.rs", "/// Unlike sqlx::query, it says \"SELECT \".").is_empty());
        assert!(breaches("api/src/lib.rs", "serve(); // not by env::var").is_empty());
    }
}
