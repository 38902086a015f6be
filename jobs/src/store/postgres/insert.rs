//! Jobs come in.

use std::{
    collections::{HashMap, HashSet},
    sync::PoisonError,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use rand::Rng;
use sqlx::Row;
use uuid::Uuid;

use super::{Connection, PostgresStore, millis, quota::Counted, rows};
use crate::{
    budgets::Micros,
    id::JobId,
    store::{Due, IDEMPOTENCY_WINDOW, Idempotency, Inserted, NewJob, StoreError},
};

/// How long a tenant that was seen to have a row is taken to have it: another process may delete it.
const KNOWN_FOR: Duration = Duration::from_secs(60);

/// Names a submission that may be repeated: tenant, route, key.
type Key<'a> = (&'a str, &'a str, &'a str);

fn key<'a>(tenant: &'a str, idempotency: &'a Idempotency) -> Key<'a> {
    (tenant, &idempotency.route, &idempotency.key)
}

impl PostgresStore {
    pub(super) async fn insert_jobs(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>, StoreError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        self.know_tenants(jobs.iter().map(|job| job.tenant_id.as_str())).await?;

        // One statement may touch a key once: the first of a batch goes, the others look it up.
        let mut keys = HashSet::new();
        let mut ids = HashSet::new();
        let first: Vec<&NewJob> = jobs
            .iter()
            .filter(|job| {
                ids.insert(job.id) && job.idempotency.as_ref().is_none_or(|i| keys.insert(key(&job.tenant_id, i)))
            })
            .collect();
        let Recording { mut new, capped, parked } = self
            .in_time(|| async {
                let mut tx = self.pool.begin_one().await?;
                let recording = record(&mut tx, &first, Entrance::Quota, self.now()).await?;
                tx.commit().await?;
                Ok(recording)
            })
            .await?;
        let counted =
            if capped.is_empty() { Ok(Counted::default()) } else { self.insert_capped(&first, &capped).await };
        // The others are recorded by now, whatever comes of these.
        let (full, failed) = match counted {
            Ok(counted) => {
                new.extend(counted.new);
                (counted.full, None)
            }
            Err(error) => (HashMap::new(), Some(error)),
        };

        self.tell_of(&jobs, &new);
        let repeats: Vec<&NewJob> = jobs.iter().filter(|job| !new.contains_key(&job.id)).collect();
        let mut known = if repeats.is_empty() { Recorded::default() } else { self.recorded(&repeats).await? };
        // Two jobs of one batch may share an id; the later is told what the first was.
        known.jobs.extend(new);
        if parked || !capped.is_empty() {
            self.admit_aside(jobs.iter().map(|job| job.role)).await;
        }
        jobs.iter()
            .map(|job| match (known.answer(job), full.get(&(job.role, job.tenant_id.clone())), &failed) {
                (Err(_), Some(max_queued), _) => Ok(Inserted::QueueFull { max_queued: *max_queued }),
                (Err(_), None, Some(error)) => Ok(Inserted::Failed(error.clone())),
                (answer, ..) => answer,
            })
            .collect()
    }

    /// Records jobs whose queues have a quota, as far as there is room. What was recorded before
    /// needs none.
    async fn insert_capped(&self, jobs: &[&NewJob], capped: &HashSet<JobId>) -> Result<Counted, StoreError> {
        let asked: Vec<&NewJob> = jobs.iter().copied().filter(|job| capped.contains(&job.id)).collect();
        let known = self.recorded(&asked).await?;
        let asked: Vec<&NewJob> = asked.into_iter().filter(|job| known.answer(job).is_err()).collect();
        self.insert_counted(&asked).await
    }

    /// Makes sure that tenants have a row, which holds their secret and their weight.
    pub(super) async fn know_tenants<'a>(&self, tenants: impl IntoIterator<Item = &'a str>) -> Result<(), StoreError> {
        let unknown: HashSet<&str> = {
            let known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            let recent = |tenant: &&str| known.get(*tenant).is_some_and(|since| since.elapsed() < KNOWN_FOR);
            tenants.into_iter().filter(|tenant| !recent(tenant)).collect()
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let unknown: Vec<&str> = unknown.into_iter().collect();
        let secrets: Vec<Vec<u8>> = unknown.iter().map(|_| rand::rng().random::<[u8; 32]>().to_vec()).collect();
        self.in_time(|| {
            sqlx::query(include_str!("../../sql/postgres/tenants.sql"))
                .bind(&unknown)
                .bind(&secrets)
                .bind(self.now())
                .execute(&self.pool)
        })
        .await?;
        let mut known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, since| since.elapsed() < KNOWN_FOR);
        known.extend(unknown.into_iter().map(|tenant| (tenant.to_owned(), Instant::now())));
        Ok(())
    }

    /// Tells those who may run the new ones among these jobs, now or when they are due.
    pub(super) fn tell_of(&self, jobs: &[NewJob], new: &HashMap<JobId, Times>) {
        for (job, (_, now)) in jobs.iter().filter_map(|job| Some((job, new.get(&job.id)?))) {
            match job.due {
                Due::Now => self.wake([job.role]),
                Due::In(delay) => self.wakes.due_in(delay),
                Due::At(at) => self.wakes.due_in((at - *now).to_std().unwrap_or_default()),
            }
        }
    }

    pub(super) async fn recorded(&self, repeats: &[&NewJob]) -> Result<Recorded, StoreError> {
        let keyed = || repeats.iter().filter_map(|job| job.idempotency.as_ref().map(|i| key(&job.tenant_id, i)));
        let ids: Vec<Uuid> = repeats.iter().map(|job| job.id.0).collect();
        let rows = self
            .in_time(|| {
                sqlx::query(include_str!("../../sql/postgres/recorded.sql"))
                    .bind(keyed().map(|k| k.0).collect::<Vec<_>>())
                    .bind(keyed().map(|k| k.1).collect::<Vec<_>>())
                    .bind(keyed().map(|k| k.2).collect::<Vec<_>>())
                    .bind(&ids)
                    .bind(i64::try_from(IDEMPOTENCY_WINDOW.as_secs()).unwrap_or(i64::MAX))
                    .bind(self.now())
                    .fetch_all(&self.pool)
            })
            .await?;
        let mut recorded = Recorded::default();
        for row in &rows {
            recorded.read(row).map_err(rows::classify)?;
        }
        Ok(recorded)
    }
}

