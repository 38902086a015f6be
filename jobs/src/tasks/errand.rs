//! What a step of a task asks of others, and what comes of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{report::TestReport, workspace::Files};
use crate::{
    kinds::{LlmComplete, SandboxRun},
    outcome::JobError,
};

/// One of the things that a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// How it is to be done, by the architect.
    Plan,
    /// The program, by the developer.
    Program,
    /// Its tests, by the tester.
    Tests,
    /// What comes of the tests, in a sandbox.
    Run,
    /// The files that change, by the developer.
    Repair,
    /// What the others say of it.
    Review,
}

impl Part {
    /// Its name in ids of children and in words to people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Program => "program",
            Self::Tests => "tests",
            Self::Run => "run",
            Self::Repair => "repair",
            Self::Review => "review",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is to be done by a job of another kind.
#[derive(Debug)]
pub enum Errand {
    Ask(Box<LlmComplete>),
    Run(Box<SandboxRun>),
    Review(Box<ReviewAsked>),
}

/// What a panel is to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReviewAsked {
    pub files: Files,
    /// What the tests printed.
    pub evidence: String,
    /// The review that asked for the changes.
    pub round_of: Option<String>,
}

/// What came of an errand.
#[derive(Debug, Clone)]
pub enum Ended {
    /// A model's answer, which fits its schema.
    Answered { answer: Value, model: String },
    /// Its answer cannot be used; says why, in a word.
    Unusable { reason: String, model: String },
    /// The tests ran.
    Ran(TestReport),
    /// The panel, or whoever decided for it.
    Reviewed(Judgement),
    /// Its job died or was cancelled.
    Failed(JobError),
}

/// What a review came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    pub judged: Judged,
    /// The review's id.
    pub review: String,
    /// What reviewers found, a sentence each.
    pub claims: Vec<String>,
    /// All that it says.
    pub verdict: Value,
}

/// What a review may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    Approved,
    ChangesRequested,
    Rejected,
}
