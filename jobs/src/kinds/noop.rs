//! A job that does nothing, or fails as told: for trying things out, and for measuring.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    context::Context,
    job::{Invalid, Job},
    outcome::{Failure, Outcome, done},
    role::Role,
};

/// Does nothing, or fails as told.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Noop {
    /// How long to take, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleep_ms: Option<u64>,
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

impl Job for Noop {
    const KIND: &'static str = "noop";
    const ROLE: Role = Role::Orchestrator;
    type Output = Value;

    fn check(&self) -> Result<(), Invalid> {
        match self.sleep_ms {
            Some(ms) if ms > SLEEP_LIMIT_MS => {
                Err(Invalid::new("/sleep_ms", format!("sleep at most {SLEEP_LIMIT_MS} ms")))
            }
            _ => Ok(()),
        }
    }

    #[expect(clippy::panic, reason = "the payload asks for it")]
    async fn run(self, cx: &Context) -> Outcome<Value> {
        if let Some(ms) = self.sleep_ms {
            tokio::time::sleep(Duration::from_millis(ms)).await;
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
