//! Every end of a run but success.

use std::{collections::HashMap, time::Duration};

use sqlx::Row;

use super::{
    insert, moves,
    params::{after, hex, list, without_nul},
    rows,
    steps::step,
    writer::Tx,
};
use crate::{
    id::{DeadLetterId, JobId},
    outcome::Verdict,
    role::Role,
    store::{NewJob, Run, RunEnd},
};

const FILE: &str = include_str!("../../sql/sqlite/settle.sql");
const HELD: &str = step(FILE, "held");
const JOBS: &str = step(FILE, "jobs");
const KEPT: &str = step(FILE, "kept");
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
}

async fn held(tx: &mut Tx<'_>, ends: &[&RunEnd]) -> Result<HashMap<i64, Held>, sqlx::Error> {
    let runs = list(ends.iter().map(|end| (hex(end.run.id.0), end.run.lease)))?;
    let rows = sqlx::query(HELD).bind(runs).fetch_all(&mut *tx.connection).await?;
    rows.iter()
        .map(|row| {
            let held =
                Held { cancel: row.try_get("cancel")?, role: rows::role(row)?, priority: row.try_get("priority")? };
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
            ending.state = "queued";
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
            e.checkpoint,
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
    moves::ready(tx, state("queued").map(|e| (e.role, e.priority, e.run.id))).await?;
    let later = state("retrying").chain(state("scheduled"));
    moves::scheduled(tx, later.map(|e| (e.run.id, after(now, e.delay), e.role, e.priority))).await?;

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

/// A verdict as the columns of `settle.sql`.
struct Ending<'a> {
    run: Run,
    role: Role,
    priority: u8,
    state: &'static str,
    delay: Duration,
    /// Whether the run counts as an attempt.
    spent: bool,
    lost: bool,
    /// What the record of attempts says, where it says anything.
    outcome: Option<&'static str>,
    error: Option<(&'a str, &'a str)>,
    checkpoint: Option<&'a str>,
    awaited: &'a [NewJob],
    children: u32,
}

impl<'a> Ending<'a> {
    fn of(end: &'a RunEnd, held: &Held) -> Self {
        let ending = Self::by_verdict(end, held);
        // A run that was asked to stop ends as cancelled, unless it died anyway.
        match held.cancel && ending.state != "dead" {
            true => Self {
                state: "cancelled",
                spent: true,
                outcome: Some("cancelled"),
                awaited: &[],
                children: 0,
                ..ending
            },
            false => ending,
        }
    }

    fn by_verdict(end: &'a RunEnd, held: &Held) -> Self {
        let plain = Self {
            run: end.run,
            role: held.role,
            priority: held.priority,
            state: "queued",
            delay: Duration::ZERO,
            spent: false,
            lost: false,
            outcome: None,
            error: None,
            checkpoint: None,
            awaited: &[],
            children: 0,
        };
        match &end.verdict {
            Verdict::Succeeded { .. } => unreachable!("succeeded runs take the lean path"),
            Verdict::Retry { delay, error } => Self {
                state: if delay.is_zero() { "queued" } else { "retrying" },
                delay: *delay,
                spent: true,
                outcome: Some("retry"),
                error: Some((&error.code, &error.message)),
                ..plain
            },
            Verdict::Dead { error } => Self {
                state: "dead",
                spent: true,
                outcome: Some("dead"),
                error: Some((&error.code, &error.message)),
                ..plain
            },
            Verdict::Snooze { delay } => {
                Self { state: if delay.is_zero() { "queued" } else { "scheduled" }, delay: *delay, ..plain }
            }
            Verdict::Release => plain,
            Verdict::Await { children, checkpoint } => Self {
                state: if children.is_empty() { "queued" } else { "waiting" },
                checkpoint: checkpoint.as_ref().map(|checkpoint| checkpoint.get()),
                awaited: children,
                children: u32::try_from(children.len()).unwrap_or(u32::MAX),
                ..plain
            },
            Verdict::Cancelled => Self { state: "cancelled", spent: true, outcome: Some("cancelled"), ..plain },
            Verdict::Lost { dead } => Self {
                state: if *dead { "dead" } else { "queued" },
                spent: true,
                lost: true,
                outcome: Some("lost"),
                error: Some(("worker_lost", "the worker running this job fell silent")),
                ..plain
            },
        }
    }

    /// Whether the job has a new time from which it may run.
    fn is_due(&self) -> bool {
        matches!(self.state, "queued" | "retrying" | "scheduled")
    }
}
