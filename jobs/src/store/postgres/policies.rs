//! Policies of agents, their changes, and which version is active.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sqlx::{PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    Connection, PostgresStore,
    insert::{Entrance, record},
    rows, step,
};
use crate::{
    audit::Actor,
    governance::{
        canary::{Arm, Sample, Tallies, Tally},
        change::{Approved, BrokenGlass, Change, Order, Refused},
        docket::{Docket, Frozen, Slot},
    },
    id::ChangeId,
    job::Job,
    kinds::LearningUpdate,
    models::exchange::AgentRole,
    store::{
        Page, Policies, StoreError,
        audit::ChainName,
        policies::{COUNTED, ChangeFilter, InUse, PolicyVersion},
    },
};

const GOVERN: &str = include_str!("../../sql/postgres/govern.sql");
const ROLE: &str = step(GOVERN, "role");
const OPENED: &str = step(GOVERN, "opened");
const SLOT: &str = step(GOVERN, "slot");
const CHANGES: &str = step(GOVERN, "changes");
const SLOT_KEPT: &str = step(GOVERN, "slot_kept");
const VERSION: &str = step(GOVERN, "version");
const PROPOSED: &str = step(GOVERN, "proposed");
const CHANGE_KEPT: &str = step(GOVERN, "change_kept");
const DECIDED: &str = step(GOVERN, "decided");

const DOCKET: &str = include_str!("../../sql/postgres/policy_docket.sql");
const TALLIES: &str = include_str!("../../sql/postgres/policy_tallies.sql");

#[async_trait]
impl Policies for PostgresStore {
    async fn govern(
        &self,
        tenant: &str,
        order: &Order,
        by: &Actor,
    ) -> Result<Result<Option<Change>, Refused>, StoreError> {
        let (ruled, told) = self.in_time(|| self.govern_once(tenant, order, by)).await?;
        if ruled.is_ok() && matches!(order, Order::Propose(_)) {
            self.wake([LearningUpdate::ROLE]);
        }
        self.tell(told);
        Ok(ruled)
    }

