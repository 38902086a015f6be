//! What the store and the API have, as it is read for the books.

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row};

use super::Off;
use crate::{load::Clients, plan::TENANTS};

/// One job as the store has it.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) state: String,
    pub(crate) attempt: i32,
    /// Runs on record that spent an attempt and did not succeed.
    pub(crate) attempts: i64,
    pub(crate) letters: i64,
    /// Types of its events.
    pub(crate) events: Vec<String>,
}

/// Every job that was not made to tell of another, by its id.
pub(crate) async fn jobs(sql: &mut PgConnection) -> BTreeMap<String, Kept> {
    let rows = sqlx::query(
        "SELECT j.id::text, j.state, j.attempt, COALESCE(a.attempts, 0) AS attempts, COALESCE(d.letters, 0) AS letters,
                COALESCE(e.events, '{}') AS events
         FROM jobs j
         LEFT JOIN (SELECT job_id, count(*) AS attempts FROM job_attempts GROUP BY 1) a ON a.job_id = j.id
         LEFT JOIN (SELECT job_id, count(*) AS letters FROM dlq_messages GROUP BY 1) d ON d.job_id = j.id
         LEFT JOIN (SELECT job_id, array_agg(event) AS events FROM events GROUP BY 1) e ON e.job_id = j.id
         WHERE j.kind <> 'webhook.deliver'",
    )
    .fetch_all(&mut *sql)
    .await
    .unwrap();
    rows.into_iter()
        .map(|row| {
            let job = Kept {
                state: row.get("state"),
                attempt: row.get("attempt"),
                attempts: row.get("attempts"),
                letters: row.get("letters"),
                events: row.get("events"),
            };
            (format!("job_{}", row.get::<String, _>("id")), job)
        })
        .collect()
}

/// The states of jobs in the API's lists, by their ids: one pass by cursor for each tenant, which sees its own and no
/// other's.
pub(crate) async fn listed(clients: &Clients) -> BTreeMap<String, String> {
    let mut listed = BTreeMap::new();
    for (tenant, name) in TENANTS.iter().enumerate() {
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/jobs?kind=noop&limit=100{cursor}");
            let (status, page) = clients.call(tenant, "GET", &path, tenant, None).await.unwrap();
            assert_eq!(status, 200, "{page}");
            for job in page["data"].as_array().unwrap() {
                assert_eq!(job["tenant"], *name);
                let [id, state] = ["id", "state"].map(|field| job[field].as_str().unwrap().to_owned());
                let before = listed.insert(id, state);
                assert!(before.is_none(), "{job} is listed twice");
            }
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
    }
    listed
}

/// What must be empty once all has ended.
pub(crate) const LEFT: [(&str, &str); 6] = [
    ("open jobs", "SELECT count(*) FROM jobs WHERE state NOT IN ('succeeded', 'dead', 'cancelled')"),
    ("rows of ready", "SELECT count(*) FROM ready"),
    ("rows of running", "SELECT count(*) FROM running"),
    ("rows of scheduled", "SELECT count(*) FROM scheduled"),
    ("events not passed on", "SELECT count(*) FROM outbox"),
    ("events not published", "SELECT count(*) FROM publications"),
];

/// How many there are of what must not be left.
pub(crate) async fn left(sql: &mut PgConnection) -> Vec<(&'static str, i64)> {
    let mut left = Vec::new();
    for (what, query) in LEFT {
        let count = sqlx::query_scalar(query).fetch_one(&mut *sql).await.unwrap();
        if count > 0 {
            left.push((what, count));
        }
    }
    left
}

/// No number of the plan became two jobs, and no message is undelivered.
pub(crate) async fn store(sql: &mut PgConnection, off: &mut Off) {
    off.all("left over", left(sql).await.into_iter().map(|(what, count)| format!("{count} {what}")));
    for (what, query) in [
        (
            "planned once and recorded twice",
            "SELECT metadata->>'number' FROM jobs WHERE kind = 'noop' GROUP BY 1 HAVING count(*) > 1",
        ),
        (
            "webhooks not delivered",
            "SELECT id::text || ' is ' || state FROM jobs WHERE kind = 'webhook.deliver' AND state <> 'succeeded'",
        ),
    ] {
        off.all(what, sqlx::query_scalar::<_, String>(query).fetch_all(&mut *sql).await.unwrap());
    }
}

/// The longest time that passed between two ends, in seconds, and how long after the first job it began.
pub(crate) async fn standstill(sql: &mut PgConnection) -> (f64, f64) {
    let row = sqlx::query(
        "SELECT extract(epoch FROM finished_at - before)::float8,
                extract(epoch FROM before - (SELECT min(created_at) FROM jobs))::float8
         FROM (SELECT finished_at, lag(finished_at) OVER (ORDER BY finished_at) AS before
               FROM jobs WHERE kind = 'noop') AS ends
         WHERE before IS NOT NULL ORDER BY finished_at - before DESC LIMIT 1",
    )
    .fetch_one(sql)
    .await
    .unwrap();
    (row.get(0), row.get(1))
}

/// What became of jobs and runs, for the table.
pub(crate) async fn counts(sql: &mut PgConnection) -> Vec<(String, i64)> {
    let rows = sqlx::query(
        "SELECT 'jobs ' || state, count(*) FROM jobs WHERE kind = 'noop' GROUP BY 1
         UNION ALL SELECT 'runs that ended as ' || outcome, count(*) FROM job_attempts GROUP BY 1 ORDER BY 1",
    )
    .fetch_all(sql)
    .await
    .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}
