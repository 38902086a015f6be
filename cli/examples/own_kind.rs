//! A binary of one's own: everything `golden` does, and one kind of job more.
//!
//! `cargo run --example own_kind -- dev`, then submit `{"kind": "greet", "payload": {"name": "Ada"}}`.

use std::process::ExitCode;

use golden_jobs::{Context, Job, Outcome, Policy, Role, done, job::Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Greets somebody.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Greet {
    /// Whom to greet.
    name: String,
}

impl Job for Greet {
    const KIND: &'static str = "greet";
    const ROLE: Role = Role::Orchestrator;
    const POLICY: Policy = Policy::DEFAULT.timeout_secs(10).attempts(3);
    type Output = String;

    /// Says at submission what JSON Schema cannot.
    fn check(&self) -> Result<(), Invalid> {
        if self.name.trim().is_empty() { Err(Invalid::new("/name", "somebody must be greeted")) } else { Ok(()) }
    }

    /// May run more than once: pass `cx.idempotency_key` on to whatever must not happen twice.
    async fn run(self, cx: &Context) -> Outcome<String> {
        done(format!("Hello, {}! (attempt {})", self.name, cx.claimed().attempt))
    }
}

fn main() -> ExitCode {
    golden_cli::main_with(golden_jobs::kinds::registry().with::<Greet>())
}
