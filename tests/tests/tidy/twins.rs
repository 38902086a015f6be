//! The two dialects go hand in hand: what one has, the other has under the same name.

use std::collections::BTreeSet;

use super::{assert_tidy, files};

/// Files that one dialect alone needs, each with why.
const SINGLE: [(&str, &str); 14] = [
    // SQLite's statements cannot be chained with WITH, so a verb is a file of several steps there, and the
    // steps that verbs share are a file of their own. A PostgreSQL file is one statement.
    ("jobs/src/sql/postgres/tenants.sql", "a step of insert.sql in sqlite"),
    ("jobs/src/sql/postgres/recorded.sql", "a step of insert.sql in sqlite"),
    ("jobs/src/sql/postgres/register.sql", "a step of heartbeat.sql in sqlite"),
    ("jobs/src/sql/postgres/requeue.sql", "a step of retry.sql in sqlite"),
    ("jobs/src/sql/postgres/count_down.sql", "a step of moves.sql in sqlite"),
    ("jobs/src/sql/postgres/adopt.sql", "a step of settle.sql in sqlite"),
    ("jobs/src/sql/postgres/hasten.sql", "a step of retry.sql in sqlite"),
    ("jobs/src/sql/postgres/resolve.sql", "the first step of replay.sql and of purge.sql in sqlite"),
    ("jobs/src/sql/postgres/resolve_jobs.sql", "a step of retry.sql and of redeliver.sql in sqlite"),
    ("jobs/src/sql/sqlite/moves.sql", "branches within the statements of postgres"),
    ("jobs/src/sql/sqlite/make_ready.sql", "a function of the schema in postgres"),
    ("jobs/src/sql/sqlite/retry.sql", "requeue.sql, resolve_jobs.sql and hasten.sql in postgres"),
    ("jobs/src/sql/sqlite/replay.sql", "resolve.sql and requeue.sql in postgres"),
    ("jobs/src/sql/sqlite/purge.sql", "resolve.sql in postgres"),
];

/// Files below `folder/postgres` without a twin in `folder/sqlite`, or the other way round.
fn untwinned(folder: &str, paths: &[String], single: &[(&str, &str)]) -> Vec<String> {
    let names = |dialect: &str| -> BTreeSet<String> {
        let start = format!("{folder}/{dialect}/");
        paths.iter().filter_map(|path| path.strip_prefix(&start)).map(str::to_owned).collect()
    };
    let (postgres, sqlite) = (names("postgres"), names("sqlite"));
    let only = |dialect: &str, name: &String| format!("{folder}/{dialect}/{name}");

    let mut breaches = Vec::new();
    let alone: BTreeSet<String> = (postgres.difference(&sqlite).map(|name| only("postgres", name)))
        .chain(sqlite.difference(&postgres).map(|name| only("sqlite", name)))
        .collect();
    for path in &alone {
        if !single.iter().any(|(known, _)| known == path) {
            breaches.push(format!("{path} has no twin: write it, or say in SINGLE why it needs none"));
        }
    }
    for (known, _) in single.iter().filter(|(known, _)| known.starts_with(folder)) {
        if !alone.contains(*known) {
            breaches.push(format!("{known} is not single any more: take it out of SINGLE"));
        }
    }
    breaches
}

#[test]
fn every_migration_and_verb_is_there_in_both_dialects() {
    for folder in ["migrations", "jobs/src/sql"] {
        let paths = files(folder, &[".sql"]);

        assert!(!paths.is_empty(), "{folder} has no SQL");
        assert_tidy(&untwinned(folder, &paths, &SINGLE));
    }
}

mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| format!("sql/{name}")).collect()
    }

    #[test]
    fn a_missing_twin_is_found() {
        let claim = paths(&["postgres/claim.sql", "sqlite/claim.sql", "sqlite/finish.sql"]);

        assert_eq!(untwinned("sql", &claim, &[]).len(), 1);
        assert!(untwinned("sql", &claim, &[("sql/sqlite/finish.sql", "because")]).is_empty());
    }

    #[test]
    fn an_exception_that_is_none_any_more_is_found() {
        let claim = paths(&["postgres/claim.sql", "sqlite/claim.sql"]);

        assert_eq!(untwinned("sql", &claim, &[("sql/postgres/claim.sql", "because")]).len(), 1);
    }
}
