//! What may be spent, is reserved and was spent.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    SqliteStore,
    audit::audit,
    entry::{self, Arrival},
    escalations::settle_about,
    events::announce,
    insert::record,
    now,
    params::{after, hex, list, micros},
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Actor, acts},
    budgets::{Accounts, Allowance, GONE, Micros, Period, TenantAccount, TreeAccount},
    escalations::{Answer, Subject},
    id::ReservationId,
    store::{
        Budgets, Run, StoreError,
        budgets::{Ask, Budget, BudgetFigures, BudgetTerms, Imbalance, Reaped, Reservation, Reserved},
        escalations::EscalationRecord,
        json,
    },
    webhooks::BUDGET_THRESHOLD,
};

const ACCOUNTS: &str = include_str!("../../sql/sqlite/accounts.sql");
const OPENED: &str = step(ACCOUNTS, "opened");
const TENANT: &str = step(ACCOUNTS, "tenant");
const TREES_OPENED: &str = step(ACCOUNTS, "trees_opened");
const TREES: &str = step(ACCOUNTS, "trees");
const TENANT_KEPT: &str = step(ACCOUNTS, "tenant_kept");
const TREE_KEPT: &str = step(ACCOUNTS, "tree_kept");

const RESERVE: &str = include_str!("../../sql/sqlite/reserve.sql");
const RUN: &str = step(RESERVE, "run");
const ABOVE: &str = step(RESERVE, "trees");
const ASKED: &str = step(RESERVE, "asked");
const HELD: &str = step(RESERVE, "held");

const CHARGE: &str = include_str!("../../sql/sqlite/charge.sql");
const OPEN: &str = step(CHARGE, "open");
const SETTLED: &str = step(CHARGE, "settled");
const WRITTEN: &str = step(CHARGE, "written");
const COST: &str = step(CHARGE, "cost");

const UNRESERVE: &str = include_str!("../../sql/sqlite/unreserve.sql");
const UNUSED: &str = step(UNRESERVE, "unused");
const RELEASED: &str = step(UNRESERVE, "released");

const FUND: &str = include_str!("../../sql/sqlite/fund.sql");
const SHORT: &str = step(FUND, "short");
const FUNDED: &str = step(FUND, "funded");
const RESUMED: &str = step(FUND, "resumed");

#[async_trait]
impl Budgets for SqliteStore {
    async fn budget(&self, tenant: &str) -> Result<Budget, StoreError> {
        let at = now(&self.clock);
        self.read(async {
            let row = sqlx::query(include_str!("../../sql/sqlite/budget.sql"))
                .bind(tenant)
                .fetch_optional(&self.readers)
                .await?;
            let fresh = || TenantAccount::fresh(at).budget(tenant, self.allowance, at);
            row.as_ref().map_or_else(|| Ok(fresh()), |row| budget(row, self.allowance, at))
        })
        .await
    }

    async fn budgets(&self, after: Option<&str>, limit: u32) -> Result<Vec<Budget>, StoreError> {
        let at = now(&self.clock);
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/budgets.sql"))
                .bind(after)
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
            found.iter().map(|row| budget(row, self.allowance, at)).collect()
        })
        .await
    }

    async fn budget_figures(&self, top: u32) -> Result<Vec<BudgetFigures>, StoreError> {
        let at = now(&self.clock);
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/budget_figures.sql"))
                .bind(top)
                .bind(self.allowance.limit.get())
                .bind(self.allowance.period.as_str())
                .bind(Period::Day.begun(at).map(micros))
                .bind(Period::Month.begun(at).map(micros))
                .fetch_all(&self.readers)
                .await?;
            let figures = |row: &SqliteRow| {
                Ok(BudgetFigures {
                    tenant_id: row.try_get("tenant_id")?,
                    limit: row.try_get("most")?,
                    spent: row.try_get("spent")?,
                    reserved: row.try_get("reserved")?,
                    waiting: rows::count(row, "waiting")?,
                })
            };
            found.iter().map(figures).collect()
        })
        .await
    }

    async fn imbalance(&self) -> Result<Imbalance, StoreError> {
        self.read(async {
            let row = sqlx::query(include_str!("../../sql/sqlite/imbalance.sql")).fetch_one(&self.readers).await?;
            Ok(Imbalance {
                tenants_reserved: row.try_get("tenants_reserved")?,
                tenants_spent: row.try_get("tenants_spent")?,
                trees_reserved: row.try_get("trees_reserved")?,
            })
        })
        .await
    }

    async fn set_budget(&self, tenant: &str, terms: &BudgetTerms, by: &Actor) -> Result<Budget, StoreError> {
        let (tenant, by) = (tenant.to_owned(), by.clone());
        let set = Set { tenant, terms: *terms, by, allowance: self.allowance };
        let (budget, answered) = self.writer.call(set).await?;
        self.go_on(&answered.iter().map(|escalation| escalation.job_id).collect::<Vec<_>>()).await;
        Ok(budget)
    }

    async fn reserve(&self, ask: &Ask) -> Result<Reserved, StoreError> {
        let reserved = self.writer.call(Reserve { ask: ask.clone(), allowance: self.allowance }).await?;
        reserved.ok_or(StoreError::LeaseLost)
    }

    async fn dispatch(&self, run: Run, reservation: ReservationId) -> Result<(), StoreError> {
        match self.writer.call(Dispatch { run, reservation }).await? {
            true => Ok(()),
            false => Err(StoreError::LeaseLost),
        }
    }

    async fn settle(&self, reservation: ReservationId, actual: Micros) -> Result<bool, StoreError> {
        self.writer.call(Settle { reservation, actual, allowance: self.allowance }).await
    }

    async fn release(&self, run: Run, reservation: ReservationId) -> Result<bool, StoreError> {
        self.writer.call(Release { run, reservation, allowance: self.allowance }).await
    }

    async fn fund(&self, limit: u32) -> Result<u64, StoreError> {
        self.writer.call(Fund { limit, allowance: self.allowance }).await
    }

    async fn reap_reservations(&self, bound: Duration, limit: u32) -> Result<Reaped, StoreError> {
        self.writer.call(Reap { bound, limit, allowance: self.allowance }).await
    }
}

