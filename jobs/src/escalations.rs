//! What needs a human: its words, and what may be said of it.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    id::{EscalationId, JobId},
    job::Invalid,
    store::{NewJob, escalations::EscalationRecord},
    text,
};

/// The longest reason and the longest note, in characters: an event that tells both still fits a webhook.
pub const LONGEST: usize = 2_000;

/// A word that is not one of a closed list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is none of {known}")]
pub struct UnknownWord {
    word: String,
    known: String,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[schemars(inline)]
        pub enum $name {
            $($(#[$word_doc])* #[serde(rename = $text)] $word,)*
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$word,)*];

            /// The one spelling.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                let known = || [$($text),*].join(", ");
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
                    .ok_or_else(|| UnknownWord { word: word.to_owned(), known: known() })
            }
        }
    };
}

words! {
    /// What kind of thing an escalation is about.
    Subject {
        /// A panel could not agree: `subject` is the review.
        Review "review",
        /// A task is stuck: `subject` is its job.
        Task "task",
        /// An agent role is frozen: `subject` is the role.
        Policy "policy",
        /// A budget is gone: `subject` is the tenant.
        Budget "budget",
        /// A guard failed twice: `subject` is the guard.
        Guard "guard",
        /// Whatever else somebody wants a human to look at.
        Other "other",
    }
}

words! {
    /// How bad it is to leave it.
    Severity {
        Low "low",
        Medium "medium",
        High "high",
        Critical "critical",
    }
}

words! {
    /// How far an escalation has come.
    EscalationState {
        /// Nobody has said that they look at it.
        Open "open",
        /// Somebody looks at it.
        Acknowledged "acknowledged",
        Resolved "resolved",
    }
}

words! {
    /// What became of it. Whoever waits for the answer goes on by it.
    Resolution {
        /// Go on.
        Approved "approved",
        /// Do not go on.
        Rejected "rejected",
        /// What was wrong is not any more: go on.
        Fixed "fixed",
        /// It needs nobody: go on as if nothing had been asked.
        Dismissed "dismissed",
        /// Its job was cancelled: nobody waits for an answer. Golden's own word.
        Withdrawn "withdrawn",
    }
}

impl Resolution {
    /// Whether what waits for it may go on.
    pub const fn goes_on(self) -> bool {
        match self {
            Self::Approved | Self::Fixed | Self::Dismissed => true,
            Self::Rejected | Self::Withdrawn => false,
        }
    }
}

/// Asks a human, and waits until one has answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    pub about: Subject,
    /// Id or name of what it is about.
    #[schemars(length(min = 1, max = 128), example = &"production database")]
    pub subject: String,
    /// What is wrong and what is asked, in words for people. No place for secrets.
    #[schemars(length(min = 1, max = LONGEST), example = &"The migration needs somebody's word before it drops a table.")]
    pub reason: String,
    pub severity: Severity,
}

impl Escalation {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        text::name(&self.subject).map_err(|error| Invalid::new("/subject", error.to_string()))?;
        if text::free_text(&self.reason).trim().is_empty() {
            return Err(Invalid::new("/reason", "say what is wrong, in words for people"));
        }
        if self.reason.chars().count() > LONGEST {
            return Err(Invalid::new("/reason", format!("at most {LONGEST} characters")));
        }
        Ok(())
    }

    /// The job of a question that no job of the tenant asks but Golden itself. Ahead of what the tenant queued for the
    /// same workers: it takes no time, and somebody has to see it.
    pub fn by_golden(&self, tenant: &str) -> Result<NewJob, serde_json::Error> {
        Ok(NewJob { priority: 0, ..NewJob::of(JobId::new(), tenant, self)? })
    }

    /// As it is recorded: in Unicode's composed form and without what only deceives readers.
    #[must_use]
    pub fn cleaned(self) -> Self {
        let subject = text::name(&self.subject).unwrap_or_else(|_| text::free_text(&self.subject));
        Self { subject, reason: text::free_text(&self.reason), ..self }
    }
}

/// What a human said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub resolution: Resolution,
    /// Why, in words for people.
    pub note: Option<String>,
}

impl Answer {
    /// The cause is gone, which is on record elsewhere.
    pub(crate) const FIXED: Self = Self { resolution: Resolution::Fixed, note: None };
}

/// What an escalation leaves as its job's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resolved {
    pub escalation: EscalationId,
    pub resolution: Resolution,
    pub note: Option<String>,
    /// Who said so.
    pub resolved_by: String,
}

impl EscalationRecord {
    /// What its job is done with, once it is resolved.
    pub fn resolved(&self) -> Option<Resolved> {
        self.end.as_ref().map(|end| Resolved {
            escalation: self.id,
            resolution: end.answer.resolution,
            note: end.answer.note.clone(),
            resolved_by: end.by.clone(),
        })
    }

    /// What the event about it says.
    pub(crate) fn telling(&self) -> Value {
        let Escalation { about, subject, reason, severity } = &self.what;
        let mut data = json!({
            "id": self.id,
            "tenant": self.tenant_id,
            "job_id": self.job_id,
            "about": about,
            "subject": subject,
            "reason": reason,
            "severity": severity,
            "state": self.state,
            "opened_at": self.opened_at,
            "links": { "self": format!("/v1/escalations/{}", self.id) },
        });
        if let (Some(end), Some(data)) = (&self.end, data.as_object_mut()) {
            data.insert("resolution".to_owned(), json!(end.answer.resolution));
            data.insert("note".to_owned(), json!(end.answer.note));
            data.insert("resolved_by".to_owned(), json!(end.by));
            data.insert("resolved_at".to_owned(), json!(end.at));
        }
        data
    }
}
