//! Runs that spend money, and wait for it.

use std::time::Duration;

use golden_jobs::{
    Context, Job, Outcome, Role, State,
    audit::Actor,
    budgets::Micros,
    done,
    job::Policy,
    store::{NewJob, budgets::BudgetTerms},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Pools, job};

/// Buys something that may cost `worst` and does cost `cost`, in micro-USD.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Buyer {
    worst: Micros,
    /// Nobody hears of it where absent.
    cost: Option<Micros>,
}

impl Job for Buyer {
    const KIND: &'static str = "buyer";
    const ROLE: Role = Role::Orchestrator;
    const POLICY: Policy = Policy::DEFAULT.spends();
    type Output = ();

    async fn run(self, cx: &Context) -> Outcome<()> {
        let call = cx.reserve("buy", 0, self.worst).await?.dispatch().await?;
        let Some(cost) = self.cost else { return std::future::pending().await };
        call.settle(cost).await;
        done(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_money_waits_and_goes_on_when_there_is_some() {
    let pools = Pools::start(4).await;
    let limit = async |micros| {
        let terms = BudgetTerms { limit: Micros::new(micros), period: None };
        pools.store.set_budget("acme", &terms, &Actor::golden()).await.unwrap();
    };
    limit(10).await;
    let rich = job("buyer", r#"{"worst":11,"cost":9}"#);
    let modest = NewJob { max_cost: Micros::new(3), ..job("buyer", r#"{"worst":3,"cost":2}"#) };
    let bound = NewJob { max_cost: Micros::new(3), ..job("buyer", r#"{"worst":4,"cost":1}"#) };
    let vanishes = NewJob { timeout: Duration::from_millis(100), ..job("buyer", r#"{"worst":5}"#) };
    let [rich, modest, bound, vanishes] = {
        let ids = [rich.id, modest.id, bound.id, vanishes.id];
        pools.store.insert(vec![rich, modest, bound, vanishes]).await.unwrap();
        ids
    };

    let ended = pools.ended(modest).await;
    assert_eq!((ended.state, ended.cost_micros), (State::Succeeded, 2));
    let ended = pools.ended(bound).await;
    assert_eq!((ended.state, ended.error.unwrap().code.as_str()), (State::Dead, "max_cost_reached"));
    assert_eq!(pools.ended(vanishes).await.state, State::Dead);
    let waits = async |store: &golden_jobs::store::SharedStore| {
        store.job("acme", rich).await.unwrap().unwrap().state == State::Waiting
    };
    pools.until("the job waits for money", waits).await;
    let budget = pools.store.budget("acme").await.unwrap();
    assert_eq!(
        (budget.spent, budget.reserved, budget.waiting),
        (2, 5, 1),
        "nobody knows what the call cost that vanished"
    );

    limit(18).await;
    let ended = pools.ended(rich).await;
    assert_eq!((ended.state, ended.attempt, ended.cost_micros), (State::Succeeded, 1, 9));
    pools.stop().await;
}
