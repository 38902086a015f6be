//! The accounts that a reservation is on, as they are held while they change.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Allowance, Micros, Period};
use crate::{
    escalations::{Escalation, Severity, Subject},
    id::JobId,
    store::budgets::{Account, Budget, BudgetTerms, Shortfall},
};

/// That of a tenant.
#[derive(Debug, Clone)]
pub(crate) struct TenantAccount {
    pub total_limit: Option<i64>,
    pub period: Option<Period>,
    pub spent: i64,
    pub reserved: i64,
    pub period_start: DateTime<Utc>,
    pub turn: i64,
    /// The highest threshold that was told, of which limit.
    pub told: u8,
    pub told_limit: Option<i64>,
}

/// That of a job and all below it.
#[derive(Debug, Clone)]
pub(crate) struct TreeAccount {
    pub job: JobId,
    pub max_cost: i64,
    pub spent: i64,
    pub reserved: i64,
}

/// All that one reservation is on.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    pub tenant: TenantAccount,
    pub trees: Vec<TreeAccount>,
    defaults: Allowance,
}

impl TenantAccount {
    /// Nothing spent, and the defaults.
    pub(crate) fn fresh(now: DateTime<Utc>) -> Self {
        Self {
            total_limit: None,
            period: None,
            spent: 0,
            reserved: 0,
            period_start: now,
            turn: 0,
            told: 0,
            told_limit: None,
        }
    }

    /// The account in the period that it is `now`. What is reserved was not spent yet, and stays.
    pub(crate) fn turned(mut self, defaults: Allowance, now: DateTime<Utc>) -> Self {
        let period = self.period.unwrap_or(defaults.period);
        if let Some(begun) = period.begun(now).filter(|begun| *begun > self.period_start) {
            self = Self { spent: 0, told: 0, turn: self.turn.saturating_add(1), period_start: begun, ..self };
        }
        self
    }

    /// Has other terms from now on. What was spent stays so until the new period's end.
    pub(crate) fn set(&mut self, terms: BudgetTerms, defaults: Allowance, now: DateTime<Utc>) {
        let of = |period: Option<Period>| period.unwrap_or(defaults.period);
        if of(terms.period) != of(self.period) {
            self.period_start = of(terms.period).begun(now).unwrap_or(now);
        }
        self.total_limit = terms.limit.map(Micros::get);
        self.period = terms.period;
    }

    pub(crate) fn limit(&self, defaults: Allowance) -> i64 {
        self.total_limit.unwrap_or(defaults.limit.get())
    }

    /// What may be reserved; less than nothing where the limit was lowered.
    pub(crate) fn room(&self, defaults: Allowance) -> i64 {
        self.limit(defaults).saturating_sub(self.spent).saturating_sub(self.reserved)
    }

    /// As its readers see it, who do not wait for it.
    pub(crate) fn budget(&self, tenant: &str, defaults: Allowance, now: DateTime<Utc>) -> Budget {
        let period = self.period.unwrap_or(defaults.period);
        Budget {
            tenant_id: tenant.to_owned(),
            terms: BudgetTerms { limit: self.total_limit.and_then(Micros::new), period: self.period },
            limit: self.limit(defaults),
            spent: self.spent,
            reserved: self.reserved,
            period,
            since: self.period_start,
            turns_at: period.next(now),
            waiting: 0,
            least_need: None,
        }
    }
}

impl Accounts {
    pub(crate) fn new(tenant: TenantAccount, trees: Vec<TreeAccount>, defaults: Allowance, now: DateTime<Utc>) -> Self {
        Self { tenant: tenant.turned(defaults, now), trees, defaults }
    }

    /// Takes `amount` off all of them, or off none where one has no room for it.
    pub(crate) fn reserve(&mut self, amount: Micros) -> Result<(), Shortfall> {
        let amount = amount.get();
        let room = |limit: i64, spent: i64, reserved: i64| {
            spent.checked_add(reserved).and_then(|used| used.checked_add(amount)).is_some_and(|all| all <= limit)
        };
        // The trees first: what is in vain there need not wait for the tenant's.
        if let Some(tree) = self.trees.iter().find(|tree| !room(tree.max_cost, tree.spent, tree.reserved)) {
            let TreeAccount { job, max_cost: limit, spent, reserved } = *tree;
            return Err(Shortfall { account: Account::Tree(job), amount, limit, spent, reserved });
        }
        let TenantAccount { spent, reserved, .. } = self.tenant;
        let limit = self.tenant.limit(self.defaults);
        if !room(limit, spent, reserved) {
            return Err(Shortfall { account: Account::Tenant, amount, limit, spent, reserved });
        }
        self.tenant.reserved += amount;
        self.trees.iter_mut().for_each(|tree| tree.reserved += amount);
        Ok(())
    }

    /// Gives back what was reserved.
    pub(crate) fn release(&mut self, amount: i64) {
        self.tenant.reserved -= amount;
        self.trees.iter_mut().for_each(|tree| tree.reserved -= amount);
    }

    /// Writes down what was spent of what was reserved. It is what it is, also where it is more.
    pub(crate) fn settle(&mut self, amount: i64, actual: Micros) {
        self.release(amount);
        self.tenant.spent = self.tenant.spent.saturating_add(actual.get());
        self.trees.iter_mut().for_each(|tree| tree.spent = tree.spent.saturating_add(actual.get()));
    }

