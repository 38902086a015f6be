//! The database: whether it answers, what it is, what its clock says, and what room it has.

use std::{path::Path, process::Command};

use chrono::{DateTime, TimeDelta, Utc};
use golden_jobs::store::{ConnectError, ConnectOptions, Inspection, PoolMode, connect, inspect};

use super::Check;
use crate::{
    config::{Settings, without_password},
    state::StateDir,
    wire,
};

const MIB: u64 = 1024;
/// Free on the disk of an SQLite file, in KiB: below this it is time to act, or too late.
const LITTLE: u64 = 1024 * MIB;
const NEARLY_NONE: u64 = 64 * MIB;
/// Tokens may be off by 30 s; past this, that is nearly used up or gone.
const SKEW: TimeDelta = TimeDelta::seconds(5);
const MOST_SKEW: TimeDelta = TimeDelta::seconds(30);

pub(super) async fn check(settings: &Settings) -> Vec<Check> {
    let url = match (&settings.database_url, StateDir::known_database_url()) {
        (Some(url), _) => url.reveal().to_owned(),
        (None, Some(of_dev)) => of_dev,
        (None, None) => {
            let found = "DATABASE_URL is not set: `golden dev` makes an SQLite file of its own, `golden api` and \
                         `golden worker` need it";
            return vec![Check::warning("database", found)];
        }
    };
    let shown = without_password(&url);
    let seen = match inspect(&url).await {
        Ok(seen) => seen,
        Err(error) => return vec![Check::failure("database", wire::no_store(&url, &error))],
    };
    let Inspection { product, schema, folder, pooled } = seen;
    let mut checks = vec![Check::ok("database", format!("{shown}: {product}, schema at version {schema}"))];
    if product.starts_with("PostgreSQL") {
        checks.push(pooling(settings.pool_mode, pooled));
    }
    if pooled && settings.pool_mode == PoolMode::Session {
        // No process would start either.
        return checks;
    }
    checks.push(clock(&url, settings.pool_mode).await);
    checks.extend(folder.as_deref().and_then(disk));
    checks
}

/// Whether what processes take for granted is so.
fn pooling(mode: PoolMode, pooled: bool) -> Check {
    match (mode, pooled) {
        (PoolMode::Session, false) => {
            Check::ok("pooling", "connections are straight to PostgreSQL, each with a session of its own")
        }
        (PoolMode::Session, true) => Check::failure("pooling", ConnectError::Pooled.to_string()),
        (PoolMode::Transaction, true) => {
            Check::ok("pooling", "a pooler is in between, and nothing of a session is needed of it")
        }
        (PoolMode::Transaction, false) => Check::warning(
            "pooling",
            "GOLDEN_DATABASE_POOL_MODE is transaction, and nothing pools: session is faster, and other processes' \
             hints are heard",
        ),
    }
}

/// Its clock decides what is due and who is alive, this machine's which tokens have ended.
async fn clock(url: &str, pool_mode: PoolMode) -> Check {
    // One is for the question; the store may listen on another.
    let options =
        ConnectOptions { application: "golden doctor", max_connections: 2, pool_mode, ..ConnectOptions::new(url) };
    let store = match connect(options).await {
        Ok(store) => store,
        Err(error) => return Check::failure("clock", error.to_string()),
    };
    let (before, time, after) = (now(), store.time().await, now());
    match time {
        Ok(time) => skewed(time - before, time - after),
        Err(error) => Check::failure("clock", error.to_string()),
    }
}

/// The database's clock was read in between: what it is ahead is between the two.
fn skewed(at_most: TimeDelta, at_least: TimeDelta) -> Check {
    let skew = if at_least > TimeDelta::zero() {
        at_least
    } else if at_most < TimeDelta::zero() {
        -at_most
    } else {
        TimeDelta::zero()
    };
    let found = format!(
        "this machine's and the database's differ by {}.{:03} s",
        skew.num_seconds(),
        skew.subsec_nanos() / 1_000_000
    );
    match skew {
        skew if skew > MOST_SKEW => {
            Check::failure("clock", format!("{found}: tokens count too long or not at all; set both by NTP"))
        }
        skew if skew > SKEW => {
            Check::warning("clock", format!("{found}: set both by NTP, before tokens stop to count"))
        }
        _ => Check::ok("clock", found),
    }
}

#[expect(clippy::disallowed_methods, reason = "this machine's clock is what is checked")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

/// What room there is; nothing where the system does not say.
fn disk(folder: &Path) -> Option<Check> {
    let df = Command::new("df").arg("-Pk").arg("--").arg(folder).output().ok().filter(|df| df.status.success())?;
    let free = free_kib(&String::from_utf8_lossy(&df.stdout))?;
    let found = format!("{} MiB are free where the database is ({})", free / MIB, folder.display());
    Some(match free {
        free if free < NEARLY_NONE => Check::failure("disk", format!("{found}: make room, or submissions will fail")),
        free if free < LITTLE => Check::warning("disk", format!("{found}: make room before it is full")),
        _ => Check::ok("disk", found),
    })
}

/// Reads what POSIX has `df -Pk` print. The name of a file system may have spaces in it.
fn free_kib(printed: &str) -> Option<u64> {
    let words: Vec<_> = printed.lines().last()?.split_whitespace().collect();
    let capacity = words.iter().position(|word| word.ends_with('%'))?;
    words.get(capacity.checked_sub(1)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{super::Status, *};

    #[test]
    fn clocks_that_differ_are_told_by_how_much_it_matters() {
        let status = |at_most, at_least| skewed(TimeDelta::seconds(at_most), TimeDelta::seconds(at_least)).status;
        // A slow answer is no skew: it was read somewhere between the two.
        assert_eq!(status(40, -40), Status::Ok);
        assert_eq!([status(1, 0), status(11, 10), status(41, 40)], [Status::Ok, Status::Warning, Status::Failure]);
        assert_eq!([status(0, -1), status(-10, -11), status(-40, -41)], [Status::Ok, Status::Warning, Status::Failure]);
    }

    #[test]
    fn a_pooler_that_nobody_spoke_of_is_a_failure_and_the_word_without_one_a_warning() {
        let status = |mode, pooled| pooling(mode, pooled).status;
        assert_eq!([status(PoolMode::Session, false), status(PoolMode::Transaction, true)], [Status::Ok, Status::Ok]);
        assert_eq!(status(PoolMode::Session, true), Status::Failure);
        assert_eq!(status(PoolMode::Transaction, false), Status::Warning);
        let failure = pooling(PoolMode::Session, true).found;
        assert!(failure.contains("GOLDEN_DATABASE_POOL_MODE=transaction"), "{failure}");
    }

    #[test]
    fn free_room_is_read_whatever_the_file_system_is_called() {
        let head = "Filesystem 1024-blocks Used Available Capacity Mounted on\n";
        assert_eq!(free_kib(&format!("{head}/dev/sda1 100 58 42 58% /\n")), Some(42));
        assert_eq!(free_kib(&format!("{head}map auto home 100 58 42 58% /my disk\n")), Some(42));
        assert_eq!(free_kib(head), None);
    }
}
