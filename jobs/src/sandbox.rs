//! The port behind which untrusted programs run.

mod asked;
mod content;
mod live;
mod report;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::{outcome::Failure, store::LogStream};

pub use asked::AskedLimits;
pub use content::Content;
pub use live::read_along;
pub use report::{Cause, RunReport, Usage};

/// Runs one untrusted program to its end, isolated, and reports what came of it.
#[async_trait]
pub trait Executor: Send + Sync + 'static {
    /// Dropping the future kills the program and removes its container.
    ///
    /// What it prints is offered to `live` as it comes, where somebody listens. A listener who is
    /// slow slows the program down, and never its end.
    async fn run(&self, program: Program, live: mpsc::Sender<Printed>) -> Result<RunReport, ExecutorError>;

    /// The names of the images that it has now.
    fn images(&self) -> Vec<String>;
}

/// A piece of what a program prints, cut anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    pub stream: LogStream,
    pub bytes: Vec<u8>,
}

/// One program to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// Who it is for, written on the container so that a leftover can be traced.
    pub label: String,
    /// One of [`Executor::images`]: what it runs in, and what runs it.
    pub image: String,
    pub entry: Entry,
    /// Found in the folder that the program starts in, by their paths from there.
    pub files: BTreeMap<String, Vec<u8>>,
    pub args: Vec<String>,
    pub stdin: Vec<u8>,
    pub env: BTreeMap<String, String>,
    pub limits: Limits,
    /// Which of the files that it leaves are wanted: `*` and `?` within a folder, `**` across them.
    pub artifacts: Vec<String>,
}

/// What to begin with. How a program is run is its image's business.
#[derive(Debug, Clone)]
pub enum Entry {
    /// The program's text.
    Source(String),
    /// One of its files, by its path.
    File(String),
}

/// What a program may use. An executor gives no more than its operator allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall time from the program's start.
    pub wall: Duration,
    /// CPU time of each of its processes, where it is not merely bounded by the wall time.
    pub cpu: Option<Duration>,
    /// Memory in bytes, of the program, its files and the sandbox round it.
    pub memory: u64,
}

impl Limits {
    /// What a program gets that asks for nothing else.
    pub const USUAL: Self = Self { wall: Duration::from_secs(10), cpu: None, memory: 256 << 20 };

    /// What an operator allows who says nothing else. A run of the kind `sandbox.run` takes no
    /// longer, whatever is allowed.
    pub const MOST: Self = Self { wall: Duration::from_secs(50), cpu: None, memory: 1 << 30 };

    /// Each as it is, or as `most` has it where that is less.
    #[must_use]
    pub fn within(self, most: &Self) -> Self {
        Self {
            wall: self.wall.min(most.wall),
            cpu: [self.cpu, most.cpu].into_iter().flatten().min(),
            memory: self.memory.min(most.memory),
        }
    }
}

/// Whether a path names something below the folder it is joined to: relative, with no way up, at
/// most 16 folders deep and 512 bytes long, and without control characters.
pub fn is_inside(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && part.len() <= 255;
    path.len() <= 512
        && path.split('/').count() <= 16
        && path.split('/').all(plain)
        && !path.chars().any(char::is_control)
}

/// Why no report could be made.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// A part of the platform is missing or unreachable; says which and how to get it.
    #[error("{0}")]
    Unavailable(String),
    /// There is no such image, or it is not in Docker.
    #[error("no sandbox image `{image}`: {hint}")]
    NoImage { image: String, hint: String },
    /// The platform failed in the middle of a run.
    #[error("{0}")]
    Platform(String),
}

impl From<ExecutorError> for Failure {
    fn from(error: ExecutorError) -> Self {
        let message = error.to_string();
        match error {
            ExecutorError::Unavailable(_) => Self::retry("sandbox_unavailable", message),
            ExecutorError::NoImage { .. } => Self::fatal("no_image", message),
            ExecutorError::Platform(_) => Self::retry("sandbox_failed", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_the_least_of_those_who_set_one() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let asked = Limits { wall: minute, cpu: None, memory: 64 };
        let most = Limits { wall: second, cpu: Some(minute), memory: 128 };
        assert_eq!(asked.within(&most), Limits { wall: second, cpu: Some(minute), memory: 64 });
        let cpu = Limits { cpu: Some(second), ..asked };
        assert_eq!(cpu.within(&most).cpu, Some(second));
        assert_eq!(cpu.within(&Limits { cpu: None, ..most }).cpu, Some(second));
        assert_eq!(asked.within(&asked).cpu, None);
    }

    #[test]
    fn a_path_stays_inside() {
        for inside in ["a", "a/b.txt", "...", "ä b", ".hidden"] {
            assert!(is_inside(inside), "{inside}");
        }
        for outside in ["", "/etc", "a/", "a//b", "..", "a/../b", "./a", "a\0b", "a\u{1b}b", &"a/".repeat(20)] {
            assert!(!is_inside(outside), "{outside}");
        }
    }
}