    async fn policy_in_use(&self, tenant: &str, role: AgentRole) -> Result<InUse, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/policy_in_use.sql"))
                .bind(tenant)
                .bind(role.as_str())
                .fetch_optional(&self.pool)
                .await?;
            let Some(row) = found else { return Ok(InUse::default()) };
            let canary =
                row.try_get::<Option<Uuid>, _>("canary")?.zip(row.try_get::<Option<i32>, _>("canary_version")?);
            Ok(InUse {
                active: rows::small(&row, "active_version")?,
                canary: canary.map(|(change, version)| (ChangeId(change), u32::try_from(version).unwrap_or(0))),
            })
        })
        .await
    }

    async fn policy_docket(&self, tenant: &str, role: AgentRole) -> Result<Docket, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(DOCKET);
            let row = found.bind(tenant).bind(role.as_str()).bind(self.now()).fetch_one(&self.pool).await?;
            let now = row.try_get("at")?;
            let slot = match row.try_get::<Option<i32>, _>("active_version")? {
                Some(_) => slot(&row, tenant, role)?,
                None => Slot::fresh(tenant, role),
            };
            let changes = changes(&self.pool, &slot, None).await?;
            let tallies = tallies(&self.pool, slot.canary).await?;
            Ok(Docket::new(slot, changes, tallies, self.rules.of(role), now))
        })
        .await
    }

    async fn policy_version(
        &self,
        tenant: &str,
        role: AgentRole,
        version: u32,
    ) -> Result<Option<PolicyVersion>, StoreError> {
        self.in_time(|| async {
            let row = sqlx::query(include_str!("../../sql/postgres/policy_version.sql"))
                .bind(tenant)
                .bind(role.as_str())
                .bind(number(version))
                .fetch_optional(&self.pool)
                .await?;
            row.as_ref().map(policy_version).transpose()
        })
        .await
    }

    async fn policy_versions(
        &self,
        tenant: &str,
        role: AgentRole,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<PolicyVersion>, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/policy_versions.sql"))
                .bind(tenant)
                .bind(role.as_str())
                .bind(before.map(number))
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(policy_version).collect()
        })
        .await
    }

    async fn policy_changes(&self, filter: &ChangeFilter, page: Page<ChangeId>) -> Result<Vec<Change>, StoreError> {
        self.in_time(|| async {
            let rows = sqlx::query(include_str!("../../sql/postgres/policy_changes.sql"))
                .bind(&filter.tenant_id)
                .bind(page.before.map(|change| change.0))
                .bind(i64::from(page.limit))
                .bind(filter.role.map(AgentRole::as_str))
                .bind(filter.state.map(|state| state.as_str()))
                .bind(filter.waiting)
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(change).collect()
        })
        .await
    }

    async fn policy_change(&self, tenant: &str, id: ChangeId) -> Result<Option<Change>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/policy_change.sql"));
            let row = found.bind(tenant).bind(id.0).fetch_optional(&self.pool).await?;
            row.as_ref().map(change).transpose()
        })
        .await
    }

    async fn policy_tallies(&self, change: ChangeId) -> Result<Tallies, StoreError> {
        self.in_time(|| tallies(&self.pool, Some(change))).await
    }

    async fn sample_policy(&self, change: ChangeId, arm: Arm, sample: &Sample) -> Result<(), StoreError> {
        self.in_time(|| {
            sqlx::query(include_str!("../../sql/postgres/sample_policy.sql"))
                .bind(change.0)
                .bind(arm.as_str())
                .bind(i64::from(sample.failed))
                .bind(i64::from(sample.invalid))
                .bind(i64::from(sample.leaked))
                .bind(i64::try_from(sample.cost).unwrap_or(i64::MAX))
                .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    async fn frozen_policies(&self) -> Result<Vec<(AgentRole, u64)>, StoreError> {
        self.in_time(|| async {
            let found = sqlx::query(include_str!("../../sql/postgres/frozen_policies.sql"));
            let rows = found.fetch_all(&self.pool).await?;
            let counted = |row: &PgRow| Ok((rows::parsed(row.try_get("role")?)?, rows::count(row, "frozen")?));
            rows.iter().map(counted).collect()
        })
        .await
    }
}

impl PostgresStore {
    /// What came of it, and whether somebody is to be told.
    async fn govern_once(
        &self,
        tenant: &str,
        order: &Order,
        by: &Actor,
    ) -> Result<(Result<Option<Change>, Refused>, bool), sqlx::Error> {
        let mut tx = self.begin().await?;
        let role = match order.role() {
            Ok(role) => role,
            Err(id) => {
                let found: Option<String> =
                    sqlx::query_scalar(ROLE).bind(tenant).bind(id.0).fetch_optional(&mut *tx).await?;
                let Some(role) = found else { return Ok((Err(Refused::NoSuch), false)) };
                rows::parsed::<AgentRole>(&role)?
            }
        };
        sqlx::query(OPENED).bind(tenant).bind(role.as_str()).execute(&mut *tx).await?;
        let row = sqlx::query(SLOT).bind(tenant).bind(role.as_str()).bind(self.now()).fetch_one(&mut *tx).await?;
        let (slot, now) = (slot(&row, tenant, role)?, row.try_get("at")?);
        let changes = changes(&mut *tx, &slot, order.change()).await?;
        let tallies = tallies(&mut *tx, slot.canary).await?;
        let mut docket = Docket::new(slot, changes, tallies, self.rules.of(role), now);
        let ruled = docket.carry_out(order, by);
        if docket.written.is_empty() {
            return Ok((docket.answer(ruled), false));
        }
        let told = self.keep_docket(&mut tx, &docket).await?;
        tx.commit().await?;
        Ok((docket.answer(ruled), told))
    }

    async fn keep_docket(&self, connection: &mut Connection, docket: &Docket) -> Result<bool, sqlx::Error> {
        let Slot { tenant_id, role, active, last, canary, frozen, thawed_at } = &docket.slot;
        if let Some((id, document)) = &docket.written.proposed
            && let Some(change) = docket.change(*id)
        {
            sqlx::query(VERSION)
                .bind(tenant_id)
                .bind(role.as_str())
                .bind(number(change.version))
                .bind(document.canonical())
                .bind(&change.sha256[..])
                .bind(&change.proposed_by)
                .bind(docket.now)
                .execute(&mut *connection)
                .await?;
            sqlx::query(PROPOSED)
                .bind(tenant_id)
                .bind(role.as_str())
                .bind(id.0)
                .bind(number(change.version))
                .bind(number(change.base_version))
                .bind(&change.sha256[..])
                .bind(change.state.as_str())
                .bind(&change.proposed_by)
                .bind(&change.reason)
                .bind(change.activate_at)
                .bind(docket.now)
                .execute(&mut *connection)
                .await?;
            // In the same transaction: nobody else would ever see to the change.
            let job = LearningUpdate::job(tenant_id, *id).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
            record(connection, &[&job], Entrance::Open, self.now()).await?;
        }
        for change in docket.written.changes.iter().filter_map(|id| docket.change(*id)) {
            let glass = change.broken_glass.as_ref();
            sqlx::query(CHANGE_KEPT)
                .bind(change.id.0)
                .bind(change.state.as_str())
                .bind(change.state_at)
                .bind(&change.note)
                .bind(change.activate_at)
                .bind(change.evaluation.as_ref().map(|evaluation| evaluation.get()))
                .bind(change.activated_at)
                .bind(change.rolled_back_at)
                .bind(glass.map(|glass| &glass.by))
                .bind(glass.and_then(|glass| glass.reviewed_by.as_ref()))
                .bind(glass.and_then(|glass| glass.reviewed_at))
                .execute(&mut *connection)
                .await?;
        }
        if let Some(decision) = &docket.written.decision {
            sqlx::query(DECIDED)
                .bind(decision.id.0)
                .bind(tenant_id)
                .bind(decision.change.0)
                .bind(&decision.sha256[..])
                .bind(number(decision.base_version))
                .bind(decision.approved)
                .bind(&decision.by)
                .bind(&decision.reason)
                .bind(docket.now)
                .execute(&mut *connection)
                .await?;
        }
        sqlx::query(SLOT_KEPT)
            .bind(tenant_id)
            .bind(role.as_str())
            .bind(number(*active))
            .bind(number(*last))
            .bind(canary.map(|change| change.0))
            .bind(frozen.as_ref().map(|frozen| frozen.since))
            .bind(frozen.as_ref().map(|frozen| &frozen.by))
            .bind(frozen.as_ref().map(|frozen| &frozen.reason))
            .bind(thawed_at)
            .execute(&mut *connection)
            .await?;
        let acts = docket.written.acts.iter().map(|(by, act)| (by, act));
        self.chain(connection, &ChainName::of(tenant_id), acts).await?;
        let mut told = false;
        for (event, data) in &docket.written.events {
            told |= self.announce(&mut *connection, tenant_id, event, data).await?;
        }
        Ok(told)
    }
}

async fn changes(
    executor: impl PgExecutor<'_>,
    slot: &Slot,
    asked: Option<ChangeId>,
) -> Result<Vec<Change>, sqlx::Error> {
    let rows = sqlx::query(CHANGES)
        .bind(&slot.tenant_id)
        .bind(slot.role.as_str())
        .bind(asked.map(|change| change.0))
        .bind(number(slot.active))
        .bind(COUNTED)
        .fetch_all(executor)
        .await?;
    rows.iter().map(change).collect()
}

async fn tallies(executor: impl PgExecutor<'_>, change: Option<ChangeId>) -> Result<Tallies, sqlx::Error> {
    let Some(change) = change else { return Ok(Tallies::default()) };
    let mut tallies = Tallies::default();
    for row in sqlx::query(TALLIES).bind(change.0).fetch_all(executor).await? {
        *tallies.of(row.try_get("arm")?) = Tally {
            samples: rows::count(&row, "samples")?,
            failures: rows::count(&row, "failures")?,
            invalid: rows::count(&row, "invalid")?,
            leaks: rows::count(&row, "leaks")?,
            in_a_row: rows::count(&row, "in_a_row")?,
            cost_micros: rows::count(&row, "cost_micros")?,
        };
    }
    Ok(tallies)
}

fn slot(row: &PgRow, tenant: &str, role: AgentRole) -> Result<Slot, sqlx::Error> {
    let frozen = match row.try_get("frozen_at")? {
        Some(since) => Some(Frozen { since, by: row.try_get("frozen_by")?, reason: row.try_get("frozen_reason")? }),
        None => None,
    };
    Ok(Slot {
        tenant_id: tenant.to_owned(),
        role,
        active: rows::small(row, "active_version")?,
        last: rows::small(row, "last_version")?,
        canary: row.try_get::<Option<Uuid>, _>("canary")?.map(ChangeId),
        frozen,
        thawed_at: row.try_get("thawed_at")?,
    })
}

fn change(row: &PgRow) -> Result<Change, sqlx::Error> {
    let approved_at: Option<DateTime<Utc>> = row.try_get("approved_at")?;
    let approval = |at| {
        Ok::<_, sqlx::Error>(Approved {
            sha256: digest(row, "approved_sha256")?,
            base_version: rows::small(row, "approved_base")?,
            by: row.try_get("approved_by")?,
            at,
        })
    };
    let broken_glass = |by| {
        let (reviewed_by, reviewed_at) = (row.try_get("glass_reviewed_by")?, row.try_get("glass_reviewed_at")?);
        Ok::<_, sqlx::Error>(BrokenGlass { by, reviewed_by, reviewed_at })
    };
    Ok(Change {
        id: ChangeId(row.try_get("id")?),
        tenant_id: row.try_get("tenant_id")?,
        role: rows::parsed(row.try_get("role")?)?,
        version: rows::small(row, "version")?,
        base_version: rows::small(row, "base_version")?,
        sha256: digest(row, "content_sha256")?,
        state: rows::parsed(row.try_get("state")?)?,
        proposed_by: row.try_get("proposed_by")?,
        reason: row.try_get("reason")?,
        note: row.try_get("note")?,
        activate_at: row.try_get("activate_at")?,
        evaluation: rows::json(row, "evaluation")?,
        approval: approved_at.map(approval).transpose()?,
        created_at: row.try_get("created_at")?,
        state_at: row.try_get("state_at")?,
        activated_at: row.try_get("activated_at")?,
        rolled_back_at: row.try_get("rolled_back_at")?,
        broken_glass: row.try_get::<Option<String>, _>("glass_by")?.map(broken_glass).transpose()?,
    })
}

fn policy_version(row: &PgRow) -> Result<PolicyVersion, sqlx::Error> {
    Ok(PolicyVersion {
        version: rows::small(row, "version")?,
        document: rows::json(row, "document")?.unwrap_or_else(|| RawValue::NULL.to_owned()),
        sha256: digest(row, "content_sha256")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
    })
}

fn digest(row: &PgRow, column: &str) -> Result<[u8; 32], sqlx::Error> {
    let digest: &[u8] = row.try_get(column)?;
    digest.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn number(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}
