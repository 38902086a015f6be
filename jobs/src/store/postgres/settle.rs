//! Runs end.

use std::collections::{BTreeMap, HashSet};

use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    Connection, PostgresStore,
    insert::{Entrance, record},
    millis, rows,
};
use crate::{
    id::JobId,
    outcome::Verdict,
    role::Role,
    store::{NewJob, Run, RunEnd, StoreError, settlement::Settlement},
};

/// What the store was told and did about the ends of a batch.
#[derive(Default)]
struct Settled {
    held: HashSet<Run>,
    /// Runs that were asked to stop, whatever their verdict was.
    cancelled: HashSet<Run>,
    told: bool,
    /// Parents of awaited jobs that ended, and how many did.
    awaited: BTreeMap<JobId, i64>,
    resumed: Vec<Role>,
    /// Whether there are gated queues, which may have room now.
    gated: bool,
}

impl PostgresStore {
    pub(super) async fn finish_runs(&self, mut ends: Vec<RunEnd>) -> Result<Vec<Run>, StoreError> {
        // Rows are taken in one order by all, so that two batches do not lock each other out.
        ends.sort_unstable_by_key(|end| end.run.id);
        let (succeeded, other): (Vec<&RunEnd>, Vec<&RunEnd>) =
            ends.iter().partition(|end| matches!(end.verdict, Verdict::Succeeded { .. }));
        let settled = self
            .in_time(|| async {
                let mut settled = Settled::default();
                if other.is_empty() {
                    let mut tx = self.pool.begin_one().await?;
                    self.succeed(&mut tx, &succeeded, true, &mut settled).await?;
                    tx.commit().await?;
                } else {
                    let mut tx = self.begin().await?;
                    self.succeed(&mut tx, &succeeded, false, &mut settled).await?;
                    self.settle(&mut tx, &other, &mut settled).await?;
                    self.count_down(&mut tx, &mut settled).await?;
                    let children = awaited_children(&other, &settled);
                    if !children.is_empty() {
                        self.bear(&mut tx, &children, &mut settled).await?;
                    }
                    tx.commit().await?;
                }
                Ok(settled)
            })
            .await?;

        self.stir();
        self.wake(settled.resumed.iter().copied());
        self.tell(settled.told);
        for end in ends.iter().filter(|end| settled.held.contains(&end.run)) {
            match settled.cancelled.contains(&end.run) {
                true => self.wakes.ended(end.run.id),
                false => self.wakes.settled(end.run.id, end.role, &end.verdict),
            }
        }
        if settled.gated {
            self.admit_aside(ends.iter().map(|end| end.role)).await;
        }
        Ok(ends.into_iter().map(|end| end.run).filter(|run| !settled.held.contains(run)).collect())
    }

    async fn succeed(
        &self,
        connection: &mut Connection,
        ends: &[&RunEnd],
        counting: bool,
        settled: &mut Settled,
    ) -> Result<(), sqlx::Error> {
        if ends.is_empty() {
            return Ok(());
        }
        let results: Vec<Option<&str>> = ends
            .iter()
            .map(|end| match &end.verdict {
                Verdict::Succeeded { result } => result.as_ref().map(|result| result.get()),
                _ => None,
            })
            .collect();
        let rows = sqlx::query(include_str!("../../sql/postgres/succeed.sql"))
            .bind(ends.iter().map(|end| end.run.id.0).collect::<Vec<_>>())
            .bind(ends.iter().map(|end| end.run.lease).collect::<Vec<_>>())
            .bind(results)
            .bind(self.now())
            .bind(counting)
            .fetch_all(connection)
            .await?;
        settled.read(&rows)
    }

    /// Counts the ended children of a whole batch off their parents.
    async fn count_down(&self, connection: &mut Connection, settled: &mut Settled) -> Result<(), sqlx::Error> {
        if settled.awaited.is_empty() {
            return Ok(());
        }
        let (parents, ended): (Vec<Uuid>, Vec<i64>) = settled.awaited.iter().map(|(id, ended)| (id.0, ended)).unzip();
        let resumed = sqlx::query(include_str!("../../sql/postgres/count_down.sql"))
            .bind(parents)
            .bind(ended)
            .bind(self.now())
            .fetch_all(connection)
            .await?;
        settled.resume(&resumed)
    }

