//! What may be spent, is reserved and was spent.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    Connection, PostgresStore,
    insert::{Entrance, record},
    millis, rows, step,
};
use crate::{
    audit::{Actor, acts},
    budgets::{Accounts, GONE, Micros, Period, TenantAccount, TreeAccount},
    escalations::{Answer, Escalation, Subject},
    id::{JobId, ReservationId},
    job::Job,
    store::{
        Budgets, Run, StoreError,
        budgets::{Ask, Budget, BudgetFigures, BudgetTerms, Imbalance, Reaped, Reservation, Reserved},
    },
    webhooks::BUDGET_THRESHOLD,
};

const ACCOUNTS: &str = include_str!("../../sql/postgres/accounts.sql");
const OPENED: &str = step(ACCOUNTS, "opened");
const TENANT: &str = step(ACCOUNTS, "tenant");
const TREES_OPENED: &str = step(ACCOUNTS, "trees_opened");
const TREES: &str = step(ACCOUNTS, "trees");
const TENANT_KEPT: &str = step(ACCOUNTS, "tenant_kept");
const TREE_KEPT: &str = step(ACCOUNTS, "tree_kept");

const RESERVE: &str = include_str!("../../sql/postgres/reserve.sql");
const RUN: &str = step(RESERVE, "run");
const ASKED: &str = step(RESERVE, "asked");
const HELD: &str = step(RESERVE, "held");

const CHARGE: &str = include_str!("../../sql/postgres/charge.sql");
const JOB: &str = step(CHARGE, "job");
const OPEN: &str = step(CHARGE, "open");
const SETTLED: &str = step(CHARGE, "settled");
const WRITTEN: &str = step(CHARGE, "written");
const COST: &str = step(CHARGE, "cost");

const UNRESERVE: &str = include_str!("../../sql/postgres/unreserve.sql");
const UNUSED: &str = step(UNRESERVE, "unused");
const RELEASED: &str = step(UNRESERVE, "released");

const FUND: &str = include_str!("../../sql/postgres/fund.sql");
const SHORT: &str = step(FUND, "short");
const FUNDED: &str = step(FUND, "funded");

#[async_trait]
impl Budgets for PostgresStore {
    async fn budget(&self, tenant: &str) -> Result<Budget, StoreError> {
        self.in_time(|| async {
            let row = sqlx::query(include_str!("../../sql/postgres/budget.sql"))
                .bind(tenant)
                .bind(self.now())
                .fetch_one(&self.pool)
                .await?;
            let at = row.try_get("at")?;
            let known = row.try_get::<Option<&str>, _>("tenant_id")?.is_some();
            let account = if known { account(&row)? } else { TenantAccount::fresh(at) };
            waited_for(&row, account.turned(self.allowance, at).budget(tenant, self.allowance, at))
        })
        .await
    }

