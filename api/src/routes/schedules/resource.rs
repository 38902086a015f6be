//! Schedules as clients see them.

use chrono::{DateTime, Utc};
use golden_jobs::{
    JobId, ScheduleId,
    schedules::{Template, Timetable, cron, zone},
    store::schedules::{CatchUp, LastSlot, Schedule},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use crate::resource::job_path;

/// A job that comes back by the clock.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Schedule", example = example())]
pub(crate) struct ScheduleResource {
    id: ScheduleId,
    name: String,
    tenant: String,
    cron: String,
    time_zone: String,
    catch_up: CatchUp,
    paused: bool,
    /// What is submitted at each slot, with every default filled in.
    #[schemars(with = "Template")]
    job: Box<RawValue>,
    /// Null while it is paused.
    next_slot: Option<DateTime<Utc>>,
    /// The next slots, the first one among them. Only where one schedule is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_slots: Option<Vec<DateTime<Utc>>>,
    /// What the last slot came to.
    last: Option<LastSlot>,
    /// The job of the last slot that fired.
    last_job_id: Option<JobId>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    links: ScheduleLinks,
}

/// Paths of what belongs to a schedule.
#[derive(Debug, Serialize, JsonSchema)]
struct ScheduleLinks {
    #[serde(rename = "self")]
    itself: String,
    pause: String,
    resume: String,
    run: String,
    last_job: Option<String>,
}

/// Where a schedule is read.
pub(super) fn schedule_path(id: ScheduleId) -> String {
    format!("/v1/schedules/{id}")
}

impl ScheduleResource {
    /// With so many of its next slots.
    pub(super) fn with_slots(schedule: Schedule, count: usize) -> Self {
        let timetable = match (cron(&schedule.cron), zone(&schedule.time_zone)) {
            (Ok(cron), Ok(zone)) => Some(Timetable::new(cron, zone)),
            // Another build took it, and this one cannot tell.
            _ => None,
        };
        let slots = schedule.next_slot.into_iter().flat_map(|next| {
            let later = timetable.iter().flat_map(move |timetable| timetable.upcoming(next));
            std::iter::once(next).chain(later)
        });
        let next_slots = Some(slots.take(count).collect());
        Self { next_slots, ..Self::from(schedule) }
    }
}

impl From<Schedule> for ScheduleResource {
    fn from(schedule: Schedule) -> Self {
        let itself = schedule_path(schedule.id);
        Self {
            links: ScheduleLinks {
                pause: format!("{itself}/pause"),
                resume: format!("{itself}/resume"),
                run: format!("{itself}/run"),
                last_job: schedule.last_job_id.map(job_path),
                itself,
            },
            id: schedule.id,
            name: schedule.name,
            tenant: schedule.tenant_id,
            cron: schedule.cron,
            time_zone: schedule.time_zone,
            catch_up: schedule.catch_up,
            paused: schedule.next_slot.is_none(),
            job: schedule.submission,
            next_slot: schedule.next_slot,
            next_slots: None,
            last: schedule.last,
            last_job_id: schedule.last_job_id,
            created_at: schedule.created_at,
            updated_at: schedule.updated_at,
        }
    }
}

/// What the documentation shows.
fn example() -> Value {
    let path = "/v1/schedules/sch_01981d2c-3f6a-7b1e-8c4d-2a9e5b7f0d13";
    json!({
        "id": "sch_01981d2c-3f6a-7b1e-8c4d-2a9e5b7f0d13",
        "name": "nightly prices",
        "tenant": "acme",
        "cron": "30 3 * * MON-FRI",
        "time_zone": "Europe/Berlin",
        "catch_up": "one",
        "paused": false,
        "job": {
            "kind": "http.call",
            "payload": {"method": "GET", "url": "https://example.com/prices"},
            "priority": 5,
            "max_attempts": 5,
            "timeout": 30,
        },
        "next_slot": "2026-01-05T02:30:00Z",
        "last": {"slot": "2026-01-02T02:30:00Z", "outcome": "fired", "error": null},
        "last_job_id": "job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
        "created_at": "2025-12-30T10:00:00Z",
        "updated_at": "2025-12-30T10:00:00Z",
        "links": {
            "self": path,
            "pause": format!("{path}/pause"),
            "resume": format!("{path}/resume"),
            "run": format!("{path}/run"),
            "last_job": "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
        },
    })
}
