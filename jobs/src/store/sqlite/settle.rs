//! Every end of a run but success.

use std::{collections::HashMap, ops::Deref, time::Duration};

use sqlx::Row;

use super::{
    entry::{self, Arrival, Entry},
    insert, moves,
    params::{after, hex, list, without_nul},
    rows,
    steps::step,
    writer::Tx,
};
use crate::{
    id::{DeadLetterId, JobId},
    role::Role,
    store::{NewJob, Run, RunEnd, settlement::Settlement},
};

const FILE: &str = include_str!("../../sql/sqlite/settle.sql");
const HELD: &str = step(FILE, "held");
const JOBS: &str = step(FILE, "jobs");
const KEPT: &str = step(FILE, "kept");
const UNFUNDED: &str = step(FILE, "unfunded");
const BOUNDED: &str = step(FILE, "bounded");
const BURIED: &str = step(FILE, "buried");

/// Records ends other than success. Answers the runs whose lease was lost.
pub(super) async fn settle(tx: &mut Tx<'_>, ends: &[&RunEnd]) -> Result<Vec<Run>, sqlx::Error> {
    if ends.is_empty() {
        return Ok(Vec::new());
    }
    let held = held(tx, ends).await?;
    let mut lost = Vec::new();
    let mut endings: Vec<Ending<'_>> = Vec::with_capacity(ends.len());
    for end in ends {
        match held.get(&end.run.lease) {
            Some(held) => endings.push(Ending::of(end, held)),
            None => lost.push(end.run),
        }
    }
    if !endings.is_empty() {
        bear(tx, &mut endings).await?;
        record(tx, &endings).await?;
    }
    Ok(lost)
}

/// What is to be known of a run before it ends.
struct Held {
    cancel: bool,
    role: Role,
    priority: u8,
    tenant_id: String,
}

async fn held(tx: &mut Tx<'_>, ends: &[&RunEnd]) -> Result<HashMap<i64, Held>, sqlx::Error> {
    let runs = list(ends.iter().map(|end| (hex(end.run.id.0), end.run.lease)))?;
    let rows = sqlx::query(HELD).bind(runs).fetch_all(&mut *tx.connection).await?;
    rows.iter()
        .map(|row| {
            let held = Held {
                cancel: row.try_get("cancel")?,
                role: rows::role(row)?,
                priority: row.try_get("priority")?,
                tenant_id: row.try_get("tenant_id")?,
            };
            Ok((row.try_get("run_lease")?, held))
        })
        .collect()
}

/// Records the children that runs wait for, and counts them. One that was recorded before
/// and has ended is not waited for.
async fn bear(tx: &mut Tx<'_>, endings: &mut [Ending<'_>]) -> Result<(), sqlx::Error> {
    let children: Vec<NewJob> = endings
        .iter()
        .flat_map(|ending| {
            let parent = ending.run.id;
            ending.awaited.iter().map(move |child| NewJob { parent_id: Some(parent), ..child.clone() })
        })
        .collect();
    if children.is_empty() {
        return Ok(());
    }
    let recorded = insert::record(tx, &children.iter().collect::<Vec<_>>(), true).await?;
    if recorded.is_empty() {
        return Ok(());
    }
    let pairs = children.iter().filter_map(|child| Some((child.id, child.parent_id?)));
    let adopted = insert::adopt(tx, pairs).await?;
    for ending in endings.iter_mut().filter(|ending| !ending.awaited.is_empty()) {
        ending.children = adopted.get(&ending.run.id).copied().unwrap_or(0);
        if ending.children == 0 {
            (ending.settlement.state, ending.settlement.delay) = ("queued", Duration::ZERO);
        }
    }
    Ok(())
}

async fn record(tx: &mut Tx<'_>, endings: &[Ending<'_>]) -> Result<(), sqlx::Error> {
    let now = tx.now;
    let rows = list(endings.iter().map(|e| {
        (
            hex(e.run.id.0),
            e.run.lease,
            e.state,
            e.spent,
            e.lost,
            e.is_due().then(|| after(now, e.delay)),
            e.error.map(|error| error.0),
            e.error.map(|error| without_nul(error.1)),
            e.checkpoint.map(|checkpoint| checkpoint.get()),
            e.children,
            e.outcome,
        )
    }))?;
    sqlx::query(JOBS).bind(&rows).bind(now).execute(&mut *tx.connection).await?;
    if endings.iter().any(|e| e.outcome.is_some()) {
        sqlx::query(KEPT).bind(&rows).bind(now).execute(&mut *tx.connection).await?;
    }
    moves::free(tx, endings.iter().map(|e| e.run.lease)).await?;

    let state = |state: &'static str| endings.iter().filter(move |e| e.state == state);
    let due = state("queued").map(|e| Entry {
        role: e.role,
        priority: e.priority,
        id: e.run.id,
        tenant_id: e.tenant_id.clone(),
    });
    entry::ready(tx, due, Arrival::Returning).await?;
    let later = state("retrying").chain(state("scheduled"));
    let later = later.map(|e| (e.run.id, after(now, e.delay), e.role, e.priority, e.tenant_id.as_str()));
    moves::scheduled(tx, later).await?;

    let unfunded = endings.iter().filter_map(|e| Some((hex(e.run.id.0), &e.tenant_id, e.need?)));
    let unfunded: Vec<_> = unfunded.collect();
    if !unfunded.is_empty() {
        sqlx::query(UNFUNDED).bind(list(unfunded)?).bind(now).execute(&mut *tx.connection).await?;
    }

    let bounded: Vec<_> = state("waiting")
        .filter(|e| !e.delay.is_zero())
        .map(|e| {
            tx.hints.due_in(e.delay);
            (hex(e.run.id.0), after(now, e.delay))
        })
        .collect();
    if !bounded.is_empty() {
        sqlx::query(BOUNDED).bind(list(bounded)?).execute(&mut *tx.connection).await?;
    }

    let dead = list(state("dead").map(|e| (hex(DeadLetterId::new().0), hex(e.run.id.0))))?;
    let ended: Vec<JobId> = state("dead").chain(state("cancelled")).map(|e| e.run.id).collect();
    if state("dead").next().is_some() {
        sqlx::query(BURIED).bind(dead).bind(now).execute(&mut *tx.connection).await?;
    }
    if !ended.is_empty() {
        moves::ended(tx, &ended).await?;
    }
    Ok(())
}

/// A run's end: what its verdict means, and how many children there are to wait for.
struct Ending<'a> {
    run: Run,
    role: Role,
    priority: u8,
    tenant_id: String,
    settlement: Settlement<'a>,
    children: u32,
}

impl<'a> Ending<'a> {
    fn of(end: &'a RunEnd, held: &Held) -> Self {
        let verdict = Settlement::of(&end.verdict);
        let settlement = if held.cancel { verdict.stopped() } else { verdict };
        Self {
            run: end.run,
            role: held.role,
            priority: held.priority,
            tenant_id: held.tenant_id.clone(),
            settlement,
            children: u32::try_from(settlement.awaited.len()).unwrap_or(u32::MAX),
        }
    }

    /// Whether the job has a new time from which it may run.
    fn is_due(&self) -> bool {
        matches!(self.state, "queued" | "retrying" | "scheduled")
    }
}

impl<'a> Deref for Ending<'a> {
    type Target = Settlement<'a>;

    fn deref(&self) -> &Settlement<'a> {
        &self.settlement
    }
}
