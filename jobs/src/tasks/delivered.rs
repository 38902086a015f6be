//! What a task leaves.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::{report::TestReport, workspace::Files};

/// What a task that succeeded leaves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Delivered {
    /// What the program does.
    pub summary: String,
    pub artifact: Artifact,
    /// What came of the tests when they were run last.
    pub test_report: TestReport,
    /// What the panel, or whoever decided for it, said.
    pub verdict: Value,
    /// How often tests failed and were repaired.
    pub repairs: u32,
    /// Which models answered, by their providers' words.
    pub models: BTreeSet<String>,
}

/// A program with its tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Artifact {
    pub language: &'static str,
    /// The file that the program begins with.
    pub entry: &'static str,
    /// The file that is run to run the tests.
    pub tests: &'static str,
    pub files: Files,
}