/// What is known of submissions that came before.
#[derive(Default)]
pub(super) struct Recorded {
    keys: HashMap<(String, String, String), ([u8; 32], JobId)>,
    jobs: HashMap<JobId, Times>,
}

impl Recorded {
    fn read(&mut self, row: &sqlx::postgres::PgRow) -> Result<(), sqlx::Error> {
        let id = JobId(row.try_get("id")?);
        match row.try_get::<Option<String>, _>("key")? {
            Some(key) => {
                let name = (row.try_get("tenant_id")?, row.try_get("route")?, key);
                self.keys.insert(name, (row.try_get("fingerprint")?, id));
            }
            None => {
                self.jobs.insert(id, (row.try_get("run_at")?, row.try_get("created_at")?));
            }
        }
        Ok(())
    }

    pub(super) fn answer(&self, job: &NewJob) -> Result<Inserted, StoreError> {
        if let Some((run_at, created_at)) = self.jobs.get(&job.id) {
            return Ok(Inserted::New { id: job.id, run_at: *run_at, created_at: *created_at });
        }
        let known = job.idempotency.as_ref().and_then(|i| {
            let name = (job.tenant_id.clone(), i.route.clone(), i.key.clone());
            self.keys.get(&name).map(|(fingerprint, id)| (*fingerprint == i.fingerprint, *id))
        });
        match known {
            Some((true, id)) => Ok(Inserted::Replayed { id }),
            Some((false, _)) => Ok(Inserted::KeyReused),
            None => Err(StoreError::Unavailable("the job was neither recorded nor known".to_owned())),
        }
    }
}

/// When a job is due, and since when it is known.
pub(super) type Times = (DateTime<Utc>, DateTime<Utc>);

#[derive(Default)]
pub(super) struct Recording {
    pub new: HashMap<JobId, Times>,
    /// Not recorded: their queues have a quota.
    pub capped: HashSet<JobId>,
    /// Whether any has to wait behind a gate.
    pub parked: bool,
}

/// How jobs come in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Entrance {
    /// Those whose queues have a quota are not recorded: they are to be counted first.
    Quota,
    /// They were counted, or no quota holds for them.
    Open,
    /// Likewise, and a parent waits for them.
    Awaited,
}

/// Records jobs on a connection or within a transaction.
pub(super) async fn record(
    connection: &mut Connection,
    jobs: &[&NewJob],
    entrance: Entrance,
    now: Option<DateTime<Utc>>,
) -> Result<Recording, sqlx::Error> {
    let column = |f: fn(&NewJob) -> &str| jobs.iter().map(|job| f(job)).collect::<Vec<&str>>();
    let keys = |f: fn(&Idempotency) -> &str| {
        jobs.iter().map(|job| job.idempotency.as_ref().map(f)).collect::<Vec<Option<&str>>>()
    };
    let rows = sqlx::query(include_str!("../../sql/postgres/insert.sql"))
        .bind(jobs.iter().map(|job| job.id.0).collect::<Vec<_>>())
        .bind(column(|job| &job.tenant_id))
        .bind(column(|job| &job.kind))
        .bind(column(|job| job.role.as_str()))
        .bind(jobs.iter().map(|job| i16::from(job.priority)).collect::<Vec<_>>())
        .bind(column(|job| job.payload.get()))
        .bind(jobs.iter().map(|job| i32::try_from(job.max_attempts).unwrap_or(i32::MAX)).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| millis(job.timeout)).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| if let Due::At(at) = job.due { Some(at) } else { None }).collect::<Vec<_>>())
        .bind(
            jobs.iter()
                .map(|job| if let Due::In(delay) = job.due { Some(millis(delay)) } else { None })
                .collect::<Vec<_>>(),
        )
        .bind(jobs.iter().map(|job| job.metadata.as_ref().map(|m| m.get())).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| job.callback_url.as_deref()).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| job.parent_id.map(|id| id.0)).collect::<Vec<_>>())
        .bind(keys(|i| &i.route))
        .bind(keys(|i| &i.key))
        .bind(jobs.iter().map(|job| job.idempotency.as_ref().map(|i| i.fingerprint.to_vec())).collect::<Vec<_>>())
        .bind(i64::try_from(IDEMPOTENCY_WINDOW.as_secs()).unwrap_or(i64::MAX))
        .bind(entrance == Entrance::Awaited)
        .bind(now)
        .bind(entrance != Entrance::Quota)
        .bind(jobs.iter().map(|job| job.trace.as_ref().map(ToString::to_string)).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| job.max_cost.map(Micros::get)).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let mut recording = Recording::default();
    for row in &rows {
        let id = JobId(row.try_get("id")?);
        match row.try_get::<Option<DateTime<Utc>>, _>("run_at")? {
            Some(run_at) => {
                recording.new.insert(id, (run_at, row.try_get("created_at")?));
                recording.parked |= row.try_get::<bool, _>("parked")?;
            }
            None => drop(recording.capped.insert(id)),
        }
    }
    Ok(recording)
}
