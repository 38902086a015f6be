//! The guards of supervisors: what is wrong with the installation, and what is done about it.
//!
//! One process with the role `supervisor` looks at a time. What guards may do, and what follows, is in
//! [`golden_jobs::guards`]; what workers see to as a chore of theirs is no guard here, and only counted.

mod backlog;
mod breakers;
mod dead_letters;
mod schedules;

use std::sync::Arc;

use async_trait::async_trait;
use golden_jobs::{
    guards::{Guard, LEASE, LOOK, Looked},
    metrics::Metrics,
    store::{SharedStore, Store, StoreError, guards::GuardRecord},
};

use crate::{clockwork::jittered, heartbeat::Heartbeat};

/// All of them.
const WATCHES: [&dyn Watch; 4] =
    [&dead_letters::DeadLetters, &backlog::Backlog, &breakers::Breakers, &schedules::Schedules];

/// One guard.
#[async_trait]
trait Watch: Send + Sync {
    fn guard(&self) -> Guard;

    /// What is wrong, in words for people; nothing where all is well.
    async fn check(&self, store: &dyn Store, record: &GuardRecord) -> Result<Option<String>, StoreError>;

    /// Does something about it, not for long, and says what. Not called where the guard has no remedies left: it only
    /// tells then.
    async fn remedy(&self, _: &dyn Store, _: &GuardRecord) -> Result<String, StoreError> {
        Err(StoreError::Rejected("it only tells".to_owned()))
    }
}

/// Looks for as long as the process lives, whenever it is its turn.
pub(crate) async fn keep_guarding(store: SharedStore, heartbeat: Arc<Heartbeat>, metrics: Metrics) {
    let guards = WATCHES.map(Watch::guard);
    loop {
        let worker = heartbeat.worker();
        match store.take_guards(worker, &guards, LEASE).await {
            Ok(taken) => {
                for record in taken {
                    let looked = look(&*store, &record).await;
                    count(&metrics, record.guard, &looked);
                    // Nothing is written for what was well and is.
                    if looked == Looked::Clear && record.standing.failures == 0 && !record.standing.escalated {
                        continue;
                    }
                    if let Err(error) = store.guard_looked(worker, record.guard, &looked).await {
                        tracing::warn!(guard = %record.guard, %error, "what a guard found is not on record");
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "no guard looks for now"),
        }
        tokio::time::sleep(jittered(LOOK)).await;
    }
}

async fn look(store: &dyn Store, record: &GuardRecord) -> Looked {
    let Some(watch) = WATCHES.into_iter().find(|watch| watch.guard() == record.guard) else { return Looked::Clear };
    let trouble = match watch.check(store, record).await {
        Ok(None) => return Looked::Clear,
        Ok(Some(trouble)) => trouble,
        Err(error) => return Looked::Told(format!("it could not look: {error}")),
    };
    if !record.standing.may_act(record.guard, record.looked_at) {
        return Looked::Told(trouble);
    }
    match watch.remedy(store, record).await {
        Ok(done) => Looked::Remedied(done),
        Err(error) => Looked::Failed(format!("{trouble}; and nothing could be done about it: {error}")),
    }
}

fn count(metrics: &Metrics, guard: Guard, looked: &Looked) {
    let Some(outcome) = looked.outcome() else { return };
    metrics.guard_remediations.with_label_values(&[guard.as_str(), outcome]).inc();
    match looked {
        Looked::Clear => {}
        Looked::Remedied(done) => tracing::info!(%guard, done, "a guard did something"),
        Looked::Failed(why) | Looked::Told(why) => tracing::warn!(%guard, why, "a guard found what it cannot mend"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golden_jobs::guards::Keeper;

    #[test]
    fn supervisors_look_after_every_guard_that_is_theirs() {
        let theirs = Guard::ALL.iter().filter(|guard| guard.keeper() == Keeper::Supervisor);
        assert_eq!(theirs.copied().collect::<Vec<_>>(), WATCHES.map(Watch::guard));
    }
}
