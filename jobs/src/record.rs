//! States of a job and the moves between them; a job as its readers see it.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    id::{JobId, WorkerId},
    role::Role,
};

/// Where a job is in its life.
///
/// `Queued`, `Scheduled` and `Retrying` are one claimable set ordered by time; users see
/// which. The last three are terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Due later: submitted for that time, or snoozed by its last run.
    Scheduled,
    /// Ready for any worker of its role.
    Queued,
    /// Under a worker's lease.
    Running,
    /// Its last run failed; due again after the backoff.
    Retrying,
    /// Waits for its children or for its tenant's budget, and holds no worker meanwhile.
    Waiting,
    /// Ended with its result.
    Succeeded,
    /// Failed for good, and left a dead letter.
    Dead,
    /// Ended because somebody asked for it.
    Cancelled,
}

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Its time has come.
    Due,
    /// A worker took it.
    Claim,
    Succeed,
    /// The run failed; another attempt is left.
    Fail,
    /// The run failed for good.
    Die,
    /// The run asked to be run again later.
    Snooze,
    /// The worker gave it back, or fell silent.
    Release,
    /// The run waits for children, or for money.
    Await,
    /// The last child ended, or a human or a budget allowed it to go on.
    Resume,
    Cancel,
    /// Somebody put a job back that did not succeed.
    Replay,
    /// A webhook is to be sent again, whether or not it was taken.
    Redeliver,
}

impl Move {
    /// The names of the states that it leads out of.
    pub fn leaves(self) -> Vec<&'static str> {
        State::ALL.into_iter().filter(|state| state.after(self).is_some()).map(State::as_str).collect()
    }
}

impl State {
    /// Every state once.
    pub const ALL: [Self; 8] = [
        Self::Scheduled,
        Self::Queued,
        Self::Running,
        Self::Retrying,
        Self::Waiting,
        Self::Succeeded,
        Self::Dead,
        Self::Cancelled,
    ];

    /// The one spelling, in the API and the database as in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether a job in this state has ended. Only somebody who asks for it leads it out again.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Dead | Self::Cancelled)
    }

    /// The state after `mv`, or `None` where that cannot happen.
    pub const fn after(self, mv: Move) -> Option<Self> {
        use Move as M;
        use State as S;
        Some(match (self, mv) {
            (S::Scheduled | S::Retrying, M::Due) => S::Queued,
            (S::Queued, M::Claim) => S::Running,
            (S::Running, M::Succeed) => S::Succeeded,
            (S::Running, M::Fail) => S::Retrying,
            (S::Running, M::Die) => S::Dead,
            (S::Running, M::Snooze) => S::Scheduled,
            (S::Running, M::Release) => S::Queued,
            (S::Running, M::Await) => S::Waiting,
            (S::Waiting, M::Resume) => S::Queued,
            (S::Scheduled | S::Queued | S::Running | S::Retrying | S::Waiting, M::Cancel) => S::Cancelled,
            (S::Dead | S::Cancelled, M::Replay) => S::Queued,
            (S::Succeeded | S::Dead | S::Cancelled, M::Redeliver) => S::Queued,
            _ => return None,
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not one of the eight states.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown state `{0}`: expected one of scheduled, queued, running, retrying, waiting, succeeded, dead, cancelled"
)]
pub struct UnknownState(String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == s).ok_or_else(|| UnknownState(s.to_owned()))
    }
}

/// A job as it stands in the store. All times are by the store's clock.
#[derive(Debug, Clone)]
pub struct JobRecord {
    pub id: JobId,
    pub tenant_id: String,
    pub kind: String,
    pub role: Role,
    pub state: State,
    /// 0 (most urgent) to 9.
    pub priority: u8,
    /// Runs begun, less those that did not count (snoozed, given back).
    pub attempt: u32,
    pub max_attempts: u32,
    /// Wall time of one run.
    pub timeout_ms: u64,
    pub payload: Box<RawValue>,
    pub result: Option<Box<RawValue>>,
    pub progress: Option<Box<RawValue>>,
    /// What the submitter attached for itself. Golden only keeps it.
    pub metadata: Option<Box<RawValue>>,
    /// Where a webhook goes when the job ends.
    pub callback_url: Option<String>,
    pub parent_id: Option<JobId>,
    /// The last failure. A run that succeeds clears it.
    pub error: Option<RecordedError>,
    /// The worker of the run under way, else of the last one.
    pub worker_id: Option<WorkerId>,
    /// A running job that was asked to stop and has not yet.
    pub cancel_requested: bool,
    /// When it was last due, or will be next.
    pub run_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    /// The start of the run under way, else of the last one.
    pub started_at: Option<DateTime<Utc>>,
    /// When it reached a terminal state.
    pub finished_at: Option<DateTime<Utc>>,
    /// What its runs cost, in millionths of a US dollar.
    pub cost_micros: i64,
    /// What it may cost with all jobs below it, likewise.
    pub max_cost: Option<i64>,
}

/// A [`JobError`](crate::outcome::JobError) of a run, and when it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct RecordedError {
    /// A word for programs.
    #[schemars(example = &"http_status")]
    pub code: String,
    #[schemars(example = &"the server answered 503")]
    pub message: String,
    pub at: DateTime<Utc>,
}

/// One run of a job.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Attempt {
    /// Counts from 1.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// `running`, `succeeded`, or how it ended: `retry dead cancelled lost`. Runs that were snoozed, given back or
    /// left to wait for children spend no attempt and leave no record.
    #[schemars(example = &"succeeded")]
    pub outcome: String,
    pub error: Option<RecordedError>,
    pub worker_id: Option<WorkerId>,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVES: [Move; 12] = [
        Move::Due,
        Move::Claim,
        Move::Succeed,
        Move::Fail,
        Move::Die,
        Move::Snooze,
        Move::Release,
        Move::Await,
        Move::Resume,
        Move::Cancel,
        Move::Replay,
        Move::Redeliver,
    ];

    /// The diagram of the design, arrow by arrow; whatever is not in it is refused.
    #[test]
    fn the_table_of_transitions_is_the_diagram() {
        let mut arrows = Vec::new();
        for from in State::ALL {
            for mv in MOVES {
                if let Some(to) = from.after(mv) {
                    arrows.push(format!("{from} {mv:?} {to}"));
                }
            }
        }
        assert_eq!(
            arrows,
            [
                "scheduled Due queued",
                "scheduled Cancel cancelled",
                "queued Claim running",
                "queued Cancel cancelled",
                "running Succeed succeeded",
                "running Fail retrying",
                "running Die dead",
                "running Snooze scheduled",
                "running Release queued",
                "running Await waiting",
                "running Cancel cancelled",
                "retrying Due queued",
                "retrying Cancel cancelled",
                "waiting Resume queued",
                "waiting Cancel cancelled",
                "succeeded Redeliver queued",
                "dead Replay queued",
                "dead Redeliver queued",
                "cancelled Replay queued",
                "cancelled Redeliver queued",
            ]
        );
    }

    #[test]
    fn only_somebody_who_asks_brings_a_job_out_of_a_terminal_state() {
        for state in State::ALL.into_iter().filter(|s| s.is_terminal()) {
            for mv in MOVES.into_iter().filter(|mv| !matches!(mv, Move::Replay | Move::Redeliver)) {
                assert_eq!(state.after(mv), None, "{state} {mv:?}");
            }
        }
    }
}
