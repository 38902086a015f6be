//! What came of a program.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::content::Content;

/// What came of a program. A program that exits non-zero is a report, not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    pub cause: Cause,
    /// The exit status, when the program ended by itself: 127 where it was not found, and 126
    /// where it could not be run.
    pub exit_code: Option<i64>,
    /// The signal that ended it, by number.
    pub signal: Option<i64>,
    /// What it printed, with U+FFFD in place of bytes that are no UTF-8.
    pub stdout: String,
    /// Likewise.
    pub stderr: String,
    /// Whether one of the two was cut at 256 KiB, or at what the tenant's results may have.
    pub truncated: bool,
    /// The files that were asked for, by their paths.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<String, Content>,
    /// Files that were asked for and are not here: beyond 256, beyond 8 MiB together, or beyond
    /// what the tenant's results may have.
    #[serde(default)]
    pub artifacts_omitted: u32,
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

impl Cause {
    pub const ALL: [Self; 9] = [
        Self::Exited,
        Self::Timeout,
        Self::CpuLimit,
        Self::Oom,
        Self::OutputLimit,
        Self::Signal,
        Self::SandboxCrashed,
        Self::Cancelled,
        Self::StartFailed,
    ];

    /// As in a report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Timeout => "timeout",
            Self::CpuLimit => "cpu_limit",
            Self::Oom => "oom",
            Self::OutputLimit => "output_limit",
            Self::Signal => "signal",
            Self::SandboxCrashed => "sandbox_crashed",
            Self::Cancelled => "cancelled",
            Self::StartFailed => "start_failed",
        }
    }

    /// Whether the platform failed, and not the program.
    pub const fn is_platforms(self) -> bool {
        matches!(self, Self::SandboxCrashed | Self::StartFailed)
    }
}

/// What a run took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// From the program's start to its end, in ms.
    pub wall_ms: u64,
    /// From the request to the program's start, in ms.
    pub boot_ms: u64,
    /// CPU time of all its processes as gVisor counts it, in ms; absent where the sandbox was
    /// stopped.
    #[serde(default)]
    pub cpu_ms: Option<u64>,
    /// The most memory that one of its processes held, in KiB; absent likewise.
    #[serde(default)]
    pub max_rss_kib: Option<u64>,
}

impl RunReport {
    /// Makes the report fit into so many bytes of JSON: leaves out files, the largest first, and
    /// then cuts what was printed.
    pub fn fit(&mut self, limit: usize) {
        loop {
            let size = serde_json::to_vec(self).map_or(0, |json| json.len());
            let Some(over) = size.checked_sub(limit).filter(|over| *over > 0) else { return };
            if let Some(path) = self.largest_artifact() {
                self.artifacts.remove(&path);
                self.artifacts_omitted += 1;
                continue;
            }
            let longest = if self.stdout.len() >= self.stderr.len() { &mut self.stdout } else { &mut self.stderr };
            if longest.is_empty() {
                return;
            }
            // A character takes no less in JSON than here, and one more byte may have to go with it.
            longest.truncate(longest.floor_char_boundary(longest.len().saturating_sub(over)));
            self.truncated = true;
        }
    }

    fn largest_artifact(&self) -> Option<String> {
        self.artifacts.iter().max_by_key(|(_, content)| content.size()).map(|(path, _)| path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_has_one_name() {
        for cause in Cause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
    }

    #[test]
    fn a_report_is_cut_to_what_may_be_kept() {
        let whole = RunReport {
            cause: Cause::Exited,
            exit_code: Some(0),
            signal: None,
            stdout: "\u{1b}ä".repeat(1000),
            stderr: "x".repeat(500),
            truncated: false,
            artifacts: [("large", 900), ("small", 10)]
                .map(|(path, size)| (path.to_owned(), Content::from(vec![b'y'; size])))
                .into(),
            artifacts_omitted: 0,
            usage: Usage::default(),
            image_digest: String::new(),
            runtime: String::new(),
        };
        let size = |report: &RunReport| serde_json::to_vec(report).unwrap().len();
        let fit = |limit| {
            let mut report = whole.clone();
            report.fit(limit);
            assert!(size(&report) <= limit, "{report:?}");
            report
        };

        assert_eq!(fit(size(&whole)), whole);
        let without_large = fit(size(&whole) - 1);
        assert_eq!((without_large.artifacts.len(), without_large.artifacts_omitted), (1, 1));
        assert!(!without_large.truncated);
        let cut = fit(1000);
        assert_eq!((cut.artifacts.len(), cut.artifacts_omitted, cut.truncated), (0, 2, true));
    }
}
