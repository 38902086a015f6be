//! Asks a human: the job is done when somebody has answered.

use std::time::Duration;

use crate::{
    context::Context,
    escalations::{Escalation, Resolved},
    job::{Invalid, Job, Policy},
    outcome::{End, Outcome, done},
    role::Role,
};

/// How long a job waits before it looks by itself whether it was answered. Whoever answers says so at once.
const LOOK: Duration = Duration::from_secs(60);

impl Job for Escalation {
    const KIND: &'static str = "escalation";
    const ROLE: Role = Role::Supervisor;
    /// Runs only read and write one row; a store that does not answer for hours is no reason to ask nobody.
    const POLICY: Policy = Policy::DEFAULT.timeout_secs(30).attempts(100);

    type Output = Resolved;

    fn check(&self) -> Result<(), Invalid> {
        Escalation::check(self)
    }

    /// Opens the escalation, or finds that of an earlier run, and waits while nobody has answered. No worker is held
    /// meanwhile, and no attempt spent.
    async fn run(self, cx: &Context) -> Outcome<Resolved> {
        let escalation = cx.store().open_escalation(cx.claimed().run, &self.cleaned()).await?;
        match escalation.resolved() {
            Some(resolved) => done(resolved),
            None => Ok(End::Await { children: Vec::new(), checkpoint: None, until: Some(LOOK) }),
        }
    }
}