    async fn budgets(&self, after: Option<&str>, limit: u32) -> Result<Vec<Budget>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/budgets.sql"))
                .bind(after)
                .bind(i64::from(limit))
                .bind(self.now())
                .fetch_all(&self.pool)
                .await?;
            let budget = |row: &PgRow| {
                let at = row.try_get("at")?;
                let account = account(row)?.turned(self.allowance, at);
                waited_for(row, account.budget(row.try_get("tenant_id")?, self.allowance, at))
            };
            found.iter().map(budget).collect()
        })
        .await
    }

    async fn budget_figures(&self, top: u32) -> Result<Vec<BudgetFigures>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/budget_figures.sql"))
                .bind(i64::from(top))
                .bind(self.allowance.limit.get())
                .bind(self.allowance.period.as_str())
                .bind(self.now())
                .fetch_all(&self.pool)
                .await?;
            let figures = |row: &PgRow| {
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
        self.in_time(|| async {
            let row = sqlx::query(include_str!("../../sql/postgres/imbalance.sql")).fetch_one(&self.pool).await?;
            Ok(Imbalance {
                tenants_reserved: row.try_get("tenants_reserved")?,
                tenants_spent: row.try_get("tenants_spent")?,
                trees_reserved: row.try_get("trees_reserved")?,
            })
        })
        .await
    }

    async fn set_budget(&self, tenant: &str, terms: &BudgetTerms, by: &Actor) -> Result<Budget, StoreError> {
        let (budget, told, answered) = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let (mut accounts, at) = self.accounts(&mut tx, tenant, &[]).await?;
                let before = accounts.tenant.budget(tenant, self.allowance, at);
                accounts.tenant.set(*terms, self.allowance, at);
                self.keep_accounts(&mut tx, tenant, &accounts).await?;
                let budget = accounts.tenant.budget(tenant, self.allowance, at);
                // Before the audit log: whoever acknowledges an escalation takes them in that order.
                let (answered, told) = match budget.limit > before.limit && !budget.is_exhausted() {
                    false => Default::default(),
                    true => self.settle_about(&mut tx, tenant, Subject::Budget, tenant, &Answer::FIXED, by).await?,
                };
                if budget.terms != before.terms {
                    self.audit(&mut tx, tenant, by, acts::budget_set(tenant, &budget)).await?;
                }
                tx.commit().await?;
                Ok((budget, told, answered))
            })
            .await?;
        self.tell(told);
        self.go_on(&answered.iter().map(|escalation| escalation.job_id).collect::<Vec<_>>()).await;
        Ok(budget)
    }

    async fn reserve(&self, ask: &Ask) -> Result<Reserved, StoreError> {
        let (reserved, told) = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let run = sqlx::query(RUN).bind(ask.run.id.0).bind(ask.run.lease).fetch_optional(&mut *tx).await?;
                let Some(run) = run else { return Ok((None, Crossed::default())) };
                let tenant: String = run.try_get("tenant_id")?;
                let trees: Vec<Uuid> = run.try_get("trees")?;
                let asked = sqlx::query(ASKED)
                    .bind(ReservationId::new().0)
                    .bind(&tenant)
                    .bind(ask.run.id.0)
                    .bind(&ask.step)
                    .bind(i32::try_from(ask.reask).unwrap_or(i32::MAX))
                    .bind(run.try_get::<i32, _>("attempt")?)
                    .bind(ask.run.lease)
                    .bind(ask.amount.get())
                    .bind(&trees)
                    .bind(self.now())
                    .fetch_one(&mut *tx)
                    .await?;
                let id = ReservationId(asked.try_get("id")?);
                let state: &str = asked.try_get("state")?;
                if state != "released" {
                    let settled = state == "settled";
                    let amount = Micros::new(asked.try_get("amount")?).unwrap_or(ask.amount);
                    tx.commit().await?;
                    let granted = Reserved::Granted(Reservation { id, amount, settled });
                    return Ok((Some(granted), Crossed::default()));
                }
                let (mut accounts, at) = self.accounts(&mut tx, &tenant, &trees).await?;
                let taken = accounts.reserve(ask.amount);
                if taken.is_ok() {
                    sqlx::query(HELD).bind(id.0).bind(ask.amount.get()).bind(&trees).execute(&mut *tx).await?;
                }
                let refused = taken.as_ref().is_err_and(|short| short.tells());
                let told = self.tell_of_budget(&mut tx, &tenant, &mut accounts, refused, at).await?;
                self.keep_accounts(&mut tx, &tenant, &accounts).await?;
                tx.commit().await?;
                let granted = |()| Reserved::Granted(Reservation { id, amount: ask.amount, settled: false });
                Ok((Some(taken.map_or_else(Reserved::Short, granted)), told))
            })
            .await?;
        self.say_crossed(told);
        reserved.ok_or(StoreError::LeaseLost)
    }

    async fn dispatch(&self, run: Run, reservation: ReservationId) -> Result<(), StoreError> {
        let dispatched = self
            .in_time(|| {
                sqlx::query(include_str!("../../sql/postgres/dispatch.sql"))
                    .bind(run.id.0)
                    .bind(run.lease)
                    .bind(reservation.0)
                    .bind(self.now())
                    .execute(&self.pool)
            })
            .await?;
        if dispatched.rows_affected() == 0 { Err(StoreError::LeaseLost) } else { Ok(()) }
    }

    async fn settle(&self, reservation: ReservationId, actual: Micros) -> Result<bool, StoreError> {
        self.charge(reservation, None, actual).await
    }

    async fn release(&self, run: Run, reservation: ReservationId) -> Result<bool, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let unused = sqlx::query(UNUSED).bind(reservation.0).bind(run.lease).fetch_optional(&mut *tx).await?;
            let Some(unused) = unused else { return Ok(false) };
            let tenant: String = unused.try_get("tenant_id")?;
            let (mut accounts, _) = self.accounts(&mut tx, &tenant, &unused.try_get::<Vec<_>, _>("trees")?).await?;
            accounts.release(unused.try_get("amount")?);
            self.keep_accounts(&mut tx, &tenant, &accounts).await?;
            sqlx::query(RELEASED).bind(reservation.0).execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn fund(&self, limit: u32) -> Result<u64, StoreError> {
        let roles = self
            .in_time(|| async {
                let short = sqlx::query(SHORT).bind(self.now()).fetch_all(&self.pool).await?;
                let (mut tenants, mut rooms) = (Vec::new(), Vec::new());
                for row in &short {
                    rooms.push(account(row)?.turned(self.allowance, row.try_get("at")?).room(self.allowance));
                    tenants.push(row.try_get::<&str, _>("tenant_id")?);
                }
                if rooms.iter().all(|room| *room < 0) {
                    return Ok(Vec::new());
                }
                let resumed = sqlx::query(FUNDED)
                    .bind(tenants)
                    .bind(rooms)
                    .bind(i64::from(limit))
                    .bind(self.now())
                    .fetch_all(&self.pool)
                    .await?;
                resumed.iter().map(|row| rows::role(row, "role")).collect()
            })
            .await?;
        self.wake(roles.iter().copied());
        Ok(roles.len() as u64)
    }

    async fn reap_reservations(&self, bound: Duration, limit: u32) -> Result<Reaped, StoreError> {
        let orphaned = self
            .in_time(|| {
                sqlx::query(include_str!("../../sql/postgres/orphaned.sql"))
                    .bind(millis(bound))
                    .bind(i64::from(limit))
                    .bind(self.now())
                    .fetch_all(&self.pool)
            })
            .await?;
        let read = |row: &PgRow| {
            let run = Run { id: JobId(row.try_get("job_id")?), lease: row.try_get("run_lease")? };
            let held = row.try_get::<&str, _>("state")? == "held";
            let worst = Micros::new(row.try_get("amount")?).unwrap_or(Micros::MAX);
            Ok((ReservationId(row.try_get("id")?), run, held, worst))
        };
        let orphaned: Vec<_> = orphaned.iter().map(read).collect::<Result<_, _>>().map_err(rows::classify)?;
        // One transaction each: whoever reserves and settles takes one reservation and then its accounts.
        let mut reaped = Reaped::default();
        for (id, run, held, worst) in orphaned {
            match held {
                true => reaped.released += u64::from(self.release(run, id).await?),
                false => reaped.settled += u64::from(self.charge(id, Some(run.lease), worst).await?),
            }
        }
        Ok(reaped)
    }
}

