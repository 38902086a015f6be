//! How a run may end, and what the store is asked to do about it.

use std::{fmt, time::Duration};

use serde_json::value::RawValue;

use crate::{backoff::Backoff, budgets::Micros, store::NewJob};

/// What a handler returns. `?` works on every error that is `Into<Failure>`.
pub type Outcome<T> = Result<End<T>, Failure>;

/// The ways a run ends that are not failures.
#[derive(Debug, Clone)]
pub enum End<T> {
    /// The job succeeded with this output.
    Done(T),
    /// Not now: run again after this long, without spending an attempt.
    Snooze(Duration),
    /// Run these jobs, then this one again with the checkpoint. No worker is held meanwhile.
    /// With no children it runs again at once.
    ///
    /// A child is known by its id: one that was recorded before is waited for if it has not ended
    /// and is of the same tenant and no other job's child. An idempotency key that a child carries
    /// is not used, since a run ends only once.
    ///
    /// With `until`, it goes on after so long at the latest, though children are open: they run on, and whoever still
    /// needs them awaits them again by their ids. Without children it then waits for that long, or until somebody says
    /// that it may [go on](crate::store::Waits::resume_jobs): a job that waits for a decision looks whether there is one,
    /// and waits again while there is none.
    Await { children: Vec<NewJob>, checkpoint: Option<Box<RawValue>>, until: Option<Duration> },
}

/// Ends a run with its output.
pub fn done<T>(output: T) -> Outcome<T> {
    Ok(End::Done(output))
}

/// Ends a run for now, without spending an attempt.
pub fn snooze<T>(wait: Duration) -> Outcome<T> {
    Ok(End::Snooze(wait))
}

/// What went wrong, in a form that may be shown to the job's owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// A short stable word, for example `timeout`.
    pub code: String,
    /// A sentence for people. Never a panic text or a stack trace.
    pub message: String,
}

impl JobError {
    /// Both are shown to the job's owner: they hold no secrets and nothing of the inside.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// The ways a run fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Worth another attempt, after the policy's backoff or what the dependency asked for.
    #[error("{error}")]
    Retry { error: JobError, after: Option<Duration> },
    /// No attempt will do better: the job is dead now.
    #[error("{0}")]
    Fatal(JobError),
    /// What the run needs cannot be had for now, and that is not its fault: run again after this long, without
    /// spending an attempt.
    #[error("not for another {0:?}")]
    Later(Duration),
    /// There is no money for it: run again when there is so much, without spending an attempt. The error says so to
    /// the job's owner.
    #[error("{error}")]
    Unfunded { need: Micros, error: JobError },
}

impl Failure {
    /// Another attempt after the policy's backoff, if one is left.
    pub fn retry(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Retry { error: JobError::new(code, message), after: None }
    }

    /// A retry after the time that a dependency asked for (`Retry-After`).
    pub fn retry_after(code: impl Into<String>, message: impl Into<String>, after: Duration) -> Self {
        Self::Retry { error: JobError::new(code, message), after: Some(after) }
    }

    /// Death at once, whatever attempts are left.
    pub fn fatal(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Fatal(JobError::new(code, message))
    }
}

/// What the store does with a run that ended.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// The job has ended; `result` is its output as JSON.
    Succeeded { result: Option<Box<RawValue>> },
    /// The attempt is spent; due again after `delay`.
    Retry { delay: Duration, error: JobError },
    /// The attempt is spent and it was the last: to the dead letters.
    Dead { error: JobError },
    /// No attempt spent; due again after `delay`.
    Snooze { delay: Duration },
    /// No attempt spent; claimable at once. A draining worker gives back what it holds.
    Release,
    /// No attempt spent; claimable when the last child has ended, or after so long.
    Await { children: Vec<NewJob>, checkpoint: Option<Box<RawValue>>, until: Option<Duration> },
    /// No attempt spent; claimable when its tenant's budget has so much left. The error is on record meanwhile.
    Unfunded { need: Micros, error: JobError },
    /// The run stopped because its job was cancelled.
    Cancelled,
    /// The worker fell silent: the attempt is spent, and `dead` says whether it was one too many.
    Lost { dead: bool },
}