    /// The threshold that is to be told of now, which it is once for a period and a limit. Of a limit that something
    /// was `refused` by, it is the last.
    pub(crate) fn crossed(&mut self, refused: bool) -> Option<u8> {
        let limit = self.tenant.limit(self.defaults);
        let of_it = |percent: i128| i128::from(limit) * percent <= i128::from(self.tenant.spent) * 100;
        let reached = match self.tenant.spent {
            _ if refused => 100,
            0 => 0,
            _ if of_it(100) => 100,
            _ if of_it(80) => 80,
            _ => 0,
        };
        let told = if self.tenant.told_limit == Some(limit) { self.tenant.told } else { 0 };
        (reached > told).then(|| {
            (self.tenant.told, self.tenant.told_limit) = (reached, Some(limit));
            reached
        })
    }

    /// What the event says that tells of it.
    pub(crate) fn telling(&self, tenant: &str, threshold: u8, now: DateTime<Utc>) -> Value {
        let budget = self.tenant.budget(tenant, self.defaults, now);
        json!({
            "tenant": tenant,
            "threshold": threshold,
            "limit_micros": budget.limit,
            "spent_micros": budget.spent,
            "reserved_micros": budget.reserved,
            "period": budget.period,
            "since": budget.since,
            "turns_at": budget.turns_at,
        })
    }

    /// What a human is asked, once it is gone.
    pub(crate) fn gone(&self, tenant: &str, now: DateTime<Utc>) -> Escalation {
        let Budget { limit, spent, reserved, turns_at, .. } = self.tenant.budget(tenant, self.defaults, now);
        let dollars = |micros: i64| Micros::new(micros).unwrap_or(Micros::MAX);
        let turns = turns_at.map_or_else(String::new, |at| format!(", or wait until it turns at {at:?}"));
        let reason = format!(
            "Of a limit of ${} there are ${} spent and ${} reserved. New jobs that spend are refused, and those under way \
             wait. Raise the limit{turns}.",
            dollars(limit),
            dollars(spent),
            dollars(reserved),
        );
        Escalation { about: Subject::Budget, subject: tenant.to_owned(), reason, severity: Severity::High }
    }

    /// The names of the accounts in the ledger.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        std::iter::once("tenant".to_owned()).chain(self.trees.iter().map(|tree| tree.job.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Allowance = Allowance { limit: Micros::dollars(1), period: Period::Month };

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn micros(micros: i64) -> Micros {
        Micros::new(micros).unwrap()
    }

    fn accounts(trees: &[i64]) -> Accounts {
        let now = at("2026-01-31T12:00:00Z");
        let tree = |max_cost: &i64| TreeAccount { job: JobId::new(), max_cost: *max_cost, spent: 0, reserved: 0 };
        Accounts::new(TenantAccount::fresh(now), trees.iter().map(tree).collect(), LIMIT, now)
    }

    #[test]
    fn what_one_account_has_no_room_for_is_taken_off_none() {
        let mut accounts = accounts(&[500_000, 400_000]);
        let short = accounts.reserve(micros(450_000)).unwrap_err();
        assert_eq!((short.account, short.limit), (Account::Tree(accounts.trees[1].job), 400_000));
        assert_eq!((accounts.tenant.reserved, accounts.trees[0].reserved), (0, 0));
        assert!(short.for_good(), "it never had as much");

        accounts.reserve(micros(400_000)).unwrap();
        let short = accounts.reserve(micros(1)).unwrap_err();
        assert!(!short.for_good(), "what is reserved may come back");
        accounts.settle(400_000, micros(400_000));
        assert!(accounts.reserve(micros(1)).unwrap_err().for_good());
    }

    #[test]
    fn a_period_turns_once_and_leaves_what_is_reserved() {
        let mut account = accounts(&[]);
        account.reserve(micros(300_000)).unwrap();
        account.tenant.spent = 700_000;
        let turned = account.tenant.turned(LIMIT, at("2026-02-01T00:00:00Z"));
        assert_eq!((turned.spent, turned.reserved, turned.turn), (0, 300_000, 1));
        let later = TenantAccount { spent: 5, ..turned }.turned(LIMIT, at("2026-02-28T23:59:59Z"));
        assert_eq!((later.spent, later.turn), (5, 1));
    }

    #[test]
    fn another_period_leaves_what_was_spent_until_its_end() {
        let now = at("2026-01-31T12:00:00Z");
        let mut account = TenantAccount { spent: 7, ..TenantAccount::fresh(at("2025-06-01T00:00:00Z")) };
        account.period = Some(Period::None);
        account.set(BudgetTerms { limit: None, period: Some(Period::Day) }, LIMIT, now);
        assert_eq!(account.clone().turned(LIMIT, now).spent, 7);
        assert_eq!(account.turned(LIMIT, at("2026-02-01T00:00:00Z")).spent, 0);
    }

    #[test]
    fn a_threshold_is_told_once_for_a_period_and_a_limit() {
        let mut account = accounts(&[]);
        account.tenant.spent = 799_999;
        assert_eq!(account.crossed(false), None);
        account.tenant.spent = 800_000;
        assert_eq!((account.crossed(false), account.crossed(false)), (Some(80), None));
        assert_eq!((account.crossed(true), account.crossed(true)), (Some(100), None));
        account.tenant.total_limit = Some(1_000_001);
        assert_eq!(account.crossed(false), None, "79.99 % of the new one");
        account.tenant.spent = 1_000_001;
        assert_eq!((account.crossed(false), account.crossed(true)), (Some(100), None));
        account.tenant = account.tenant.turned(LIMIT, at("2026-02-01T00:00:00Z"));
        assert_eq!((account.crossed(false), account.crossed(true)), (None, Some(100)));
    }
}
