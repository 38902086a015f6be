//! No statement goes through a whole table that grows: what is quick with a hundred rows has to be with a million.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use super::*;

/// Tables that have few rows whatever is kept: one for a tenant, a queue, a guard, a process or a run under way, or
/// those that are taken out as soon as they are put in.
const SMALL: &[&str] = &[
    "budget_limits",
    "budget_waits",
    "circuit_breaker_votes",
    "circuit_breakers",
    "governance_slots",
    "guards",
    "listeners",
    "outbox",
    "publications",
    "queues",
    "running",
    "sqlite_sequence",
    "tenants",
    "turns",
    "workers",
];

/// What an admin asks for now and then, and what nothing waits for.
const SELDOM: &[&str] = &["delete_tenant, gone: ready", "imbalance: budget_trees"];

/// SQLite has no statistics here, nor in any store of Golden's: it plans for a table of any size.
#[tokio::test]
async fn no_statement_reads_the_whole_of_a_table_that_grows() {
    let fresh = fresh().await;
    let mut connection = fresh.store.readers.acquire().await.unwrap();
    let trees = sqlx::query("SELECT rootpage, name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0");
    let trees = trees.fetch_all(&mut *connection).await.unwrap();
    let trees: HashMap<i64, String> = trees.iter().map(|row| (row.get("rootpage"), row.get("name"))).collect();

    let mut read = BTreeSet::new();
    for (name, statement) in statements() {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN {statement}"));
        let program = sqlx::query(explain).fetch_all(&mut *connection).await;
        let program = program.unwrap_or_else(|error| panic!("{name}: {error}\n{statement}"));
        let mut cursors = HashMap::new();
        for row in &program {
            let (opcode, cursor, page): (&str, i64, i64) = (row.get("opcode"), row.get("p1"), row.get("p2"));
            match opcode {
                "OpenRead" | "OpenWrite" => _ = cursors.insert(cursor, page),
                // Where a loop over all of a table begins.
                "Rewind" | "Last" => {
                    if let Some(table) = cursors.get(&cursor).and_then(|page| trees.get(page)) {
                        read.insert(format!("{name}: {table}"));
                    }
                }
                _ => {}
            }
        }
    }
    let small = |read: &&String| SMALL.iter().any(|table| read.ends_with(&format!(": {table}")));
    let whole: Vec<_> = read.iter().filter(|read| !small(read) && !SELDOM.contains(&read.as_str())).collect();
    assert!(whole.is_empty(), "these read a whole table: {whole:#?}");
    assert!(SELDOM.iter().all(|seldom| read.contains(*seldom)), "no such statement: {SELDOM:?} of {read:#?}");
}

/// Every statement there is, after the name of its file and its step.
fn statements() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sql/sqlite");
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let files = |folder: &Path| -> Vec<(String, PathBuf)> {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect()
    };
    let claimable = read(&folder.join("claimable.sql"));
    let mut statements = Vec::new();
    for (name, path) in files(&folder) {
        if path.is_dir() {
            // Where to look, and then what to do there.
            let then = if name == "claim" { claimable.clone() } else { read(&path.with_extension("sql")) };
            let places = files(&path).into_iter();
            statements.extend(places.map(|(place, path)| (format!("{name}, {place}"), read(&path) + &then)));
        } else if name == "ready" {
            statements.push((name, read(&path) + &claimable));
        } else if let Some((_, steps)) = read(&path).split_once("-- step: ") {
            let steps = steps.split("-- step: ").map(|step| step.split_once('\n').unwrap());
            statements.extend(steps.map(|(step, text)| (format!("{name}, {step}"), text.to_owned())));
        } else if name != "claimable" && !path.with_extension("").is_dir() {
            statements.push((name, read(&path)));
        }
    }
    assert!(statements.len() > 200, "{} statements", statements.len());
    statements
}
