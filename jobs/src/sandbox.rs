//! The port behind which untrusted programs run.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outcome::Failure;

/// Runs one untrusted program to its end, isolated, and reports what came of it.
#[async_trait]
pub trait Executor: Send + Sync + 'static {
    /// Dropping the future kills the program and removes its container.
    async fn run(&self, program: Program) -> Result<RunReport, ExecutorError>;

    /// The languages it has an image for.
    fn languages(&self) -> Vec<String>;
}

/// One program to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// Who it is for, written on the container so that a leftover can be traced.
    pub label: String,
    /// One of [`Executor::languages`].
    pub language: String,
    /// The program's text. What runs it is its image's business.
    pub source: String,
    pub args: Vec<String>,
    pub stdin: Vec<u8>,
    pub env: BTreeMap<String, String>,
    /// Wall time from the program's start.
    pub wall: Duration,
}

/// What came of a program. A program that exits non-zero is a report, not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    pub cause: Cause,
    /// The exit status, when the program ended by itself.
    pub exit_code: Option<i64>,
    /// The signal that ended it, by number.
    pub signal: Option<i64>,
    /// What it printed, with U+FFFD in place of bytes that are no UTF-8.
    pub stdout: String,
    /// Likewise.
    pub stderr: String,
    /// Whether one of the two was cut at the executor's cap.
    pub truncated: bool,
    pub usage: Usage,
    /// The image it ran in, by content.
    pub image_digest: String,
    /// The container runtime, `runsc` for gVisor.
    pub runtime: String,
}

/// Why a program ended, from the platform's own facts and never from what the program says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// By itself; its exit code says how.
    Exited,
    /// It was killed at the end of its wall time.
    Timeout,
    /// It used up its CPU time.
    CpuLimit,
    /// It was killed for want of memory.
    Oom,
    /// It was killed for printing more than anybody reads.
    OutputLimit,
    /// By a signal that did not come from the platform.
    Signal,
    /// The sandbox round it failed: the platform's fault.
    SandboxCrashed,
    /// Nobody wanted its result any more.
    Cancelled,
    /// It never began: the platform's fault, too.
    StartFailed,
}

/// What a run took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// From the container's start to its end, in ms.
    pub wall_ms: u64,
    /// From the request to the container's start, in ms.
    pub boot_ms: u64,
}

/// Why no report could be made.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// A part of the platform is missing or unreachable; says which and how to get it.
    #[error("{0}")]
    Unavailable(String),
    /// No image is known for the language.
    #[error("no sandbox image for language `{language}`: {hint}")]
    NoImage { language: String, hint: String },
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
