//! What runs write for those who read along: lines of text, in order, bounded for every job.

use std::{fmt, str::FromStr, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Run, StoreError};
use crate::id::JobId;

/// Lines that a job keeps, over all of its runs.
pub const LOG_LINES: u64 = 10_000;

/// And the bytes of UTF-8 in them.
pub const LOG_BYTES: u64 = 1024 * 1024;

/// What stands in place of the first line beyond either.
pub const LOG_TRUNCATED: &str = "truncated: a job keeps 10,000 lines and 1 MiB of log";

/// The log of jobs.
///
/// A line is known by its run and its number within it. Adding it again changes nothing, so that
/// a call whose answer was lost is safe to repeat.
#[async_trait]
pub trait Logs: Send + Sync {
    /// Adds lines of runs under way, up to what a job keeps. Answers an entry for each run that
    /// still holds its lease; of the others nothing is written.
    async fn append_logs(&self, appends: Vec<LogAppend>) -> Result<Vec<LogKept>, StoreError>;

    /// Lines of a job, oldest first.
    async fn logs(&self, job: JobId, slice: LogSlice) -> Result<Vec<LogLine>, StoreError>;

    /// Up to `limit` lines of each of these jobs after the one named with it, whatever their
    /// tenant: for those who read along with many.
    async fn log_tails(&self, jobs: &[(JobId, u64)], limit: u32) -> Result<Vec<(JobId, LogLine)>, StoreError>;
}

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// What the handler of a kind says itself.
    Log,
    /// The standard output of what it ran.
    Stdout,
    /// Its standard error.
    Stderr,
    /// What Golden says, such as that the rest was cut off.
    System,
}

impl LogStream {
    const ALL: [Self; 4] = [Self::Log, Self::Stdout, Self::Stderr, Self::System];

    /// The one spelling, in the API as in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::System => "system",
        }
    }
}

impl fmt::Display for LogStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not one of the four streams.
#[derive(Debug, thiserror::Error)]
#[error("unknown stream `{0}`: expected one of log, stdout, stderr, system")]
pub struct UnknownLogStream(String);

impl FromStr for LogStream {
    type Err = UnknownLogStream;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|stream| stream.as_str() == s).ok_or_else(|| UnknownLogStream(s.to_owned()))
    }
}

/// Lines that one run wrote.
#[derive(Debug, Clone)]
pub struct LogAppend {
    pub run: Run,
    /// The number of the run, from 1.
    pub attempt: u32,
    /// As an earlier answer said; `None` before the first, and then the store looks.
    pub begin: Option<LogBegin>,
    /// In order.
    pub lines: Vec<NewLine>,
}

/// A line to add.
#[derive(Debug, Clone, Serialize)]
pub struct NewLine {
    /// Its number within the run, from 1.
    pub n: u64,
    /// The bytes that the run wrote before it.
    pub from: u64,
    /// And with it.
    pub upto: u64,
    pub stream: LogStream,
    /// How long ago it was written. By the store's clock that says when.
    #[serde(rename = "age_us", serialize_with = "as_micros")]
    pub age: Duration,
    /// Without a line feed and without NUL.
    pub text: String,
}

fn as_micros<S: serde::Serializer>(age: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
}

/// Where a run's lines begin: behind those of the job's earlier runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogBegin {
    /// The number of the last of them.
    pub seq: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl LogBegin {
    /// Whether with this line a run is beyond what its job keeps.
    pub fn overflows(self, line: &NewLine) -> bool {
        self.beyond(line.n, line.upto)
    }

    /// Whether it was before this line. The first line beyond is where the log says so.
    pub fn overflowed_before(self, line: &NewLine) -> bool {
        self.beyond(line.n.saturating_sub(1), line.from)
    }

    fn beyond(self, lines: u64, bytes: u64) -> bool {
        self.seq.saturating_add(lines) > LOG_LINES || self.bytes.saturating_add(bytes) > LOG_BYTES
    }
}

/// A run that still holds its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogKept {
    pub run: Run,
    pub begin: LogBegin,
}

/// Which lines of a job to read.
#[derive(Debug, Clone, Copy)]
pub struct LogSlice {
    /// Those after this one; 0 begins with the first.
    pub after: u64,
    /// Those of this run alone.
    pub attempt: Option<u32>,
    /// So many at most.
    pub limit: u32,
}

/// A line on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct LogLine {
    /// Its number within the job, from 1 and without gaps.
    #[schemars(range(min = 1))]
    pub seq: u64,
    /// The number of the run that wrote it, from 1.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    pub stream: LogStream,
    /// When it was written, by the store's clock.
    pub at: DateTime<Utc>,
    /// As it was written, with U+FFFD in place of NUL.
    #[schemars(example = &"hello")]
    pub text: String,
}
