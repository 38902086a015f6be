//! What the whole installation needs, and does not come back.
//!
//! Breakers try by themselves whether it is back, one process on behalf of all. Nothing is to be done beside that.

use async_trait::async_trait;
use golden_jobs::{
    breakers::{Dependency, Standing, State},
    guards::Guard,
    store::{Store, StoreError, guards::GuardRecord},
};

use super::Watch;

/// Trials in a row that failed: with the usual times open, a quarter of an hour.
const OPENED: u32 = 5;

pub(super) struct Breakers;

#[async_trait]
impl Watch for Breakers {
    fn guard(&self) -> Guard {
        Guard::Breakers
    }

    async fn check(&self, store: &dyn Store, _: &GuardRecord) -> Result<Option<String>, StoreError> {
        let shared = store.breakers(None).await?;
        let away: Vec<String> = shared
            .breakers
            .iter()
            // Half open as well: it is, for a moment, whenever somebody tries. What an operator says is no news to them.
            .filter(|breaker| {
                let state = Standing::of(breaker, &shared).state;
                breaker.opened >= OPENED && matches!(state, State::Open | State::HalfOpen)
            })
            .filter(|breaker| is_the_installations(&breaker.dependency))
            .map(|breaker| breaker.dependency.to_string())
            .collect();
        Ok((!away.is_empty()).then(|| format!("{} stays away, however often it is tried", away.join(", "))))
    }
}

/// Hosts of `http.call` and of webhooks are tenants' own.
fn is_the_installations(dependency: &Dependency) -> bool {
    matches!(dependency, Dependency::Docker | Dependency::Nats | Dependency::Redis | Dependency::Llm(_))
}
