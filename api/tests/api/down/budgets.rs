//! Nothing is reserved, and nothing settled.

use std::time::Duration;

use async_trait::async_trait;
use golden_jobs::{
    ReservationId,
    audit::Actor,
    budgets::Micros,
    store::{
        Run,
        budgets::{Ask, Budget, BudgetFigures, BudgetTerms, Budgets, Imbalance, Reaped, Reserved},
    },
};

use super::{Down, Result, down};

#[async_trait]
impl Budgets for Down {
    async fn budget(&self, _: &str) -> Result<Budget> {
        down()
    }

    async fn budgets(&self, _: Option<&str>, _: u32) -> Result<Vec<Budget>> {
        down()
    }

    async fn budget_figures(&self, _: u32) -> Result<Vec<BudgetFigures>> {
        down()
    }

    async fn imbalance(&self) -> Result<Imbalance> {
        down()
    }

    async fn set_budget(&self, _: &str, _: &BudgetTerms, _: &Actor) -> Result<Budget> {
        down()
    }

    async fn reserve(&self, _: &Ask) -> Result<Reserved> {
        down()
    }

    async fn dispatch(&self, _: Run, _: ReservationId) -> Result<()> {
        down()
    }

    async fn settle(&self, _: ReservationId, _: Micros) -> Result<bool> {
        down()
    }

    async fn release(&self, _: Run, _: ReservationId) -> Result<bool> {
        down()
    }

    async fn fund(&self, _: u32) -> Result<u64> {
        down()
    }

    async fn reap_reservations(&self, _: Duration, _: u32) -> Result<Reaped> {
        down()
    }
}
