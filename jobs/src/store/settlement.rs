//! What a verdict means for a job's rows, in the words of the columns: the same on every
//! database.

use std::time::Duration;

use serde_json::value::RawValue;

use super::NewJob;
use crate::outcome::Verdict;

/// What the record says of a run whose worker fell silent.
const WORKER_LOST: (&str, &str) = ("worker_lost", "worker lost: the process that ran this job fell silent");

/// The shortest wait that databases keep apart from none.
const SHORTEST: Duration = Duration::from_millis(1);

/// A verdict other than success, as the columns of `settle.sql`.
#[derive(Clone, Copy)]
pub(super) struct Settlement<'a> {
    /// The job's next state.
    pub state: &'static str,
    /// How long until the job is due, where it is to run again; of one that waits, how long at most, or zero.
    pub delay: Duration,
    /// Whether the run counts as an attempt.
    pub spent: bool,
    /// Whether it counts as one more worker lost in a row.
    pub lost: bool,
    /// What the record of attempts says, where it says anything.
    pub outcome: Option<&'static str>,
    /// Code and message.
    pub error: Option<(&'a str, &'a str)>,
    pub checkpoint: Option<&'a RawValue>,
    /// The jobs to wait for.
    pub awaited: &'a [NewJob],
    /// The money to wait for, in micro-USD.
    pub need: Option<i64>,
}

impl<'a> Settlement<'a> {
    pub(super) fn of(verdict: &'a Verdict) -> Self {
        let plain = Self {
            state: "queued",
            delay: Duration::ZERO,
            spent: false,
            lost: false,
            outcome: None,
            error: None,
            checkpoint: None,
            awaited: &[],
            need: None,
        };
        let spent = |state, outcome| Self { state, spent: true, outcome: Some(outcome), ..plain };
        let later = |delay: &Duration, state| if delay.is_zero() { "queued" } else { state };
        match verdict {
            Verdict::Succeeded { .. } => unreachable!("succeeded runs take the lean path"),
            Verdict::Retry { delay, error } => Self {
                delay: *delay,
                error: Some((&error.code, &error.message)),
                ..spent(later(delay, "retrying"), "retry")
            },
            Verdict::Dead { error } => Self { error: Some((&error.code, &error.message)), ..spent("dead", "dead") },
            Verdict::Snooze { delay } => Self { state: later(delay, "scheduled"), delay: *delay, ..plain },
            Verdict::Release => plain,
            Verdict::Await { children, checkpoint, until } => Self {
                state: if children.is_empty() && until.is_none() { "queued" } else { "waiting" },
                delay: until.map_or(Duration::ZERO, |until| until.max(SHORTEST)),
                checkpoint: checkpoint.as_deref(),
                awaited: children,
                ..plain
            },
            Verdict::Unfunded { need, error } => {
                Self { state: "waiting", error: Some((&error.code, &error.message)), need: Some(need.get()), ..plain }
            }
            Verdict::Cancelled => spent("cancelled", "cancelled"),
            Verdict::Lost { dead } => {
                Self { lost: true, error: Some(WORKER_LOST), ..spent(if *dead { "dead" } else { "queued" }, "lost") }
            }
        }
    }

    /// The same for a run that was asked to stop: it ends as cancelled, unless it died anyway.
    pub(super) fn stopped(self) -> Self {
        match self.state {
            "dead" => self,
            _ => Self { state: "cancelled", spent: true, outcome: Some("cancelled"), awaited: &[], need: None, ..self },
        }
    }
}
