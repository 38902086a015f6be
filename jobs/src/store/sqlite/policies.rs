//! Policies of agents, their changes, and which version is active.

use async_trait::async_trait;
use serde_json::value::RawValue;
use sqlx::{Row, SqliteExecutor, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    SqliteStore,
    audit::chain,
    events::announce,
    insert::record,
    now,
    params::micros,
    rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::Actor,
    governance::{
        canary::{Arm, Sample, Tallies, Tally},
        change::{Approved, BrokenGlass, Change, Order, Refused},
        docket::{Docket, Frozen, Slot},
        rules::Rules,
    },
    id::ChangeId,
    kinds::LearningUpdate,
    models::exchange::AgentRole,
    store::{
        Page, Policies, StoreError,
        audit::ChainName,
        policies::{COUNTED, ChangeFilter, InUse, PolicyVersion},
    },
};

const GOVERN: &str = include_str!("../../sql/sqlite/govern.sql");
const ROLE: &str = step(GOVERN, "role");
const OPENED: &str = step(GOVERN, "opened");
const SLOT: &str = step(GOVERN, "slot");
const CHANGES: &str = step(GOVERN, "changes");
const SLOT_KEPT: &str = step(GOVERN, "slot_kept");
const VERSION: &str = step(GOVERN, "version");
const PROPOSED: &str = step(GOVERN, "proposed");
const CHANGE_KEPT: &str = step(GOVERN, "change_kept");
const DECIDED: &str = step(GOVERN, "decided");

const DOCKET: &str = include_str!("../../sql/sqlite/policy_docket.sql");
const TALLIES: &str = include_str!("../../sql/sqlite/policy_tallies.sql");

#[async_trait]
impl Policies for SqliteStore {
    async fn govern(
        &self,
        tenant: &str,
        order: &Order,
        by: &Actor,
    ) -> Result<Result<Option<Change>, Refused>, StoreError> {
        let (tenant, order, by) = (tenant.to_owned(), order.clone(), by.clone());
        self.writer.call(Govern { tenant, order, by, rules: self.rules }).await
    }

    async fn policy_in_use(&self, tenant: &str, role: AgentRole) -> Result<InUse, StoreError> {
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/policy_in_use.sql"))
                .bind(tenant)
                .bind(role.as_str())
                .fetch_optional(&self.readers)
                .await?;
            let Some(row) = found else { return Ok(InUse::default()) };
            let canary =
                row.try_get::<Option<Uuid>, _>("canary")?.zip(row.try_get::<Option<u32>, _>("canary_version")?);
            Ok(InUse {
                active: rows::small(&row, "active_version")?,
                canary: canary.map(|(change, version)| (ChangeId(change), version)),
            })
        })
        .await
    }

    async fn policy_docket(&self, tenant: &str, role: AgentRole) -> Result<Docket, StoreError> {
        self.read(async {
            let found = sqlx::query(DOCKET);
            let found = found.bind(tenant).bind(role.as_str()).fetch_optional(&self.readers).await?;
            let slot = found.map_or_else(|| Ok(Slot::fresh(tenant, role)), |row| slot(&row, tenant, role))?;
            let changes = changes(&self.readers, &slot, None).await?;
            let tallies = tallies(&self.readers, slot.canary).await?;
            Ok(Docket::new(slot, changes, tallies, self.rules.of(role), now(&self.clock)))
        })
        .await
    }

    async fn policy_version(
        &self,
        tenant: &str,
        role: AgentRole,
        version: u32,
    ) -> Result<Option<PolicyVersion>, StoreError> {
        self.read(async {
            let row = sqlx::query(include_str!("../../sql/sqlite/policy_version.sql"))
                .bind(tenant)
                .bind(role.as_str())
                .bind(version)
                .fetch_optional(&self.readers)
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
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/policy_versions.sql"))
                .bind(tenant)
                .bind(role.as_str())
                .bind(before)
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(policy_version).collect()
        })
        .await
    }

    async fn policy_changes(&self, filter: &ChangeFilter, page: Page<ChangeId>) -> Result<Vec<Change>, StoreError> {
        self.read(async {
            let rows = sqlx::query(include_str!("../../sql/sqlite/policy_changes.sql"))
                .bind(&filter.tenant_id)
                .bind(page.before.map(|change| change.0))
                .bind(page.limit)
                .bind(filter.role.map(AgentRole::as_str))
                .bind(filter.state.map(|state| state.as_str()))
                .bind(filter.waiting)
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(change).collect()
        })
        .await
    }

    async fn policy_change(&self, tenant: &str, id: ChangeId) -> Result<Option<Change>, StoreError> {
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/policy_change.sql"));
            let row = found.bind(tenant).bind(id.0).fetch_optional(&self.readers).await?;
            row.as_ref().map(change).transpose()
        })
        .await
    }

    async fn policy_tallies(&self, change: ChangeId) -> Result<Tallies, StoreError> {
        self.read(tallies(&self.readers, Some(change))).await
    }

    async fn sample_policy(&self, change: ChangeId, arm: Arm, sample: &Sample) -> Result<(), StoreError> {
        self.writer.call(Count { change, arm, sample: *sample }).await
    }

    async fn frozen_policies(&self) -> Result<Vec<(AgentRole, u64)>, StoreError> {
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/frozen_policies.sql"));
            let rows = found.fetch_all(&self.readers).await?;
            let counted = |row: &SqliteRow| Ok((rows::parsed(row.try_get("role")?)?, rows::count(row, "frozen")?));
            rows.iter().map(counted).collect()
        })
        .await
    }
}

