//! Jobs come in.

use std::{
    collections::{HashMap, HashSet},
    sync::PoisonError,
};

use chrono::{DateTime, Utc};
use rand::Rng;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{PostgresStore, millis, rows};
use crate::{
    id::JobId,
    store::{Due, IDEMPOTENCY_WINDOW, Idempotency, Inserted, NewJob, StoreError},
};

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
        let new = self
            .in_time(|| async { record(&mut *self.pool.acquire().await?, &first, false, self.now()).await })
            .await?;

        for job in jobs.iter().filter(|job| new.contains_key(&job.id)) {
            match job.due {
                Due::Now => self.wake([job.role]),
                Due::In(delay) => self.wakes.due_in(delay),
                Due::At(at) => {
                    let now = new.get(&job.id).map_or(at, |recorded| recorded.1);
                    self.wakes.due_in((at - now).to_std().unwrap_or_default());
                }
            }
        }
        let repeats: Vec<&NewJob> = jobs.iter().filter(|job| !new.contains_key(&job.id)).collect();
        let mut known = if repeats.is_empty() { Recorded::default() } else { self.recorded(&repeats).await? };
        // Two jobs of one batch may share an id; the later is told what the first was.
        known.jobs.extend(new);
        jobs.iter().map(|job| known.answer(job)).collect()
    }

    /// Makes sure that tenants have a row, which holds their secret and their weight.
    pub(super) async fn know_tenants<'a>(&self, tenants: impl IntoIterator<Item = &'a str>) -> Result<(), StoreError> {
        let unknown: HashSet<&str> = {
            let known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            tenants.into_iter().filter(|tenant| !known.contains(*tenant)).collect()
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
        known.extend(unknown.into_iter().map(str::to_owned));
        Ok(())
    }

    async fn recorded(&self, repeats: &[&NewJob]) -> Result<Recorded, StoreError> {
        let keyed = || repeats.iter().filter_map(|job| job.idempotency.as_ref().map(|i| key(&job.tenant_id, i)));
        let ids: Vec<Uuid> = repeats.iter().map(|job| job.id.0).collect();
        let rows = self
            .in_time(|| {
                sqlx::query(include_str!("../../sql/postgres/recorded.sql"))
                    .bind(keyed().map(|k| k.0).collect::<Vec<_>>())
                    .bind(keyed().map(|k| k.1).collect::<Vec<_>>())
                    .bind(keyed().map(|k| k.2).collect::<Vec<_>>())
                    .bind(&ids)
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
struct Recorded {
    keys: HashMap<(String, String, String), ([u8; 32], JobId)>,
    jobs: HashMap<JobId, (DateTime<Utc>, DateTime<Utc>)>,
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

    fn answer(&self, job: &NewJob) -> Result<Inserted, StoreError> {
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

/// Records jobs on a connection or within a transaction. Answers the new ones with their
/// (run_at, created_at).
pub(super) async fn record(
    connection: &mut PgConnection,
    jobs: &[&NewJob],
    awaited: bool,
    now: Option<DateTime<Utc>>,
) -> Result<HashMap<JobId, (DateTime<Utc>, DateTime<Utc>)>, sqlx::Error> {
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
        .bind(awaited)
        .bind(now)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| Ok((JobId(row.try_get("id")?), (row.try_get("run_at")?, row.try_get("created_at")?))))
        .collect()
}
