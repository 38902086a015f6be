//! Users act on a job: cancel it, run it again.

use super::{PostgresStore, ids, rows, step};
use crate::{
    audit::{Actor, acts},
    id::JobId,
    record::Move,
    store::{Retried, Store, StoreError},
    wake::Hint,
};

const CANCEL: &str = include_str!("../../sql/postgres/cancel.sql");
const TREE: &str = step(CANCEL, "tree");
const LEFT: &str = step(CANCEL, "left");

impl PostgresStore {
    pub(super) async fn cancel_tree(&self, tenant: &str, job: JobId, by: &Actor) -> Result<Option<bool>, StoreError> {
        let mut any_open = false;
        // A job on its way between two tables is missed once; the next look finds it.
        for _ in 0..100 {
            let cancelled = self
                .in_time(|| async {
                    let mut tx = self.begin().await?;
                    let row = sqlx::query(TREE).bind(tenant).bind(job.0).bind(self.now()).fetch_one(&mut *tx).await?;
                    let mut cancelled = rows::cancelled(&row)?;
                    if !cancelled.ended.is_empty() {
                        let left = sqlx::query_scalar::<_, i64>(LEFT).bind(ids(&cancelled.ended));
                        cancelled.missed += left.fetch_one(&mut *tx).await?;
                    }
                    if !cancelled.asking.is_empty() {
                        cancelled.told |= self.withdraw_escalations(&mut tx, &cancelled.asking, by).await?;
                    }
                    let (ended, asked) = (cancelled.ended.len(), cancelled.asked);
                    if ended > 0 || asked > 0 {
                        self.audit(&mut tx, tenant, by, acts::cancelled(job, ended, asked)).await?;
                    }
                    tx.commit().await?;
                    Ok(cancelled)
                })
                .await?;
            if !cancelled.found {
                return Ok(None);
            }
            any_open |= !cancelled.ended.is_empty() || cancelled.flagged > 0;
            self.stir();
            cancelled.ended.iter().for_each(|id| self.wakes.ended(*id));
            self.wake(cancelled.resumed);
            if cancelled.flagged > 0 {
                self.wakes.cancel();
                self.notifier.cancel();
                self.wakes.carry(Hint::Cancel(job));
            }
            self.tell(cancelled.told);
            if cancelled.missed == 0 {
                return Ok(Some(any_open));
            }
            tokio::task::yield_now().await;
        }
        Err(StoreError::Unavailable("the job kept moving while it was being cancelled".to_owned()))
    }

    pub(super) async fn retry_job(&self, tenant: &str, job: JobId, by: &Actor) -> Result<Retried, StoreError> {
        let Some(record) = self.job(tenant, job).await? else { return Ok(Retried::NoSuchJob) };
        let role = self
            .in_time(|| async {
                let mut tx = self.begin().await?;
                let again = sqlx::query(include_str!("../../sql/postgres/requeue.sql"))
                    .bind(vec![job.0])
                    .bind(None::<&str>)
                    .bind(self.now())
                    .bind(Move::Replay.leaves())
                    .fetch_optional(&mut *tx)
                    .await?;
                let moved = match again {
                    Some(row) => {
                        sqlx::query(include_str!("../../sql/postgres/resolve_jobs.sql"))
                            .bind(tenant)
                            .bind(vec![job.0])
                            .bind(&by.subject)
                            .bind(self.now())
                            .execute(&mut *tx)
                            .await?;
                        Some(row)
                    }
                    None => {
                        sqlx::query(include_str!("../../sql/postgres/hasten.sql"))
                            .bind(tenant)
                            .bind(job.0)
                            .bind(self.now())
                            .fetch_optional(&mut *tx)
                            .await?
                    }
                };
                if moved.is_some() {
                    self.audit(&mut tx, tenant, by, acts::retried(job)).await?;
                }
                tx.commit().await?;
                moved.map(|row| rows::role(&row, "role")).transpose()
            })
            .await?;
        Ok(match role {
            Some(role) => {
                self.wake([role]);
                Retried::Requeued
            }
            None => Retried::NotNow(record.state),
        })
    }
}