struct Govern {
    tenant: String,
    order: Order,
    by: Actor,
    rules: Rules,
}

#[async_trait]
impl Verb for Govern {
    type Answer = Result<Option<Change>, Refused>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Answer, sqlx::Error> {
        let tenant = &self.tenant;
        let role = match self.order.role() {
            Ok(role) => role,
            Err(id) => {
                let found: Option<String> =
                    sqlx::query_scalar(ROLE).bind(tenant).bind(id.0).fetch_optional(&mut *tx.connection).await?;
                let Some(role) = found else { return Ok(Err(Refused::NoSuch)) };
                rows::parsed::<AgentRole>(&role)?
            }
        };
        sqlx::query(OPENED).bind(tenant).bind(role.as_str()).execute(&mut *tx.connection).await?;
        let row = sqlx::query(SLOT).bind(tenant).bind(role.as_str()).fetch_one(&mut *tx.connection).await?;
        let slot = slot(&row, tenant, role)?;
        let changes = changes(&mut *tx.connection, &slot, self.order.change()).await?;
        let tallies = tallies(&mut *tx.connection, slot.canary).await?;
        let mut docket = Docket::new(slot, changes, tallies, self.rules.of(role), rows::time(tx.now));
        let ruled = docket.carry_out(&self.order, &self.by);
        if !docket.written.is_empty() {
            keep(tx, &docket).await?;
        }
        Ok(docket.answer(ruled))
    }
}

struct Count {
    change: ChangeId,
    arm: Arm,
    sample: Sample,
}

#[async_trait]
impl Verb for Count {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        sqlx::query(include_str!("../../sql/sqlite/sample_policy.sql"))
            .bind(self.change.0)
            .bind(self.arm.as_str())
            .bind(i64::from(self.sample.failed))
            .bind(i64::from(self.sample.invalid))
            .bind(i64::from(self.sample.leaked))
            .bind(i64::try_from(self.sample.cost).unwrap_or(i64::MAX))
            .execute(&mut *tx.connection)
            .await?;
        Ok(())
    }
}