impl PostgresStore {
    /// Settles a reservation, unless another run than the one with `lease` has it by now.
    async fn charge(&self, reservation: ReservationId, lease: Option<i64>, actual: Micros) -> Result<bool, StoreError> {
        let (charged, told) = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                sqlx::query(JOB).bind(reservation.0).execute(&mut *tx).await?;
                let open = sqlx::query(OPEN).bind(reservation.0).bind(lease).fetch_optional(&mut *tx).await?;
                let Some(open) = open else { return Ok((false, Crossed::default())) };
                let (tenant, job): (String, Uuid) = (open.try_get("tenant_id")?, open.try_get("job_id")?);
                let trees: Vec<Uuid> = open.try_get("trees")?;
                let (mut accounts, at) = self.accounts(&mut tx, &tenant, &trees).await?;
                accounts.settle(open.try_get("amount")?, actual);
                let told = self.tell_of_budget(&mut tx, &tenant, &mut accounts, false, at).await?;
                self.keep_accounts(&mut tx, &tenant, &accounts).await?;
                sqlx::query(SETTLED).bind(reservation.0).execute(&mut *tx).await?;
                sqlx::query(WRITTEN)
                    .bind(reservation.0)
                    .bind(accounts.names().collect::<Vec<_>>())
                    .bind(&tenant)
                    .bind(job)
                    .bind(accounts.tenant.turn)
                    .bind(actual.get())
                    .bind(self.now())
                    .execute(&mut *tx)
                    .await?;
                sqlx::query(COST).bind(job).bind(actual.get()).execute(&mut *tx).await?;
                tx.commit().await?;
                Ok((true, told))
            })
            .await?;
        self.say_crossed(told);
        Ok(charged)
    }

    /// The accounts of a tenant and of some trees, held until the transaction ends, and the time.
    async fn accounts(
        &self,
        connection: &mut Connection,
        tenant: &str,
        trees: &[Uuid],
    ) -> Result<(Accounts, DateTime<Utc>), sqlx::Error> {
        sqlx::query(OPENED).bind(tenant).bind(self.now()).execute(&mut *connection).await?;
        let row = sqlx::query(TENANT).bind(tenant).bind(self.now()).fetch_one(&mut *connection).await?;
        let mut found = Vec::new();
        if !trees.is_empty() {
            sqlx::query(TREES_OPENED).bind(trees).execute(&mut *connection).await?;
            found = sqlx::query(TREES).bind(trees).fetch_all(&mut *connection).await?;
        }
        let tree = |row: &PgRow| {
            Ok(TreeAccount {
                job: JobId(row.try_get("job_id")?),
                max_cost: row.try_get("max_cost")?,
                spent: row.try_get("spent")?,
                reserved: row.try_get("reserved")?,
            })
        };
        let trees = found.iter().map(tree).collect::<Result<_, sqlx::Error>>()?;
        let at = row.try_get("at")?;
        Ok((Accounts::new(account(&row)?, trees, self.allowance, at), at))
    }

    async fn keep_accounts(
        &self,
        connection: &mut Connection,
        tenant: &str,
        accounts: &Accounts,
    ) -> Result<(), sqlx::Error> {
        let TenantAccount { total_limit, period, spent, reserved, period_start, turn, told, told_limit } =
            &accounts.tenant;
        sqlx::query(TENANT_KEPT)
            .bind(tenant)
            .bind(total_limit)
            .bind(period.map(Period::as_str))
            .bind(spent)
            .bind(reserved)
            .bind(period_start)
            .bind(turn)
            .bind(i16::from(*told))
            .bind(told_limit)
            .execute(&mut *connection)
            .await?;
        for tree in &accounts.trees {
            sqlx::query(TREE_KEPT)
                .bind(tree.job.0)
                .bind(tree.spent)
                .bind(tree.reserved)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }

    /// Puts out an event if a threshold was crossed and somebody listens, and asks a human if the budget is gone. Says
    /// which of it there was.
    async fn tell_of_budget(
        &self,
        connection: &mut Connection,
        tenant: &str,
        accounts: &mut Accounts,
        refused: bool,
        at: DateTime<Utc>,
    ) -> Result<Crossed, sqlx::Error> {
        let Some(threshold) = accounts.crossed(refused) else { return Ok(Crossed::default()) };
        let data = accounts.telling(tenant, threshold, at);
        let told = self.announce(&mut *connection, tenant, BUDGET_THRESHOLD, &data).await?;
        if threshold == GONE {
            let asked = accounts.gone(tenant, at).by_golden(tenant);
            let asked = asked.map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
            // Whatever quota the tenant has: it did not ask for this job.
            record(connection, &[&asked], Entrance::Open, self.now()).await?;
        }
        Ok(Crossed { told, asked: threshold == GONE })
    }

    /// Says what followed from an account, once that is committed.
    fn say_crossed(&self, Crossed { told, asked }: Crossed) {
        self.tell(told);
        if asked {
            self.wake([Escalation::ROLE]);
        }
    }
}

/// What followed from an account.
#[derive(Clone, Copy, Default)]
struct Crossed {
    /// Somebody is to be told of an event.
    told: bool,
    /// A human is asked.
    asked: bool,
}

fn waited_for(row: &PgRow, budget: Budget) -> Result<Budget, sqlx::Error> {
    Ok(Budget { waiting: rows::count(row, "waiting")?, least_need: row.try_get("least_need")?, ..budget })
}

fn account(row: &PgRow) -> Result<TenantAccount, sqlx::Error> {
    Ok(TenantAccount {
        total_limit: row.try_get("total_limit")?,
        period: row.try_get::<Option<&str>, _>("period")?.map(rows::parsed).transpose()?,
        spent: row.try_get("spent")?,
        reserved: row.try_get("reserved")?,
        period_start: row.try_get("period_start")?,
        turn: row.try_get("turn")?,
        told: u8::try_from(row.try_get::<i16, _>("told")?).unwrap_or(u8::MAX),
        told_limit: row.try_get("told_limit")?,
    })
}
