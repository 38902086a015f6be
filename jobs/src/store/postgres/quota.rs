//! Jobs come in where a quota bounds the queue.

use std::collections::{BTreeMap, HashMap};

use sqlx::Row;

use super::{
    Connection, PostgresStore,
    insert::{Entrance, Times, record},
    step,
};
use crate::{
    id::JobId,
    role::Role,
    store::{Due, NewJob, StoreError},
};

const FILE: &str = include_str!("../../sql/postgres/room.sql");
const TAKEN: &str = step(FILE, "taken");
const BOUND: &str = step(FILE, "bound");
const COUNT: &str = step(FILE, "count");
const LATER: &str = step(FILE, "later");

/// A role and a tenant.
pub(super) type Queue = (Role, String);

#[derive(Default)]
pub(super) struct Counted {
    pub new: HashMap<JobId, Times>,
    /// The queues that had not room for all, and how many jobs they may hold.
    pub full: HashMap<Queue, u64>,
}

impl PostgresStore {
    /// Records as many of these jobs as their queues have room for.
    pub(super) async fn insert_counted(&self, jobs: &[&NewJob]) -> Result<Counted, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let counted = self.count_in(&mut tx, jobs).await?;
            tx.commit().await?;
            Ok(counted)
        })
        .await
    }

    /// The same within a transaction. Their queues are held until its end, so that nobody else
    /// fills them.
    pub(super) async fn count_in(&self, tx: &mut Connection, jobs: &[&NewJob]) -> Result<Counted, sqlx::Error> {
        let mut queues: BTreeMap<(&str, &str), Vec<&NewJob>> = BTreeMap::new();
        for job in jobs {
            queues.entry((job.role.as_str(), &job.tenant_id)).or_default().push(job);
        }
        let mut counted = Counted::default();
        let mut welcome = Vec::with_capacity(jobs.len());
        for ((role, tenant), jobs) in &queues {
            let (limit, room) = self.room(&mut *tx, role, tenant, jobs.len()).await?;
            welcome.extend(jobs.iter().copied().take(room));
            if let Some(refused) = jobs.get(room) {
                counted.full.insert((refused.role, (*tenant).to_owned()), limit);
            }
        }
        if welcome.is_empty() {
            return Ok(counted);
        }
        counted.new = record(&mut *tx, &welcome, Entrance::Open, self.now()).await?.new;
        for ((role, tenant), jobs) in &queues {
            let later = jobs.iter().filter(|job| job.due != Due::Now && counted.new.contains_key(&job.id));
            let later = i64::try_from(later.count()).unwrap_or(i64::MAX);
            if later > 0 {
                sqlx::query(LATER).bind(role).bind(tenant).bind(later).execute(&mut *tx).await?;
            }
        }
        Ok(counted)
    }

    /// How many a queue may hold, and how many more that is.
    async fn room(
        &self,
        connection: &mut Connection,
        role: &str,
        tenant: &str,
        wanted: usize,
    ) -> Result<(u64, usize), sqlx::Error> {
        let limit: Option<Option<i64>> =
            sqlx::query_scalar(TAKEN).bind(role).bind(tenant).fetch_optional(&mut *connection).await?;
        // The quota may have been lifted meanwhile.
        let Some(limit) = limit.flatten() else { return Ok((u64::MAX, usize::MAX)) };
        let row = sqlx::query(BOUND).bind(role).bind(tenant).bind(self.now()).fetch_one(&mut *connection).await?;
        let mut queued: i64 = row.try_get("bound")?;
        let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
        if queued.saturating_add(wanted) > limit && row.try_get("stale")? {
            queued =
                sqlx::query_scalar(COUNT).bind(role).bind(tenant).bind(self.now()).fetch_one(&mut *connection).await?;
        }
        Ok((u64::try_from(limit).unwrap_or(0), usize::try_from(limit - queued).unwrap_or(0)))
    }
}