async fn keep(tx: &mut Tx<'_>, docket: &Docket) -> Result<(), sqlx::Error> {
    let Slot { tenant_id, role, active, last, canary, frozen, thawed_at } = &docket.slot;
    if let Some((id, document)) = &docket.written.proposed
        && let Some(change) = docket.change(*id)
    {
        sqlx::query(VERSION)
            .bind(tenant_id)
            .bind(role.as_str())
            .bind(change.version)
            .bind(document.canonical())
            .bind(&change.sha256[..])
            .bind(&change.proposed_by)
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?;
        sqlx::query(PROPOSED)
            .bind(tenant_id)
            .bind(role.as_str())
            .bind(id.0)
            .bind(change.version)
            .bind(change.base_version)
            .bind(&change.sha256[..])
            .bind(change.state.as_str())
            .bind(&change.proposed_by)
            .bind(&change.reason)
            .bind(change.activate_at.map(micros))
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?;
        // In the same transaction: nobody else would ever see to the change.
        let job = LearningUpdate::job(tenant_id, *id).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        record(tx, &[&job], false).await?;
    }
    for change in docket.written.changes.iter().filter_map(|id| docket.change(*id)) {
        let glass = change.broken_glass.as_ref();
        sqlx::query(CHANGE_KEPT)
            .bind(change.id.0)
            .bind(change.state.as_str())
            .bind(micros(change.state_at))
            .bind(&change.note)
            .bind(change.activate_at.map(micros))
            .bind(change.evaluation.as_ref().map(|evaluation| evaluation.get()))
            .bind(change.activated_at.map(micros))
            .bind(change.rolled_back_at.map(micros))
            .bind(glass.map(|glass| &glass.by))
            .bind(glass.and_then(|glass| glass.reviewed_by.as_ref()))
            .bind(glass.and_then(|glass| glass.reviewed_at).map(micros))
            .execute(&mut *tx.connection)
            .await?;
    }
    if let Some(decision) = &docket.written.decision {
        sqlx::query(DECIDED)
            .bind(decision.id.0)
            .bind(tenant_id)
            .bind(decision.change.0)
            .bind(&decision.sha256[..])
            .bind(decision.base_version)
            .bind(decision.approved)
            .bind(&decision.by)
            .bind(&decision.reason)
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await?;
    }
    sqlx::query(SLOT_KEPT)
        .bind(tenant_id)
        .bind(role.as_str())
        .bind(active)
        .bind(last)
        .bind(canary.map(|change| change.0))
        .bind(frozen.as_ref().map(|frozen| micros(frozen.since)))
        .bind(frozen.as_ref().map(|frozen| &frozen.by))
        .bind(frozen.as_ref().map(|frozen| &frozen.reason))
        .bind(thawed_at.map(micros))
        .execute(&mut *tx.connection)
        .await?;
    let acts: Vec<_> = docket.written.acts.iter().map(|(by, act)| (by, act)).collect();
    chain(tx, &ChainName::of(tenant_id), &acts).await?;
    for (event, data) in &docket.written.events {
        announce(tx, tenant_id, event, data).await?;
    }
    Ok(())
}

async fn changes(
    executor: impl SqliteExecutor<'_>,
    slot: &Slot,
    asked: Option<ChangeId>,
) -> Result<Vec<Change>, sqlx::Error> {
    let rows = sqlx::query(CHANGES)
        .bind(&slot.tenant_id)
        .bind(slot.role.as_str())
        .bind(asked.map(|change| change.0))
        .bind(slot.active)
        .bind(COUNTED)
        .fetch_all(executor)
        .await?;
    rows.iter().map(change).collect()
}

async fn tallies(executor: impl SqliteExecutor<'_>, change: Option<ChangeId>) -> Result<Tallies, sqlx::Error> {
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

fn slot(row: &SqliteRow, tenant: &str, role: AgentRole) -> Result<Slot, sqlx::Error> {
    let frozen = match rows::perhaps_at(row, "frozen_at")? {
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
        thawed_at: rows::perhaps_at(row, "thawed_at")?,
    })
}

fn change(row: &SqliteRow) -> Result<Change, sqlx::Error> {
    let approved_at = rows::perhaps_at(row, "approved_at")?;
    let approval = |at| {
        Ok::<_, sqlx::Error>(Approved {
            sha256: digest(row, "approved_sha256")?,
            base_version: rows::small(row, "approved_base")?,
            by: row.try_get("approved_by")?,
            at,
        })
    };
    let broken_glass = |by| {
        let (reviewed_by, reviewed_at) =
            (row.try_get("glass_reviewed_by")?, rows::perhaps_at(row, "glass_reviewed_at")?);
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
        activate_at: rows::perhaps_at(row, "activate_at")?,
        evaluation: rows::json(row, "evaluation")?,
        approval: approved_at.map(approval).transpose()?,
        created_at: rows::at(row, "created_at")?,
        state_at: rows::at(row, "state_at")?,
        activated_at: rows::perhaps_at(row, "activated_at")?,
        rolled_back_at: rows::perhaps_at(row, "rolled_back_at")?,
        broken_glass: row.try_get::<Option<String>, _>("glass_by")?.map(broken_glass).transpose()?,
    })
}

fn policy_version(row: &SqliteRow) -> Result<PolicyVersion, sqlx::Error> {
    Ok(PolicyVersion {
        version: rows::small(row, "version")?,
        document: rows::json(row, "document")?.unwrap_or_else(|| RawValue::NULL.to_owned()),
        sha256: digest(row, "content_sha256")?,
        created_by: row.try_get("created_by")?,
        created_at: rows::at(row, "created_at")?,
    })
}

fn digest(row: &SqliteRow, column: &str) -> Result<[u8; 32], sqlx::Error> {
    let digest: &[u8] = row.try_get(column)?;
    digest.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