struct Set {
    tenant: String,
    terms: BudgetTerms,
    by: Actor,
    allowance: Allowance,
}

#[async_trait]
impl Verb for Set {
    /// And the escalations that this answered.
    type Answer = (Budget, Vec<EscalationRecord>);

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Answer, sqlx::Error> {
        let (tenant, at) = (&self.tenant, rows::time(tx.now));
        let mut accounts = accounts(tx, tenant, &[], self.allowance).await?;
        let before = accounts.tenant.budget(tenant, self.allowance, at);
        accounts.tenant.set(self.terms, self.allowance, at);
        keep(tx, tenant, &accounts).await?;
        let budget = accounts.tenant.budget(tenant, self.allowance, at);
        if budget.terms != before.terms {
            audit(tx, tenant, &self.by, acts::budget_set(tenant, &budget)).await?;
        }
        let answered = match budget.limit > before.limit && !budget.is_exhausted() {
            false => Vec::new(),
            true => settle_about(tx, tenant, Subject::Budget, tenant, &Answer::FIXED, &self.by).await?,
        };
        Ok((budget, answered))
    }
}

struct Reserve {
    ask: Ask,
    allowance: Allowance,
}

#[async_trait]
impl Verb for Reserve {
    /// `None` where the run has lost its lease.
    type Answer = Option<Reserved>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Option<Reserved>, sqlx::Error> {
        let Ask { run, step, reask, amount } = &self.ask;
        let found = sqlx::query(RUN).bind(run.id.0).bind(run.lease).fetch_optional(&mut *tx.connection).await?;
        let Some(found) = found else { return Ok(None) };
        let tenant: String = found.try_get("tenant_id")?;
        let trees: Vec<Uuid> = sqlx::query_scalar(ABOVE).bind(run.id.0).fetch_all(&mut *tx.connection).await?;
        let asked = sqlx::query(ASKED)
            .bind(ReservationId::new().0)
            .bind(&tenant)
            .bind(run.id.0)
            .bind(step)
            .bind(reask)
            .bind(found.try_get::<i64, _>("attempt")?)
            .bind(run.lease)
            .bind(amount.get())
            .bind(list(trees.iter().map(|tree| hex(*tree)))?)
            .bind(tx.now)
            .fetch_one(&mut *tx.connection)
            .await?;
        let id = ReservationId(asked.try_get("id")?);
        let state: &str = asked.try_get("state")?;
        if state != "released" {
            let (amount, settled) = (Micros::new(asked.try_get("amount")?).unwrap_or(*amount), state == "settled");
            return Ok(Some(Reserved::Granted(Reservation { id, amount, settled })));
        }
        let mut accounts = accounts(tx, &tenant, &trees, self.allowance).await?;
        let taken = accounts.reserve(*amount);
        if taken.is_ok() {
            sqlx::query(HELD)
                .bind(id.0)
                .bind(amount.get())
                .bind(list(trees.iter().map(|tree| hex(*tree)))?)
                .execute(&mut *tx.connection)
                .await?;
        }
        let refused = taken.as_ref().is_err_and(|short| short.tells());
        tell(tx, &tenant, &mut accounts, refused).await?;
        keep(tx, &tenant, &accounts).await?;
        let granted = |()| Reserved::Granted(Reservation { id, amount: *amount, settled: false });
        Ok(Some(taken.map_or_else(Reserved::Short, granted)))
    }
}

