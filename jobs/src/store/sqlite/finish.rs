//! Runs end, or say how far they are.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use serde_json::value::RawValue;

use super::{
    entry, moves,
    params::{hex, list},
    settle,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    id::JobId,
    outcome::Verdict,
    store::{Report, Run, RunEnd},
};

const SUCCEED: &str = step(include_str!("../../sql/sqlite/succeed.sql"), "jobs");
const REPORT: &str = step(include_str!("../../sql/sqlite/report.sql"), "jobs");

pub(super) struct Finish {
    pub ends: Vec<RunEnd>,
}

#[async_trait]
impl Verb for Finish {
    /// The runs whose lease was lost.
    type Answer = Vec<Run>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<Run>, sqlx::Error> {
        let mut seen = HashSet::with_capacity(self.ends.len());
        let (mut succeeded, mut others, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        for end in &self.ends {
            match &end.verdict {
                // A run ends once, and with the first of its ends.
                _ if !seen.insert(end.run) => lost.push(end.run),
                Verdict::Succeeded { result } => succeeded.push((end.run, result.as_deref())),
                _ => others.push(end),
            }
        }
        lost.extend(succeed(tx, &succeeded).await?);
        lost.extend(settle::settle(tx, &others).await?);
        entry::admit(tx, entry::ASIDE).await?;
        Ok(lost)
    }
}

/// The lean path. Answers the runs whose lease was lost.
async fn succeed(tx: &mut Tx<'_>, ends: &[(Run, Option<&RawValue>)]) -> Result<Vec<Run>, sqlx::Error> {
    if ends.is_empty() {
        return Ok(Vec::new());
    }
    let rows = list(ends.iter().map(|(run, result)| (hex(run.id.0), run.lease, result.map(|result| result.get()))))?;
    let changed = sqlx::query(SUCCEED).bind(rows).bind(tx.now).execute(&mut *tx.connection).await?;
    let (held, lost) = split(tx, ends.iter().map(|(run, _)| *run).collect(), changed.rows_affected()).await?;
    if !held.is_empty() {
        moves::free(tx, held.iter().map(|run| run.lease)).await?;
        let ids: Vec<JobId> = held.iter().map(|run| run.id).collect();
        moves::ended(tx, &ids).await?;
    }
    Ok(lost)
}

/// Which of the runs still hold their lease, and which do not. Asks only when fewer rows
/// changed than there are runs.
async fn split(tx: &mut Tx<'_>, runs: Vec<Run>, changed: u64) -> Result<(Vec<Run>, Vec<Run>), sqlx::Error> {
    if usize::try_from(changed) == Ok(runs.len()) {
        return Ok((runs, Vec::new()));
    }
    let held = moves::held(tx, runs.iter().copied()).await?;
    Ok(runs.into_iter().partition(|run| held.contains(&run.lease)))
}

pub(super) struct Reports {
    pub reports: Vec<Report>,
}

#[async_trait]
impl Verb for Reports {
    /// The runs whose lease was lost.
    type Answer = Vec<Run>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<Run>, sqlx::Error> {
        tx.hints.stir();
        let text = |json: &Option<Box<RawValue>>| json.as_ref().map(|json| json.get().to_owned());
        // One row a run: a later report goes over an earlier one of the same batch.
        let mut latest: Vec<(Run, Option<String>, Option<String>)> = Vec::with_capacity(self.reports.len());
        let mut place = HashMap::with_capacity(self.reports.len());
        for report in &self.reports {
            let at = *place.entry(report.run).or_insert_with(|| {
                latest.push((report.run, None, None));
                latest.len() - 1
            });
            let (_, progress, checkpoint) = &mut latest[at];
            *progress = text(&report.progress).or(progress.take());
            *checkpoint = text(&report.checkpoint).or(checkpoint.take());
        }
        let rows =
            list(latest.iter().map(|(run, progress, checkpoint)| (hex(run.id.0), run.lease, progress, checkpoint)))?;
        let changed = sqlx::query(REPORT).bind(rows).execute(&mut *tx.connection).await?;
        let runs = latest.into_iter().map(|(run, ..)| run).collect();
        Ok(split(tx, runs, changed.rows_affected()).await?.1)
    }
}
