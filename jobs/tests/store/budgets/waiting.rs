//! Jobs without money wait for it.

use golden_jobs::{
    Role, State,
    outcome::{JobError, Verdict},
    store::NewJob,
};

use super::{ask, balanced, limit, micros, short, spend};
use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{MINUTE, SECOND, TENANT, await_all, by, child_of, job, job_of, succeeded},
};

both_stores! {
    a_job_without_money_waits_until_there_is_some
    as_many_go_on_as_there_is_money_for
    who_waits_no_more_is_forgotten
}

fn unfunded(need: i64) -> Verdict {
    Verdict::Unfunded { need: micros(need), error: JobError::new("budget_exhausted", "there is no money") }
}

async fn a_job_without_money_waits_until_there_is_some(store: Bed) {
    limit(&store, TENANT, 100).await;
    let run = store.start(job()).await;
    spend(&store, &run, "a", 80, 80).await;
    short(&store, &ask(&run, "b", 30)).await;
    assert!(!store.budget(TENANT).await.unwrap().is_exhausted());
    store.end(&run, unfunded(30)).await;
    let record = store.record(run.run.id).await;
    assert_eq!(
        (record.state, record.attempt, record.error.unwrap().code.as_str()),
        (State::Waiting, 0, "budget_exhausted")
    );
    assert_eq!(store.outcomes(run.run.id).await, Vec::<String>::new());
    let budget = store.budget(TENANT).await.unwrap();
    assert_eq!((budget.waiting, budget.least_need, budget.is_exhausted()), (1, Some(30), true));
    assert_eq!(store.fund(ALL).await.unwrap(), 0);
    assert_eq!(store.delete_tenant(TENANT, &by("ops")).await.unwrap(), golden_jobs::store::Deleted::Busy);

    // As the runbook has it.
    let raise = "UPDATE budget_limits SET total_limit = 110 WHERE tenant_id = 'acme'";
    store.sql.execute(raise).await.unwrap();
    assert_eq!((store.fund(ALL).await.unwrap(), store.fund(ALL).await.unwrap()), (1, 0));
    let again = store.claim_one(Role::Orchestrator).await;
    assert_eq!((again.run.id, again.attempt), (run.run.id, 1));
    spend(&store, &again, "b", 30, 30).await;
    assert_eq!(store.budget(TENANT).await.unwrap().waiting, 0);

    // And where the period turns.
    store.end(&again, unfunded(30)).await;
    store.later(29 * 24 * 60 * MINUTE).await;
    assert_eq!(store.fund(ALL).await.unwrap(), 0);
    store.later(24 * 60 * MINUTE).await;
    assert_eq!(store.fund(ALL).await.unwrap(), 1);
    let last = store.claim_one(Role::Orchestrator).await;
    store.end(&last, succeeded()).await;
    let record = store.record(last.run.id).await;
    assert_eq!((record.state, record.error), (State::Succeeded, None));
    balanced(&store).await;
}

async fn as_many_go_on_as_there_is_money_for(store: Bed) {
    limit(&store, TENANT, 0).await;
    limit(&store, "globex", 0).await;
    for (tenant, need) in [(TENANT, 40), (TENANT, 500), (TENANT, 30), (TENANT, 40), ("globex", 10)] {
        let run = store.start(job_of(tenant)).await;
        store.end(&run, unfunded(need)).await;
        store.clock.advance(SECOND);
    }
    limit(&store, TENANT, 100).await;
    assert_eq!(store.fund(1).await.unwrap(), 1, "who waits the longest");
    store.claim_one(Role::Orchestrator).await;
    limit(&store, TENANT, 70).await;
    assert_eq!(store.fund(ALL).await.unwrap(), 2, "one that needs more does not hold up the others");
    let budget = store.budget(TENANT).await.unwrap();
    assert_eq!((budget.waiting, budget.least_need), (1, Some(500)));
    assert_eq!(store.budget("globex").await.unwrap().waiting, 1);
    limit(&store, TENANT, 69).await;
    assert_eq!(store.fund(ALL).await.unwrap(), 0);
}

async fn who_waits_no_more_is_forgotten(store: Bed) {
    limit(&store, TENANT, 0).await;
    let cancelled = store.start(job()).await;
    store.end(&cancelled, unfunded(1)).await;
    store.cancel(TENANT, cancelled.run.id, &by("ops")).await.unwrap();
    assert_eq!(store.state(cancelled.run.id).await, State::Cancelled);
    assert_eq!(store.budget(TENANT).await.unwrap().waiting, 0);

    // A run that was asked to stop does not wait.
    let stopped = store.start(job()).await;
    store.cancel(TENANT, stopped.run.id, &by("ops")).await.unwrap();
    store.end(&stopped, unfunded(1)).await;
    assert_eq!(store.state(stopped.run.id).await, State::Cancelled);
    assert_eq!(store.budget(TENANT).await.unwrap().waiting, 0);

    // Nor does money wake who waits for something else.
    let parent = store.start(job()).await;
    store.end(&parent, await_all(vec![NewJob { role: Role::Sandbox, ..child_of(&parent) }])).await;
    limit(&store, TENANT, 100).await;
    assert_eq!(store.fund(ALL).await.unwrap(), 0);
    assert_eq!(store.state(parent.run.id).await, State::Waiting);
}
