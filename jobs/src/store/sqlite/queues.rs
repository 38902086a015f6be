//! Queues are paused, limited and looked at; jobs come in where a quota bounds their queue.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use sqlx::Row;

use super::{
    SqliteStore,
    audit::chain,
    entry, insert, now,
    params::{list, micros},
    role_names, rows,
    steps::step,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Act, Actor, acts},
    id::JobId,
    role::Role,
    store::{Due, LOOKED_AT, NewJob, Queue, QueueName, Queues, Quota, StoreError},
};

const ROOM: &str = include_str!("../../sql/sqlite/room.sql");
const BOUNDS: &str = step(ROOM, "bounds");
const COUNT: &str = step(ROOM, "count");
const COUNTED: &str = step(ROOM, "counted");
const LATER: &str = step(ROOM, "later");

/// How many jobs are let through in one look.
const THROUGH: i64 = 1_000;

/// How often gates are looked at in a row, while there is more to let through.
const LOOKS: u32 = 20;

/// How long a count is good enough to refuse by, in microseconds.
const FRESH: i64 = 1_000_000;

#[async_trait]
impl Queues for SqliteStore {
    async fn queues(&self, tenant: &str) -> Result<Vec<Queue>, StoreError> {
        let now = micros(now(&self.clock));
        self.read(async {
            let found = sqlx::query(include_str!("../../sql/sqlite/queues.sql"))
                .bind(tenant)
                .bind(list(role_names())?)
                .bind(LOOKED_AT)
                .fetch_all(&self.readers)
                .await?;
            found.iter().map(|row| rows::queue(row, now)).collect()
        })
        .await
    }

    async fn pause(&self, queue: &QueueName, by: &Actor) -> Result<(), StoreError> {
        self.writer.call(Change { queue: queue.clone(), what: What::Pause, by: by.clone() }).await?;
        self.admit().await;
        Ok(())
    }

    async fn resume(&self, queue: &QueueName, by: &Actor) -> Result<(), StoreError> {
        self.writer.call(Change { queue: queue.clone(), what: What::Resume, by: by.clone() }).await?;
        self.admit().await;
        Ok(())
    }

    async fn limit(&self, role: Role, tenant: &str, quota: Quota, by: &Actor) -> Result<(), StoreError> {
        let queue = QueueName { role, tenant_id: Some(tenant.to_owned()) };
        self.writer.call(Change { queue, what: What::Limit(quota), by: by.clone() }).await?;
        self.admit().await;
        Ok(())
    }
}

impl SqliteStore {
    /// Parks what was ready when gates closed, and lets through what has room.
    async fn admit(&self) {
        for _ in 0..LOOKS {
            match self.writer.call(Admit).await {
                Ok(true) => {}
                Ok(false) => break,
                // What was asked for holds; the rest is done by the next one to look, within a second.
                Err(error) => {
                    tracing::warn!(%error, "what is held back was not looked at");
                    break;
                }
            }
        }
    }
}

enum What {
    Pause,
    Resume,
    Limit(Quota),
}

struct Change {
    queue: QueueName,
    what: What,
    by: Actor,
}

#[async_trait]
impl Verb for Change {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        let statement = match &self.what {
            What::Pause => include_str!("../../sql/sqlite/pause.sql"),
            What::Resume => include_str!("../../sql/sqlite/resume.sql"),
            What::Limit(_) => include_str!("../../sql/sqlite/limit.sql"),
        };
        let tenant = self.queue.tenant_id.as_deref().unwrap_or_default();
        let query = sqlx::query(statement).bind(self.queue.role.as_str()).bind(tenant);
        let query = match &self.what {
            What::Pause => query.bind(&self.by.subject).bind(tx.now),
            What::Resume => query,
            What::Limit(quota) => query
                .bind(quota.max_queued.map(|most| i64::try_from(most).unwrap_or(i64::MAX)))
                .bind(quota.max_running)
                .bind(tx.now),
        };
        let act: Option<Act> = match &self.what {
            What::Pause => {
                let changed: bool = query.fetch_one(&mut *tx.connection).await?.try_get("changed")?;
                changed.then(|| acts::paused(&self.queue))
            }
            What::Resume => {
                let resumed = query.execute(&mut *tx.connection).await?.rows_affected() > 0;
                resumed.then(|| acts::resumed(&self.queue))
            }
            What::Limit(quota) => {
                query.execute(&mut *tx.connection).await?;
                Some(acts::limited(self.queue.role, *quota))
            }
        };
        if let Some(act) = act {
            chain(tx, &self.queue.chain(), &[(&self.by, &act)]).await?;
        }
        if matches!(self.what, What::Resume) {
            tx.hints.wake(self.queue.role);
        }
        Ok(())
    }
}

