//! What came of a task's tests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sandbox::{Cause, RunReport};

/// Bytes that are kept of each of the two outputs: their ends, where failures are told.
const KEPT: usize = 4 * 1024;

/// What came of the tests when they were run last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestReport {
    /// Whether they ended by themselves, with the status 0.
    pub passed: bool,
    /// Why they ended.
    pub cause: Cause,
    pub exit_code: Option<i64>,
    /// The end of what they printed.
    pub stdout: String,
    /// Likewise.
    pub stderr: String,
    /// How long they took, in ms.
    pub wall_ms: u64,
}

impl TestReport {
    /// What is wrong, as people are told.
    pub fn summary(&self) -> String {
        match (self.passed, self.cause, self.exit_code) {
            (true, ..) => "the tests pass".to_owned(),
            (false, Cause::Exited, Some(code)) => format!("the tests ended with status {code}"),
            (false, cause, _) => format!("the tests ended by {}", cause.as_str()),
        }
    }

    /// What they printed, in one text.
    pub fn printed(&self) -> String {
        format!("{}\n{}\n{}", self.summary(), self.stdout, self.stderr)
    }
}

impl From<RunReport> for TestReport {
    fn from(report: RunReport) -> Self {
        Self {
            passed: report.cause == Cause::Exited && report.exit_code == Some(0),
            cause: report.cause,
            exit_code: report.exit_code,
            stdout: end(report.stdout),
            stderr: end(report.stderr),
            wall_ms: report.usage.wall_ms,
        }
    }
}

/// The last of a text, without a NUL, which no database keeps.
fn end(text: String) -> String {
    let from = text.ceil_char_boundary(text.len().saturating_sub(KEPT));
    text[from..].replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_what_was_printed_is_kept() {
        let long = "ä".repeat(KEPT);
        assert_eq!(end(format!("{long}x")).len(), KEPT - 1, "whole characters");
        assert_eq!(end("a\0b".to_owned()), "a\u{fffd}b");
    }
}