impl Verdict {
    /// The word for it in metrics and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Succeeded { .. } => "succeeded",
            Self::Retry { .. } => "retry",
            Self::Dead { .. } => "dead",
            Self::Snooze { .. } => "snoozed",
            Self::Release => "released",
            Self::Await { .. } => "waiting",
            Self::Unfunded { .. } => "unfunded",
            Self::Cancelled => "cancelled",
            Self::Lost { .. } => "lost",
        }
    }
}

/// Workers a job may lose in a row before it is taken for the one that kills them.
pub const POISON_AFTER: u32 = 3;

/// What follows from a run's outcome.
///
/// `attempt` is the number of the run that ended, `chance` is uniform in 0..1 for the jitter.
pub fn verdict(
    outcome: Outcome<Option<Box<RawValue>>>,
    attempt: u32,
    max_attempts: u32,
    backoff: &Backoff,
    chance: f64,
) -> Verdict {
    match outcome {
        Ok(End::Done(result)) => Verdict::Succeeded { result },
        Ok(End::Snooze(delay)) | Err(Failure::Later(delay)) => Verdict::Snooze { delay },
        Ok(End::Await { children, checkpoint, until }) => Verdict::Await { children, checkpoint, until },
        Err(Failure::Unfunded { need, error }) => Verdict::Unfunded { need, error },
        Err(Failure::Fatal(error)) => Verdict::Dead { error },
        Err(Failure::Retry { error, .. }) if attempt >= max_attempts => Verdict::Dead { error },
        Err(Failure::Retry { error, after }) => {
            let step = backoff.delay(attempt, chance);
            let delay = match (after, backoff) {
                (None, _) => step,
                (Some(after), Backoff::Exponential { .. }) => after,
                // A schedule is stretched but not shortened: else a receiver that always says
                // «in a second» would use it up in as many seconds as it has steps.
                (Some(after), Backoff::Steps { .. }) => after.max(step),
            };
            Verdict::Retry { delay, error }
        }
    }
}

/// Whether a job whose worker fell silent during run `attempt` is dead.
///
/// `lost_before` is how many workers in a row it has lost before this one.
pub fn lost_is_dead(attempt: u32, max_attempts: u32, lost_before: u32) -> bool {
    attempt >= max_attempts || lost_before.saturating_add(1) >= POISON_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(failure: Failure, attempt: u32) -> Verdict {
        verdict(Err(failure), attempt, 3, &Backoff::DEFAULT, 0.0)
    }

    #[test]
    fn a_retry_waits_by_policy_unless_the_dependency_said_how_long() {
        let wait = |v| match v {
            Verdict::Retry { delay, .. } => delay.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(after(Failure::retry("x", ""), 2)), 2);
        assert_eq!(wait(after(Failure::retry_after("x", "", Duration::from_secs(77)), 2)), 77);
    }

    #[test]
    fn a_dependency_stretches_a_schedule_and_does_not_shorten_it() {
        const STEPS: &[Duration] = &[Duration::from_secs(5), Duration::from_secs(300)];
        let backoff = Backoff::Steps { steps: STEPS, jitter: 0.0 };
        for (after, expected) in [(1, 300), (400, 400)] {
            let failure = Failure::retry_after("x", "", Duration::from_secs(after));
            let Verdict::Retry { delay, .. } = verdict(Err(failure), 2, 9, &backoff, 0.0) else { panic!() };
            assert_eq!(delay.as_secs(), expected);
        }
    }

    #[test]
    fn the_last_attempt_and_a_fatal_failure_are_dead() {
        assert!(matches!(after(Failure::retry("x", ""), 3), Verdict::Dead { .. }));
        assert!(matches!(after(Failure::fatal("x", ""), 1), Verdict::Dead { .. }));
    }

    #[test]
    fn three_lost_workers_in_a_row_are_poison() {
        assert!(!lost_is_dead(2, 100, 1));
        assert!(lost_is_dead(3, 100, 2));
        assert!(lost_is_dead(5, 5, 0));
    }
}
