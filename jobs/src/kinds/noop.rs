//! A job that does nothing, or fails as told: for trying things out, for measuring, and for seeing
//! what a run under way looks like.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    context::Context,
    job::{Invalid, Job},
    outcome::{Failure, Outcome, done},
    role::Role,
    store::LogStream,
};

/// Does nothing, or fails as told.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Noop {
    /// How long to take, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleep_ms: Option<u64>,
    /// Takes that time in so many steps, and shows each as progress and as a line of log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// How many attempts fail before one succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail: Option<u32>,
    /// Panics instead, to show that a panic is only this job's failed attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<bool>,
    /// What to succeed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

/// The longest sleep, in ms: what the longest run may take.
const SLEEP_LIMIT_MS: u64 = 3_600_000;
/// The most steps: ten times what a job keeps of its log.
const STEPS_LIMIT: u32 = 100_000;

impl Job for Noop {
    const KIND: &'static str = "noop";
    const ROLE: Role = Role::Orchestrator;
    type Output = Value;

    fn check(&self) -> Result<(), Invalid> {
        if self.sleep_ms.is_some_and(|ms| ms > SLEEP_LIMIT_MS) {
            return Err(Invalid::new("/sleep_ms", format!("sleep at most {SLEEP_LIMIT_MS} ms")));
        }
        if self.steps.is_some_and(|steps| steps > STEPS_LIMIT) {
            return Err(Invalid::new("/steps", format!("take at most {STEPS_LIMIT} steps")));
        }
        Ok(())
    }

    #[expect(clippy::panic, reason = "the payload asks for it")]
    async fn run(self, cx: &Context) -> Outcome<Value> {
        let sleep = Duration::from_millis(self.sleep_ms.unwrap_or(0));
        match self.steps.unwrap_or(0) {
            0 => pass(sleep).await,
            steps => {
                for step in 1..=steps {
                    pass(sleep / steps).await;
                    cx.log(LogStream::Log, &format!("step {step} of {steps}")).await;
                    cx.done_of(step.into(), steps.into());
                }
            }
        }
        if self.panic == Some(true) {
            panic!("a noop job was asked to panic");
        }
        let (attempt, failing) = (cx.claimed().attempt, self.fail.unwrap_or(0));
        if attempt <= failing {
            return Err(Failure::retry(
                "noop_failed",
                format!("attempt {attempt} of the first {failing} fails as asked"),
            ));
        }
        done(self.output.unwrap_or(Value::Null))
    }
}

/// No time at all where none is asked for: a timer takes a millisecond at least.
async fn pass(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