struct Admit;

#[async_trait]
impl Verb for Admit {
    /// Whether there may be more at once.
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        let parked = entry::park(tx).await?;
        Ok(entry::admit(tx, THROUGH).await? || parked)
    }
}

/// A bounded queue.
struct Bound {
    max_queued: i64,
    room: i64,
    later: i64,
}

/// What there is room for, where a quota bounds the queue.
#[derive(Default)]
pub(super) struct Room {
    /// Jobs that there is none for, with the quotas of their queues.
    pub refused: HashMap<JobId, u64>,
    /// Roles and tenants, and how many of the others are due later.
    pub later: Vec<(String, String, i64)>,
}

/// Which of the jobs there is room for. What was recorded before needs none.
pub(super) async fn room(tx: &mut Tx<'_>, jobs: &[&NewJob]) -> Result<Room, sqlx::Error> {
    let mut wanted: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for job in jobs {
        *wanted.entry((job.role.as_str(), &job.tenant_id)).or_default() += 1;
    }
    let stale = tx.now - FRESH;
    let found = sqlx::query(BOUNDS).bind(list(wanted.keys())?).bind(stale).fetch_all(&mut *tx.connection).await?;
    if found.is_empty() {
        return Ok(Room::default());
    }
    let known = insert::recorded(tx, jobs).await?;
    let mut bounds: HashMap<(String, String), Bound> = HashMap::new();
    for row in &found {
        let (role, tenant): (String, String) = (row.try_get("role")?, row.try_get("tenant_id")?);
        let max_queued: i64 = row.try_get("max_queued")?;
        let mut queued: i64 = row.try_get("bound")?;
        let more = wanted.get(&(role.as_str(), tenant.as_str())).copied().unwrap_or(0);
        if queued.saturating_add(more) > max_queued && row.try_get("stale")? {
            queued = sqlx::query_scalar(COUNT).bind(&role).bind(&tenant).fetch_one(&mut *tx.connection).await?;
            let counted = sqlx::query(COUNTED).bind(&role).bind(&tenant).bind(queued).bind(tx.now);
            counted.execute(&mut *tx.connection).await?;
        }
        bounds.insert((role, tenant), Bound { max_queued, room: max_queued - queued, later: 0 });
    }
    let mut refused = HashMap::new();
    for job in jobs.iter().filter(|job| !known.contains_key(&job.id)) {
        let Some(bound) = bounds.get_mut(&(job.role.as_str().to_owned(), job.tenant_id.clone())) else { continue };
        bound.room -= 1;
        if bound.room < 0 {
            refused.insert(job.id, u64::try_from(bound.max_queued).unwrap_or(0));
        } else if job.due != Due::Now {
            bound.later += 1;
        }
    }
    let later = bounds.into_iter().filter(|(_, b)| b.later > 0).map(|((r, t), b)| (r, t, b.later)).collect();
    Ok(Room { refused, later })
}

/// Counts jobs that are due later, as [`room`] found them: they take their room as well.
pub(super) async fn charge(tx: &mut Tx<'_>, later: &[(String, String, i64)]) -> Result<(), sqlx::Error> {
    if !later.is_empty() {
        sqlx::query(LATER).bind(list(later)?).execute(&mut *tx.connection).await?;
    }
    Ok(())
}
