//! What the store says of all tenants together, asked of it at most once a second however many want to know.

use std::{future::Future, time::Duration};

use golden_jobs::{
    budgets,
    models::exchange::AgentRole,
    store::{
        Depths, SharedStore, StoreError,
        breakers::SharedBreakers,
        budgets::{BudgetFigures, Imbalance},
    },
};
use tokio::{sync::Mutex, time::Instant};

/// How old the figures may be that are shown.
const FRESH: Duration = Duration::from_secs(1);
/// And those of budgets, for which every account is looked at.
const BUDGETS_FRESH: Duration = Duration::from_secs(5);
/// And whether they balance, for which all that was spent is.
const IMBALANCE_FRESH: Duration = Duration::from_secs(300);

/// The depths as they were a moment ago.
pub(crate) struct KnownDepths {
    store: SharedStore,
    lately: Lately<Depths>,
}

/// The breakers as they were a moment ago.
pub(crate) struct KnownBreakers {
    store: SharedStore,
    lately: Lately<SharedBreakers>,
}

impl KnownDepths {
    pub(crate) fn new(store: SharedStore) -> Self {
        Self { store, lately: Lately::new() }
    }

    /// As they were a second ago at most.
    pub(crate) async fn last(&self) -> Result<Depths, StoreError> {
        self.within(FRESH).await
    }

    /// As they were so long ago at most.
    pub(crate) async fn within(&self, fresh: Duration) -> Result<Depths, StoreError> {
        self.lately.or_ask(fresh, self.store.depths()).await
    }
}

impl KnownBreakers {
    pub(crate) fn new(store: SharedStore) -> Self {
        Self { store, lately: Lately::new() }
    }

    pub(crate) async fn last(&self) -> Result<SharedBreakers, StoreError> {
        self.lately.or_ask(FRESH, self.store.breakers(None)).await
    }
}

/// Of how many tenants the policy of a role is frozen, as it was a moment ago.
pub(crate) struct KnownFrozen {
    store: SharedStore,
    lately: Lately<Vec<(AgentRole, u64)>>,
}

impl KnownFrozen {
    pub(crate) fn new(store: SharedStore) -> Self {
        Self { store, lately: Lately::new() }
    }

    pub(crate) async fn last(&self) -> Result<Vec<(AgentRole, u64)>, StoreError> {
        self.lately.or_ask(BUDGETS_FRESH, self.store.frozen_policies()).await
    }
}

/// The budgets of those who spend the most, as they were a moment ago.
pub(crate) struct KnownBudgets {
    store: SharedStore,
    lately: Lately<Vec<BudgetFigures>>,
    imbalance: Lately<Imbalance>,
}

impl KnownBudgets {
    pub(crate) fn new(store: SharedStore) -> Self {
        Self { store, lately: Lately::new(), imbalance: Lately::new() }
    }

    pub(crate) async fn last(&self) -> Result<Vec<BudgetFigures>, StoreError> {
        self.lately.or_ask(BUDGETS_FRESH, self.store.budget_figures(budgets::SHOWN)).await
    }

    /// How far they are off from the ledger.
    pub(crate) async fn imbalance(&self) -> Result<Imbalance, StoreError> {
        self.imbalance.or_ask(IMBALANCE_FRESH, self.store.imbalance()).await
    }
}

/// An answer that is good for a moment.
struct Lately<T>(Mutex<Option<(Instant, Result<T, StoreError>)>>);

impl<T: Clone> Lately<T> {
    fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Those who ask at the same time wait for one answer. That the store does not answer is kept as long.
    async fn or_ask(
        &self,
        fresh: Duration,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut known = self.0.lock().await;
        if let Some((at, answer)) = &*known
            && at.elapsed() < fresh
        {
            return answer.clone();
        }
        let asked = Instant::now();
        let answer = question.await;
        *known = Some((asked, answer.clone()));
        answer
    }
}