struct Dispatch {
    run: Run,
    reservation: ReservationId,
}

#[async_trait]
impl Verb for Dispatch {
    /// Whether the run holds its lease.
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        let dispatched = sqlx::query(include_str!("../../sql/sqlite/dispatch.sql"))
            .bind(self.run.id.0)
            .bind(self.run.lease)
            .bind(self.reservation.0)
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?;
        Ok(dispatched.rows_affected() > 0)
    }
}

struct Settle {
    reservation: ReservationId,
    actual: Micros,
    allowance: Allowance,
}

#[async_trait]
impl Verb for Settle {
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        charge(tx, self.reservation, None, self.actual, self.allowance).await
    }
}

struct Release {
    run: Run,
    reservation: ReservationId,
    allowance: Allowance,
}

#[async_trait]
impl Verb for Release {
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        release(tx, self.run.lease, self.reservation, self.allowance).await
    }
}

struct Fund {
    limit: u32,
    allowance: Allowance,
}

#[async_trait]
impl Verb for Fund {
    type Answer = u64;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<u64, sqlx::Error> {
        let short = sqlx::query(SHORT).bind(tx.now).fetch_all(&mut *tx.connection).await?;
        let at = rows::time(tx.now);
        let room = |row: &SqliteRow| {
            let room = account(row)?.turned(self.allowance, at).room(self.allowance);
            Ok::<(String, i64), sqlx::Error>((row.try_get("tenant_id")?, room))
        };
        let rooms = short.iter().map(room).collect::<Result<Vec<_>, _>>()?;
        if rooms.iter().all(|(_, room)| *room < 0) {
            return Ok(0);
        }
        let funded: Vec<Uuid> =
            sqlx::query_scalar(FUNDED).bind(list(rooms)?).bind(self.limit).fetch_all(&mut *tx.connection).await?;
        let funded = list(funded.into_iter().map(hex))?;
        let resumed = sqlx::query(RESUMED).bind(funded).bind(tx.now).fetch_all(&mut *tx.connection).await?;
        let due = resumed.iter().map(rows::entry).collect::<Result<Vec<_>, _>>()?;
        entry::ready(tx, due, Arrival::Returning).await?;
        Ok(resumed.len() as u64)
    }
}

struct Reap {
    bound: Duration,
    limit: u32,
    allowance: Allowance,
}

#[async_trait]
impl Verb for Reap {
    type Answer = Reaped;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Reaped, sqlx::Error> {
        let orphaned = sqlx::query(include_str!("../../sql/sqlite/orphaned.sql"))
            .bind(tx.now.saturating_sub(after(0, self.bound)))
            .bind(self.limit)
            .fetch_all(&mut *tx.connection)
            .await?;
        let mut reaped = Reaped::default();
        for row in &orphaned {
            let (id, lease) = (ReservationId(row.try_get("id")?), row.try_get("run_lease")?);
            let worst = Micros::new(row.try_get("amount")?).unwrap_or(Micros::MAX);
            match row.try_get("state")? {
                "held" => reaped.released += u64::from(release(tx, lease, id, self.allowance).await?),
                _ => reaped.settled += u64::from(charge(tx, id, Some(lease), worst, self.allowance).await?),
            }
        }
        Ok(reaped)
    }
}

/// Settles a reservation, unless another run than the one with `lease` has it by now.
async fn charge(
    tx: &mut Tx<'_>,
    reservation: ReservationId,
    lease: Option<i64>,
    actual: Micros,
    allowance: Allowance,
) -> Result<bool, sqlx::Error> {
    let open = sqlx::query(OPEN).bind(reservation.0).bind(lease).fetch_optional(&mut *tx.connection).await?;
    let Some(open) = open else { return Ok(false) };
    let (tenant, job): (String, Uuid) = (open.try_get("tenant_id")?, open.try_get("job_id")?);
    let mut accounts = accounts(tx, &tenant, &trees(&open)?, allowance).await?;
    accounts.settle(open.try_get("amount")?, actual);
    tell(tx, &tenant, &mut accounts, false).await?;
    keep(tx, &tenant, &accounts).await?;
    sqlx::query(SETTLED).bind(reservation.0).execute(&mut *tx.connection).await?;
    sqlx::query(WRITTEN)
        .bind(reservation.0)
        .bind(list(accounts.names())?)
        .bind(&tenant)
        .bind(job)
        .bind(accounts.tenant.turn)
        .bind(actual.get())
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await?;
    sqlx::query(COST).bind(job).bind(actual.get()).execute(&mut *tx.connection).await?;
    Ok(true)
}

