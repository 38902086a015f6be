//! Budgets: what may be spent, what is reserved, what was spent.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Run, StoreError};
use crate::{
    audit::Actor,
    budgets::{Micros, Period},
    id::{JobId, ReservationId},
};

/// How long a call may be under way whose run is gone, before it is taken to have cost its worst.
pub const UNSETTLED_FOR: Duration = Duration::from_secs(600);

/// Accounts, and what is reserved on them.
///
/// A reservation is on its tenant's account and on that of every job above its own, itself included, that has a
/// `max_cost`. It is taken off all of them or off none. Calls to what costs money last for seconds, so these verbs are
/// about one of them each.
#[async_trait]
pub trait Budgets: Send + Sync {
    /// What a tenant may spend and has spent, as of now; the defaults where nothing is on record.
    async fn budget(&self, tenant: &str) -> Result<Budget, StoreError>;

    /// The budgets on record, in the order of their tenants' names, those after `after`.
    async fn budgets(&self, after: Option<&str>, limit: u32) -> Result<Vec<Budget>, StoreError>;

    /// The `top` tenants that have spent and reserved the most, and all others together, where there are any.
    async fn budget_figures(&self, top: u32) -> Result<Vec<BudgetFigures>, StoreError>;

    /// By how much the accounts are off from the reservations and the ledger that they sum up. Looks at every open
    /// reservation and at what was spent in this period, so it is asked now and then.
    async fn imbalance(&self) -> Result<Imbalance, StoreError>;

    /// Sets what a tenant may spend, and answers its budget as it is then. Less than is spent already is allowed:
    /// nothing more is spent then.
    async fn set_budget(&self, tenant: &str, terms: &BudgetTerms, by: &Actor) -> Result<Budget, StoreError>;

    /// Takes what a call may cost at worst off the accounts, for a run that holds its lease. The same step of the same
    /// attempt gets what it got first, whichever run of it asks, so that it is charged once.
    async fn reserve(&self, ask: &Ask) -> Result<Reserved, StoreError>;

    /// Records that the call is made, before its first byte leaves. [`StoreError::LeaseLost`] where the run that
    /// reserved it has lost its lease: then it is not to be made.
    async fn dispatch(&self, run: Run, reservation: ReservationId) -> Result<(), StoreError>;

    /// Records what a call cost: for good, and whoever has the lease by now. Answers `false`, and changes nothing,
    /// where that was recorded before.
    async fn settle(&self, reservation: ReservationId, actual: Micros) -> Result<bool, StoreError>;

    /// Gives back what was reserved for a call that was never made. Answers `false`, and changes nothing, where it was
    /// dispatched, or is another run's by now.
    async fn release(&self, run: Run, reservation: ReservationId) -> Result<bool, StoreError>;

    /// Puts up to `limit` jobs back to work that waited for money which is there by now: those that waited the longest
    /// first, as many of a tenant as its budget is enough for. Answers how many.
    async fn fund(&self, limit: u32) -> Result<u64, StoreError>;

    /// Sees to up to `limit` reservations whose runs are gone: one that was not dispatched is released, and one that
    /// was dispatched `bound` ago is settled at its worst.
    async fn reap_reservations(&self, bound: Duration, limit: u32) -> Result<Reaped, StoreError>;
}

/// What an operator says of a tenant's budget; `None` is the default of either.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BudgetTerms {
    pub limit: Option<Micros>,
    pub period: Option<Period>,
}

/// What a tenant may spend, and has spent. Amounts are micro-USD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    pub tenant_id: String,
    /// What was set for it.
    pub terms: BudgetTerms,
    /// What holds.
    pub limit: i64,
    pub spent: i64,
    /// For calls under way.
    pub reserved: i64,
    pub period: Period,
    /// When the period began that `spent` is of.
    pub since: DateTime<Utc>,
    /// When the next one does.
    pub turns_at: Option<DateTime<Utc>>,
    /// Jobs that wait for it.
    pub waiting: u64,
    /// What the most modest of them needs.
    pub least_need: Option<i64>,
}

impl Budget {
    /// What may still be reserved.
    pub fn left(&self) -> i64 {
        self.limit.saturating_sub(self.spent).saturating_sub(self.reserved).max(0)
    }

    /// Whether new work would only wait: all is spent, or too much for what waits already, until the limit is raised or
    /// the period turns. What is reserved for calls under way may come back, and does not count.
    pub fn is_exhausted(&self) -> bool {
        self.spent >= self.limit || self.least_need.is_some_and(|need| self.spent.saturating_add(need) > self.limit)
    }
}

/// An account, or several summed, for those who watch. Amounts are micro-USD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetFigures {
    /// `None` stands for all that are not named.
    pub tenant_id: Option<String>,
    pub limit: i64,
    pub spent: i64,
    pub reserved: i64,
    /// Jobs that wait for it.
    pub waiting: u64,
}

/// The differences between accounts and what they sum up, each counted up whatever its sign. Amounts are micro-USD;
/// all are 0 unless somebody wrote to the tables, or Golden has a defect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imbalance {
    /// Of what tenants have reserved, and their open reservations.
    pub tenants_reserved: i64,
    /// Of what tenants have spent in their period, and its entries in the ledger.
    pub tenants_spent: i64,
    /// Of what trees of jobs have reserved, and the open reservations on them.
    pub trees_reserved: i64,
}

/// What a run asks to spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub run: Run,
    /// Which of the job's calls this is.
    pub step: String,
    /// How often it was asked before in this attempt, because the answer was no good.
    pub reask: u32,
    /// What it may cost at worst.
    pub amount: Micros,
}

/// What became of an [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    Granted(Reservation),
    /// Nothing was reserved.
    Short(Shortfall),
}

/// What is kept back for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    pub id: ReservationId,
    /// Of whoever asked first.
    pub amount: Micros,
    /// Whether an earlier run of this attempt made the call and recorded what it cost. Made again, it is not charged.
    pub settled: bool,
}

/// An account without room for a reservation. Amounts are micro-USD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    pub account: Account,
    /// What was asked for.
    pub amount: i64,
    pub limit: i64,
    pub spent: i64,
    pub reserved: i64,
}

impl Shortfall {
    /// Whether waiting is in vain: nobody raises what a tree of jobs may cost, and what it spent does not come back.
    pub fn for_good(&self) -> bool {
        matches!(self.account, Account::Tree(_)) && self.spent.saturating_add(self.amount) > self.limit
    }

    /// Whether the tenant is to be told that its budget is gone: what is reserved may yet come back.
    pub(crate) fn tells(&self) -> bool {
        self.account == Account::Tenant && self.spent.saturating_add(self.amount) > self.limit
    }
}

/// For the job's owner.
impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, amount, limit, spent, reserved } = self;
        let whose = match account {
            Account::Tenant => "the tenant's budget".to_owned(),
            Account::Tree(job) => format!("the max_cost of {job}"),
        };
        write!(f, "{whose} of {limit} micro-USD has no room for {amount}: {spent} spent, {reserved} reserved")
    }
}

/// Whose money it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    Tenant,
    /// That of a job and all below it.
    Tree(JobId),
}

/// What [`Budgets::reap_reservations`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reaped {
    pub released: u64,
    pub settled: u64,
}
