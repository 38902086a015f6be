//! What a seat says.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::panel::Seat;
use crate::models::exchange::AgentRole;

/// A word from a closed list that is stored as text.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, $($(#[$member_doc:meta])* $member:ident $word:literal,)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$member_doc])* $member,)* }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$member,)*];

            /// The one spelling.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$member => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                let found = Self::ALL.iter().copied().find(|word| word.as_str() == text);
                found.ok_or_else(|| UnknownWord { what: $what, word: text.to_owned() })
            }
        }
    };
}

words! {
    /// What a seat wants to become of the work.
    Vote, "verdict",
    Approve "approve",
    RequestChanges "request_changes",
    Reject "reject",
    /// It said nothing that counts.
    Abstain "abstain",
}

words! {
    /// How bad something is.
    Severity, "severity",
    None "none",
    Minor "minor",
    Major "major",
    Critical "critical",
}

/// Not one of a closed list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no {what} of a ballot")]
pub struct UnknownWord {
    what: &'static str,
    word: String,
}

/// Something a seat found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    pub severity: Severity,
    /// Where: a path with a line, as `src/main.rs:12`, or whatever names the place.
    #[schemars(length(max = 256))]
    pub pointer: String,
    /// What is wrong there.
    #[schemars(length(max = 2048))]
    pub claim: String,
    /// What shows it; empty where nothing does.
    #[schemars(length(max = 2048))]
    pub evidence: String,
}

/// What a seat said in a round. Never changed once it is cast.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Ballot {
    pub round: u32,
    pub seat: u32,
    pub role: AgentRole,
    /// The SHA-256 of what it judged.
    pub digest: String,
    pub verdict: Vote,
    pub severity: Severity,
    pub findings: Vec<Finding>,
    /// How sure it says it is, from 0 to 1. Kept, and never weighed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Why it counts as an abstention: `timeout`, `wrong_digest`, or what was wrong with the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which policy of its role it was asked under; 0 where the role had none.
    pub policy_version: u32,
    /// Which model said it, by its provider's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub cast_at: DateTime<Utc>,
}

impl Ballot {
    /// Whether it says that something is critical.
    pub fn is_critical(&self) -> bool {
        self.severity == Severity::Critical || self.findings.iter().any(|found| found.severity == Severity::Critical)
    }

    /// Whether it rejects for something critical, and shows it.
    pub fn is_fatal(&self) -> bool {
        self.verdict == Vote::Reject
            && self.severity == Severity::Critical
            && self.findings.iter().any(|found| !found.evidence.trim().is_empty())
    }

    /// The same seat's silence: whatever it said does not count.
    #[must_use]
    pub fn as_abstention(self, reason: &str) -> Self {
        let (verdict, severity, findings) = (Vote::Abstain, Severity::None, Vec::new());
        Self { verdict, severity, findings, confidence: None, reason: Some(reason.to_owned()), ..self }
    }
}

/// The ballot of a seat that said nothing that counts.
pub fn abstention(seat: &Seat, round: u32, digest: &str, reason: &str, at: DateTime<Utc>) -> Ballot {
    Ballot {
        round,
        seat: seat.seat,
        role: seat.role,
        digest: digest.to_owned(),
        verdict: Vote::Abstain,
        severity: Severity::None,
        findings: Vec::new(),
        confidence: None,
        reason: Some(reason.to_owned()),
        policy_version: 0,
        model: None,
        cast_at: at,
    }
}