async fn release(
    tx: &mut Tx<'_>,
    lease: i64,
    reservation: ReservationId,
    allowance: Allowance,
) -> Result<bool, sqlx::Error> {
    let unused = sqlx::query(UNUSED).bind(reservation.0).bind(lease).fetch_optional(&mut *tx.connection).await?;
    let Some(unused) = unused else { return Ok(false) };
    let tenant: String = unused.try_get("tenant_id")?;
    let mut accounts = accounts(tx, &tenant, &trees(&unused)?, allowance).await?;
    accounts.release(unused.try_get("amount")?);
    keep(tx, &tenant, &accounts).await?;
    sqlx::query(RELEASED).bind(reservation.0).execute(&mut *tx.connection).await?;
    Ok(true)
}

/// The accounts of a tenant and of some trees.
async fn accounts(
    tx: &mut Tx<'_>,
    tenant: &str,
    trees: &[Uuid],
    allowance: Allowance,
) -> Result<Accounts, sqlx::Error> {
    sqlx::query(OPENED).bind(tenant).bind(tx.now).execute(&mut *tx.connection).await?;
    let row = sqlx::query(TENANT).bind(tenant).fetch_one(&mut *tx.connection).await?;
    let mut found = Vec::new();
    if !trees.is_empty() {
        let trees = list(trees.iter().map(|tree| hex(*tree)))?;
        sqlx::query(TREES_OPENED).bind(&trees).execute(&mut *tx.connection).await?;
        found = sqlx::query(TREES).bind(&trees).fetch_all(&mut *tx.connection).await?;
    }
    let tree = |row: &SqliteRow| {
        Ok(TreeAccount {
            job: rows::job_id(row, "job_id")?,
            max_cost: row.try_get("max_cost")?,
            spent: row.try_get("spent")?,
            reserved: row.try_get("reserved")?,
        })
    };
    let trees = found.iter().map(tree).collect::<Result<_, sqlx::Error>>()?;
    Ok(Accounts::new(account(&row)?, trees, allowance, rows::time(tx.now)))
}

async fn keep(tx: &mut Tx<'_>, tenant: &str, accounts: &Accounts) -> Result<(), sqlx::Error> {
    let TenantAccount { total_limit, period, spent, reserved, period_start, turn, told, told_limit } = &accounts.tenant;
    sqlx::query(TENANT_KEPT)
        .bind(tenant)
        .bind(total_limit)
        .bind(period.map(Period::as_str))
        .bind(spent)
        .bind(reserved)
        .bind(micros(*period_start))
        .bind(turn)
        .bind(told)
        .bind(told_limit)
        .execute(&mut *tx.connection)
        .await?;
    for TreeAccount { job, spent, reserved, .. } in &accounts.trees {
        sqlx::query(TREE_KEPT).bind(job.0).bind(spent).bind(reserved).execute(&mut *tx.connection).await?;
    }
    Ok(())
}

/// Puts out an event if a threshold was crossed and somebody listens, and asks a human if the budget is gone.
async fn tell(tx: &mut Tx<'_>, tenant: &str, accounts: &mut Accounts, refused: bool) -> Result<(), sqlx::Error> {
    let Some(threshold) = accounts.crossed(refused) else { return Ok(()) };
    let at = rows::time(tx.now);
    announce(tx, tenant, BUDGET_THRESHOLD, &accounts.telling(tenant, threshold, at)).await?;
    if threshold == GONE {
        let asked = accounts.gone(tenant, at).by_golden(tenant);
        let asked = asked.map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        // Whatever quota the tenant has: it did not ask for this job.
        record(tx, &[&asked], false).await?;
    }
    Ok(())
}

fn budget(row: &SqliteRow, allowance: Allowance, at: DateTime<Utc>) -> Result<Budget, sqlx::Error> {
    let account = account(row)?.turned(allowance, at);
    let budget = account.budget(row.try_get("tenant_id")?, allowance, at);
    Ok(Budget { waiting: rows::count(row, "waiting")?, least_need: row.try_get("least_need")?, ..budget })
}

/// The trees of a reservation.
fn trees(row: &SqliteRow) -> Result<Vec<Uuid>, sqlx::Error> {
    json::read(row.try_get("trees")?)
}

fn account(row: &SqliteRow) -> Result<TenantAccount, sqlx::Error> {
    Ok(TenantAccount {
        total_limit: row.try_get("total_limit")?,
        period: row.try_get::<Option<&str>, _>("period")?.map(rows::parsed).transpose()?,
        spent: row.try_get("spent")?,
        reserved: row.try_get("reserved")?,
        period_start: rows::at(row, "period_start")?,
        turn: row.try_get("turn")?,
        told: u8::try_from(row.try_get::<i64, _>("told")?).unwrap_or(u8::MAX),
        told_limit: row.try_get("told_limit")?,
    })
}