    /// Records the children that runs wait for, each once.
    async fn bear(
        &self,
        connection: &mut Connection,
        children: &[NewJob],
        settled: &mut Settled,
    ) -> Result<(), sqlx::Error> {
        let mut ids = HashSet::new();
        let once: Vec<&NewJob> = children.iter().filter(|child| ids.insert(child.id)).collect();
        // Nobody could be told that there is no room for a child.
        let new = record(connection, &once, Entrance::Awaited, self.now()).await?.new;
        if new.len() == children.len() {
            return Ok(());
        }
        let (parents, named): (Vec<Option<Uuid>>, Vec<Uuid>) =
            children.iter().map(|child| (child.parent_id.map(|id| id.0), child.id.0)).unzip();
        let resumed = sqlx::query(include_str!("../../sql/postgres/adopt.sql"))
            .bind(parents)
            .bind(named)
            .bind(self.now())
            .fetch_all(connection)
            .await?;
        settled.resume(&resumed)
    }

    async fn settle(
        &self,
        connection: &mut Connection,
        ends: &[&RunEnd],
        settled: &mut Settled,
    ) -> Result<(), sqlx::Error> {
        let columns: Vec<Settlement<'_>> = ends.iter().map(|end| Settlement::of(&end.verdict)).collect();
        let rows = sqlx::query(include_str!("../../sql/postgres/settle.sql"))
            .bind(ends.iter().map(|end| end.run.id.0).collect::<Vec<Uuid>>())
            .bind(ends.iter().map(|end| end.run.lease).collect::<Vec<_>>())
            .bind(columns.iter().map(|c| c.state).collect::<Vec<_>>())
            .bind(columns.iter().map(|c| millis(c.delay)).collect::<Vec<_>>())
            .bind(columns.iter().map(|c| c.spent).collect::<Vec<_>>())
            .bind(columns.iter().map(|c| c.lost).collect::<Vec<_>>())
            .bind(columns.iter().map(|c| c.outcome).collect::<Vec<_>>())
            .bind(columns.iter().map(|c| c.error.map(|e| e.0)).collect::<Vec<_>>())
            .bind(columns.iter().map(|c| c.error.map(|e| rows::without_nul(e.1).into_owned())).collect::<Vec<_>>())
            .bind(columns.iter().map(|c| c.checkpoint.map(|checkpoint| checkpoint.get())).collect::<Vec<_>>())
            .bind(columns.iter().map(|c| i32::try_from(c.awaited.len()).unwrap_or(i32::MAX)).collect::<Vec<_>>())
            .bind(self.now())
            .bind(columns.iter().map(|c| c.need).collect::<Vec<_>>())
            .fetch_all(connection)
            .await?;
        settled.read(&rows)
    }
}

impl Settled {
    /// Reads the roles of parents that go on.
    fn resume(&mut self, rows: &[PgRow]) -> Result<(), sqlx::Error> {
        for row in rows {
            self.resumed.push(rows::role(row, "role")?);
        }
        Ok(())
    }

    fn read(&mut self, rows: &[PgRow]) -> Result<(), sqlx::Error> {
        for row in rows {
            let id = JobId(row.try_get("id")?);
            match row.try_get("state")? {
                "told" => self.told = true,
                "gated" => self.gated = true,
                "awaited" => {
                    *self.awaited.entry(id).or_default() += row.try_get::<i64, _>("run_lease")?;
                    if row.try_get::<Option<&str>, _>("role")?.is_some() {
                        self.resumed.push(rows::role(row, "role")?);
                    }
                }
                state => {
                    let run = Run { id, lease: row.try_get("run_lease")? };
                    self.held.insert(run);
                    if state == "cancelled" {
                        self.cancelled.insert(run);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The children of the runs that do wait for them: not of those that lost their lease or
/// were asked to stop.
fn awaited_children(ends: &[&RunEnd], settled: &Settled) -> Vec<NewJob> {
    let mut awaited = Vec::new();
    for end in ends.iter().filter(|end| settled.held.contains(&end.run) && !settled.cancelled.contains(&end.run)) {
        if let Verdict::Await { children, .. } = &end.verdict {
            let parent_id = Some(end.run.id);
            awaited.extend(children.iter().map(|child| NewJob { parent_id, idempotency: None, ..child.clone() }));
        }
    }
    awaited
}
