//! What a task does, step by step.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Plan,
    /// The program and its tests, side by side.
    Write,
    Run,
    /// What tests or reviewers found.
    Repair,
    Review,
}

impl Step {
    /// Its name to people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Write => "write",
            Self::Run => "run",
            Self::Repair => "repair",
            Self::Review => "review",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
